#!/usr/bin/env bash
# The built front end is committed; this fails when it is not what the sources build.
set -euo pipefail
cd "$(dirname "$0")/.."

before=$(cat genmb_voice_widget/static/* | sha256sum)
(cd js && npm run --silent build)
after=$(cat genmb_voice_widget/static/* | sha256sum)
if [ "$before" != "$after" ]; then
  echo "genmb_voice_widget/static was not built from js/src: commit what 'make build' has just made" >&2
  exit 1
fi
