"""What is said in every cell of the matrix of providers and ways to them, and the page that tells what came of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.seats import Seat, until

PROVIDERS = ("local", "azure", "openai", "voice-live")
SENTENCES = (
    "How are you today?",
    "Thank you very much.",
    "What is the weather in Paris?",
    "Count to thirty, please.",
    "See you tomorrow.",
)
FAULTS = "late_transcript,busy_response,malformed"
SCRIPT = Path(__file__).with_suffix(".toml")

Turns = tuple[tuple[str, str, str, str, str], ...]
"""Of each turn: role, status, whether it is known what was heard of it, the text, the call."""


@dataclass(frozen=True)
class Way:
    """A way from an agent to a service: what carries the sound, who opens it, where it was talked to.

    A plain page has no functions that could be called, so nobody asks for the weather there.
    """

    name: str
    place: str
    tools: bool = True


@dataclass(frozen=True)
class Not:
    """There is no such combination: the code that the endpoint refuses it with, and why."""

    code: str
    why: str


WEBRTC = Way("WebRTC, the endpoint relays the offer", "JupyterLab in Chromium")
WEBRTC_SECRET = Way("WebRTC, a page has a secret", "")
RELAY = Way("WebSocket, the endpoint relays it", "a plain page in Chromium", tools=False)
SECRET = Way("WebSocket, with a secret", "Python without a browser")
WAYS = (WEBRTC, WEBRTC_SECRET, RELAY, SECRET)

_NO_SECRET = Not(
    "secret_refused", "No page is given a secret: the endpoint relays what it offers (`docs/decisions/0004`)."
)
_OWN_WORDS = Not(
    "not_for_pages",
    "A plain page says what its session shall be in GA words, Voice Live takes its own (`docs/decisions/0011`).",
)
CANNOT_BE: Mapping[tuple[str, Way], Not] = {
    **{(provider, WEBRTC_SECRET): _NO_SECRET for provider in PROVIDERS},
    ("voice-live", RELAY): _OWN_WORDS,
}
_NO_TOOLS = "A plain page has no functions that could be called: the weather was not asked for."
_KEY = (
    "With the resource's key, for Voice Live has no short-lived secrets: a notebook's own endpoint gives it to its kernel, "
    "no other does."
)


def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return "sunny"


async def converse(seat: Seat, say: Mapping[str, Path], tools: bool) -> Turns:
    """Have the conversation; returns its turns.

    The peer tells each transcript behind the reply, something that is no event behind each event, and refuses the
    first `response.create`, for it makes a response just before: what is typed is answered twice.
    """
    await seat.begin()
    await seat.write("Hello.")
    await until(seat, 3, "listening")
    await seat.speak(say["How are you today?"])
    await until(seat, 5, "listening")
    await seat.speak(say["Thank you very much."])
    await until(seat, 7, "listening")
    if tools:
        await seat.speak(say["What is the weather in Paris?"])
        await until(seat, 10, "listening")
    so_far = 10 if tools else 7
    await seat.speak(say["Count to thirty, please."])
    await until(seat, so_far + 2, "speaking")
    await seat.rest(1.0)
    await seat.speak(say["See you tomorrow."])
    facts = await until(seat, so_far + 4, "listening")
    await seat.end()
    assert facts["errors"] == [], (facts["errors"], [told(turn) for turn in facts["turns"]])
    return tuple(map(told, facts["turns"]))


def told(turn: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """What of a turn is the same wherever it was taken: all but its ids, and how many words were heard of it."""
    heard, call = turn["heard"], turn["call"]
    if heard is not None:
        print(f"heard {heard!r} in {turn['audio_end_ms']} ms of {turn['audio_bytes'] / 48:.0f}")
        assert turn["text"].startswith(heard)
    called = ""
    if call is not None:
        called = f"{call['name']}({json.dumps(json.loads(call['arguments']))}) → {call['output']}"
    return turn["role"], turn["status"], "in part" if heard is not None else "", turn["text"], called


def expected(usual: Turns, way: Way) -> Turns:
    """The turns on this way, if they are the usual ones."""
    if way.tools:
        return usual
    asked = next(at for at, turn in enumerate(usual) if turn[3] == "What is the weather in Paris?")
    return usual[:asked] + usual[asked + 3 :]


Cells = Mapping[tuple[str, Way], Turns | Not]


def page(cells: Cells) -> str:
    """Write the page: a cell says `same` if its turns are those of the first one, which stand below."""
    usual = next(turns for turns in cells.values() if not isinstance(turns, Not))
    reasons: list[str] = []

    def mark(why: str) -> str:
        if why not in reasons:
            reasons.append(why)
        return f"({reasons.index(why) + 1})"

    def cell(provider: str, way: Way) -> str:
        came = cells[provider, way]
        if isinstance(came, Not):
            return f"– {mark(came.why)}"
        if came != expected(usual, way):
            return "**differs**"
        notes = [
            *([] if way.tools else [_NO_TOOLS]),
            *([_KEY] if (provider, way) == ("voice-live", SECRET) else []),
        ]
        return " ".join(["same", *map(mark, notes)])

    rows = [
        f"| {way.name} | {way.place} | {' | '.join(cell(each, way) for each in PROVIDERS)} |" for way in WAYS
    ]
    turns = [f"| {' | '.join(_short(part) for part in turn)} |" for turn in usual]
    return "\n".join(
        [
            "# The same conversation everywhere",
            "",
            "One spoken conversation, held with every kind of service on every way to it: are the agent's `turns` the same?",
            "The service is the local peer each time, in its persona of that service ([peer.md](peer.md)), told to tell what the",
            f"user said only after the reply, and to err now and then (`{FAULTS}`). Everything is compared",
            "but ids, and how many words were heard of a reply that was cut. `make parity` writes this page,",
            "`tests/e2e/test_same_turns.py` checks it.",
            "",
            f"| way | talked to in | {' | '.join(f'`{each}`' for each in PROVIDERS)} |",
            f"|---|---|{'---|' * len(PROVIDERS)}",
            *rows,
            "",
            *(f"{number}. {why}" for number, why in enumerate(reasons, start=1)),
            "",
            "## The turns",
            "| role | status | heard | text | call |",
            "|---|---|---|---|---|",
            *turns,
            "",
        ]
    )


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[: limit - 2].rstrip()} …"
