"""Writes tests/tuning/fixtures/importances.json: what Optuna 5.0.0's get_param_importances says of drawn studies.

    PYTHON tests/tuning/make_importance_fixture.py

needs optuna 5.0.0 and numpy.
"""

import json
import math
import os
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import get_param_importances
from optuna.trial import TrialState, create_trial

from optuna_json import distribution

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")
TARGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "importances.json")
BOOSTER = {
    "learning_rate": FloatDistribution(0.005, 0.3, log=True),
    "max_depth": IntDistribution(3, 12),
    "max_leaves": IntDistribution(8, 512, log=True),
    "min_child_weight": FloatDistribution(0.1, 20, log=True),
    "subsample": FloatDistribution(0.5, 1, step=0.05),
    "colsample_bytree": FloatDistribution(0.4, 1),
    "max_bin": IntDistribution(32, 256, step=32),
    "grow_policy": CategoricalDistribution(["depthwise", "lossguide"]),
    "lambda": FloatDistribution(1e-8, 100, log=True),
}
MIXED = {
    "x": FloatDistribution(-3, 5),
    "wide": IntDistribution(-1000, 1000),
    "halves": FloatDistribution(0, 0.95, step=0.1),
    "log_int": IntDistribution(1, 8, log=True),
    "two": IntDistribution(0, 1),
    "kind": CategoricalDistribution(["a", None, 3, 2.5, True, "never"]),
    "fixed": FloatDistribution(2, 2),
    "only": CategoricalDistribution(["one"]),
}


def draw(rng, d):
    if isinstance(d, CategoricalDistribution):
        return d.choices[rng.integers(max(1, len(d.choices) - (d.choices[-1] == "never")))]
    if d.log:
        value = math.exp(rng.uniform(math.log(d.low), math.log(d.high)))
        return min(max(round(value), d.low), d.high) if isinstance(d, IntDistribution) else value
    if d.step is not None:
        value = d.low + rng.integers(round((d.high - d.low) / d.step) + 1) * d.step
        return int(value) if isinstance(d, IntDistribution) else float(min(value, d.high))
    return float(rng.uniform(d.low, d.high))


def score(rng, params, dists, noise):
    total = noise * rng.normal()
    for i, (name, value) in enumerate(params.items()):
        d = dists[name]
        internal = d.to_internal_repr(value)
        low, high = (0, max(1, len(d.choices) - 1)) if isinstance(d, CategoricalDistribution) else (d.low, d.high)
        if getattr(d, "log", False):
            internal, low, high = math.log(internal), math.log(low), math.log(high)
        total += ((internal - low) / ((high - low) or 1) - 0.3) ** 2 / (1 + i)
    return total


def number(value):
    """JSON has no infinities."""
    return value if value is None or math.isfinite(value) else str(value)


def case(name, direction, trials):
    study = optuna.create_study(direction=direction)
    study.add_trials(trials)
    known = []
    rows = []
    for t in study.trials:
        params = []
        for key, value in t.params.items():
            d = t.distributions[key]
            if [key, distribution(d)] not in known:
                known.append([key, distribution(d)])
            params.append([known.index([key, distribution(d)]), d.to_internal_repr(value)])
        rows.append([t.state.name.lower(), number(t.value), params])
    importances = get_param_importances(study)
    return {"name": name, "direction": direction, "params": known, "trials": rows, "importances": importances}


def complete(params, dists, value, state=TrialState.COMPLETE):
    return create_trial(
        params=params,
        distributions={name: dists[name] for name in params},
        value=None if state == TrialState.FAIL else value,
        state=state,
    )


def plain(seed, count, dists, noise=0.1, sign=1):
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(count):
        params = {name: draw(rng, d) for name, d in dists.items()}
        trials.append(complete(params, dists, sign * score(rng, params, dists, noise)))
    return trials


def narrowing(seed, count, dists):
    """Values that close in on the best ones, as a sampler's do."""
    rng = np.random.default_rng(seed)
    trials = []
    for i in range(count):
        params = {name: draw(rng, d) for name, d in dists.items()}
        if i > count // 4 and rng.random() < 0.8:
            best = min(trials, key=lambda t: t.value)
            for name in params:
                if rng.random() < 0.7:
                    params[name] = best.params[name]
        trials.append(complete(params, dists, score(rng, params, dists, 0.05)))
    return trials


def conditional(seed, count):
    rng = np.random.default_rng(seed)
    dists = {
        "policy": CategoricalDistribution(["depth", "leaf"]),
        "depth": IntDistribution(2, 12),
        "leaves": IntDistribution(2, 1024, log=True),
        "rate": FloatDistribution(0.001, 1, log=True),
        "rare": FloatDistribution(0, 1),
    }
    changed = {**dists, "rate": FloatDistribution(0.01, 0.5, log=True)}
    trials = []
    for i in range(count):
        space = changed if i >= count // 2 else dists
        params = {"policy": draw(rng, space["policy"])}
        branch = "depth" if params["policy"] == "depth" else "leaves"
        params[branch] = draw(rng, space[branch])
        params["rate"] = draw(rng, space["rate"])
        value = score(rng, params, space, 0.05)
        if i == 7:
            params["rare"] = 0.25
            value = -1.0
        trials.append(complete(params, space, value))
    return trials


def troubled(seed, count):
    rng = np.random.default_rng(seed)
    trials = []
    for i in range(count):
        params = {name: draw(rng, d) for name, d in MIXED.items()}
        value = score(rng, params, MIXED, 0.1)
        state = [TrialState.PRUNED, TrialState.FAIL][i % 2] if i % 5 == 0 else TrialState.COMPLETE
        value = math.inf if i % 11 == 3 else -math.inf if i % 13 == 4 else value
        trials.append(complete(params, MIXED, value, state))
    return trials


CASES = [
    case("1000 trials of nine parameters", "minimize", plain(1, 1000, BOOSTER)),
    case("maximizing", "maximize", plain(2, 200, BOOSTER, sign=-1)),
    case("values that close in", "minimize", narrowing(3, 150, BOOSTER)),
    case("every kind of distribution", "minimize", plain(4, 120, MIXED)),
    case("25 trials", "minimize", plain(5, 25, MIXED)),
    case("2 trials", "minimize", plain(6, 2, MIXED)),
    case("3 trials that are equal", "minimize", [complete(t.params, MIXED, 1.0) for t in plain(7, 3, MIXED)]),
    case("ties at the quantile", "minimize", [complete(t.params, BOOSTER, round(t.value, 1)) for t in plain(8, 80, BOOSTER)]),
    case("pruned and failed trials and infinite values", "minimize", troubled(9, 110)),
    case("parameters that depend on others", "minimize", conditional(10, 90)),
]

with open(TARGET, "w") as file:
    json.dump({"optuna": optuna.__version__, "cases": CASES}, file, separators=(",", ":"))
    file.write("\n")
