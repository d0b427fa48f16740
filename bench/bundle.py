"""Our TypeScript, bundled so that Node can run it."""

import subprocess
from pathlib import Path

ESBUILD = Path(__file__).resolve().parents[1] / "js" / "node_modules" / ".bin" / "esbuild"


def bundle_for_node(source: Path, bundle: Path) -> None:
    """Bundle one entry into one module."""
    how = ["--bundle", "--format=esm", "--platform=node", "--log-level=error", f"--outfile={bundle}"]
    subprocess.run([ESBUILD, source, *how], check=True)
