#!/usr/bin/env bash
# Makes .venv with the pinned peers, once.
set -euo pipefail
cd "$(dirname "$0")/../.."
stamp=.venv/.$(sha256sum tests/peers/requirements.txt | cut -c1-16)
[ -e "$stamp" ] && exit 0
python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check -r tests/peers/requirements.txt
touch "$stamp"
