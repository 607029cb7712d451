"""Writes tests/tuning/fixtures/*.json: what Optuna 5.0.0, NumPy and SciPy suggest and draw.

    PYTHON tests/tuning/make_tpe_fixtures.py

needs optuna 5.0.0, numpy and scipy, on a processor with AVX2 or AVX-512 (see docs/samplers.md, "Ties").
Objectives are drawn or simple, so that the tests need no copy of them: they tell the values that are kept here.
"""

import json
import math
import os

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import GridSampler, QMCSampler, RandomSampler, TPESampler
from optuna.samplers._tpe import _truncnorm
from optuna.trial import TrialState
from scipy.stats import qmc

from optuna_json import distribution

optuna.logging.set_verbosity(optuna.logging.ERROR)
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "fail"}


def write(name, content):
    with open(os.path.join(FOLDER, name), "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")


def number(value):
    """JSON has no infinities."""
    return value if value is None or math.isfinite(value) else str(value)


def space_of(dimensions):
    """dimensions: (name, distribution) or (name, distribution, {parent: choices})."""
    return [
        {"name": name, "distribution": distribution(d), **({"when": when[0]} if when else {})}
        for name, d, *when in dimensions
    ]


def internal(params, dimensions):
    """Internal values in the order of the space; null where there is none."""
    return [d.to_internal_repr(params[name]) if name in params else None for name, d, *_ in dimensions]


def suggest(trial, dimensions):
    for name, d, *when in dimensions:
        if when and any(trial.params.get(p) not in allowed for p, allowed in when[0].items()):
            continue
        trial._suggest(name, d)


def objective(trial, dimensions):
    total = 0.0
    for name, value in trial.params.items():
        d = trial.distributions[name]
        if isinstance(d, CategoricalDistribution):
            total += 0.3 * d.choices.index(value)
        else:
            low, high = (math.log(d.low), math.log(d.high)) if d.log else (d.low, d.high)
            x = ((math.log(value) if d.log else value) - low) / (high - low or 1)
            total += (x - 0.37) ** 2
    return total


FLOAT = [("x", FloatDistribution(-3, 7)), ("lr", FloatDistribution(1e-4, 1, log=True))]
NUMBERS = [
    *FLOAT,
    ("units", IntDistribution(1, 2000, log=True)),
    ("drop", FloatDistribution(0, 0.5, step=0.05)),
    ("size", IntDistribution(16, 256, step=16)),
    ("depth", IntDistribution(2, 12)),
]
CATEGORIES = [
    ("kind", CategoricalDistribution(["a", "b", "c", None, True, 3])),
    ("other", CategoricalDistribution(["left", "right", "up"])),
    ("only", CategoricalDistribution(["one"])),
    ("same", IntDistribution(5, 5)),
]
MIXED = [*NUMBERS, *CATEGORIES]
CONDITIONAL = [
    ("zeta", FloatDistribution(0, 1)),
    ("booster", CategoricalDistribution(["tree", "linear", "dart"])),
    ("depth", IntDistribution(2, 12), {"booster": ["tree", "dart"]}),
    ("rate", FloatDistribution(1e-3, 1, log=True), {"booster": ["dart"]}),
    ("alpha", FloatDistribution(1e-8, 10, log=True)),
]

REFERENCE = [
    ("lr", FloatDistribution(1e-3, 0.3, log=True)),
    ("d", IntDistribution(2, 12)),
    ("ne", IntDistribution(50, 1000, step=50)),
    ("ss", FloatDistribution(0.5, 1)),
    ("cs", FloatDistribution(0.3, 1)),
    ("l1", FloatDistribution(1e-8, 10, log=True)),
    ("l2", FloatDistribution(1e-8, 10, log=True)),
    ("mc", IntDistribution(1, 100, log=True)),
    ("k", CategoricalDistribution(["a", "b", "c"])),
]


def boosting(p):
    """Nine parameters such as those of boosted trees."""
    return (
        (math.log(p["lr"]) + 2.5) ** 2
        + (p["d"] - 6) ** 2 / 10
        + (p["ss"] - 0.8) ** 2
        + (p["cs"] - 0.7) ** 2
        + math.log(p["l1"]) ** 2 / 50
        + math.log(p["l2"]) ** 2 / 50
        + (p["k"] == "b")
        + p["ne"] / 1000
        + math.log(p["mc"])
    )


