"""Starting the local peer from Python: one program a process, stopped with it.

Owns the child process and the secret between the two. Imports nothing heavy: the peer's modules run there.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.secret import Secret

from .faults import FAULT_VARIABLE

START_SECONDS = 20.0
STOP_SECONDS = 3.0
_NEEDED = ("aiortc", "av", "numpy", "multipart", "starlette", "uvicorn", "websockets")
_LINES_KEPT = 20
_SECRETIVE = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "_URL", "GENMB_VOICE_")


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a running peer is (`url`, its origin) and what opens it."""

    url: str
    secret: Secret


class PeerProcess:
    """The peer as a child process. Thread-safe; starting one that runs gives the same address again.

    Args:
        script: the agent's script; by default the packaged one.
        fault: what the peer is to do wrong; by default what the environment says.
    """

    def __init__(self, script: Path | None = None, fault: str | None = None) -> None:
        self._script = script
        self._fault = os.environ.get(FAULT_VARIABLE, "") if fault is None else fault
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._address: PeerAddress | None = None
        self._last_lines: deque[str] = deque(maxlen=_LINES_KEPT)

    async def start(self) -> PeerAddress:
        """Start the peer, unless it runs, and wait until it listens.

        Raises:
            VoiceError: `peer_not_installed` without the extra `local`; `peer_failed` with its last words.
        """
        return await asyncio.to_thread(self.start_now)

    async def stop(self) -> None:
        """End the peer. Idempotent."""
        await asyncio.to_thread(self.stop_now)

    def start_now(self) -> PeerAddress:
        """Do what `start` does, blocking."""
        with self._lock:
            if self._child is not None and self._child.poll() is None and self._address is not None:
                return self._address
            self._end()
            missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
            if missing:
                raise VoiceError("peer_not_installed", f"Missing: {', '.join(missing)}.")
            atexit.register(self.stop_now)
            try:
                self._address = self._begin()
            except BaseException:
                self._end()
                raise
            return self._address

    def stop_now(self) -> None:
        """Do what `stop` does, blocking."""
        with self._lock:
            self._end()

    def _begin(self) -> PeerAddress:
        secret = Secret(secrets.token_urlsafe(32))
        script = [] if self._script is None else ["--script", str(self._script)]
        own = {"GENMB_VOICE_PEER_SECRET": secret.reveal(), FAULT_VARIABLE: self._fault}
        self._last_lines.clear()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "genmb_voice_widget.peer", "--parent-pipe", "--port", "0", *script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_harmless(os.environ) | own,
        )
        first: queue.SimpleQueue[str] = queue.SimpleQueue()
        complaining = _reader(self._child.stderr, self._last_lines.append)
        _reader(self._child.stdout, first.put)
        try:
            line = first.get(timeout=START_SECONDS)
        except queue.Empty:
            raise VoiceError("peer_failed", f"It said nothing for {START_SECONDS:.0f} s.") from None
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return PeerAddress(json.loads(line)["url"], secret)
        complaining.join(1.0)
        words = "\n".join(self._last_lines).strip()
        raise VoiceError("peer_failed", words.replace(secret.reveal(), "****") or None)

    def _end(self) -> None:
        child, self._child, self._address = self._child, None, None
        atexit.unregister(self.stop_now)
        if child is None:
            return
        if child.stdin is not None:
            with contextlib.suppress(OSError):
                child.stdin.close()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _harmless(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what by its name is a secret, or may hold one as an address with a password does.

    The peer has no use for any but its own, nor for the settings of whoever starts it.
    """
    return {
        name: value
        for name, value in environment.items()
        if not any(word in name.upper() for word in _SECRETIVE)
    }


def _reader(stream: IO[str] | None, put: Callable[[str], None]) -> threading.Thread:
    """Pass on a stream's lines until it ends; an end without a line is an empty one."""

    def read() -> None:
        assert stream is not None, "the child was started with pipes"
        with stream:
            for line in stream:
                put(line.rstrip())
        put("")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread
