"""What whoever runs the endpoint asks it: whether it lives and is ready, what it counts, what it can do.

GET /healthz        the process answers
GET /readyz         this node can be sent requests; a local peer is started for it
GET /metrics        the counts (Prometheus text format)
GET /docs           the description, for people; /openapi.json is the same for programs
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.access.origins import of_another_page, refused
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.sessions import Sessions

from .answers import Health
from .docs_page import docs_page
from .openapi import problems

if TYPE_CHECKING:
    from genmb_voice_widget.service.metrics import Metrics

_NOTHING_ELSE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'none'"
}


def add_ops_routes(
    app: FastAPI, sessions: Sessions, drain: Drain, metrics: Metrics | None, metrics_key: Secret | None
) -> None:
    """Add them to the app; without `metrics` nothing is counted, without `metrics_key` anyone may read."""

    @app.get("/healthz", response_model=None, responses={200: {"model": Health}})
    async def healthz() -> JSONResponse:
        """Tell that the process answers."""
        return JSONResponse({"status": "ok"})

    @app.get(
        "/readyz",
        response_model=None,
        responses={200: {"model": Health}, **problems(403, 422, 500, 502, 503)},
    )
    async def readyz(request: Request, provider: str | None = None) -> JSONResponse:
        """Tell whether requests may be sent here: a session could start at once, or could before `away` went.

        What can be done ahead of a session is done, with one provider or with all.
        """
        # It may start a program: a page that is only looked at must not bring that about.
        if of_another_page(request.headers):
            raise refused()
        drain.check()
        away = await sessions.ready(provider)
        return JSONResponse({"status": "ready", **({"away": away} if away else {})})

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return Response(docs_page(app.openapi()), media_type="text/html", headers=_NOTHING_ELSE)

    @app.get("/metrics", include_in_schema=False)
    async def read(request: Request) -> Response:
        if metrics is None:
            why = "Nothing is counted: that takes a metrics_key or, where nobody is asked, prometheus_client."
            raise Refusal("bad_request", why, status=404)
        if metrics_key is not None and not _shows(request, metrics_key):
            raise Refusal("unauthorized", "The request does not show the key for the metrics.")
        text, media_type = await metrics.text()
        return Response(text, media_type=media_type)


def _shows(request: Request, key: Secret) -> bool:
    shown = request.headers.get("authorization", "")
    return hmac.compare_digest(shown.encode(), f"Bearer {key.reveal()}".encode())
