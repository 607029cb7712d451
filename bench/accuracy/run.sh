#!/usr/bin/env bash
# The accuracy tables: Lockstep against xgboost hist at equal parameters, once with a new split for each seed and once with
# one split for all seeds, where only sampling differs. Needs the Python of test:peers.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash tests/peers/venv.sh
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
for split in "" 0; do
  work="$out/split$split"
  npx --no-install tsx bench/accuracy/lockstep.ts --out "$work" --seeds "${SEEDS:-10}" ${split:+--split "$split"}
  .venv/bin/python bench/accuracy/compare.py "$work" || status=1
  cp "$work/result.json" "bench/results/accuracy-$([ -n "$split" ] && echo one-split || echo split-by-seed).json"
done
exit "$status"
