#!/usr/bin/env bash
# The accuracy table: Lockstep against xgboost hist at equal parameters on equal splits. Needs the Python of test:peers.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash tests/peers/venv.sh
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
npx --no-install tsx bench/accuracy/lockstep.ts --out "$out/work" --seeds "${SEEDS:-10}"
.venv/bin/python bench/accuracy/compare.py "$out/work"
cp "$out/accuracy.json" bench/results/accuracy.json
