"""
Writes fixtures/pruners.json: where Optuna's pruners end trials with the given curves, one trial after the other, and how
Hyperband shares out trials among its brackets, for many resources.
"""

import json
import math
import random
import warnings
from pathlib import Path

import optuna
from optuna import pruners

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

CONFIGS = [
    {"name": "median"},
    {"name": "median", "n_startup_trials": 0},
    {"name": "median", "n_startup_trials": 2, "n_warmup_steps": 3, "interval_steps": 2},
    {"name": "median", "n_min_trials": 6},
    {"name": "percentile"},
    {"name": "percentile", "percentile": 60, "n_startup_trials": 3, "interval_steps": 3},
    {"name": "successive_halving"},
    {"name": "successive_halving", "min_resource": 1, "reduction_factor": 2},
    {"name": "successive_halving", "min_resource": 2, "reduction_factor": 3, "min_early_stopping_rate": 1},
    {"name": "successive_halving", "min_resource": 1, "reduction_factor": 2, "bootstrap_count": 4},
    {"name": "hyperband"},
    {"name": "hyperband", "min_resource": 1, "max_resource": 12, "reduction_factor": 2},
    {"name": "hyperband", "min_resource": 2, "max_resource": 12, "reduction_factor": 3, "bootstrap_count": 1},
    {"name": "patience", "patience": 2},
    {"name": "patience", "patience": 1, "min_delta": 0.05, "wrapped_pruner": {"name": "median", "n_startup_trials": 1}},
]
CLASSES = {
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "successive_halving": pruners.SuccessiveHalvingPruner,
    "hyperband": pruners.HyperbandPruner,
}


def make(config):
    options = {key: value for key, value in config.items() if key not in ("name", "wrapped_pruner")}
    if config["name"] == "patience":
        wrapped = config.get("wrapped_pruner")
        return pruners.PatientPruner(make(wrapped) if wrapped else None, **options)
    if config["name"] == "percentile":
        options.setdefault("percentile", 25)
    return CLASSES[config["name"]](**options)


def curves(rng):
    """Curves with noise; some are short, some leave out steps, some have NaN."""
    result = []
    for number in range(40):
        level, pace = rng.random(), 0.2 + rng.random()
        curve = []
        for step in range(3 if number % 7 == 6 else 12):
            if number % 5 == 4 and step % 3 == 1:
                continue
            value = round(level + math.exp(-pace * step) + 0.1 * rng.random(), 3)
            curve.append([step, None if number % 9 == 8 and step in (0, 5) else value])
        result.append(curve)
    return result


def run(config, direction, curves):
    study = optuna.create_study(study_name="curves", direction=direction, pruner=make(config))
    ends = []
    for curve in curves:
        trial = study.ask()
        end = None
        for step, value in curve:
            value = math.nan if value is None else value if direction == "minimize" else -value
            trial.report(value, step)
            if trial.should_prune():
                end = step
                break
        last = curve[-1][1] if curve[-1][1] is not None else 1.0
        if end is None:
            study.tell(trial, last if direction == "minimize" else -last)
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        ends.append(end)
    return ends


def budgets(reduction_factor, max_resource):
    pruner = pruners.HyperbandPruner(1, max_resource, reduction_factor)
    pruner._try_initialization(None)
    return [reduction_factor, max_resource, pruner._trial_allocation_budgets]


# Many of these are powers of a factor, whose logarithm a floating-point number may miss.
BUDGETS = [budgets(factor, most) for factor in (2, 3, 4, 5, 9, 10) for most in (1, 2, 7, 9, 100, 243, 256, 1000, 59049)]
CURVES = curves(random.Random(3))
cases = [
    {"config": config, "direction": direction, "ends": run(config, direction, CURVES)}
    for config in CONFIGS
    for direction in ("minimize", "maximize")
]
path = Path(__file__).parent / "fixtures" / "pruners.json"
content = {"studyName": "curves", "curves": CURVES, "cases": cases, "budgets": BUDGETS}
path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
