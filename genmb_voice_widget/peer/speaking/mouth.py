"""The session's speaking: the agent's pieces become facts, their speech becomes sound or deltas.

Owns one task for each running response. Over WebRTC speech is made only a little ahead of its playing, so
that an interruption still finds the response active; over WebSocket it is made as fast as it can be. Knows
the stages, the facts and the output buffer; nothing of events.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from contextlib import aclosing

from genmb_voice_widget.peer.facts import AgentCalled, AgentFinished, AgentSaid, Answer, AudioMade, Fact
from genmb_voice_widget.peer.legs.audio_out import PLAY_RATE, AudioOut
from genmb_voice_widget.peer.resample import Resampler
from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.stages import SPEAK_RATE, Call, Pcm, Say, Stages
from genmb_voice_widget.peer.wire_audio import WireWriter

LEAD_MS = 2000.0
"""How far ahead of its playing speech is made (WebRTC)."""

_log = logging.getLogger(__name__)


class Mouth:
    """Speaks for one session. `tell` takes the facts; `item_of` names the item a response is speaking.

    `out` is the output buffer that the server plays from, None where the client plays (WebSocket).
    """

    def __init__(
        self,
        stages: Stages,
        tell: Callable[[Fact], None],
        item_of: Callable[[str], str | None],
        out: AudioOut | None,
        form: Json,
    ) -> None:
        self._stages = stages
        self._tell = tell
        self._item_of = item_of
        self._out = out
        self._form = form
        self._room = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def configure(self, session: Json) -> None:
        """Write deltas in the session's output format from the next piece on."""
        self._form = session["audio"]["output"]["format"]

    def answer(self, answer: Answer) -> None:
        """Ask the agent, and speak what it says."""
        task = asyncio.create_task(self._reply(answer))
        self._tasks[answer.response_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(answer.response_id, None))

    def abort(self, response_id: str) -> None:
        """Break off; what is in the output buffer stays there."""
        task = self._tasks.get(response_id)
        if task is not None:
            task.cancel()
        if self._out is not None:
            self._out.end(response_id)

    def clear(self) -> None:
        """Throw away what has not been played."""
        if self._out is not None:
            self._out.clear()
        self._room.set()

    def pull(self, samples: int) -> Pcm:
        """Take the next sound to play (48 kHz), and tell what that means."""
        assert self._out is not None, "only a server that plays pulls"
        block, facts = self._out.pull(samples)
        self._room.set()
        for fact in facts:
            self._tell(fact)
        return block

    async def close(self) -> None:
        """Stop all speaking."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _reply(self, answer: Answer) -> None:
        response_id = answer.response_id
        try:
            async with aclosing(self._stages.agent.reply(answer.turn)) as pieces:
                async for piece in pieces:
                    match piece:
                        case Say(text):
                            self._tell(AgentSaid(response_id, text))
                            if answer.audio:
                                await self._speak(answer, text)
                        case Call(name, arguments):
                            self._tell(AgentCalled(response_id, name, arguments))
        except Exception as error:
            _log.exception("the agent or its voice failed")
            self._finish(AgentFinished(response_id, f"The local agent failed ({type(error).__name__})."))
        else:
            self._finish(AgentFinished(response_id))

    def _finish(self, fact: AgentFinished) -> None:
        if self._out is not None:
            self._out.end(fact.response_id)
        self._tell(fact)

    async def _speak(self, answer: Answer, text: str) -> None:
        out = _Writer(answer.response_id, self._tell, self._item_of, self._form, self._out)
        async with aclosing(self._stages.tts.synth(text, answer.voice, answer.speed)) as chunks:
            async for chunk in chunks:
                out.write(chunk.pcm, chunk.words)
                await self._wait_for_room(answer.response_id)
        out.finish()

    async def _wait_for_room(self, response_id: str) -> None:
        """Wait until the response is less than the lead ahead of its playing, and let others run."""
        await asyncio.sleep(0)
        while self._out is not None and self._out.queued_ms(response_id) >= LEAD_MS:
            self._room.clear()
            await self._room.wait()


class _Writer:
    """Puts the speech for one text where it is wanted: into the buffer, or into deltas."""

    def __init__(
        self,
        response_id: str,
        tell: Callable[[Fact], None],
        item_of: Callable[[str], str | None],
        form: Json,
        out: AudioOut | None,
    ) -> None:
        self._response_id = response_id
        self._tell = tell
        self._item_of = item_of
        self._out = out
        self._deltas = WireWriter(form)
        self._sound = Resampler(SPEAK_RATE, PLAY_RATE)

    def write(self, pcm: Pcm, words: tuple[tuple[str, int], ...]) -> None:
        if self._out is None:
            self._delta(self._deltas.write(pcm), len(pcm) * 1000 / SPEAK_RATE, words)
        else:
            self._tell(AudioMade(self._response_id, len(pcm) * 1000 / SPEAK_RATE, words))
            self._play(self._sound.push(pcm))

    def finish(self) -> None:
        if self._out is not None:
            self._play(self._sound.finish())
        elif rest := self._deltas.finish():
            self._delta(rest, 0.0, ())

    def _delta(self, data: bytes, ms: float, words: tuple[tuple[str, int], ...]) -> None:
        self._tell(AudioMade(self._response_id, ms, words, base64.b64encode(data).decode()))

    def _play(self, pcm: Pcm) -> None:
        item_id = self._item_of(self._response_id)
        if self._out is not None and item_id is not None:
            self._out.write(self._response_id, item_id, pcm)
