#!/usr/bin/env bash
# A second environment with ipykernel 6.31, for tests/kernels: hosted notebooks still run kernels of that line.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 -m venv .venvs/ipykernel6
.venvs/ipykernel6/bin/pip install --quiet --editable . "ipykernel==6.31.*"
