"""A session in a file: one JSON object a line, first a header, then the log's envelopes.

Owns the file's form. It must not know what the events mean: a recording is the log, a replay is the fold
again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import VoiceError
from .protocol import Envelope

VERSION = 1
HEADER = {"genmb_voice": VERSION}


def save(path: str | Path, envelopes: Iterable[Envelope]) -> Path:
    """Write a recording; the file appears whole or not at all.

    Returns:
        The path written.

    Raises:
        VoiceError: `bad_option`, naming the folder, when nothing can be written there.
    """
    import tempfile  # with all that it brings it takes longer to load than the rest of the package's files

    path = Path(path)
    try:
        hidden = tempfile.NamedTemporaryFile(  # noqa: SIM115 (it is the with below that closes it)
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=f".{path.name}.", delete=False
        )
    except OSError as error:
        why = "there is no such folder" if not path.parent.is_dir() else error.strerror
        raise VoiceError("bad_option", f"Nothing can be written into {path.parent}: {why}.") from None
    with hidden as file:
        try:
            for record in (HEADER, *(envelope.to_json() for envelope in envelopes)):
                file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path


def load(path: str | Path) -> list[Envelope]:
    """Read a recording.

    Raises:
        VoiceError: `bad_recording`, naming the file and the line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError:
        raise VoiceError("bad_recording", f"There is no file {path.name}.") from None
    except (OSError, UnicodeDecodeError):
        raise VoiceError("bad_recording", f"{path.name} cannot be read as text.") from None
    if _object(path, 1, lines[0]).get("genmb_voice") != VERSION:
        raise _bad(path, 1, f'expected {{"genmb_voice": {VERSION}}}')
    envelopes: list[Envelope] = []
    for number, line in enumerate(lines[1:], start=2):
        envelope = _envelope(path, number, _object(path, number, line))
        expected = envelopes[-1].seq + 1 if envelopes else 1
        jump = envelope.event["type"] == "genmb.snapshot" and envelope.seq > expected
        if envelope.seq != expected and not jump:
            raise _bad(path, number, f"seq is {envelope.seq}, expected {expected}")
        envelopes.append(envelope)
    return envelopes


def _line(record: dict[str, Any]) -> str:
    line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
    try:
        line.encode()
    except UnicodeEncodeError:  # half a surrogate pair: a service may cut an emoji between two deltas
        return json.dumps(record, separators=(",", ":")) + "\n"
    return line


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        raise _bad(path, number, "not JSON") from None
    except RecursionError:
        raise _bad(path, number, "nested too deeply") from None
    if not isinstance(value, dict):
        raise _bad(path, number, "not a JSON object")
    return value


def _envelope(path: Path, number: int, value: dict[str, Any]) -> Envelope:
    try:
        return Envelope.from_json(value)
    except ValueError as error:
        raise _bad(path, number, str(error)) from None


def _bad(path: Path, number: int, what: str) -> VoiceError:
    return VoiceError("bad_recording", f"{path.name}, line {number}: {what}.")
