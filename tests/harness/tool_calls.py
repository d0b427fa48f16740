"""What a service sends for a response that calls functions."""

import json


def called(response, *calls, status="completed", **members):
    """What a service sends for a response that calls functions: `(call_id, name, arguments)` each."""
    items = [
        {
            "id": f"f_{call_id}",
            "type": "function_call",
            "status": "completed",
            "call_id": call_id,
            "name": name,
        }
        | {"arguments": arguments if isinstance(arguments, str) else json.dumps(arguments)}
        for call_id, name, arguments in calls
    ]
    body = {"id": response, "conversation_id": "c1", **members}
    return [
        {"type": "response.created", "response": {**body, "status": "in_progress"}},
        *(
            {"type": "conversation.item.added", "item": {**item, "arguments": "", "status": "in_progress"}}
            for item in items
        ),
        *({"type": "response.output_item.done", "response_id": response, "item": item} for item in items),
        {"type": "response.done", "response": {**body, "status": status, "output": items}},
    ]
