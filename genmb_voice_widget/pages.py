"""The pages that show an agent, which of them is asked to begin a call, and which begins one, for how long.

Pure: `tick` brings the time. It must not know messages or calls.
"""

from __future__ import annotations

from collections.abc import Iterator

APPEAR = 2
"""Ticks that a start waits for a page to say hello."""
OBEY = 5
"""Ticks that a start waits for a page that was told to begin."""
CLAIM = 5
"""Ticks in which the page that opens a call keeps the others from it before its log has begun."""


class Pages:
    """The pages that have said hello, the one that appeared last at the end.

    A page that was asked in vain is forgotten until it is heard again: a tab that crashed says no good-bye.

    Attributes:
        asked: the page that a start waits for, None while none does or it waits for one to appear.
    """

    def __init__(self) -> None:
        self._there: list[str] = []
        self._forgotten: set[str] = set()
        self._patience: int | None = None
        self._claim: tuple[str, int] | None = None
        self.asked: str | None = None

    def __iter__(self) -> Iterator[str]:
        """Go through all pages, also those that are forgotten: they may hear what they are told later."""
        return iter([*self._there, *self._forgotten])

    @property
    def there(self) -> bool:
        """Whether there is a page to be asked."""
        return bool(self._there)

    @property
    def waiting(self) -> bool:
        """Whether a start waits for a page."""
        return self._patience is not None

    @property
    def busy(self) -> bool:
        """Whether time matters."""
        return self.waiting or self._claim is not None

    @property
    def opener(self) -> str | None:
        """The page that opens a call, whose log has not come yet."""
        return None if self._claim is None else self._claim[0]

    def greet(self, page: str) -> bool:
        """Note a page that says hello. Returns whether it was not there before."""
        if page in self._there:
            return False
        self._appear(page)
        return True

    def hear(self, page: str) -> bool:
        """Note that a page has sent something. Returns whether it has said hello."""
        if page in self._forgotten:
            self._appear(page)
        return page in self._there

    def _appear(self, page: str) -> None:
        self._forgotten.discard(page)
        self._there.append(page)

    def leave(self, page: str) -> None:
        """Note that a page is gone."""
        self._there.remove(page)
        self._unclaim(page)

    def ask(self) -> str | None:
        """Begin to wait for a start. Returns the page to be told, None when one has to appear first."""
        self.asked = self._there[-1] if self._there else None
        self._patience = APPEAR if self.asked is None else OBEY
        return self.asked

    def settle(self) -> None:
        """Wait for a page no longer."""
        self._patience = self.asked = None

    def begin(self) -> None:
        """Note that a call's log has begun."""
        self._claim = None

    def recall(self) -> str | None:
        """Take the start back from the page that is asked, if any. Returns it, to be told."""
        page, self.asked = self.asked, None
        if page is not None:
            self._unclaim(page)
        return page

    def claim(self, page: str) -> None:
        """Note that a page opens a call, whose log will come."""
        self._claim = page, CLAIM

    def kept_off(self, page: str) -> bool:
        """Whether another page opens a call."""
        return self.opener not in (None, page)

    def _unclaim(self, page: str) -> None:
        if self.opener == page:
            self._claim = None

    def tick(self) -> bool:
        """Let a second pass in which a page could have been heard. Returns whether a start's time is over."""
        if self._claim is not None:
            page, left = self._claim
            self._claim = (page, left - 1) if left > 1 else None
        if self._patience is None:
            return False
        self._patience -= 1
        return self._patience <= 0

    def forget(self, page: str) -> None:
        """Take a page for gone until it is heard again."""
        if page in self._there:
            self._there.remove(page)
            self._forgotten.add(page)
