"""What a session looks like after the events so far.

Owns the turns, their order and everything else that the fold writes to. It must not know events: what one
means is in ``fold``. The twin is js/src/state.ts, whose JSON is the same.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from types import MappingProxyType
from typing import Any, Literal, Self, cast

from .fold.facts import Response, Session, response_from_json, session_from_json
from .fold.order import Order
from .fold.reduce import reduce
from .fold.turn import Role, ToolCall, Turn, TurnStatus, needing_text, reached, turn_from_json
from .fold.usage import Usage, usage_from_json
from .protocol import Envelope, Problem, SessionStatus, load, problem
from .reading import count, elements, name, record, text

__all__ = [
    "Activity",
    "Response",
    "Role",
    "Session",
    "SessionStatus",
    "State",
    "ToolCall",
    "Turn",
    "TurnStatus",
    "Usage",
    "fold",
]

Activity = Literal["hearing", "speaking", "thinking", "listening"]
"""What a live session is doing; of several the first holds."""


class State:
    """The state of one session: changed in place by ``apply``; every value that it hands out stays as it is.

    It owns its containers, so that an event costs the same after 100 turns as after 10,000. Attributes:

    * ``seq``: of the last envelope.
    * ``status``: where the session is.
    * ``session``: what is known about the call, or None.
    * ``usage``: sums so far.
    * ``speech``: the id of the item that the user is speaking now, or None.
    * ``awaiting``: from the end of the user's turn, or of a response that called tools, to the next response.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.status: SessionStatus = "idle"
        self.session: Session | None = None
        self.usage = Usage()
        self.speech: str | None = None
        self.awaiting = False
        self._items: dict[str, Turn | None] = {}  # None: holds a place, but is not a turn
        self._order = Order()
        self._by_response: dict[str, list[str]] = {}
        self._by_call: dict[str, list[str]] = {}
        self._responses: dict[str, Response] = {}
        self._errors: tuple[Problem, ...] = ()
        self._turns: tuple[Turn, ...] | None = ()

    def apply(self, envelope: Envelope) -> bool:
        """Fold one envelope in; False when it is a repeat, which changes nothing. It never raises."""
        if envelope.seq <= self.seq:
            return False
        self.seq = envelope.seq
        reduce(self, envelope.dir, envelope.event)
        return True

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns in conversation order; the same tuple until one of them changes."""
        if self._turns is None:
            held = map(self._items.__getitem__, self._order.sequence())
            # Most turns need no text; to see that without a call halves the time of a long conversation.
            self._turns = tuple([it for it in held if it is not None and (not it.needs_text or it.shown)])
        return self._turns

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What went wrong, oldest first."""
        return self._errors

    @property
    def responses(self) -> Mapping[str, Response]:
        """The responses that are not over, by id."""
        return MappingProxyType(self._responses)

    @property
    def activity(self) -> Activity | None:
        """What the session is doing, or None unless it is live."""
        if self.status != "live":
            return None
        if self.speech is not None:
            return "hearing"
        if any(response.playing for response in self._responses.values()):
            return "speaking"
        responses = self._responses.values()
        if self.awaiting or any(not response.done and not response.outside for response in responses):
            return "thinking"
        return "listening"

    def turn(self, item: str) -> Turn | None:
        """Give the turn that this item is, shown or not."""
        return self._items.get(item)

    def known(self, item: str) -> bool:
        """Whether the item has a place in the conversation."""
        return item in self._items

    def of_response(self, response: str) -> list[Turn]:
        """Give the turns that a response made, over or not."""
        return self._found(self._by_response.get(response, ()))

    def of_call(self, call: str) -> list[Turn]:
        """Give the turns that a call id names: one, unless somebody gave it out twice."""
        return self._found(self._by_call.get(call, ()))

    def place(self, item: str, previous: str | None) -> None:
        """Give the item its place in the conversation."""
        if self._order.place(item, previous):
            self._items.setdefault(item, None)
            self._turns = None

    def put(self, turn: Turn) -> None:
        """Write a turn whose item has a place."""
        before = self._items[turn.id]
        if turn is before:
            return
        if turn.response_id is not None and (before is None or before.response_id is None):
            self._by_response.setdefault(turn.response_id, []).append(turn.id)
        call_id = None if turn.call is None else turn.call.call_id
        if call_id is not None and (before is None or before.call is None or before.call.call_id is None):
            self._by_call.setdefault(call_id, []).append(turn.id)
        self._items[turn.id] = turn
        self._turns = None

    def withdraw(self, item: str) -> None:
        """Let the item hold its place, but be no turn any more."""
        if self._items.get(item) is not None:
            self._items[item] = None
            self._turns = None

    def drop_speech(self) -> None:
        """End what the user is saying before it became a turn; it is shown only if its words are known."""
        turn = self._items.get(self.speech or "")
        if turn is not None:
            self.put(needing_text(reached(turn, "interrupted")))
        self.speech = None

    def set_response(self, response: str, value: Response) -> None:
        """Write a response, or drop it when it is over."""
        if value.done and not value.playing:
            self._responses.pop(response, None)
        else:
            self._responses[response] = value

    def add_error(self, error: Problem) -> None:
        """Note that something went wrong."""
        self._errors = (*self._errors, error)

    def restore(self, data: object) -> None:
        """Become the state that the JSON describes, at our ``seq``; what is not a state changes nothing."""
        try:
            other = type(self).from_json(data)
        except ValueError:
            return
        other.seq = self.seq
        self.__dict__.update(other.__dict__)

    def copy(self) -> Self:
        """Give another state, equal to this one, that changes by itself."""
        other = copy(self)
        other._items, other._order = dict(self._items), self._order.copy()
        other._by_response = {each: list(turns) for each, turns in self._by_response.items()}
        other._by_call = {each: list(turns) for each, turns in self._by_call.items()}
        other._responses = dict(self._responses)
        return other

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON: all that a fold needs to go on from here.

        ``items`` holds every item in conversation order with its predecessor, ``unseen`` the turns not shown.
        """
        sequence = self._order.sequence()
        held = (self._items[item] for item in sequence)
        return {
            "seq": self.seq,
            "status": self.status,
            "activity": self.activity,
            "session": self.session and self.session.to_json(),
            "turns": [turn.to_json() for turn in self.turns],
            "errors": [error.to_json() for error in self._errors],
            "usage": self.usage.to_json(),
            "speech": self.speech,
            "awaiting": self.awaiting,
            "responses": {each: response.to_json() for each, response in self._responses.items()},
            "items": [{"id": item, "previous": self._order.previous(item)} for item in sequence],
            "unseen": [turn.to_json() for turn in held if turn is not None and not turn.shown],
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: it is not the JSON of a state; it is taken whole or not at all.
        """
        members = record(data)
        state = cls()
        status, seq = members.get("status"), count(members.get("seq"))
        if seq is None or not isinstance(status, str) or status not in load().status:
            raise ValueError("not a state: seq or status is missing")
        state.seq, state.status = seq, cast(SessionStatus, status)
        if members.get("session") is not None:
            state.session = session_from_json(members["session"])
        state.usage = usage_from_json(members.get("usage"))
        state.speech = name(members.get("speech"))
        state.awaiting = members.get("awaiting") is True
        for each, response in record(members.get("responses")).items():
            state.set_response(text(each) or "", response_from_json(response))
        for error in map(record, elements(members.get("errors"))):
            code, detail = text(error.get("code")) or "", text(error.get("detail"))
            state.add_error(problem(code, detail, name(error.get("item_id"))))
        state._read_items(map(record, elements(members.get("items"))))
        for turn in map(turn_from_json, elements(members.get("turns")) + elements(members.get("unseen"))):
            if state._items.get(turn.id, turn) is not None:
                raise ValueError("not a state: a turn has no item of its own")
            state.put(turn)
        return state

    def _read_items(self, items: Iterable[dict[str, Any]]) -> None:
        places = [(name(item.get("id")), name(item.get("previous"))) for item in items]
        self._order = Order.restore([(item, previous) for item, previous in places if item is not None])
        self._items = dict.fromkeys(self._order.sequence(), None)

    def _found(self, items: Iterable[str]) -> list[Turn]:
        return [turn for turn in map(self._items.get, items) if turn is not None]


def fold(envelopes: Iterable[Envelope]) -> State:
    """Fold a whole log."""
    state = State()
    for envelope in envelopes:
        state.apply(envelope)
    return state
