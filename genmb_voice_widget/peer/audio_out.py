"""The output buffer of a WebRTC session: what has been written, what has been played, to the sample.

Pure but for the samples themselves: whoever plays pulls them at his own pace, and what that means for the
responses comes back as facts. Knows items and responses only by their ids; knows no network.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from .facts import PlaybackStarted, PlaybackStopped, Played
from .stages import Pcm

PLAY_RATE = 48_000
"""Samples a second of the output: what Opus wants."""

Playing = PlaybackStarted | Played | PlaybackStopped


@dataclass
class _Piece:
    """Sound of one item; `pcm` None marks the end of a response."""

    response_id: str
    item_id: str
    pcm: Pcm | None


class AudioOut:
    """One session's output: responses play one after the other, silence fills the rest."""

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self._queued = 0
        self._playing: str | None = None
        self._played: dict[str, int] = {}

    @property
    def queued_ms(self) -> float:
        """How much is written and not yet played."""
        return self._queued * 1000 / PLAY_RATE

    def write(self, response_id: str, item_id: str, pcm: Pcm) -> None:
        """Add sound (48 kHz) of an item to the end."""
        if len(pcm):
            self._pieces.append(_Piece(response_id, item_id, pcm))
            self._queued += len(pcm)

    def end(self, response_id: str) -> None:
        """Say that nothing more is coming of this response."""
        if self._playing == response_id or any(piece.response_id == response_id for piece in self._pieces):
            self._pieces.append(_Piece(response_id, "", None))

    def clear(self) -> None:
        """Throw away all that is not played."""
        self._pieces.clear()
        self._queued, self._playing = 0, None

    def pull(self, samples: int) -> tuple[Pcm, list[Playing]]:
        """Take the next `samples` to play, and what their playing means."""
        block = np.zeros(samples, np.int16)
        facts: list[Playing] = []
        filled = 0
        while self._pieces and (filled < samples or self._pieces[0].pcm is None):
            piece = self._pieces[0]
            if piece.pcm is None:
                self._pieces.popleft()
                self._playing = None
                facts.append(PlaybackStopped(piece.response_id))
                continue
            if self._playing != piece.response_id:
                self._playing = piece.response_id
                facts.append(PlaybackStarted(piece.response_id))
            taken = piece.pcm[: samples - filled]
            block[filled : filled + len(taken)] = taken
            filled += len(taken)
            self._queued -= len(taken)
            self._played[piece.item_id] = self._played.get(piece.item_id, 0) + len(taken)
            facts.append(Played(piece.item_id, self._played[piece.item_id] * 1000 / PLAY_RATE))
            if len(taken) == len(piece.pcm):
                self._pieces.popleft()
            else:
                piece.pcm = piece.pcm[len(taken) :]
        return block, facts
