#!/usr/bin/env bash
# What TPE finds beside Optuna's, over 20 seeds on six functions. Needs the Python of test:peers, or --python with the same packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
case " $* " in
  *" --python "*) python=() ;;
  *) bash tests/peers/venv.sh; python=(--python .venv/bin/python) ;;
esac
node scripts/build.mjs
exec npx --no-install tsx bench/tuning/quality.ts "${python[@]}" "$@"
