"""In which order the items of a conversation stand.

Each item follows the one that its ``previous_item_id`` names (OpenAI Realtime API reference,
conversation.item.added); an item put after another stands directly after it, before whatever was put there
earlier. An item whose predecessor is not known stands at the end until it is. This module must not know what
items are. The twin is js/src/fold/order.ts.
"""

from collections.abc import Sequence
from typing import Self


class Order:
    """A forest of items under their predecessors, and its cached reading from first to last.

    Placing costs the same however many items there are; only an insertion in the middle makes the next
    reading walk over all of them.
    """

    def __init__(self) -> None:
        self._previous: dict[str, str | None] = {}
        self._heads: dict[str, None] = {}  # a set that keeps order: items without a known predecessor
        self._followers: dict[str, list[str]] = {}  # by predecessor, known or not; the latest stands first
        self._sequence: list[str] = []
        self._stale = False

    def place(self, item: str, previous: str | None) -> bool:
        """Make the item known, and put it after ``previous`` unless it already follows one.

        A predecessor that would put the item after itself is ignored. Answers whether anything has changed.
        """
        added = item not in self._previous
        if added:
            self._add(item)
        if previous is None or self._previous[item] is not None or self._leads_to(item, previous):
            return added
        self._previous[item] = previous
        self._followers.setdefault(previous, []).append(item)
        del self._heads[item]
        if previous in self._previous:
            self._stale = self._stale or self._sequence[-2:] != [previous, item]
        else:
            self._heads[item] = None
            self._stale = self._stale or self._sequence[-1] != item
        return True

    def previous(self, item: str) -> str | None:
        """Give the id that the item was said to follow, whether that one is known or not."""
        return self._previous[item]

    def sequence(self) -> Sequence[str]:
        """Give the ids from first to last."""
        if self._stale:
            self._sequence = self._walk()
            self._stale = False
        return self._sequence

    def copy(self) -> Self:
        """Give another order, equal to this one, that changes by itself."""
        other = type(self)()
        other._previous, other._heads = dict(self._previous), dict(self._heads)
        other._followers = {each: list(items) for each, items in self._followers.items()}
        other._sequence, other._stale = list(self._sequence), self._stale
        return other

    @classmethod
    def restore(cls, places: Sequence[tuple[str, str | None]]) -> Self:
        """Build the order again from its sequence of (item, previous).

        Raises:
            ValueError: an id stands twice, or the sequence is not the one that the predecessors give.
        """
        order = cls()
        order._previous = dict(places)
        order._heads = {item: None for item, previous in places if previous not in order._previous}
        for item in order._heads:  # those that wait for the same predecessor arrived in this order
            order._follow(order._previous[item], item)
        for item, previous in reversed(places):  # of those that follow the same item, the latest stands first
            if previous in order._previous:
                order._follow(previous, item)
        order._stale = True
        if order.sequence() != [item for item, _ in places]:
            raise ValueError("the items are not in the order of their predecessors")
        return order

    def _add(self, item: str) -> None:
        self._previous[item] = None
        self._heads[item] = None
        self._sequence.append(item)
        for waiting in self._followers.get(item, ()):
            del self._heads[waiting]
            self._stale = True

    def _follow(self, previous: str | None, item: str) -> None:
        if previous is not None:
            self._followers.setdefault(previous, []).append(item)

    def _leads_to(self, item: str, other: str) -> bool:
        if item not in self._followers:
            return item == other
        at: str | None = other
        while at is not None and at != item:
            at = self._previous.get(at)
        return at == item

    def _walk(self) -> list[str]:
        found: list[str] = []
        ahead = list(reversed(self._heads))
        while ahead:
            item = ahead.pop()
            found.append(item)
            ahead.extend(self._followers.get(item, ()))
        return found
