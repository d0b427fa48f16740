"""`genmb-voice serve` as somebody would run it who is after its secrets: all is logged, and it stumbles when it is told to.

Run as a program, with the options of `genmb-voice serve`. `WATCHED` names the file for what it shows, `CLOUD` the port of
the cloud's stand-in. On that file's lines: every log record at DEBUG as whole as it can be shown, with the variables of its
traceback's frames; and, when it is told to go, the `repr` of every object that can be reached.
"""

import gc
import inspect
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePath
from traceback import TracebackException
from types import FunctionType, MethodType, ModuleType

import uvicorn
from harness.upstream import Names, azure_by_entra

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service import assemble, serve
from genmb_voice_widget.service.access.by_app import AppAccess
from genmb_voice_widget.service.app import make_app
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.ledger.sql import SqlLedger
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.settings.provider_kinds import KINDS, Kind
from genmb_voice_widget.service.window.redis import RedisWindow

STUMBLE = "stumble"
"""What is asked about anything with this in its name fails, with a message that holds all the program knows."""
TIMING = Timing(sweep_every=0.2)


def note(place: str, *texts: str) -> None:
    with open(os.environ["WATCHED"], "a") as file:  # noqa: PTH123
        file.write(json.dumps([place, *texts]) + "\n")


class Everything(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        texts = [record.getMessage(), repr(vars(record))]
        if record.exc_info and record.exc_info[1]:
            shown = TracebackException.from_exception(record.exc_info[1], capture_locals=True)
            texts.append("".join(shown.format()))
        note(f"log {record.name}", *texts)


def log_everything() -> None:
    """Have each logger say all; those of uvicorn, which it sets up itself, when it has."""
    everything, set_up = Everything(), uvicorn.Config.configure_logging
    logging.basicConfig(level=logging.DEBUG, handlers=[everything])

    def configure_logging(config: uvicorn.Config) -> None:
        set_up(config)
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        # Those for requests stay switched off, as they are for the program.
        logging.getLogger("uvicorn").addHandler(everything)

    uvicorn.Config.configure_logging = configure_logging


def stumbles(*args: object) -> None:
    if STUMBLE in repr(args):
        raise RuntimeError(f"{args} {dict(os.environ)}")


def make_stumble(kind: type, name: str) -> None:
    method = getattr(kind, name)

    async def call(self: object, *args: object) -> object:
        stumbles(*args)
        return await method(self, *args)

    setattr(kind, name, call)


class Faulty:
    """A provider with a mistake in everything that it does."""

    def __getattr__(self, name: str) -> object:
        async def call(*args: object) -> None:
            if name not in ("ready", "close"):
                stumbles(STUMBLE, args)

        return call


_PLAIN = str | bytes | int | float | PurePath | ModuleType | type | None


def reached(things: Iterator[object]) -> Iterator[str]:
    """Show each object that can be reached from these, through objects of ours and what merely holds others."""
    waiting, seen = list(things), set[int]()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _PLAIN):
            continue
        seen.add(id(thing))
        if isinstance(thing, FunctionType):
            waiting += inspect.getclosurevars(thing).nonlocals.values()
        elif isinstance(thing, MethodType | partial):
            waiting += gc.get_referents(thing)
        elif isinstance(thing, Mapping):
            waiting += thing.values()
        elif isinstance(thing, list | tuple | set | frozenset):
            waiting += thing
        else:
            yield repr(thing)
            ours = type(thing).__module__.partition(".")[0] in ("genmb_voice_widget", "fastapi", "starlette")
            if ours and not isinstance(thing, Secret):
                waiting += getattr(thing, "__dict__", {}).values()


def main() -> int:
    log_everything()
    sys.modules["uvloop"] = None  # It would ask the system itself where a name leads.
    socket.getaddrinfo = Names(int(os.environ["CLOUD"]))
    for kind, name in (
        (AppAccess, "welcomes"), (SqlLedger, "find"), (SqlLedger, "balance"), (RedisWindow, "give_back"),
    ):  # fmt: skip
        make_stumble(kind, name)
    put_together, begin = assemble.assemble, Drain.begin
    roots: list[object] = []

    def make(**parts: object) -> object:
        app = make_app(**parts, timing=TIMING)
        roots.extend([app, *parts.values()])
        return app

    def assembled(*args: object) -> object:
        roots.extend(args)
        return put_together(*args)

    def begin_and_show(drain: Drain) -> None:
        if not drain.begun:
            for shown in reached(iter(roots)):
                note("repr", shown)
        begin(drain)

    assemble.make_app = make
    serve.assemble = assembled
    Drain.begin = begin_and_show
    kinds = {
        **KINDS,
        "entra": Kind({}, lambda options, upstream: azure_by_entra(upstream())),
        "faulty": Kind({}, lambda options, upstream: Faulty()),
    }
    return serve.main(sys.argv[1:], kinds)


if __name__ == "__main__":
    sys.exit(main())
