"""The output buffer of a WebRTC session: what has been written, what has been played, to the sample.

Pure but for the samples themselves: whoever plays pulls them at his own pace, and what that means for the
responses comes back as facts. Knows items and responses only by their ids; knows no network.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from genmb_voice_widget.peer.facts import PlaybackStarted, PlaybackStopped, Played
from genmb_voice_widget.peer.stages import Pcm

PLAY_RATE = 48_000
"""Samples a second of the output: what Opus wants."""

Playing = PlaybackStarted | Played | PlaybackStopped


@dataclass
class _Piece:
    """Sound of one item."""

    item_id: str
    pcm: Pcm


@dataclass
class _Part:
    """What a response still has to play; `whole` once nothing more is coming."""

    pieces: deque[_Piece] = field(default_factory=deque)
    queued: int = 0
    begun: bool = False
    whole: bool = False


class AudioOut:
    """One session's output: responses play one after the other, silence fills the rest."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self._played: dict[str, int] = {}

    def queued_ms(self, response_id: str) -> float:
        """Return how much of a response is written and not yet played."""
        part = self._parts.get(response_id)
        return part.queued * 1000 / PLAY_RATE if part else 0.0

    def write(self, response_id: str, item_id: str, pcm: Pcm) -> None:
        """Add sound (48 kHz) of an item; its response plays once those that began before it have ended."""
        if len(pcm):
            part = self._parts.setdefault(response_id, _Part())
            part.pieces.append(_Piece(item_id, pcm))
            part.queued += len(pcm)

    def end(self, response_id: str) -> None:
        """Say that nothing more is coming of this response."""
        if response_id in self._parts:
            self._parts[response_id].whole = True

    def clear(self) -> None:
        """Throw away all that is not played."""
        self._parts.clear()

    def pull(self, samples: int) -> tuple[Pcm, list[Playing]]:
        """Take the next `samples` to play, and what their playing means."""
        block = np.zeros(samples, np.int16)
        facts: list[Playing] = []
        filled = 0
        for response_id, part in list(self._parts.items()):
            if part.pieces and filled < samples and not part.begun:
                part.begun = True
                facts.append(PlaybackStarted(response_id))
            while part.pieces and filled < samples:
                taken = self._take(part, samples - filled)
                block[filled : filled + len(taken.pcm)] = taken.pcm
                filled += len(taken.pcm)
                facts.append(Played(taken.item_id, self._played[taken.item_id] * 1000 / PLAY_RATE))
            if part.pieces or not part.whole:
                break
            del self._parts[response_id]
            facts.append(PlaybackStopped(response_id))
        return block, facts

    def _take(self, part: _Part, most: int) -> _Piece:
        """Take up to `most` samples of a response's first piece."""
        piece = part.pieces[0]
        taken, piece.pcm = piece.pcm[:most], piece.pcm[most:]
        if not len(piece.pcm):
            part.pieces.popleft()
        part.queued -= len(taken)
        self._played[piece.item_id] = self._played.get(piece.item_id, 0) + len(taken)
        return _Piece(piece.item_id, taken)
