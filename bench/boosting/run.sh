#!/usr/bin/env bash
# Boosting beside xgboost and LightGBM on public and synthetic sets, on an idle machine. Needs the Python of test:peers, or
# --python with the same packages; --repeats 1 --sets breast_cancer is a quick look. About an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
case " $* " in
  *" --python "*) python=() ;;
  *) bash tests/peers/venv.sh; python=(--python .venv/bin/python) ;;
esac
node scripts/build.mjs
exec npx --no-install tsx bench/boosting/run.ts "${python[@]}" "$@"
