#!/usr/bin/env bash
# Asks the real tools: makes the fixtures of scikit-learn, SciPy and xgboost again and compares them with the committed ones,
# compares predictions of exported and imported models with xgboost's, shares journals with Optuna, lets MLflow read and show its runs, and wandb read them, checks that the benchmark gives its peers the same tasks, then prints the accuracy table against
# xgboost. Needs Python 3.11 or later and a package index; `npm test` needs neither.
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
.venv/bin/python tests/stats/fixtures.py "$again/stats"
for file in tests/stats/fixtures/*.json; do
  cmp "$file" "$again/stats/$(basename "$file")" || { echo "$file is not what SciPy, statsmodels and scikit-posthocs give today"; exit 1; }
done
echo "fixtures of statistics: as SciPy, statsmodels and scikit-posthocs give them"

ours() { npx --no-install tsx tests/peers/xgboost_models.ts "$@"; }
theirs() { .venv/bin/python tests/peers/xgboost_format.py "$@"; }
ours small "$again/small.json"
theirs fixtures "$again/small.json" "$again"
for file in tests/formats/fixtures/*.json; do
  cmp "$file" "$again/$(basename "$file")" || { echo "$file is not what xgboost gives today"; exit 1; }
done
ours export "$again/exported"
theirs exported "$again/exported"
theirs train "$again/imported"
ours import "$again/imported"
theirs imported "$again/imported"
echo "XGBoost files: predictions agree both ways"
npx --no-install tsx tests/peers/optuna_journal.ts .venv/bin/python
npx --no-install tsx tests/peers/mlflow_store.ts .venv/bin/python
npx --no-install tsx tests/peers/mlflow_ui.ts .venv/bin/python
npx --no-install tsx tests/peers/wandb_runs.ts .venv/bin/python
npx --no-install tsx tests/peers/bench.ts .venv/bin/python
bash bench/accuracy/run.sh
