"""The faults that are tested with all their consequences, and `docs/faults.md`, which says what the tests found.

Here stands what can go wrong and what was promised for it. What really comes of it is in no list: a test that is
marked `fault("name", …)` measures it, and the page is written from that (`make faults`).
"""

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "faults.md"


class Found(NamedTuple):
    """What a test measured: the statuses that were told, the codes, the microphone's state, what it cost."""

    status: str
    code: str
    microphone: str
    charge: str
    within: str


def found(
    status: str | Iterable[str],
    codes: Iterable[str],
    microphone: str,
    entries: Iterable[tuple[str, int]],
    within: float | None = None,
) -> Found:
    """Write down a measurement.

    `entries` are those of the session's owner in the ledger: kind and credits. `within`: the seconds that the test gave it.
    """
    moved = [(kind, credits) for kind, credits in entries if kind != "grant"]
    paid = sum(credits for kind, credits in moved if kind == "capture")
    steps = ", ".join(f"{kind} {credits}" for kind, credits in moved)
    path = status if isinstance(status, str) else " → ".join(status)
    limit = "–" if within is None else f"{within:g} s"
    return Found(path, ", ".join(codes) or "–", microphone, f"{paid} ({steps or 'no entry'})", limit)


def marked() -> Iterator[tuple[str, str]]:
    """Each name that a test is marked with, and the file of the test."""
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if ".fault(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                yield from ((ast.literal_eval(name), path.name) for name in node.args)


def line(name: str, measured: Found) -> str:
    """Write the row of a fault."""
    files = ", ".join(f"`{file}`" for file in sorted({file for known, file in marked() if known == name}))
    what, promised = FAULTS[name]
    cells = (what, promised, measured.status, _code(measured.code), measured.microphone, measured.charge)
    return f"| {' | '.join((*cells, measured.within, files))} |"


def _code(codes: str) -> str:
    return codes if codes == "–" else ", ".join(f"`{code}`" for code in codes.split(", "))


def lines() -> dict[str, str]:
    """Read the rows that the page has, by the names of their faults."""
    rows = PAGE.read_text().splitlines() if PAGE.exists() else []
    by_what = {f"| {what} |": name for name, (what, _) in FAULTS.items()}
    return {by_what[start]: row for row in rows for start in by_what if row.startswith(start)}


def write(measured: Mapping[str, Found]) -> None:
    """Write the page; what was not measured now stays as it was."""
    known = lines() | {name: line(name, row) for name, row in measured.items()}
    rows = [known[name] for name in FAULTS if name in known]
    PAGE.write_text("\n".join([HEAD, *rows, ""]))


HEAD = """# Faults

What comes of each thing that can go wrong, measured by the tests: `make faults` writes this page, and a test fails that finds something else
than its row says. "Status" is every status that the page told, or the one that the cell shows; "code" the errors in the order in which they were
told; "microphone" what became of the tracks that the browser had given; "credits" what was paid, and the entries in the ledger (a session costs
5); "within" the time that the test leaves for it, where time was promised. Where a row ends otherwise than it was promised, the row is right.

| what goes wrong | promised | status | code | microphone | credits | within | test |
|---|---|---|---|---|---|---|---|"""

FAULTS: Mapping[str, tuple[str, str]] = json.loads((TESTS / "faults.json").read_text())
"""What goes wrong and what was promised for it, by a name for the tests."""
