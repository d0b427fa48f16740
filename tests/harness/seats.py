"""Where a test can sit and talk with an agent: in a notebook, in a plain page, in Python without a browser.

A seat speaks when it is told, so a conversation takes its course whatever a turn takes on the way.
"""

import asyncio
import base64
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.lab import Notebook
from playwright.async_api import Page

from genmb_voice_widget import ServerVad, VoiceAgent
from genmb_voice_widget.wav import read_wav

MOUTH = (Path(__file__).parent / "mouth.js").read_text()
PATIENCE = 30
"""Seconds for one turn and its answer."""
LOOK = 0.3
SILENCE_MS = 900
"""What ends a turn: a busy machine may tear holes into what is said."""

Facts = dict[str, Any]
"""`turns`, as a state's JSON has them, `activity` and what `errors` say."""


class Seat(Protocol):
    async def begin(self) -> None:
        """Start a session and wait until it is live."""

    async def speak(self, sound: Path) -> None:
        """Begin to say what is in a WAV file."""

    async def write(self, text: str) -> None:
        """Type something."""

    async def rest(self, seconds: float) -> None:
        """Let so much of the session's time pass."""

    async def facts(self) -> Facts:
        """Tell how the conversation looks now."""

    async def end(self) -> None:
        """Stop the session."""


async def until(seat: Seat, turns: int, activity: str) -> Facts:
    """Wait until there are so many turns, none of them in progress unless the agent speaks, and this activity.

    What is settled must still be so at the next look: a reply may be whole before its sound begins.
    """
    facts: Facts = {}
    held = activity == "speaking"
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                facts = await seat.facts()
                settled = activity == "speaking" or all(
                    turn["status"] != "in_progress" for turn in facts["turns"]
                )
                there = len(facts["turns"]) >= turns and facts["activity"] == activity and settled
                if there and held:
                    return facts
                held = there or activity == "speaking"
                await asyncio.sleep(LOOK)
    except TimeoutError:
        said = [(turn["role"], turn["status"], turn["text"]) for turn in facts.get("turns", ())]
        raise AssertionError(f"not {activity} with {turns} turns, but {facts | {'turns': said}}") from None


@dataclass
class InPython:
    """A session without a browser."""

    endpoint: str
    provider: str
    tool: Callable[..., object]
    speed: float = 2.0
    agent: VoiceAgent = field(init=False)

    async def begin(self) -> None:
        self.agent = VoiceAgent(
            provider=self.provider,
            endpoint=self.endpoint,
            turn_detection=ServerVad(silence_duration_ms=SILENCE_MS),
        )
        self.agent.tool(self.tool)
        await self.agent.start(headless=True, speed=self.speed)

    async def speak(self, sound: Path) -> None:
        self.agent._link.tell(lambda session: session._talk.speak(read_wav(sound)))

    async def write(self, text: str) -> None:
        self.agent.say(text)

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    async def facts(self) -> Facts:
        state = self.agent._conversation.state
        turns = [turn.to_json() for turn in state.turns]
        return {
            "turns": turns,
            "activity": state.activity,
            "errors": [str(error) for error in state.errors],
        }

    async def end(self) -> None:
        await self.agent.stop()
        self.agent.close()


def _in_base64(sound: Path) -> str:
    return base64.b64encode(sound.read_bytes()).decode()


PAGE = """
window.now = { activity: null, errors: [], turns: new Map() };
Object.assign(genmb.voice, {
  onstatus: (_, activity) => { now.activity = activity; },
  onerror: ({ code, detail }) => now.errors.push(`${code}: ${detail}`),
  ontranscript: (turn) => now.turns.set(turn.id, turn),
});
"""


@dataclass
class InPage:
    """A plain page with `/sdk.js`; its page has the mouth."""

    page: Page
    endpoint: str
    provider: str
    transport: str

    async def begin(self) -> None:
        await self.page.goto(self.endpoint)
        await self.page.evaluate(PAGE)
        ends = {"type": "server_vad", "silence_duration_ms": SILENCE_MS}
        heard = {"transcription": {"model": "gpt-realtime-whisper"}, "turn_detection": ends}
        session = {"audio": {"input": heard}}
        options = {"provider": self.provider, "transport": self.transport, "session": session}
        await self.page.evaluate("options => genmb.voice.start(options)", options)

    async def speak(self, sound: Path) -> None:
        await self.page.evaluate("wav => speak(0, wav)", _in_base64(sound))

    async def write(self, text: str) -> None:
        await self.page.evaluate("text => genmb.voice.say(text)", text)

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def facts(self) -> Facts:
        return await self.page.evaluate("({ ...now, turns: [...now.turns.values()] })")

    async def end(self) -> None:
        await self.page.evaluate("genmb.voice.stop()")


_SHOW = """
import json
from IPython.display import display
from genmb_voice_widget import ServerVad, VoiceAgent
{tool}
ends = ServerVad(silence_duration_ms={silence_ms})
agents = [VoiceAgent(provider=provider, endpoint={endpoint!r}, turn_detection=ends) for provider in {providers!r}]
for agent in agents:
    agent.tool({name})
    display(agent)

def facts(agent):
    state = agent._conversation.state
    turns = [turn.to_json() for turn in state.turns]
    errors = [str(error) for error in state.errors]
    print(json.dumps({{"turns": turns, "activity": state.activity, "errors": errors}}))
"""


def show(endpoint: str, providers: Sequence[str], tool: Callable[..., object]) -> str:
    """The cell that shows an agent of each provider."""
    return _SHOW.format(
        tool=inspect.getsource(tool),
        name=tool.__name__,
        silence_ms=SILENCE_MS,
        endpoint=endpoint,
        providers=tuple(providers),
    )


@dataclass
class InNotebook:
    """One of the agents in a notebook whose first cell is from `show`, and whose page has the mouths.

    They begin one after the other, `begins` says who may, so that each knows which mouth is its own.
    """

    notebook: Notebook
    index: int
    begins: asyncio.Lock
    mouth: int = 0

    async def begin(self) -> None:
        live = f"print(agents[{self.index}].status)"
        async with self.begins, asyncio.timeout(PATIENCE):
            self.mouth = await self.notebook.page.evaluate("mouths.length")
            await self.notebook.python(f"agents[{self.index}].start()")
            while (await self.notebook.python(live)).strip() != "live":
                await asyncio.sleep(LOOK)

    async def speak(self, sound: Path) -> None:
        wav = _in_base64(sound)
        await self.notebook.page.evaluate("([index, wav]) => speak(index, wav)", [self.mouth, wav])

    async def write(self, text: str) -> None:
        await self.notebook.python(f"agents[{self.index}].say({text!r})")

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def facts(self) -> Facts:
        return json.loads(await self.notebook.python(f"facts(agents[{self.index}])"))

    async def end(self) -> None:
        await self.notebook.python(f"agents[{self.index}].stop()")
