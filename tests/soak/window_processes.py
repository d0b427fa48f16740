"""Several processes, clocks that are wrong, a Redis that is restarted: exactly so many get a slot.

    cd tests && ../.venv/bin/python -m soak.window_processes [trials]

prints a table, in about a minute, and fails when a trial of the upper rows admitted another number.
"""

import json
import random
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
        admitted: how many got a slot.
        more: how many got one when everyone tried again afterwards.
        held: slots that were taken when Redis was ended.
        later: questions that Redis was asked after it had been started again.
        unanswered: answers that said that Redis cannot be asked.
    """

    admitted: int
    more: int
    held: int
    later: int
    unanswered: int


class Crowd:
    """The processes; each round is begun by all at the same time."""

    def __init__(self, workers: list[subprocess.Popen[str]]) -> None:
        self._workers = workers

    def begin(self, log: str, attempts: int, within: float) -> None:
        line = json.dumps({"log": log, "attempts": attempts, "within": within}) + "\n"
        for worker in self._workers:
            worker.stdin.write(line)
            worker.stdin.flush()

    def result(self) -> tuple[int, int]:
        """How many were admitted by all together, and how often Redis could not be asked."""
        answers = [json.loads(worker.stdout.readline()) for worker in self._workers]
        return sum(answer["admitted"] for answer in answers), sum(answer["unanswered"] for answer in answers)


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


def restart(server: RedisServer, end: str, log: str) -> int:
    """End the server when some of the slots are taken, and start it again; returns how many were taken."""
    some = random.randrange(1, LIMIT)
    while (held := int(server.ask("ZCARD", f"genmb-voice:{{{log}}}")[1:])) < some:
        pass
    getattr(server, end)()
    server.start()
    return held


def questions(server: RedisServer) -> int:
    """How often the window's script has been asked for since the server was started."""
    found = re.search(rb"cmdstat_evalsha:calls=(\d+)", server.ask("INFO", "commandstats"))
    return int(found[1]) if found else 0


def trial(processes: Crowd, server: RedisServer, end: str, log: str) -> Outcome:
    """Let all make their attempts, and end Redis meanwhile; then let them try again."""
    processes.begin(log, ATTEMPTS, WITHIN if end else 0.0)
    held = restart(server, end, log) if end else 0
    admitted, unanswered = processes.result()
    later = questions(server) if end else 0
    processes.begin(log, 5, 0.0)
    more, _ = processes.result()
    return Outcome(admitted, more, held, later, unanswered)


def trials(
    kind: str, clocks: tuple[float, ...], options: tuple[str, ...], end: str, count: int
) -> list[Outcome]:
    """Hold `count` trials with the same processes and the same Redis, each for an app of its own.

    Args:
        end: how Redis is ended within each trial: `stop`, `kill`, or empty: not at all.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_server(Path(folder), *options) as server,
        crowd(kind, server.url, clocks) as processes,
    ):
        return [trial(processes, server, end, f"sessions:app {number}") for number in range(count)]


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
        "| | admitted | exact | admitted later | slots at the end of Redis | questions after | unanswered |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, row in [*ROWS.items(), *FOR_COMPARISON.items()]:
        outcomes = trials(*row, count)
        exact = sum(outcome.admitted == LIMIT and not outcome.more for outcome in outcomes)
        failed = failed or (name in ROWS and exact < count)
        cells = [
            name,
            spread(o.admitted for o in outcomes),
            f"{exact}/{count}",
            spread(o.more for o in outcomes),
        ]
        cells += [spread(o.held for o in outcomes), spread(o.later for o in outcomes)]
        print("|", " | ".join(cells), "|", sum(o.unanswered for o in outcomes), "|", flush=True)
    return int(failed)


def spread(numbers: Iterable[int]) -> str:
    """The least and the most."""
    ordered = sorted(numbers)
    return f"{ordered[0]}–{ordered[-1]}"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