def outcome(kind, trial, i, dimensions):
    """(state, value, intermediate values)"""
    if kind == "boosting":
        return TrialState.COMPLETE, boosting(trial.params), {}
    value = objective(trial, dimensions)
    if kind == "maximize":
        return TrialState.COMPLETE, -value, {}
    if kind == "failed" and i % 4 == 1:
        return TrialState.FAIL, None, {}
    if kind == "pruned" and i % 3 != 0:
        reports = {step: value + 0.1 * step for step in range(0, i % 5)}
        if i % 10 == 4 and reports:
            reports[max(reports)] = math.nan
        return TrialState.PRUNED, None, reports
    if kind == "infinite" and i % 5 in (0, 3):
        return TrialState.COMPLETE, math.inf if i % 5 == 3 else -math.inf, {}
    if kind == "ties":
        return TrialState.COMPLETE, float(round(value)), {}
    return TrialState.COMPLETE, value, {}


def trace(name, dimensions, trials, kind="plain", batch=1, fixed=None, **options):
    direction = "maximize" if kind == "maximize" else "minimize"
    study = optuna.create_study(direction=direction, sampler=TPESampler(seed=42, **options))
    records = []
    while len(records) < trials:
        asked = []
        for _ in range(min(batch, trials - len(records) - len(asked))):
            record = {}
            set_values = fixed and fixed(len(records) + len(asked))
            if set_values:
                study.enqueue_trial(set_values)
                record["fixed"] = internal(set_values, dimensions)
            trial = study.ask()
            suggest(trial, dimensions)
            asked.append((trial, record))
        # Told in another order than asked, as workers finish.
        for trial, record in reversed(asked) if batch > 1 else asked:
            state, value, reports = outcome(kind, trial, trial.number, dimensions)
            for step, report in reports.items():
                trial.report(report, step)
            if kind == "constrained":
                trial.set_constraint("c", float(trial.number % 3 - 1))
                record["constraint"] = float(trial.number % 3 - 1)
            study.tell(trial, value, state)
            record["params"] = internal(trial.params, dimensions)
            record["state"] = STATES[state]
            if value is not None:
                record["value"] = number(value)
            if reports:
                record["intermediate"] = [[step, number(report)] for step, report in reports.items()]
        records.extend(record for _, record in asked)
    keys = {"multivariate": "multivariate", "constant_liar": "constantLiar", "n_startup_trials": "nStartupTrials", "n_ei_candidates": "nEiCandidates"}
    return {
        "name": name,
        "direction": direction,
        "options": {keys[key]: value for key, value in options.items()},
        "batch": batch,
        "space": space_of(dimensions),
        "trials": records,
    }


def enqueued(i):
    if i % 4 == 2:
        return {"x": 1.5, "kind": "b"}
    if i % 13 == 7:
        return {"x": -1, "lr": 0.5, "units": 64, "drop": 0.25, "size": 32, "depth": 7, "kind": None, "other": "up"}
    return None


def traces():
    yield trace("defaults of Optuna 5, boosting", REFERENCE, 60, "boosting")
    yield trace("defaults of Optuna 4, boosting", REFERENCE, 60, "boosting", multivariate=False, constant_liar=False)
    for multivariate in (True, False):
        mode = {"multivariate": multivariate}
        text = "multivariate" if multivariate else "univariate"
        yield trace(f"{text}, minimise", MIXED, 60, **mode)
        yield trace(f"{text}, maximise", MIXED, 40, "maximize", **mode)
        yield trace(f"{text}, pruned", MIXED, 50, "pruned", **mode)
        yield trace(f"{text}, failed", NUMBERS, 40, "failed", **mode)
        yield trace(f"{text}, infinite values", FLOAT + CATEGORIES, 40, "infinite", **mode)
        yield trace(f"{text}, conditional", CONDITIONAL, 50, **mode)
        yield trace(f"{text}, enqueued", MIXED, 40, fixed=enqueued, **mode)
        yield trace(f"{text}, eight running", MIXED, 48, batch=8, **mode)
        yield trace(f"{text}, eight running, no liar", NUMBERS, 32, batch=8, constant_liar=False, **mode)
        yield trace(f"{text}, constrained", FLOAT, 40, "constrained", **mode)
        yield trace(f"{text}, many equal values", NUMBERS, 40, "ties", **mode)
        yield trace(f"{text}, options", FLOAT, 20, n_startup_trials=3, n_ei_candidates=7, **mode)


