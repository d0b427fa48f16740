"""The rolling window for several nodes: in Redis, a sorted set for each log, by the clock of that server.

What is done to a log, in one round trip, is in `window.lua`. Here is how Redis is asked: what comes up while
an answer is awaited goes out together in the next round trip, which costs far less than one for each; and the
answer comes soon, whatever state Redis is in, because a caller waits. Nothing shows the URL, which may hold a
password.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import zip_longest
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.policy import Rate
from genmb_voice_widget.service.problems import Refusal

from . import Full, Taken

SCRIPT = files(__package__).joinpath("window.lua").read_text(encoding="utf-8")

_CONNECTIONS = 2
"""One for the questions, which go together, and one for a look at the settings."""
_WITHIN = 0.5
"""Seconds for the whole of one question: the wait for its turn, connecting, the answer, and trying again."""
_LAST_WITHIN = 0.05
"""Seconds of it for a last time: where this process was held up, the time passed and Redis had answered."""
_TRY_WITHIN = 0.25
_BATCH = 128
"""Most that go together: the event loop reads so many answers at a stretch."""
_TRY_AGAIN_IN = 5.0
_MICROSECONDS = 1_000_000
_NOT_UNDERSTOOD = (
    "The Redis URL is not understood. It has the form redis://user:password@host:6379/0, or rediss:// "
    "for TLS, or unix:///path/to/socket; signs such as @ : / # in a password are %40 %3A %2F %23."
)

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


@dataclass
class _Question:
    """What the script is run with, and what the answer is to be, until when by the loop's time."""

    words: tuple[str | int, ...]
    form: type[Any]
    until: float
    answer: asyncio.Future[Any]
    last: bool = False  # whether the next time that it is asked is the last


