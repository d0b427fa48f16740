"""An agent's log: read it, write it to a file, and make of such a file an agent that shows it.

It must not know how a session is held.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from . import recording
from .bridge import Bridge
from .endpoint import nowhere
from .errors import VoiceError
from .protocol import Envelope
from .run import File
from .session_options import SessionOptions


class Recorded(SessionOptions):
    """A widget with a log, of a session or of a file."""

    _recorded = False

    @property
    def events(self) -> list[Envelope]:
        """The session's log so far: envelopes with seq, t, dir and event."""
        return self._conversation.events

    def save(self, path: File) -> Path:
        """Write the session's log to a file, one JSON object a line: no sound, no secret; return its path.

        Raises:
            VoiceError: `bad_option`, when no file can be written there.
        """
        return recording.save(Path(path), self.events)

    @classmethod
    def replay(cls, path: File) -> Self:
        """Make an agent that shows a saved session; it cannot talk, and needs no endpoint.

        Raises:
            VoiceError: `bad_recording`, naming the line.
        """
        envelopes = recording.load(Path(path))
        agent = cls(endpoint=nowhere)
        agent._recorded = True
        agent._link.do(Bridge.freeze)
        agent._conversation.begin("recording")
        agent._conversation.feed(*envelopes)
        return agent

    def _check_talks(self) -> None:
        if self._recorded:
            raise VoiceError("read_only")
