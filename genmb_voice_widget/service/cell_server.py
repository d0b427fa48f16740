"""The endpoint that a kernel serves to this machine's browser, together with the pages of its cells.

A page and its endpoint have one origin, which is not the notebook's: a page can use the voice and cannot
touch the notebook. Only who runs on this machine reaches it. It must not know notebooks.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from fastapi import FastAPI, Path, Response

from .access import OpenAccess
from .app import make_app
from .ledger.memory import MemoryLedger
from .policy import NOTEBOOK
from .problems import Refusal
from .providers.local import LocalProvider
from .web.server_log import keep_callers_out
from .window import MemoryWindow

if TYPE_CHECKING:
    import uvicorn

KEPT = 50
"""Pages that are kept; the oldest goes first."""

_HOST = "127.0.0.1"


class CellServer:
    """Serves pages and the endpoint on a port of its own. One event loop for its whole life."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, str] = OrderedDict()
        self._socket = socket.create_server((_HOST, 0))
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://{_HOST}:{self._socket.getsockname()[1]}"

    def put(self, html: str) -> str:
        """Take a page; return its address, which nobody can guess. From any thread."""
        name = secrets.token_urlsafe(16)
        self._pages[name] = html
        while len(self._pages) > KEPT:
            self._pages.popitem(last=False)
        return f"{self.url}/cells/{name}"

    async def start(self) -> None:
        """Begin to serve, in the background of this loop.

        Raises:
            ImportError: there is no uvicorn.
        """
        import uvicorn

        keep_callers_out()
        # Nothing is set up for logging: what it says goes where the kernel's own log goes, if anywhere.
        config = uvicorn.Config(self._app(), log_config=None, access_log=False, server_header=False)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """End what runs, and leave the port."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        self._socket.close()

    def _app(self) -> FastAPI:
        app = make_app(
            providers={"local": LocalProvider(candid=True)},
            access=OpenAccess(NOTEBOOK),
            window=MemoryWindow(),
            ledger=MemoryLedger(time.time),
            clock=time.time,
            hosts=[_HOST, "localhost"],
        )

        @app.get("/cells/{name}", include_in_schema=False)
        def page(name: str = Path()) -> Response:
            return Response(self._page(name), media_type="text/html")

        # Any page may know that a page is here whose name it knows.
        @app.get("/cells/{name}/here", include_in_schema=False)
        def here(name: str = Path()) -> Response:
            self._page(name)
            return Response(name, media_type="text/plain", headers={"Access-Control-Allow-Origin": "*"})

        return app

    def _page(self, name: str) -> str:
        if name not in self._pages:
            raise Refusal("bad_request", "That page is not here any more: run its cell again.", status=404)
        return self._pages[name]
