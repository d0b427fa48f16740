"""Both folds give the same JSON, whatever the events: the vectors, the orders, recordings and 2,000 streams of nonsense.

The streams are made from seeds. In each, one of the two folds goes through its JSON on the way, so that equality also
says that a state that was JSON goes on like the state itself.
"""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genmb_voice_widget.fold.reduce import handlers
from genmb_voice_widget.protocol import Envelope, Event, load, strip_audio
from genmb_voice_widget.state import State

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "js" / "test" / "fold.mjs"
STREAMS = 2000

IDS = ["u1", "u2", "__proto__", "a1", "a2", "constructor", "é😀", "f1", "f2", "toString"]
ROLES = ["user"] * 3 + ["assistant"] * 4 + ["tool"] * 3
WORDS = [
    " Hello",
    "there",
    " ",
    "",
    "  two  spaces ",
    "\n\t",
    "\u00a0x",
    "\ufeffy",
    "😀",
    "\ud83d",
    "\ude00",
    "\0",
]
NUMBERS = [0, 1, 2, 48, 400, 850.0, 0.5, 1e-7, -1, -0.0, 2**31, 2**53 - 1, 2**53, 10**30, 1e300, 3.25, 96000]
WRONG: list[Any] = [None, True, False, "", "x", [], {}, [[]], {"id": {}}, ["u1"], {"__proto__": {"id": "u1"}}]
KINDS = sorted({*(kind for of in handlers().values() for kind in of), *load().aliases})
FREQUENT = [kind for kind in KINDS if kind.endswith((".delta", ".done"))] + [
    "conversation.item.truncated"
] * 4
STATUSES = ["completed", "in_progress", "incomplete", "cancelled", "failed", "sideways", None]


