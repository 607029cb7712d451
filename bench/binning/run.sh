#!/usr/bin/env bash
# Binning and loading side by side with xgboost, LightGBM and CatBoost on one thread. Needs the Python of test:peers.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash tests/peers/venv.sh
node scripts/build.mjs
.venv/bin/python bench/binning/compare.py --out bench/results/binning.json "$@"
