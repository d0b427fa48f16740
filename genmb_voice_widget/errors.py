"""What can go wrong, as exceptions.

    VoiceError               every error of this package: code, say, fix, retryable, detail
    ├── NoFrontEnd           no browser shows the agent; a script may go on with `headless=True`
    ├── WaitTimeout          the awaited moment did not come in time (a TimeoutError too)
    └── Refused              between endpoint and agent: a no, perhaps with the time of a yes

The words come from the catalogue in protocol.json. This module must not know who raises.
"""

from __future__ import annotations

from math import ceil

from .protocol import Problem, problem


class VoiceError(Exception):
    """An error of the catalogue: its code, a sentence on what happened and one on what to do."""

    def __init__(self, code: str, detail: str | None = None) -> None:
        self.problem: Problem = problem(code, detail)
        super().__init__(code, detail)

    @property
    def code(self) -> str:
        """The code in the catalogue, such as `mic_denied`."""
        return self.problem.code

    @property
    def say(self) -> str:
        """What happened, in one sentence."""
        return self.problem.say

    @property
    def fix(self) -> str:
        """What to do about it, in one sentence."""
        return self.problem.fix

    @property
    def retryable(self) -> bool:
        """Whether the same thing may go well at another time."""
        return self.problem.retryable

    @property
    def detail(self) -> str | None:
        """What is particular to this case, if anything."""
        return self.problem.detail

    def __str__(self) -> str:
        parts = [self.say, self.detail, self.fix]
        return f"{' '.join(part for part in parts if part)} [{self.code}]"


class NoFrontEnd(VoiceError):
    """No browser shows the agent."""


class WaitTimeout(VoiceError, TimeoutError):
    """The awaited moment did not come in time."""


class Refused(VoiceError):
    """The token endpoint refused; `retry_after` is in seconds, None where it gave no time."""

    def __init__(self, code: str, detail: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(code, detail)
        self.args = (code, detail, retry_after)
        self.retry_after = retry_after

    def with_time(self) -> VoiceError:
        """Return the error as a session shows it: the time, if any, is part of the detail."""
        if self.retry_after is None:
            return VoiceError(self.code, self.detail)
        seconds = self.retry_after
        wait = f"{ceil(seconds)} s" if seconds < 90 else f"{ceil(seconds / 60)} min"
        return VoiceError(self.code, " ".join(filter(None, (self.detail, f"Possible again in {wait}."))))


_CLASSES: dict[str, type[VoiceError]] = {"no_front_end": NoFrontEnd, "wait_timeout": WaitTimeout}


def voice_error(code: str, detail: str | None = None) -> VoiceError:
    """Make the error of `code`, as the subclass that callers catch where there is one."""
    return _CLASSES.get(code, VoiceError)(code, detail)
