"""An endpoint that refuses, breaks or is another server altogether, each status with each body: what a plain page makes of it."""

import asyncio
import json

import pytest
from fastapi import Response

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
HURRY = "const real = AbortSignal.timeout; AbortSignal.timeout = (ms) => real.call(AbortSignal, ms / 50);"


def answering(app):
    """`/STATUS/BODY` is an endpoint that answers everything like that."""

    @app.post("/{status}/{body}/v1/sessions")
    async def answer(status: int, body: str):
        if body == "problem":
            problem = {"type": "about:blank", "status": status, "code": REFUSED[status], "retry_after": 7}
            return Response(json.dumps(problem), status, media_type="application/problem+json")
        if body == "silent":
            await asyncio.sleep(5)
        longer = {"Content-Length": "1000"} if body == "cut" else {}
        return Response(STRANGE.get(body, b"{}"), status, longer, media_type="text/html")


@pytest.mark.fault(
    "endpoint_problem", "endpoint_other", "endpoint_bad_ticket", "endpoint_silent", "endpoint_absent"
)
async def test_every_status_with_every_body_ends_the_start_in_words(visit_desk, fault):
    async with visit_desk(script=HURRY) as (desk, visit):
        answering(desk.app)
        told = {}
        for body in ["problem", *STRANGE]:
            for status in REFUSED:
                told[status, body] = await visit.page.evaluate(START, f"/{status}/{body}")
                assert (await desk.measured(visit))["microphone"] == "closed"
        for status, code in REFUSED.items():
            assert told[status, "problem"][::2] == [code, 7]
            for body in STRANGE:
                words = f"The endpoint answered with status {status}."
                assert told[status, body][:2] == ["endpoint_unreachable", words]
        measured = await desk.measured(visit)
        fault("endpoint_other", **measured)
        fault("endpoint_problem", **{**measured, "codes": [told[status, "problem"][0] for status in REFUSED]})
        for body in ("html", "empty", "cut", "long", "json"):
            assert (await visit.page.evaluate(START, f"/201/{body}"))[0] == "endpoint_unreachable"
        fault("endpoint_bad_ticket", **await desk.measured(visit))
        await visit.page.evaluate(START, "/200/silent")
        fault("endpoint_silent", **await desk.measured(visit))
        await visit.page.evaluate(START, "http://localhost:9")
        fault("endpoint_absent", **await desk.measured(visit))
