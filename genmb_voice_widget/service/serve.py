"""The endpoint as a program of its own: `main(argv)` reads the settings and serves until it is told to stop.

Told by SIGTERM, it says at `/readyz` that it goes, and goes on as before for half of the drain time: until
its load balancer has seen that, refusing would only make failures. Then it closes its door, lets what is
under way end, and exits with 0, all within the drain time. Just before, the pages whose sockets it relays
are told to go on elsewhere. A second signal, or Ctrl-C, leaves out the first half. It holds no rule of the
endpoint.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from fastapi import FastAPI

from .assemble import assemble
from .database.choice import open_database
from .drain import Drain
from .problems import Refusal
from .relay.relay import LARGEST
from .settings import Settings, SettingsError
from .settings import values as read
from .settings.file import read_settings
from .settings.provider_kinds import KINDS, Kind
from .settings.told import ABOUT, settings_table
from .web.server_log import keep_callers_out
from .web.silent_connections import SilentConnections

if TYPE_CHECKING:
    import uvicorn


_TO_EXIT = 0.5
"""Seconds of the drain time that are left for the process itself to end."""
HEAD_WITHIN = 10.0
"""Seconds for a caller to send the head of a request, as for its body."""
_TO_TELL = 0.5
"""Seconds for the relayed sockets to be told of it before the door is closed: twice their look."""


def main(argv: Sequence[str] | None = None, kinds: Mapping[str, Kind] = KINDS) -> int:
    """Serve until interrupted.

    Args:
        argv: the command line without the program's name; by default this process's own.
        kinds: the voice services that there are.

    Returns:
        The process's exit status: 1 if nothing can listen there or the database is another release's, 2 for
        settings that cannot be.
    """
    options = _parser(kinds).parse_args(argv)
    try:
        import uvicorn  # noqa: F401
    except ModuleNotFoundError:
        raise SystemExit("No server is installed: pip install 'genmb-voice-widget[service]'") from None
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(options).items()
        if name != "config" and value is not None
    }
    try:
        settings = read_settings(options.config, os.environ, given, kinds)
        drain = Drain(settings.drain_seconds - _TO_EXIT)
        app = assemble(settings, drain, kinds)
    except SettingsError as error:
        for sentence in error.sentences:
            print(f"genmb-voice serve: {sentence}", file=sys.stderr)  # noqa: T201
        return 2
    if (why := _not_to_be_had(settings) or asyncio.run(_not_to_be_used(settings))) is not None:
        print(f"genmb-voice serve: {why}", file=sys.stderr)  # noqa: T201
        return 1
    # What is loaded stays: looking through it again at each full collection would hold up every request. Of
    # the 700 new things after which Python looks through the new ones, requests under way still need most.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    _server(app, settings, drain).run()
    return 0


def _not_to_be_had(settings: Settings) -> str | None:
    """Tell why nothing can listen at the address, before anything is begun for that."""
    host = settings.host.strip("[]")
    try:
        found = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, _, _, address in found:
            try:
                probe = socket.socket(family, kind)
            except OSError:
                continue  # a family that this machine has not; the server leaves it out too
            with probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return (
                f"Port {settings.port} is taken on {host}: stop what listens there, or choose another --port."
            )
        return f"Nothing can listen on port {settings.port} of {host}: {error.strerror}."
    return None


async def _not_to_be_used(settings: Settings) -> str | None:
    """Tell why the database can never be worked on; one that is away just now is waited for at `/readyz`."""
    if settings.access != "apps":
        return None
    database = open_database(settings)
    try:
        await database.ready()
    except Refusal as refusal:
        away = refusal.code == "service_unavailable"
        return None if away else f"{refusal.detail} ({refusal.code})"
    finally:
        await database.close()
    return None


def _server(app: FastAPI, settings: Settings, drain: Drain) -> uvicorn.Server:
    import uvicorn

    keep_callers_out()
    notice = settings.drain_seconds / 2
    silent = SilentConnections(HEAD_WITHIN, time.monotonic)

    class Server(uvicorn.Server):
        """Stops in two steps, and never dies of the signal that it has obeyed."""

        closes_at: float | None = None

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if sig == signal.SIGINT or drain.begun:
                self.force_exit = self.should_exit and sig == signal.SIGINT
                self.should_exit = True
                drain.close()
            else:
                self.closes_at = time.monotonic() + notice - _TO_TELL
                drain.begin()

        async def on_tick(self, counter: int) -> bool:
            if counter % 10 == 0:  # once a second
                silent.hang_up(list(self.server_state.connections))
            if self.closes_at is not None and time.monotonic() >= self.closes_at:
                # First whoever is relayed is told that the node goes; the server's own word says nothing.
                self.should_exit = drain.closed
                self.closes_at = time.monotonic() + _TO_TELL
                drain.close()
            return await super().on_tick(counter)

    config = uvicorn.Config(
        app,
        host=settings.host.strip("[]"),
        port=settings.port,
        # The access log doubles the server's work for a request, and the endpoint has nothing to say in it.
        access_log=False,
        server_header=False,
        # A message is put together in memory before the relay can refuse it: this limit, in bytes, is the one
        # that keeps a page from filling it.
        ws_max_size=LARGEST,
        # Sound in base64 shrinks by a quarter at the most; what a compressed socket costs is memory and time
        # for each one that is open, and that some bytes of a page could stand for megabytes, again and again.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=int(notice * 0.75),
    )
    return Server(config)


def _parser(kinds: Mapping[str, Kind]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genmb-voice serve",
        description="Serve the token endpoint.",
        epilog=settings_table(kinds),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file with settings")
    parser.add_argument("--host", type=read.option(read.host), help=f"{ABOUT['host']} (127.0.0.1)")
    parser.add_argument("--port", type=read.option(read.port), help=f"{ABOUT['port']} (8000)")
    parser.add_argument(
        "--provider",
        action="append",
        dest="providers",
        choices=sorted(kinds),
        help="a realtime service that sessions may use; repeat for several (local)",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        dest="origins",
        type=read.option(read.origin),
        metavar="ORIGIN",
        help="a web origin, as https://app.example, whose pages may call too; repeat for several",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        dest="hosts",
        type=read.option(read.host),
        metavar="NAME",
        help="a name, as app.example, that it is called by besides --host and localhost, such as that of a "
        "reverse proxy or of this machine in its network; repeat for several",
    )
    return parser
