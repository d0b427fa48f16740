"""What a plain page needs from the same origin: the front end's script, and a page that shows it at work."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from fastapi import FastAPI, Response

_PACKAGE = files("genmb_voice_widget")
_HTML = "text/html"
_SCRIPT = "text/javascript"
_FOR_ALL = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}
"""A page that isolates itself, and `<script crossorigin>`, load a script of another origin only if that says
so (Fetch standard, §3.3 and §3.7); every page may, whatever apps there are."""


def add_page_routes(app: FastAPI) -> None:
    """Serve `/` (the demonstration) and `/sdk.js` (`window.genmb.voice`)."""

    @app.get("/", include_in_schema=False)
    def demonstration() -> Response:
        return _file("service/web/pages/index.html", _HTML)

    @app.get("/sdk.js", include_in_schema=False)
    def sdk() -> Response:
        return _file("static/sdk.js", _SCRIPT, _FOR_ALL)


def _file(path: str, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_PACKAGE.joinpath(path).read_bytes(), media_type=media_type, headers=headers)
