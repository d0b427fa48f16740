"""Servers of the realtime protocol that are not OpenAI's, standing in: each takes an offer in its own way and no other.

Shapes: the sources of Hugging Face's speech-to-speech (offers as bare SDP, no secrets, no hanging up by POST), LocalAI (offers
as JSON), the LiteLLM proxy (its own secrets, good for offers alone) and vLLM-Omni (WebSockets alone).
"""

import json
import secrets
import time
from dataclasses import dataclass, field

from harness.cloud_session import CloudSession, hold
from harness.upstream import ANSWER, Server, answer, error, http


@dataclass
class Lookalike(Server):
    """One server; without a `key` it asks for none."""

    signaling: str = "sdp"
    key: str | None = None
    secrets: dict = field(default_factory=dict)
    sessions: list = field(default_factory=list)
    queries: list = field(default_factory=list)

    @property
    def base(self):
        return f"{self.url}/v1"

    def answer_to(self, request):
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        kind = request.headers.get("content-type")
        match self.signaling, request.path:
            case "secret", "/v1/realtime/calls" if shown in self.secrets and kind == "application/sdp":
                return answer(ANSWER, "/v1/realtime/calls/rtc_1")
            case _ if self.key is not None and shown != self.key:
                return error(401, "invalid_api_key", f"Wrong key: {shown}.")
            case "secret", "/v1/realtime/client_secrets":
                made = f"gAAAAA{secrets.token_hex(80)}"
                self.secrets[made] = json.loads(request.body)["session"]
                body = {"value": made, "expires_at": int(time.time()) + 60, "session": self.secrets[made]}
                return http(200, json.dumps(body), "Content-Type: application/json")
            case "sdp", "/v1/realtime/calls":
                if kind != "application/sdp":
                    return http(415, "Unsupported Media Type")
                return http(
                    201, ANSWER, "Content-Type: application/sdp", "Location: /v1/realtime/calls/session_1"
                )
            case "json", "/v1/realtime/calls":
                asked = json.loads(request.body)
                if not (asked["sdp"] and asked["model"]):
                    return http(400, '{"error": "model is required"}')
                return http(
                    201, json.dumps({"sdp": ANSWER, "session_id": "sess_1"}), "Content-Type: application/json"
                )
        return http(404, '{"detail": "Not Found"}')

    async def upgrade(self, request, raw, reader, writer):
        """A session that knows nothing yet of what its caller wants."""
        self.queries.append(request.path)
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            writer.write(error(401, "invalid_api_key", "Wrong key."))
            await writer.drain()
            return
        self.sessions.append(
            CloudSession({"type": "realtime", "audio": {"input": {}}}, {"own"}, {"model": "own"})
        )
        await hold(self.sessions[-1], raw, reader, writer)
