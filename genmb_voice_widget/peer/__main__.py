"""The peer as a program: `python -m genmb_voice_widget.peer [--port 0] [--script FILE]`.

The first line of standard output is `{"url": "http://127.0.0.1:PORT"}`; from then on it answers. The secret
comes in the environment (`GENMB_VOICE_PEER_SECRET`), never as an argument, which other users could read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .faults import FAULT_VARIABLE, read_faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .faults import Faults
    from .stages import Stages

SECRET_VARIABLE = "GENMB_VOICE_PEER_SECRET"  # noqa: S105
HOST = "127.0.0.1"
ORPHAN_SECONDS = 3.0
"""How long an abandoned peer may take to shut down."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted, terminated, or (with `--parent-pipe`) left by the parent.

    Returns 2, with the reason on standard error, for a script, a port or a fault that cannot be used.
    """
    options = _options(arguments)
    secret = os.environ.pop(SECRET_VARIABLE, "")
    if not secret:
        secret = secrets.token_urlsafe(24)
        sys.stderr.write(f"secret for this run: {secret}\n(set {SECRET_VARIABLE} to choose one)\n")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if options.parent_pipe:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    loading = threading.Thread(target=_load)
    loading.start()
    from .build import build_stages

    try:
        listener = socket.create_server((HOST, options.port))
        # asyncio sets it only where the protocol number is given; without it each small answer waits 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        faults = read_faults(options.fault)
        stages = build_stages(options.script)
    except (ValueError, OSError, OverflowError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    loading.join()
    with listener, contextlib.closing(stages), contextlib.suppress(KeyboardInterrupt):
        if options.fault:
            sys.stderr.write(f"told to do wrong: {options.fault}\n")
        app = _app(stages, secret, faults, options.call_version)
        asyncio.run(_serve(listener, app))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="genmb-voice peer", description="The local realtime voice peer.")
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--script", type=Path, default=None, help="the agent's script, a TOML file; a demo by default"
    )
    parser.add_argument(
        "--fault",
        default=os.environ.get(FAULT_VARIABLE, ""),
        help="what to do wrong, for tests of clients, such as drop_media=3s,cap=10s; see docs/peer.md",
    )
    parser.add_argument(
        "--call-version",
        action="append",
        metavar="API-VERSION",
        help="a version that calls of Voice Live take, instead of 2026-01-01-preview; may be given again",
    )
    parser.add_argument("--parent-pipe", action="store_true", help="exit when standard input closes")
    return parser.parse_args(arguments)


def _load() -> None:
    """Import the server while the stages load."""
    import uvicorn  # noqa: F401


def _app(stages: Stages, secret: str, faults: Faults, call_versions: list[str] | None) -> ASGIApp:
    from .server import make_app
    from .voice_live.service import CALL_VERSIONS

    versions = CALL_VERSIONS if call_versions is None else frozenset(call_versions)
    return make_app(stages, secret, faults=faults, call_versions=versions)


async def _serve(listener: socket.socket, app: ASGIApp) -> None:
    import uvicorn

    from .calls import warm_up

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    sys.stdout.write(json.dumps({"url": f"http://{HOST}:{listener.getsockname()[1]}"}) + "\n")
    sys.stdout.flush()
    threading.Thread(target=warm_up, daemon=True).start()
    await uvicorn.Server(config).serve(sockets=[listener])


def _end_with_parent() -> None:
    """End when the parent's end of the pipe closes, however that came about; by force if need be."""
    # Not by the buffered reader: its lock, held here, would be fatal to an interpreter that ends by itself.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
