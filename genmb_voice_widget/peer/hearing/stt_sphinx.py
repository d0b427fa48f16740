"""PocketSphinx as an `Stt`: the peer's side of the worker process.

Owns the process, the two threads at its pipes, and the turning of plain words into the sentence that the
script spells. A transcript that is not trusted still has the best guess as its text (`accepted` is false),
so that the agent can say what it thought it heard; it is empty only where no phrase fits at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import IO, Any

from genmb_voice_widget.peer.stages import Pcm, SttStream, Transcript

from .sphinx_worker import Kind, frame, read_frame

STOP_SECONDS = 2.0
_WORKER = (sys.executable, "-m", "genmb_voice_widget.peer.hearing.sphinx_worker")


@dataclass(frozen=True, slots=True)
class Grammar:
    """What is to be recognised: a JSGF grammar, its words, and phones for those that the dictionary lacks."""

    jsgf: str
    words: Sequence[str]
    pronunciations: Mapping[str, str]


class UnknownWords(ValueError):
    """The dictionary lacks words of the grammar (`missing`), or given phones do not exist (`odd`)."""

    def __init__(self, missing: Sequence[str], odd: Sequence[str]) -> None:
        super().__init__(f"unknown words: {', '.join([*missing, *odd])}")
        self.missing = tuple(missing)
        self.odd = tuple(odd)


class SphinxStt:
    """The recogniser. The worker starts at once, in the background; `ready` waits for it.

    `spell` makes the recognised words ("what is the weather in london") the sentence as the script writes
    it. A worker that died is replaced at the next `open`.
    """

    def __init__(self, grammar: Grammar, spell: Callable[[str], str]) -> None:
        self._grammar = grammar
        self._spell = spell
        self._streams = 0
        self._worker = _Worker(grammar)

    def ready(self) -> None:
        """Wait until the grammar is loaded. Raises UnknownWords, or OSError if the worker ended instead."""
        answer = self._worker.ready.result()
        if answer["missing"] or answer["unpronounceable"]:
            raise UnknownWords(answer["missing"], answer["unpronounceable"])

    def open(self) -> SttStream:
        """Open a stream for one utterance; any number may be open."""
        if self._worker.ended:
            self._worker.stop()
            self._worker = _Worker(self._grammar)
        self._streams += 1
        return _SphinxStream(self._worker, self._streams, self._spell)

    def close(self) -> None:
        """End the worker. Idempotent."""
        self._worker.stop()


class _SphinxStream:
    """One utterance on its way through the worker."""

    def __init__(self, worker: _Worker, number: int, spell: Callable[[str], str]) -> None:
        self._worker = worker
        self._number = number
        self._spell = spell
        self._closed = False
        worker.send(Kind.OPEN, number)

    def feed(self, pcm: Pcm) -> None:
        self._worker.send(Kind.FEED, self._number, pcm.tobytes())

    async def finish(self) -> Transcript:
        found = await self._worker.result(self._number)
        text = self._spell(found["words"]) if found["words"] else ""
        return Transcript(text, found["confidence"], found["accepted"])

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._worker.send(Kind.CLOSE, self._number)


class _Worker:
    """The process; one thread writes, so that nobody waits for a full pipe, and one reads."""

    def __init__(self, grammar: Grammar) -> None:
        self.ready: Future[dict[str, list[str]]] = Future()
        self.ended = False
        self._lock = threading.Lock()
        self._waiting: dict[int, Callable[[dict[str, Any] | None], None]] = {}
        self._outgoing: SimpleQueue[bytes | None] = SimpleQueue()
        self._process = subprocess.Popen(_WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None and self._process.stdout is not None, "both are pipes"
        threads = (
            threading.Thread(target=self._write, args=(self._process.stdin,), daemon=True),
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True),
        )
        load = {"jsgf": grammar.jsgf, "words": [*grammar.words], "pronunciations": {**grammar.pronunciations}}
        self.send(Kind.LOAD, 0, json.dumps(load).encode())
        for thread in threads:
            thread.start()

    def send(self, kind: Kind, stream: int, payload: bytes = b"") -> None:
        """Queue a frame; never waits."""
        self._outgoing.put(frame(kind, stream, payload))

    async def result(self, stream: int) -> dict[str, Any]:
        """Ask for a stream's result and wait for it. Raises OSError when the worker ends instead."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[dict[str, Any] | None] = loop.create_future()

        def arrive(found: dict[str, Any] | None) -> None:
            if not arrived.done():
                arrived.set_result(found)

        def deliver(found: dict[str, Any] | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(arrive, found)

        with self._lock:
            if self.ended:
                raise OSError("the recogniser's process has ended")
            self._waiting[stream] = deliver
        self.send(Kind.FINISH, stream)
        try:
            found = await arrived
        finally:
            with self._lock:
                self._waiting.pop(stream, None)
        if found is None:
            raise OSError("the recogniser's process has ended")
        return found

    def stop(self) -> None:
        """End the process; by force if it takes too long."""
        self._outgoing.put(None)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, sink: IO[bytes]) -> None:
        with contextlib.suppress(OSError), sink:
            while (data := self._outgoing.get()) is not None:
                sink.write(data)
                if self._outgoing.empty():
                    sink.flush()

    def _read(self, source: IO[bytes]) -> None:
        with source:
            while (received := read_frame(source)) is not None:
                kind, stream, payload = received
                if kind is Kind.READY:
                    self.ready.set_result(json.loads(payload))
                elif (deliver := self._waiting.get(stream)) is not None:
                    deliver(json.loads(payload))
        with self._lock:
            self.ended = True
            waiting = list(self._waiting.values())
        for deliver in waiting:
            deliver(None)
        if not self.ready.done():
            self.ready.set_exception(OSError("the recogniser's process could not be started"))
