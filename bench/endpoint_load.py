"""The load, a process of its own: so many clients that each wait for an answer before they ask again.

    python endpoint_load.py KEYS_FILE URL SERVER_PID CLIENTS ROUNDS SECONDS

Prints a JSON list: for each round after the warm-up the requests, the errors, requests/s, latencies in ms and
the CPU time of the server's threads for a request in µs. Each request is of another app than the one before,
so nothing about it is remembered from just now. aiohttp's client costs a quarter of httpx's; a program in C
would cost less, and is not there on every machine.
"""

import asyncio
import itertools
import json
import statistics
import sys
import time
from pathlib import Path

import aiohttp

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + "a=fmtp:111 minptime=10;useinbandfec=1\r\n" * 60
)
BODY = json.dumps(
    {
        "session": {
            "type": "realtime",
            "model": "gpt-realtime",
            "instructions": "You take bookings for a table. " * 20,
            "audio": {"output": {"voice": "marin"}},
        },
        "sdp": OFFER,
    }
).encode()


def cpu_seconds(pid: int) -> float:
    """CPU time that a process's threads have used so far."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


async def ask(http: aiohttp.ClientSession, url: str, key: str, found: list[float | None]) -> None:
    """One request; None is one that failed."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    began = time.perf_counter()
    try:
        async with http.post(url, data=BODY, headers=headers) as response:
            await response.read()
            found.append(time.perf_counter() - began if response.status == 201 else None)
    except (aiohttp.ClientError, TimeoutError):
        found.append(None)


async def a_round(
    http: aiohttp.ClientSession, url: str, clients: int, seconds: float, keys: itertools.cycle
) -> list:
    """Ask for so many seconds."""
    found: list[float | None] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < end:
            await ask(http, url, next(keys), found)

    await asyncio.gather(*(client() for _ in range(clients)))
    return found


async def main(keys: list[str], url: str, pid: str, clients: str, rounds: str, seconds: str) -> None:
    """Measure each round."""
    turns = itertools.cycle(keys)
    measured = []
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        for number in range(int(rounds) + 1):
            used, began = cpu_seconds(int(pid)), time.perf_counter()
            found = await a_round(http, url, int(clients), float(seconds), turns)
            used, took = cpu_seconds(int(pid)) - used, time.perf_counter() - began
            good = [each * 1000 for each in found if each is not None]
            if number == 0 or len(good) < 2:
                continue
            quantiles = statistics.quantiles(good, n=100, method="inclusive")
            numbers = {"p50": quantiles[49], "p99": quantiles[98], "rate": len(good) / took}
            numbers |= {
                "cpu": used / len(found) * 1e6,
                "errors": len(found) - len(good),
                "requests": len(found),
            }
            measured.append(numbers)
    print(json.dumps(measured))


if __name__ == "__main__":
    file, *how = sys.argv[1:]
    asyncio.run(main(Path(file).read_text().split(), *how))