def told(seed, trials, dimensions):
    """Trials at even values that a sampler is told, then what it suggests."""
    for multivariate in (True, False):
        study = optuna.create_study(sampler=TPESampler(seed=seed, multivariate=multivariate))
        source = optuna.create_study(sampler=RandomSampler(seed=7))
        for _ in range(trials):
            trial = source.ask()
            suggest(trial, dimensions)
            study.add_trial(
                optuna.trial.create_trial(
                    params=trial.params,
                    distributions=trial.distributions,
                    value=objective(trial, dimensions),
                )
            )
        suggestions = []
        for _ in range(4):
            trial = study.ask()
            suggest(trial, dimensions)
            suggestions.append(internal(trial.params, dimensions))
            study.tell(trial, objective(trial, dimensions))
        yield {
            "multivariate": multivariate,
            "trials": trials,
            "space": space_of(dimensions),
            "suggestions": suggestions,
            "values": [trial.value for trial in study.trials],
        }


def independent(sampler, dimensions, trials):
    study = optuna.create_study(sampler=sampler)
    result = []
    for _ in range(trials):
        trial = study.ask()
        suggest(trial, dimensions)
        result.append(internal(trial.params, dimensions))
        study.tell(trial, 0)
    return {"space": space_of(dimensions), "trials": result}


def grid():
    choices = {"size": [16, 24, 32], "kind": ["a", "b"], "drop": [0.0, 0.1, 0.2, 0.30000000000000004]}
    dimensions = [
        ("size", IntDistribution(16, 32, step=8)),
        ("kind", CategoricalDistribution(["a", "b"])),
        ("drop", FloatDistribution(0, 0.30000000000000004, step=0.1)),
    ]
    study = optuna.create_study(sampler=GridSampler(choices, seed=5))
    result = []
    for _ in range(24):
        trial = study.ask()
        suggest(trial, dimensions)
        result.append(internal(trial.params, dimensions))
        try:
            study.tell(trial, 0)
        except RuntimeError:  # It stops the study, which is none that runs.
            pass
    return {"seed": 5, "space": space_of(dimensions), "trials": result}


def qmc_values():
    """Values at given coordinates, as QMCSampler maps them."""
    study = optuna.create_study(sampler=QMCSampler(seed=1))
    result = []
    for i in range(17):
        trial = study.ask()
        suggest(trial, MIXED)
        result.append(internal(trial.params, MIXED))
        study.tell(trial, 0)
    # The first trial is drawn evenly there.
    return {"space": space_of(MIXED), "trials": result[1:]}


