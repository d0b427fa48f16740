"""WAV files as the user's turns, in a session without a browser that is held for as long as they take.

It must not know how a session is started or kept.
"""

# ruff: noqa: ASYNC109 (the deadline is for each reply, not for a block)

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from .conversation import Conversation
from .link import Link
from .loop import submit
from .state import Turn
from .waiting import Asked, failure, ticked

File = str | os.PathLike[str]


async def speak_files(
    wavs: File | Iterable[File],
    conversation: Conversation,
    link: Link,
    start: Callable[[], Asked],
    stop: Callable[[], Asked],
    timeout: float,
) -> tuple[Turn, ...]:
    """Say each file as one turn, when the last reply was played.

    Args:
        wavs: one or more WAV files, all of which are read first.
        conversation: where they are said.
        link: tells who holds it.
        start: begins a session without a browser, unless there is one.
        stop: ends it; a session that was there stays.
        timeout: for each reply, in seconds.

    Returns:
        The turns that this added.

    Raises:
        WaitTimeout: when a reply does not come.
        VoiceError: `bad_audio`, `response_failed`, or why the session failed or ended.
    """
    from .wav import BYTES_PER_MS, read_wav  # an agent is made sooner without, and few read files

    sounds = [read_wav(file) for file in ([wavs] if isinstance(wavs, str | os.PathLike) else wavs)]
    starting = None if link.headless is not None else start()
    try:
        if starting is not None:
            await starting
        voice, before = link.headless, len(conversation.state.turns)
        if voice is None:
            raise failure(conversation)
        for sound in sounds:
            await ticked(submit(voice.speak(sound)), timeout + len(sound) / BYTES_PER_MS / 1000)
    finally:
        if starting is not None:
            await stop()
    return conversation.state.turns[before:]
