#!/usr/bin/env bash
# Prediction side by side with CatBoost, xgboost and LightGBM on one thread. Needs the Python of test:peers.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash tests/peers/venv.sh
node scripts/build.mjs
.venv/bin/python bench/prediction/compare.py --out bench/results/prediction.json "$@"
