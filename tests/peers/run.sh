#!/usr/bin/env bash
# Asks the real tools: makes the scikit-learn fixtures again and compares them with the committed ones, then prints the
# accuracy table against xgboost. Needs Python 3.11 or later and a package index; `npm test` needs neither.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash tests/peers/venv.sh
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
.venv/bin/python tests/peers/make_metric_fixtures.py "$again"
for file in tests/metrics/fixtures/*.json; do
  cmp "$file" "$again/$(basename "$file")" || { echo "$file is not what scikit-learn gives today"; exit 1; }
done
echo "metric fixtures: as scikit-learn gives them"
bash bench/accuracy/run.sh
