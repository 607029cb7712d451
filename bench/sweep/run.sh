#!/usr/bin/env bash
# The protocol's hyperparameter search beside Optuna with xgboost (as the protocol writes it) and with an expert's xgboost
# and LightGBM, on an idle machine, both cores for all. Needs the Python of test:peers, or --python with the same packages.
# --trials 30 --repeats 1 --seeds 1,2,3,4,5 compares what the searches find.
set -euo pipefail
cd "$(dirname "$0")/../.."
case " $* " in
  *" --python "*) python=() ;;
  *) bash tests/peers/venv.sh; python=(--python .venv/bin/python) ;;
esac
node scripts/build.mjs
exec npx --no-install tsx bench/sweep/run.ts "${python[@]}" "$@"
