"""What is measured, each as a process of its own that listens on a free port: the endpoint, a bare route, the usual sample.

    python endpoint_served.py full|watched|bare|sample UPSTREAM_PORT

`full` is `genmb-voice serve` with the settings of the environment; its voice service is OpenAI's, spoken to
without TLS, and the caller's word is the proof. `watched` has the service prove the handshakes too.
"""

import sys

HEADERS = {"Authorization": "Bearer sk-bench"}


def full(base: str, watched: bool) -> int:
    """The endpoint as operators run it."""
    from genmb_voice_widget.secret import Secret
    from genmb_voice_widget.service.providers.exchange import BY_STATUS, Link
    from genmb_voice_widget.service.providers.openai import REQUEST_ID, OpenAIProvider
    from genmb_voice_widget.service.providers.sideband import sees_the_caller
    from genmb_voice_widget.service.serve import main
    from genmb_voice_widget.service.settings.provider_kinds import Kind

    class StandIn(OpenAIProvider):
        async def proven(self, call_id: str) -> bool:
            return watched and await sees_the_caller(self._link(), self._auth, call_id, None)

        def _link(self) -> Link:
            return Link(self._upstream.way, base, BY_STATUS, REQUEST_ID)

    kind = Kind({}, lambda _, upstream: StandIn(Secret("sk-bench"), upstream(), model="gpt-realtime"))
    return main(["--port", "0"], {"standin": kind})


def bare() -> None:
    """The floor: JSON in, JSON out."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def route(request: Request) -> JSONResponse:
        body = await request.json()
        return JSONResponse({"id": "vs_0", "sdp": body["sdp"]}, 201)

    _serve(Starlette(routes=[Route("/v1/sessions", route, methods=["POST"])]))


def sample(base: str) -> None:
    """What guides show: a route that makes a client for each request. No account, no limit, no check."""
    import httpx
    from fastapi import FastAPI

    app = FastAPI()

    @app.post("/v1/sessions", status_code=201)
    async def create_session() -> dict[str, str]:
        async with httpx.AsyncClient() as client:
            session = {
                "model": "gpt-realtime",
                "voice": "marin",
                "instructions": "You are a helpful assistant.",
            }
            response = await client.post(
                f"{base}/realtime/sessions", headers=HEADERS, json=session, timeout=30
            )
        data = response.json()
        return {"client_secret": data["client_secret"]["value"], "session_id": data["id"]}

    _serve(app)


def _serve(app: object) -> None:
    import uvicorn

    uvicorn.run(app, port=0, access_log=False, server_header=False)


if __name__ == "__main__":
    what, port = sys.argv[1:]
    url = f"http://127.0.0.1:{port}/v1"
    if what == "bare":
        bare()
    elif what == "sample":
        sample(url)
    else:
        sys.exit(full(url, watched=what == "watched"))
