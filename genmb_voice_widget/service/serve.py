"""The endpoint as a program of its own: `main(argv)` reads the options and runs the app under uvicorn.

The one place that knows which providers there are to choose from; it holds no rule of the endpoint.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Mapping, Sequence

from .access import OpenAccess
from .app import make_app
from .ledger_memory import MemoryLedger
from .policy import NOTEBOOK
from .providers import Provider
from .providers.local import LocalProvider
from .window import MemoryWindow

PROVIDERS: Mapping[str, Callable[[], Provider]] = {"local": LocalProvider}

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted.

    Args:
        argv: the command line without the program's name; by default this process's own.

    Returns:
        The process's exit status.
    """
    options = _parser().parse_args(argv)
    try:
        import uvicorn
    except ModuleNotFoundError:
        raise SystemExit("No server is installed: pip install 'genmb-voice-widget[service]'") from None

    app = make_app(
        providers={name: PROVIDERS[name]() for name in options.provider or ["local"]},
        access=OpenAccess(NOTEBOOK, options.allow_origin),
        window=MemoryWindow(),
        ledger=MemoryLedger(time.time),
        clock=time.time,
        hosts=[*_LOOPBACK, _bracketed(options.host), *options.allow_host],
    )
    # The access log doubles the server's work for each request, and the endpoint has nothing to say in it.
    uvicorn.run(app, host=options.host, port=options.port, access_log=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="genmb-voice serve", description="Serve the token endpoint.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", default=8000, type=_port, help="the port to listen on (%(default)s)")
    parser.add_argument(
        "--provider",
        action="append",
        choices=sorted(PROVIDERS),
        help="a realtime service that sessions may use; repeat for several (local)",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        type=_origin,
        metavar="ORIGIN",
        help="a web origin, as https://app.example, whose pages may call too; repeat for several",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        type=_host,
        metavar="NAME",
        help="a name, as app.example, that it is called by besides --host and localhost, such as that of a "
        "reverse proxy or of this machine in its network; repeat for several",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0-65535)")
    return int(text)


def _host(text: str) -> str:
    """Check a name that requests are sent to (RFC 9110 §7.2): capitals and ports make no difference there."""
    name = _bracketed(text.lower())
    if not _HOST.fullmatch(name):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name without a port, such as app.example")
    return name


def _bracketed(host: str) -> str:
    """Write an address as a URL has it: IPv6 in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _origin(text: str) -> str:
    """Check a web origin: it is compared exactly (RFC 6454 §6.2), so a path or a capital never matches."""
    if not _ORIGIN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an origin such as https://app.example")
    return text
