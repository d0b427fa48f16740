"""Every measurement, or those named on the command line, as one Markdown table."""

import asyncio
import inspect
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import arriving  # noqa: E402
import connecting  # noqa: E402
import crossing  # noqa: E402
import endpoint  # noqa: E402
import folding  # noqa: E402
import imports  # noqa: E402
import sizes  # noqa: E402
from report import table  # noqa: E402

MEASUREMENTS = {
    module.__name__: module for module in (sizes, imports, folding, crossing, endpoint, arriving, connecting)
}


def main(names: list[str]) -> None:
    """Measure one after the other: they share the cores."""
    rows = []
    for name in names or MEASUREMENTS:
        print(f"measuring {name} …", file=sys.stderr)
        found = MEASUREMENTS[name].measure()
        rows += asyncio.run(found) if inspect.iscoroutine(found) else found
    print(table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
