"""Several processes, clocks that are wrong, a Redis that is restarted: exactly so many get a slot.

    cd tests && ../.venv/bin/python -m soak.window_processes [trials]

prints a table, in about a minute, and fails when a trial of the upper rows admitted another number.
"""

import json
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.redis_server import RedisServer, redis_server
from soak.window_worker import LIMIT, SECONDS

PROCESSES, ATTEMPTS = 8, 50
WITHIN = 0.3
"""Seconds over which the attempts are spread when Redis is restarted meanwhile."""
PATIENCE = 60.0
"""Seconds until processes that hang are ended."""
EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec")
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
RIGHT = (0.0,) * PROCESSES
WRONG = tuple(SECONDS * (2 * number / (PROCESSES - 1) - 1) for number in range(PROCESSES))
"""Clocks from an hour slow to an hour fast."""


@dataclass(frozen=True)
class Outcome:
    """What became of one trial's attempts.

    Attributes:
        before: admitted while their process had seen no outage.
        after: admitted later.
        unanswered: answers that said that Redis cannot be asked.
        more: admitted when everyone tried again afterwards.
    """

    before: int
    after: int
    unanswered: int
    more: int

    @property
    def admitted(self) -> int:
        return self.before + self.after + self.more


class Crowd:
    """The processes; `kind` is theirs."""

    def __init__(self, workers: list[subprocess.Popen[str]]) -> None:
        self._workers = workers

    def trial(self, log: str, meanwhile: Callable[[], None] | None = None) -> Outcome:
        """Let all make their attempts at the same time, and do something meanwhile; then let them try again."""
        first = self._round(log, ATTEMPTS, WITHIN if meanwhile else 0.0, meanwhile)
        again = self._round(log, 5, 0.0, None)
        more = again["before"] + again["after"]
        return Outcome(first["before"], first["after"], first["unanswered"] + again["unanswered"], more)

    def _round(
        self, log: str, attempts: int, within: float, meanwhile: Callable[[], None] | None
    ) -> dict[str, int]:
        line = json.dumps({"log": log, "attempts": attempts, "within": within}) + "\n"
        for worker in self._workers:
            worker.stdin.write(line)
            worker.stdin.flush()
        if meanwhile:
            meanwhile()
        answers = [json.loads(worker.stdout.readline()) for worker in self._workers]
        return {name: sum(answer[name] for answer in answers) for name in answers[0]}


@contextmanager
def crowd(kind: str, url: str, clocks: tuple[float, ...]) -> Iterator[Crowd]:
    """Start the processes, and end them."""
    program = Path(__file__).with_name("window_worker.py")
    workers = [
        subprocess.Popen(
            [sys.executable, str(program), kind, url, str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for seconds in clocks
    ]
    watchdog = threading.Timer(PATIENCE, lambda: [worker.kill() for worker in workers])
    watchdog.start()
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        yield Crowd(workers)
    finally:
        watchdog.cancel()
        for worker in workers:
            worker.kill()
            worker.communicate()


def restart(server: RedisServer, end: Callable[[], None], log: str) -> None:
    """End the server when some of the slots are taken, and start it again."""
    some = random.randrange(1, LIMIT)
    while int(server.ask("ZCARD", f"genmb-voice:{{{log}}}")[1:]) < some:
        pass
    end()
    server.start()


def trials(
    kind: str, clocks: tuple[float, ...], options: tuple[str, ...], end: str, count: int
) -> list[Outcome]:
    """Hold `count` trials with the same processes and the same Redis, each for an app of its own.

    Args:
        end: how Redis is ended within each trial: `stop`, `kill`, or not at all.
    """
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder), *options) as server:
        outcomes = []
        with crowd(kind, server.url, clocks) as processes:
            for number in range(count):
                log = f"sessions:app {number}"
                meanwhile = partial(restart, server, getattr(server, end), log) if end else None
                outcomes.append(processes.trial(log, meanwhile))
        return outcomes


ROWS = {
    "right clocks": ("ours", RIGHT, EVERYSEC, ""),
    "clocks wrong by up to 1 h": ("ours", WRONG, EVERYSEC, ""),
    "wrong clocks, SIGTERM and restart": ("ours", WRONG, EVERYSEC, "stop"),
    "wrong clocks, SIGKILL and restart, fsync always": ("ours", WRONG, ALWAYS, "kill"),
}
# While Redis waits for its disk, `everysec` lets it answer before it has written at all: a kill loses that.
FOR_COMPARISON = {
    "wrong clocks, SIGKILL and restart, fsync everysec": ("ours", WRONG, EVERYSEC, "kill"),
    "`limits`, wrong clocks": ("limits", WRONG, EVERYSEC, ""),
}


def main(count: int) -> int:
    """Print a row for each kind of trial; 1 when one admitted another number than the limit and must not."""
    failed = False
    print(
        f"{PROCESSES} processes, {ATTEMPTS} attempts each, limit {LIMIT} in {SECONDS:g} s, {count} trials a row\n"
    )
    print(
        "| | admitted, least–most | exact trials | admitted after the restart | answers «cannot be asked» |"
    )
    print("|---|---|---|---|---|")
    for name, row in [*ROWS.items(), *FOR_COMPARISON.items()]:
        outcomes = trials(*row, count)
        admitted = [outcome.admitted for outcome in outcomes]
        exact = sum(number == LIMIT for number in admitted)
        failed = failed or (name in ROWS and exact < count)
        after, unanswered = sum(o.after for o in outcomes), sum(o.unanswered for o in outcomes)
        print(
            f"| {name} | {min(admitted)}–{max(admitted)} | {exact}/{count} | {after} | {unanswered} |",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
