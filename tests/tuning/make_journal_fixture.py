"""Writes a small journal with Optuna, and what it holds: fixtures/optuna.journal and fixtures/optuna-journal.json."""

import json
import math
import os
import warnings
from pathlib import Path

import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
FOLDER = Path(__file__).parent / "fixtures"
PATH = FOLDER / "optuna.journal"


def objective(trial):
    x = trial.suggest_float("x", 1e-3, 0.3, log=True)
    n = trial.suggest_int("n", 2, 10, step=2)
    kind = trial.suggest_categorical("kind", ["a", "b", None, 1, True])
    if kind == "a":
        trial.suggest_float("y", 0, 1, step=0.25)
    for step in range(3):
        trial.report(math.nan if trial.number == 3 and step == 1 else x * n / (step + 1), step)
        if trial.number % 4 == 2 and step == 1:
            raise optuna.TrialPruned()
    if trial.number == 5:
        raise ValueError("fails")
    return {6: math.inf, 7: -math.inf}.get(trial.number, x * n)


def number(value):
    return value if value is None or math.isfinite(value) else json.dumps(value)


PATH.unlink(missing_ok=True)
storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(os.path.relpath(PATH)))
optuna.create_study(storage=storage, study_name="another", direction="maximize").ask()
study = optuna.create_study(
    storage=storage, study_name="from-python", direction="minimize", sampler=optuna.samplers.RandomSampler(seed=1)
)
study.enqueue_trial({"x": 0.1, "n": 4, "kind": "b"})
study.optimize(objective, n_trials=9, catch=(ValueError,))
study.enqueue_trial({"x": 0.2})
trials = [
    {
        "state": trial.state.name.lower(),
        "value": number(trial.value),
        "params": {name: trial.distributions[name].to_internal_repr(value) for name, value in trial.params.items()},
        "intermediate": [[step, number(value)] for step, value in sorted(trial.intermediate_values.items())],
    }
    for trial in study.get_trials()
]
(FOLDER / "optuna-journal.json").write_text(json.dumps(trials, indent=1) + "\n")
