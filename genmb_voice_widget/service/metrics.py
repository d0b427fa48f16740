"""What the endpoint counts and times, for Prometheus. No app, no session and no secret is a label.

| each begins with `genmb_voice_`      | labels                  |                                      |
|--------------------------------------|-------------------------|--------------------------------------|
| `decisions_total`                    | action, outcome         | what was decided, as in the audit    |
| `sessions_live`                      |                         | sessions that stand, on all nodes    |
| `provider_seconds`                   | provider, call, outcome | how long a voice service took        |
| `window_seconds`, `ledger_seconds`   | call, outcome           | how long the window, the ledger took |
| `audit_lost_total`                   |                         | decisions that could not be kept     |
| `sweeper_last_run_timestamp_seconds` |                         | when this node's last look was       |

Each `Metrics` has a registry of its own. Importing this needs the extra `service`.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from .audit import Decision
from .problems import Refusal
from .providers import Provider
from .window import Window

T = TypeVar("T")
Took = Callable[[str, str, float], None]
"""Is told of a call: its name, its outcome, and the seconds that it took."""

_OF_A_PROVIDER = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 15.0)
_OF_A_STORE = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_PROVIDER_CALLS = ("answer", "mint", "hang_up")
_WINDOW_CALLS = ("ages", "take", "give_back")
_LEDGER_CALLS = ("balance", "hold", "answered", "renew", "step", "tried", "find", "due", "unsettled", "lease")


class Metrics:
    """The counts of one endpoint.

    Args:
        standing: counts the sessions that stand, at each reading.
        lost: counts the decisions that could not be kept.
    """

    def __init__(
        self,
        standing: Callable[[], Awaitable[int]] | None = None,
        lost: Callable[[], int] = lambda: 0,
    ) -> None:
        self._standing = standing
        self._lost = lost
        self._live: int | None = None
        registry = self._registry = CollectorRegistry()
        registry.register(_Read(self._read))
        self._decisions = Counter(
            "genmb_voice_decisions", "What was decided.", ["action", "outcome"], registry=registry
        )
        self._swept = Gauge(
            "genmb_voice_sweeper_last_run_timestamp_seconds", "When it last looked.", registry=registry
        )
        self._provider_seconds = Histogram(
            "genmb_voice_provider_seconds",
            "How long a voice service took.",
            ["provider", "call", "outcome"],
            buckets=_OF_A_PROVIDER,
            registry=registry,
        )
        self._window_seconds, self._ledger_seconds = (
            Histogram(
                f"genmb_voice_{store}_seconds",
                f"How long the {store} took.",
                ["call", "outcome"],
                buckets=_OF_A_STORE,
                registry=registry,
            )
            for store in ("window", "ledger")
        )

    def decided(self, decision: Decision) -> None:
        """Count a decision."""
        self._decisions.labels(decision.action, decision.outcome).inc()

    def providers(self, providers: Mapping[str, Provider]) -> dict[str, Provider]:
        """Return the providers, timed."""

        def took(name: str) -> Took:
            return lambda call, outcome, seconds: self._provider_seconds.labels(name, call, outcome).observe(
                seconds
            )

        return {name: _timed(provider, _PROVIDER_CALLS, took(name)) for name, provider in providers.items()}

    def window(self, window: Window) -> Window:
        """Return the window, timed."""
        return _timed(window, _WINDOW_CALLS, self._of_the_window)

    def ledger(self, ledger: T) -> T:
        """Return the ledger, timed."""
        return _timed(ledger, _LEDGER_CALLS, self._of_the_ledger)

    async def text(self) -> tuple[bytes, str]:
        """Give the counts as they are now, and their media type."""
        try:
            self._live = await self._standing() if self._standing else None
        except Refusal:
            self._live = None
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _of_the_window(self, call: str, outcome: str, seconds: float) -> None:
        self._window_seconds.labels(call, outcome).observe(seconds)

    def _of_the_ledger(self, call: str, outcome: str, seconds: float) -> None:
        self._ledger_seconds.labels(call, outcome).observe(seconds)
        if call == "due" and outcome == "ok":  # Only the sweeper asks this.
            self._swept.set_to_current_time()

    def _read(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "genmb_voice_audit_lost", "Decisions that could not be kept.", value=self._lost()
        )
        if self._live is not None:
            yield GaugeMetricFamily("genmb_voice_sessions_live", "Sessions that stand.", value=self._live)


class _Read(Collector):
    """Has its numbers read when they are asked for."""

    def __init__(self, read: Callable[[], Iterator[Metric]]) -> None:
        self._collect = read

    def collect(self) -> Iterator[Metric]:
        return self._collect()


class _Timed:
    """Stands for another object, and tells how long some of its calls took."""

    def __init__(self, target: object, calls: tuple[str, ...], took: Took) -> None:
        self._target = target
        self._calls = calls
        self._took = took

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name in self._calls and inspect.iscoroutinefunction(found):
            found = self.__dict__[name] = self._time(name, found)
        return found

    def _time(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def timed(*args: Any, **kwargs: Any) -> Any:
            began, outcome = time.perf_counter(), "error"
            try:
                result = await call(*args, **kwargs)
                outcome = "ok"
                return result
            except Refusal as refusal:
                outcome = refusal.code
                raise
            finally:
                self._took(name, outcome, time.perf_counter() - began)

        return timed


def _timed(target: T, calls: tuple[str, ...], took: Took) -> T:
    return cast(T, _Timed(target, calls, took))
