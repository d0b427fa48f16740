"""The recogniser's own process, because PocketSphinx holds the interpreter while it works.

Run as `python -m genmb_voice_widget.peer.hearing.sphinx_worker`; frames come on standard input and go on
standard output (see `write_frame`). It ends when its input does, as also happens when its parent dies.
Owns the processes' protocol and the decoders; what is done to the sound is in `sphinx_decoder`.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
from enum import IntEnum
from typing import IO, Any

_HEADER = struct.Struct("<BII")


class Kind(IntEnum):
    """What a frame is.

    Towards the worker: LOAD (JSON), and for a stream OPEN, FEED (int16 16 kHz), FINISH, CLOSE. From the
    worker: READY (JSON, once after LOAD) and RESULT (JSON, one for each FINISH).
    """

    LOAD = 1
    OPEN = 2
    FEED = 3
    FINISH = 4
    CLOSE = 5
    READY = 6
    RESULT = 7


def frame(kind: Kind, stream: int = 0, payload: bytes = b"") -> bytes:
    """Write one frame: kind (1 byte), stream (4), the payload's length (4), little-endian; the payload."""
    return _HEADER.pack(kind, stream, len(payload)) + payload


def read_frame(source: IO[bytes]) -> tuple[Kind, int, bytes] | None:
    """Read the next frame, or None when the other side has gone."""
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    kind, stream, length = _HEADER.unpack(header)
    payload = source.read(length)
    return (Kind(kind), stream, payload) if len(payload) == length else None


def main() -> None:
    """Serve until the input ends. An interrupt is for the parent to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from .sphinx_decoder import Decoders, Utterance

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    decoders = Decoders()
    utterances: dict[int, Utterance] = {}

    def send(kind: Kind, stream: int, content: dict[str, Any]) -> None:
        sink.write(frame(kind, stream, json.dumps(content).encode()))
        sink.flush()

    while (received := read_frame(source)) is not None:
        kind, stream, payload = received
        match kind:
            case Kind.LOAD:
                send(Kind.READY, 0, decoders.load(**json.loads(payload)))
            case Kind.OPEN:
                utterances[stream] = Utterance(decoders.take())
            case Kind.FEED if stream in utterances:
                utterances[stream].feed(payload)
            case Kind.FINISH if stream in utterances:
                send(Kind.RESULT, stream, utterances[stream].finish())
            case Kind.CLOSE if stream in utterances:
                decoders.give_back(utterances.pop(stream).close())
            case _:
                pass


if __name__ == "__main__":
    main()
