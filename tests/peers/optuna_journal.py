"""The real Optuna on journals that optuna_journal.ts writes; that file says what is checked.

`continue PATH EXPECTED`  loads the study "ours" of the journal, compares it with the file EXPECTED, and runs 5 trials more.
`append PATH COUNT`       creates and finishes COUNT trials of the study "ours", while others append too.
"""

import json
import math
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)


def load(path):
    return optuna.load_study(study_name="ours", storage=JournalStorage(JournalFileBackend(path)))


def same(a, b):
    """Equal with equal types; NaN is itself. Lists for pairs, since JSON has no tuples."""
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


def objective(trial):
    x = trial.suggest_float("x", -2, 2)
    depth = trial.suggest_int("depth", 1, 9)
    trial.suggest_categorical("kind", ["a", None, True, 2])
    for step in range(4):
        trial.report(x * x + depth / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x * x


def go_on(path, expected):
    study = load(path)
    with open(expected) as file:
        expected = json.load(file)
    assert study.direction.name == "MINIMIZE" and len(study.trials) == len(expected)
    for trial, ours in zip(study.trials, expected):
        theirs = {
            "state": trial.state.name.lower(),
            "value": trial.value,
            "params": [[name, value] for name, value in trial.params.items()],
            "intermediate": [[step, value] for step, value in trial.intermediate_values.items()],
            "userAttrs": trial.user_attrs,
            "systemAttrs": trial.system_attrs,
        }
        assert same(theirs, ours), f"trial {trial.number}: {theirs} and not {ours}"
    study.optimize(objective, n_trials=5)
    # The first of the five is our waiting trial.
    assert [trial.state.name for trial in study.trials].count("RUNNING") == 1
    assert len(study.trials) == len(expected) + 4


def append(path, count):
    study = load(path)
    for i in range(count):
        trial = study.ask()
        trial.report(i, 0)
        study.tell(trial, float(i))


mode, path, argument = sys.argv[1:]
if mode == "continue":
    go_on(path, argument)
else:
    append(path, int(argument))
