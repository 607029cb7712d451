#!/usr/bin/env bash
# Ensembles: what the chosen one is worth on public sets, and stacking beside scikit-learn. Needs the Python of test:peers, or --python with
# the same packages; on an idle machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
case " $* " in
  *" --python "*) python=("$@") ;;
  *) bash tests/peers/venv.sh; python=(--python .venv/bin/python) ;;
esac
node scripts/build.mjs
npx --no-install tsx bench/ensemble/quality.ts
npx --no-install tsx bench/ensemble/stacking.ts "${python[@]}"