def random_state():
    def sample(seed):
        state = np.random.RandomState(seed)
        draws = state.random_sample(700).tolist()
        chosen = state.choice(5, 12, p=[0.1, 0.4, 0.2, 0.05, 0.25]).tolist()
        shuffled = list(range(20))
        state.shuffle(shuffled)
        return {"uniform": [draws[0], draws[1], draws[311], draws[312], draws[699]], "choice": chosen, "shuffled": shuffled, "after": state.random_sample()}

    seeds = [0, 42, 2**31, 2**32 - 1]
    large = [2**32, 2**53 - 1, 123456789012345]
    return [
        *({"seed": seed, **sample(seed)} for seed in seeds),
        *({"seed": seed, **sample([seed % 2**32, seed // 2**32])} for seed in large),
    ]


def truncated_normal():
    a = np.array([-1.0, -8.0, 0.5, -0.001, -30.0, 10.0, -100.0, 3.0, -2.0, -1e-3])
    b = np.array([2.0, -6.0, 0.7, 0.002, 40.0, 12.0, 1.0, 50.0, -1.999, 1e3])
    q = np.array([1e-9, 1e-3, 0.1, 0.5, 0.77, 0.999, 1 - 1e-9])
    z = [-200, -37.5, -20, -19.9, -7, -1.5, -0.7, -1e-3, 0, 0.3, 0.99, 1.2, 3.3, 6, 6.1, 9]
    return {
        "log_ndtr": [[x, _truncnorm._log_ndtr(np.array([float(x)])).item()] for x in z],
        "cases": [
            {
                "a": lo.item(),
                "b": hi.item(),
                "mass": _truncnorm._log_gauss_mass(lo[None], hi[None]).item(),
                "q": q.tolist(),
                "x": _truncnorm.ppf(q, lo, hi).tolist(),
                "logpdf": _truncnorm.logpdf(lo + (hi - lo) * q, lo, hi, 0, 1).tolist(),
            }
            for lo, hi in zip(a, b)
        ],
    }


def order():
    state = np.random.RandomState(3)
    result = []
    for n in [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 25, 31, 33, 64, 100, 129, 200, 255, 256]:
        keys = state.randint(0, max(2, n // 4), size=n).astype(float)
        result.append({"keys": keys.astype(int).tolist(), "order": np.argsort(keys).tolist()})
    return result


def parzen():
    """The multivariate density at samples, as Optuna has it."""
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
    from optuna.samplers._tpe.sampler import default_weights

    result = []
    for n in (0, 1, 7, 40):
        study = optuna.create_study(sampler=RandomSampler(seed=n))
        trials = [study.ask() for _ in range(n)]
        dimensions = [d for d in MIXED if not d[1].single()]
        for trial in trials:
            suggest(trial, dimensions)
        observations = {
            name: np.array([d.to_internal_repr(t.params[name]) for t in trials], dtype=float)
            for name, d in dimensions
        }
        estimator = _ParzenEstimator(
            observations,
            dict(dimensions),
            _ParzenEstimatorParameters(1.0, True, False, default_weights, True),
        )
        samples = estimator.sample(np.random.RandomState(5), 6)
        result.append(
            {
                "observations": [observations[name].tolist() for name, _ in dimensions],
                "samples": [samples[name].tolist() for name, _ in dimensions],
                "logpdf": estimator.log_pdf(samples).tolist(),
            }
        )
    state = np.random.RandomState(11)
    vectors = []
    for name, d in [*NUMBERS, CATEGORIES[0]]:
        for n in (0, 1, 2, 9, 31):
            if isinstance(d, CategoricalDistribution):
                observed = state.randint(0, len(d.choices), size=n).astype(float)
            else:
                draw = RandomSampler(seed=n)
                observed = np.array([draw.sample_independent(None, None, name, d) for _ in range(n)], dtype=float)
            estimator = _ParzenEstimator(
                {name: observed}, {name: d}, _ParzenEstimatorParameters(1.0, True, False, default_weights, True)
            )
            kernels = estimator._mixture_distribution.distributions[0]
            vectors.append(
                {
                    "name": name,
                    "observed": observed.tolist(),
                    "weights": estimator._mixture_distribution.weights.tolist(),
                    "kernels": [kernels.weights.ravel().tolist()]
                    if isinstance(d, CategoricalDistribution)
                    else [kernels.mu.tolist(), kernels.sigma.tolist()],
                }
            )
    space = space_of([d for d in MIXED if not d[1].single()])
    return {"space": space, "cases": result, "vectors": vectors}


write("tpe-traces.json", list(traces()))
write("tpe-told.json", [*told(42, 150, MIXED), *told(42, 400, [*FLOAT, CATEGORIES[0]])])
write("numpy.json", {"random_state": random_state(), "argsort": order()})
write("truncated-normal.json", truncated_normal())
write("parzen.json", parzen())
write("random-grid.json", {"random": [{"seed": seed, **independent(RandomSampler(seed=seed), MIXED, 12)} for seed in (0, 42)], "grid": grid()})
write(
    "sobol.json",
    {
        "points": {str(d): qmc.Sobol(d, scramble=False).random(8 if d > 10 else 33)[1:].tolist() for d in (3, 128)},
        "far": qmc.Sobol(5, scramble=False).fast_forward(1000003).random(1)[0].tolist(),
        "qmc": qmc_values(),
    },
)
