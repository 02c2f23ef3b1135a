#!/usr/bin/env bash
# Installs Schemathesis, which `npm run test:conformance` runs, into `.cache/schemathesis`. On Debian it also installs
# Python's venv if that is missing. Does nothing if the pinned versions are there.
set -euo pipefail

cd "$(dirname "$0")/../.."
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

pins=scripts/test-conformance/requirements.txt
folder=.cache/schemathesis
if cmp --silent "$pins" "$folder/installed.txt"; then exit 0; fi

if ! python3 -c 'import ensurepip' 2>/dev/null; then
  as_root apt-get update -qq
  as_root apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
python3 -m venv --clear "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$pins"
cp "$pins" "$folder/installed.txt"