class Nonsense:
    """Makes events that are sometimes sense."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, choices: list[Any]) -> Any:
        return self.random.choice(choices)

    def either(self, good: Any) -> Any:
        """Mostly the value, else one that does not belong there."""
        chance = self.random.random()
        if chance < 0.9:
            return good
        if chance < 0.91:
            return self.nested(self.random.randint(1, 200))
        return self.pick([*WRONG, self.pick(NUMBERS), self.pick(IDS)])

    def nested(self, depth: int) -> Any:
        value: Any = self.pick(IDS)
        for _ in range(depth):
            value = self.pick([[value], {"item": value, "__proto__": None}])
        return value

    def words(self) -> Any:
        if self.random.random() < 0.005:
            return self.pick(["w ", "ab", "é "]) * self.random.randint(1, 20_000)
        return self.either(self.pick(WORDS))

    def members(self, **members: Any) -> dict[str, Any]:
        """Leave some members out, and put some that belong to nobody in."""
        kept = {key: value for key, value in members.items() if self.random.random() < 0.93}
        if self.random.random() < 0.05:
            kept[self.pick(["__proto__", "constructor", "hasOwnProperty", "toJSON", "then"])] = self.pick(
                WRONG
            )
        return kept

    def usage(self) -> Any:
        def number() -> Any:
            return self.either(self.pick(NUMBERS))

        details = self.members(text_tokens=number(), audio_tokens=number(), cached_tokens=number())
        return self.either(
            self.members(
                input_tokens=number(),
                output_tokens=number(),
                total_tokens=number(),
                seconds=number(),
                input_token_details=self.either(details),
                output_token_details=self.either(details),
            )
        )

    def item(self) -> Any:
        content = [
            self.either(self.members(type="text", text=self.words(), transcript=self.words()))
            for _ in range(self.random.randint(0, 3))
        ]
        index = self.random.randrange(len(IDS))
        message = ["message", "message", "message", "function_call_output", "mcp_call"]
        return self.either(
            self.members(
                id=self.either(IDS[index]),
                type=self.either("function_call" if ROLES[index] == "tool" else self.pick(message)),
                role=self.either(ROLES[index]),
                status=self.either(self.pick(STATUSES)),
                content=self.either(content),
                name=self.either("look"),
                call_id=self.either(self.pick(["c1", "c2", "toString"])),
                arguments=self.words(),
                output=self.words(),
                error=self.pick([None, None, None, {"type": "http_error"}, {"message": self.words()}, []]),
            )
        )

    def response(self) -> Any:
        details = self.members(
            reason=self.words(), error=self.either(self.members(message=self.words(), code="odd"))
        )
        return self.either(
            self.members(
                id=self.either(self.pick(["r1", "r2", "__proto__"])),
                status=self.either(self.pick(STATUSES)),
                output=self.either([self.item() for _ in range(self.random.randint(0, 2))]),
                status_details=self.either(details),
                conversation_id=self.either(self.pick(["conv_1", "conv_1", "conv_1", None])),
                usage=self.usage(),
            )
        )

    def session(self) -> Any:
        def voice() -> Any:
            return self.either(self.pick(["alloy", "marin", {"id": "v"}, {"name": "n"}]))

        output = self.either(self.members(voice=voice()))
        return self.either(
            self.members(
                model=self.words(),
                voice=voice(),
                expires_at=self.either(self.pick(NUMBERS)),
                audio=self.either(self.members(output=output)),
            )
        )

    def snapshot(self, state: State) -> Any:
        """Give the state's JSON with a member broken somewhere, or nothing broken."""
        data = json.loads(json.dumps(state.to_json()))
        at = data
        while self.random.random() < 0.8 and at:
            key = self.pick(list(at) if isinstance(at, dict) else list(range(len(at))))
            if not isinstance(at[key], dict | list) or self.random.random() < 0.3:
                at[key] = self.either(at[key])
                break
            at = at[key]
        return self.either(data)

    def event(self, kind: str, state: State) -> Event:
        made = {
            "item": self.item,
            "response": self.response,
            "session": self.session,
            "part": lambda: self.either(self.members(text=self.words(), transcript=self.words())),
            "usage": self.usage,
            "error": self.error,
        }
        rich = {
            member: make()
            for member, make in made.items()
            if self.random.random() < (0.95 if member in kind else 0.1)
        }
        return {
            **self.members(
                item_id=self.either(self.item_id(kind)),
                response_id=self.either(self.pick(["r1", "r2", "__proto__"])),
                previous_item_id=self.either(self.pick([*IDS, None])),
                call_id=self.either(self.pick(["c1", "c2", "toString"])),
                content_index=self.either(self.pick([0, 0, 0, 1, 2, *NUMBERS])),
                delta=self.words(),
                delta_bytes=self.either(self.pick(NUMBERS)),
                audio_end_ms=self.either(self.pick(NUMBERS)),
                text=self.words(),
                transcript=self.words(),
                arguments=self.words(),
                name=self.either("look"),
                status=self.either(
                    self.pick(["connecting", "live", "live", "reconnecting", "idle", "ended"])
                ),
                code=self.either(self.code()),
                detail=self.words(),
                id=self.either(self.pick(IDS)),
                model=self.words(),
                **rich,
            ),
            **({"state": self.snapshot(state)} if kind == "genmb.snapshot" else {}),
            "type": kind,
        }

    def error(self) -> Any:
        about = self.pick([*IDS, "create_1", None])
        return self.either(
            self.members(message=self.words(), code=self.either(self.code()), event_id=self.either(about))
        )

    def item_id(self, kind: str) -> str:
        if "input_audio" in kind:
            return str(self.pick(["u1", "u2", "__proto__"]))
        if "_call" in kind:
            return str(self.pick(["f1", "f2", "toString"]))
        return str(self.pick(["a1", "a2", "constructor", "é😀"]))

    def kind(self) -> str:
        chance = self.random.random()
        if chance < 0.02:
            return str(self.pick(["__proto__", "constructor", "response.telepathy", "toString"]))
        return str(self.pick(FREQUENT if chance < 0.4 else KINDS))

    def direction(self, kind: str) -> str:
        usual = next((each for each, of in handlers().items() if kind in of), "in")
        return usual if self.random.random() < 0.97 else str(self.pick(["in", "out", "own"]))

    def code(self) -> Any:
        return self.pick([*load().errors, *load().benign_errors, "DeploymentNotFound", "__proto__", "odd"])

    def log(self) -> list[dict[str, Any]]:
        envelopes, state, seq = [], State(), 0
        for _ in range(self.random.randint(1, 45)):
            kind = self.kind()
            event = self.event(kind, state)
            seq = max(1, seq + self.pick([1, 1, 1, 1, 1, 1, 0, -1, 4]))
            envelope = {"seq": seq, "t": 0, "dir": self.direction(kind), "event": event}
            envelopes.append(envelope)
            state.apply(Envelope.from_json(envelope))
        return envelopes


