"""Many streams of nonsense through both folds: missing ids, wrong order, repeats, huge deltas, deep nesting.

    cd tests && ../.venv/bin/python -m soak.folds [streams]

fails at the first stream that a fold cannot take or that the two take differently; 10,000 need two minutes.
"""

import sys
import tempfile
from pathlib import Path

from test_parity import compare, nonsense

BATCH = 500


def main(streams: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, streams, BATCH):
            made = list(nonsense(range(first, min(first + BATCH, streams))))
            compare(made, Path(folder))
            envelopes = sum(len(log["envelopes"]) for log in made)
            print(
                f"streams {first} to {first + len(made) - 1}: {envelopes} events, the same state", flush=True
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