class RedisWindow:
    """A `Window` in Redis, which every node shares. One event loop for its whole life.

    Args:
        url: `redis://[user:password@]host[:port][/number]`, `rediss://…` for TLS, or `unix://…`.

    Raises:
        ValueError: `url` is none of these.
    """

    def __init__(self, url: Secret) -> None:
        pool = _pool(url)
        if pool is None:
            raise ValueError(_NOT_UNDERSTOOD)
        self._client = Redis.from_pool(pool)
        self._script = self._client.register_script(SCRIPT)
        self._waiting: list[_Question] = []
        self._asker: asyncio.Task[None] | None = None
        self._answers = True
        self._examined = False

    async def ages(self, log: str, rate: Rate) -> tuple[float, ...]:
        """See `Window.ages`."""
        ages = await self._ask(list, log, "ages", _microseconds(rate))
        return tuple(age / _MICROSECONDS for age in ages)

    async def take(self, log: str, entry: str, rate: Rate) -> Taken | Full:
        """See `Window.take`."""
        answer = await self._ask(list, log, "take", entry, _microseconds(rate), rate.sessions)
        granted, wait, remaining = answer
        seconds = wait / _MICROSECONDS
        return Taken(remaining, seconds) if granted else Full(seconds)

    async def give_back(self, log: str, entry: str) -> None:
        """See `Window.give_back`."""
        await self._ask(int, log, "give_back", entry)

    async def ready(self) -> None:
        """See `Window.ready`; says in the log, once, what in the server's settings lets a limit be passed."""
        # It removes nothing, and still fails where nothing can be written, as on a replica.
        await self.give_back("", "")
        if not self._examined:
            self._examined = True
            self._examined = await self._examine()

    async def close(self) -> None:
        """See `Window.close`."""
        try:
            async with asyncio.timeout(_WITHIN):
                await self._client.aclose()
        except (RedisError, OSError):
            logger.warning(
                "The connections to the Redis of the rolling window were not closed in good order."
            )

    async def _ask(self, form: type[Answer], log: str, *request: str | int) -> Answer:
        """Run the script on a log; it may run more than once, which is safe."""
        loop = asyncio.get_running_loop()
        words = f"genmb-voice:{{{log}}}", *request
        question = _Question(words, form, loop.time() + _WITHIN - _LAST_WITHIN, loop.create_future())
        self._waiting.append(question)
        if self._asker is None or self._asker.done():
            self._asker = loop.create_task(self._ask_all())
        answer = await question.answer
        if not isinstance(answer, form):
            raise _unavailable()
        return answer

    async def _ask_all(self) -> None:
        """Ask what waits, and what comes meanwhile, until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            questions, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            answers: list[Any] = []
            try:
                async with asyncio.timeout_at(max(questions[0].until, loop.time() + _LAST_WITHIN)):
                    answers = await self._run(questions)
                failed = _misfit(questions, answers)
            except (TimeoutError, RedisTimeoutError) as error:
                failed = type(error).__name__
                questions, self._waiting = _parted([*questions, *self._waiting], loop.time())
                if not questions:
                    continue
            except Exception as error:  # also what the library makes of an answer that is none of Redis's
                # Its name alone: the frames of the client know the password.
                failed = type(error).__name__
                # Who came meanwhile need not find out for themselves.
                questions, self._waiting = [*questions, *self._waiting], []
            self._note(failed)
            for question, answer in zip_longest(questions, answers):
                if not question.answer.done():
                    question.answer.set_result(answer)

    async def _run(self, questions: Sequence[_Question]) -> list[Any]:
        """Run the script for each; a Redis that has forgotten it is given it again."""
        answers = await self._send(questions)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self._client.script_load(self._script.script)
            answers = await self._send(questions)
        return answers

    async def _send(self, questions: Sequence[_Question]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for question in questions:
            pipeline.execute_command("EVALSHA", self._script.sha, 1, *question.words)
        return await pipeline.execute(raise_on_error=False)

    def _note(self, failed: str | None) -> None:
        """Tell the log when Redis stops answering, and when it answers again."""
        if failed and self._answers:
            logger.warning("The Redis of the rolling window cannot be used (%s): no session starts.", failed)
        if not failed and not self._answers:
            logger.warning("The Redis of the rolling window can be used again.")
        self._answers = not failed

    async def _examine(self) -> bool:
        """Warn of settings that make the window forget; False when they could not be seen."""
        try:
            async with asyncio.timeout(_WITHIN):
                settings = await self._client.info()
        except (RedisError, OSError, ValueError):
            return False
        if settings.get("aof_enabled") == 0:
            logger.warning(
                "The Redis of the rolling window forgets everything when it restarts (appendonly no); every "
                "app could then start a whole hour's sessions at once. Set: appendonly yes."
            )
        policy = settings.get("maxmemory_policy", "noeviction")
        if policy != "noeviction" and settings.get("maxmemory") != 0:
            logger.warning(
                "The Redis of the rolling window may drop data when its memory is full (maxmemory-policy "
                "%s); an app could then start more sessions than it may. Set: maxmemory-policy noeviction.",
                policy,
            )
        return True


def _pool(url: Secret) -> ConnectionPool | None:
    """Prepare the connections, none of which is opened; `None` when the URL is not understood.

    It raises nothing: what the parser says can quote the password, and so would the frames below it.
    """
    try:
        options: dict[str, Any] = dict(parse_url(url.reveal()))
        # These come last: a URL can name options too, and none may make a caller wait longer.
        options |= {
            "max_connections": _CONNECTIONS,
            "protocol": 2,
            "socket_timeout": _TRY_WITHIN,
            "socket_connect_timeout": _TRY_WITHIN,
            "retry": Retry(ExponentialBackoff(cap=0.05, base=0.01), 1),
        }
        pool = ConnectionPool(**options)
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, RedisError):
        return None
    return pool


def _parted(questions: Sequence[_Question], now: float) -> tuple[list[_Question], list[_Question]]:
    """Part those that were asked for the last time from those to ask again, some of them for the last."""
    over = [question for question in questions if question.last]
    again = [question for question in questions if not question.last and not question.answer.done()]
    for question in again:
        question.last = question.until <= now + _LAST_WITHIN
    return over, again


def _misfit(questions: Sequence[_Question], answers: Sequence[Any]) -> str | None:
    """Name the kind of the first answer that is none: an error as Redis gives it, or something else."""
    pairs = zip(questions, answers, strict=True)
    return next(
        (type(answer).__name__ for question, answer in pairs if not isinstance(answer, question.form)), None
    )


def _microseconds(rate: Rate) -> int:
    return round(rate.seconds * _MICROSECONDS)


def _unavailable() -> Refusal:
    return Refusal(
        "service_unavailable", "The store of the rate limits does not answer.", retry_after=_TRY_AGAIN_IN
    )
