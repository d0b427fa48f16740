"""The service's side of a session over a WebSocket: what it says to what it hears, in the order that was recorded of Azure.

Shapes and order: recorded sessions of Azure OpenAI and OpenAI (server VAD, input transcription with and without its
deployment).
"""

import base64
import itertools
import json
import logging
import time

from websockets.frames import Opcode
from websockets.server import ServerProtocol

TURN = 10
"""Chunks of sound after which the user has said something."""

SILENT = logging.Logger("stand-in", logging.CRITICAL + 1)


class CloudSession:
    """One session; `deployments` are the names that a transcription model may have, `unasked` what it does unasked."""

    def __init__(self, session, deployments, unasked=None):
        self.unasked = unasked
        self.session = session | {
            "object": "realtime.session",
            "id": "sess_1",
            "expires_at": int(time.time()) + 3600,
        }
        self.deployments = deployments
        self._chunks = self._turns = 0
        self._last = None

    def begin(self):
        """The first word."""
        return [{"type": "session.created", "session": self.session}]

    def hear(self, event):
        """What it says to an event."""
        match event:
            case {"type": "session.update"}:
                self.session |= event["session"]
                return [{"type": "session.updated", "session": self.session}]
            case {"type": "conversation.item.create", "item": item}:
                return self._item(item)
            case {"type": "response.create"}:
                return self._reply()
            case {"type": "input_audio_buffer.append", "audio": audio} if any(base64.b64decode(audio)):
                self._chunks += 1
                return self._turn() if self._chunks % TURN == 0 else []
        return []

    def _item(self, item):
        added = {"previous_item_id": self._last, "item": item}
        self._last = item["id"]
        return [{"type": f"conversation.item.{step}", **added} for step in ("added", "done")]

    def _turn(self):
        self._turns += 1
        item_id, before = f"item_u{self._turns}", self._last
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, "type": "message", "role": "user", "status": "completed", "content": content}
        heard = [
            {"type": "input_audio_buffer.speech_started", "item_id": item_id, "audio_start_ms": 0},
            {"type": "input_audio_buffer.speech_stopped", "item_id": item_id, "audio_end_ms": 200},
            {"type": "input_audio_buffer.committed", "item_id": item_id, "previous_item_id": before},
            *self._item(item),
        ]
        created, *reply = self._reply()
        return [*heard, created, *self._transcribed(item_id), *reply]

    def _transcribed(self, item_id):
        wanted = self.session["audio"]["input"].get("transcription", self.unasked)
        if wanted is None:
            return []
        which = {"item_id": item_id, "content_index": 0}
        prefix = "conversation.item.input_audio_transcription"
        if wanted["model"] in self.deployments:
            usage = {"type": "duration", "seconds": 1}
            return [{"type": f"{prefix}.completed", "transcript": "Hello.", "usage": usage, **which}]
        error = {"type": "server_error", "code": "DeploymentNotFound", "param": None}
        error["message"] = f"Input transcription failed for item '{item_id}'."
        return [{"type": f"{prefix}.failed", "error": error, **which}]

    def _reply(self):
        number = self._turns if self._last == f"item_u{self._turns}" else f"t{self._last}"
        response = {
            "id": f"resp_{number}",
            "conversation_id": "conv_1",
            "object": "realtime.response",
            "output": [],
        }
        item = {"id": f"item_a{number}", "type": "message", "role": "assistant", "content": []}
        ids = {"response_id": response["id"], "item_id": item["id"], "output_index": 0, "content_index": 0}
        added, done = self._item(item | {"status": "in_progress"})
        words = [{"type": "output_audio", "transcript": "Good day."}]
        silence = base64.b64encode(bytes(9600)).decode()
        return [
            {"type": "response.created", "response": response | {"status": "in_progress"}},
            added,
            {"type": "response.output_audio_transcript.delta", "delta": "Good day.", **ids},
            {"type": "response.output_audio.delta", "delta": silence, **ids},
            {"type": "response.output_audio.done", **ids},
            {"type": "response.output_audio_transcript.done", "transcript": "Good day.", **ids},
            done | {"item": item | {"status": "completed", "content": words}},
            {"type": "response.done", "response": response | {"status": "completed"}},
        ]


async def hold(session, raw, reader, writer):
    """Accept a handshake and talk until either side closes."""
    protocol = ServerProtocol(logger=SILENT)
    protocol.receive_data(raw)
    [handshake] = protocol.events_received()
    protocol.send_response(protocol.accept(handshake))

    numbers = itertools.count()

    def say(events):
        for event in events:
            protocol.send_text(json.dumps(event | {"event_id": f"event_{next(numbers)}"}).encode())

    say(session.begin())
    writer.write(b"".join(protocol.data_to_send()))
    while not protocol.close_expected() and (data := await reader.read(65536)):
        protocol.receive_data(data)
        for frame in protocol.events_received():
            if frame.opcode is Opcode.TEXT:
                say(session.hear(json.loads(frame.data)))
        writer.write(b"".join(protocol.data_to_send()))
        await writer.drain()
