"""A measured ratio: a value, the floor or peer that was measured beside it in the same run, and the aim."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the report. `values` and `floor` are in `unit`; `aim` is the ratio of their medians that we want at most, or at least."""

    what: str
    values: Sequence[float]
    against: str
    floor: Sequence[float]
    unit: str
    aim: float | None = None
    at_least: bool = False

    @property
    def ratio(self) -> float:
        """Median over median."""
        return statistics.median(self.values) / statistics.median(self.floor)

    @property
    def verdict(self) -> str:
        """The aim, and whether it was missed."""
        if self.aim is None:
            return ""
        met = self.ratio >= self.aim if self.at_least else self.ratio <= self.aim
        return f"{'≥' if self.at_least else '≤'} {self.aim:g}{'' if met else ' missed'}"


def spread(values: Sequence[float]) -> str:
    """Median and range, or the value itself where there is just one."""
    digits = 0 if statistics.median(values) >= 100 else 1
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f}, n={len(values)})"


def table(rows: Sequence[Row]) -> str:
    """The report as Markdown, so that it can be pasted as it is."""
    lines = ["| what | measured | against | floor | ratio | aim |", "|---|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row.what}, {row.unit} | {spread(row.values)} | {row.against} | {spread(row.floor)} | {row.ratio:.2f} | {row.verdict} |"
        )
    return "\n".join(lines)
