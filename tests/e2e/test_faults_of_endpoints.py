"""An endpoint that refuses, breaks or is another server altogether, each status with each body: what a plain page makes of it."""

import asyncio
import json
from collections import defaultdict

import pytest
from fastapi import Request, Response

REFUSED = {
    401: "unauthorized",
    402: "credits_exhausted",
    403: "plan_required",
    429: "rate_limited",
    500: "internal",
    503: "service_unavailable",
}
HTML = b"<!doctype html><title>Sign in</title>"
STRANGE = {"html": HTML, "empty": b"", "cut": HTML, "long": b"x" * 1024 * 1024}
START = """async (endpoint) => {
  told.statuses.length = told.problems.length = 0;
  return voice.start({ endpoint }).then(() => null, ({ code, detail, retry_after }) => [code, detail, retry_after]);
}"""
HURRY = """
const [deadline, later] = [AbortSignal.timeout, setTimeout];
AbortSignal.timeout = (ms) => deadline.call(AbortSignal, ms / 50);
window.setTimeout = (work, ms, ...more) => later(work, ms / 50, ...more);
"""


def answering(app):
    """`/STATUS/BODY` is an endpoint that answers everything like that; gives the key of each start that is asked for."""
    asked = defaultdict(list)

    @app.post("/{status}/{body}/v1/sessions")
    async def answer(request: Request, status: int, body: str):
        asked[status, body].append(request.headers["idempotency-key"])
        if body == "problem":
            problem = {"type": "about:blank", "status": status, "code": REFUSED[status], "retry_after": 7}
            return Response(json.dumps(problem), status, media_type="application/problem+json")
        if body == "silent":
            await asyncio.sleep(5)
        longer = {"Content-Length": "1000"} if body == "cut" else {}
        return Response(STRANGE.get(body, b"{}"), status, longer, media_type="text/html")

    return asked


@pytest.mark.fault(
    "endpoint_problem", "endpoint_other", "endpoint_bad_ticket", "endpoint_silent", "endpoint_absent"
)
async def test_every_status_with_every_body_ends_the_start_in_words(visit_desk, fault):
    async with visit_desk(script=HURRY) as (desk, visit):
        asked = answering(desk.app)
        told = {}
        for body in ["problem", *STRANGE]:
            for status in REFUSED:
                told[status, body] = await visit.page.evaluate(START, f"/{status}/{body}")
                assert (await desk.measured(visit))["microphone"] == "closed"
        tries = {status: len(asked[status, "problem"]) for status in REFUSED}
        assert tries == {**dict.fromkeys(REFUSED, 1), 503: 3}
        assert len(set(asked[503, "problem"])) == 1
        for status, code in REFUSED.items():
            assert told[status, "problem"][::2] == [code, 7]
            for body in STRANGE:
                words = f"The endpoint answered with status {status}."
                assert told[status, body][:2] == ["endpoint_unreachable", words]
        measured = await desk.measured(visit)
        fault("endpoint_other", **measured)
        fault("endpoint_problem", **{**measured, "codes": [told[status, "problem"][0] for status in REFUSED]})
        for body in ("html", "empty", "cut", "long", "json"):
            found = await visit.page.evaluate(START, f"/201/{body}")
            words = "Something answers there, but it gives no session."
            assert found[:2] == ["endpoint_unreachable", words]
        fault("endpoint_bad_ticket", **await desk.measured(visit))
        found = await visit.page.evaluate(START, "/200/silent")
        assert found[:2] == ["endpoint_unreachable", "Nothing came in time."]
        fault("endpoint_silent", **await desk.measured(visit))
        await visit.page.evaluate(START, "http://localhost:9")
        fault("endpoint_absent", **await desk.measured(visit))