Log = dict[str, Any]


def nonsense(seeds: range = range(STREAMS)) -> Iterator[Log]:
    for seed in seeds:
        made = Nonsense(seed)
        envelopes = made.log()
        hops = made.random.sample(range(len(envelopes)), k=min(3, len(envelopes)))
        yield {"hops": sorted(hops), "envelopes": envelopes}


def sense() -> Iterator[Log]:
    paths = [*(ROOT / "tests" / "vectors").glob("*"), *(ROOT / "tests" / "orders").glob("*")]
    for path in sorted([*paths, *(ROOT.parent / "shared" / "recordings").glob("*.jsonl")]):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        events = [line for line in lines if "event" in line]
        envelopes = [
            {
                "seq": seq,
                "t": seq,
                "dir": line.get("dir", "own" if line["event"]["type"].startswith("genmb.") else "in"),
                "event": strip_audio(line["event"]),
            }
            for seq, line in enumerate(events, start=1)
        ]
        yield {"hops": list(range(0, len(envelopes), 5)), "envelopes": envelopes}


def in_python(log: Log, hop: bool) -> list[dict[str, Any]]:
    states, state = [], State()
    for index, data in enumerate(log["envelopes"]):
        if index in log["hops"]:
            states.append(state.to_json())
            state = State.from_json(json.loads(json.dumps(states[-1]))) if hop else state
        state.apply(Envelope.from_json(data))
    return [*states, state.to_json()]


def in_typescript(logs: list[Log], folder: Path) -> Iterator[list[dict[str, Any]]]:
    file = folder / "logs.jsonl"
    file.write_text("".join(json.dumps(log) + "\n" for log in logs), encoding="utf-8")
    done = subprocess.run(["node", SCRIPT, file], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        yield json.loads(line)


@pytest.mark.parametrize("logs", [sense, nonsense], ids=["sense", "nonsense"])
def test_both_folds_give_the_same_json(logs: Any, tmp_path: Path) -> None:
    compare(list(logs()), tmp_path)


def compare(made: list[Log], folder: Path) -> None:
    theirs = list(in_typescript(made, folder))
    assert len(theirs) == len(made)
    for number, (log, states) in enumerate(zip(made, theirs, strict=True)):
        ours = in_python(log, hop=number % 2 == 0)
        assert len(ours) == len(states)
        for ours_then, theirs_then in zip(ours, states, strict=True):
            # Kernels send JSON as UTF-8, which has no place for half a surrogate pair.
            assert json.loads(json.dumps(ours_then, ensure_ascii=False).encode()) == theirs_then, (
                f"stream {number}"
            )


def test_the_nonsense_makes_turns_calls_cuts_and_errors() -> None:
    states = [in_python(log, hop=False)[-1] for log in nonsense()]
    turns = [turn for state in states for turn in state["turns"]]
    for member in ("call", "heard", "response_id", "audio_bytes", "text"):
        assert sum(bool(turn[member]) for turn in turns) > 100, member
    for status in ("in_progress", "completed", "interrupted", "failed"):
        assert sum(turn["status"] == status for turn in turns) > 100, status
    for member in ("errors", "speech", "awaiting", "responses", "unseen", "session"):
        assert sum(bool(state[member]) for state in states) > 50, member
    assert sum(bool(turn["call"] and turn["call"]["output"]) for turn in turns) > 20
    assert sum(state["status"] == "live" for state in states) > 100
