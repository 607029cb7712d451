"""Optuna's searches of quality.ts: usage quality.py JOB, a file of JSON. Prints one list a seed of trials, each its values and, last, what
the objective gave."""

import json
import math
import sys
import warnings

import optuna
from optuna.distributions import FloatDistribution, IntDistribution

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def branin(values):
    x, y = values
    bend = y - 5.1 / (4 * math.pi * math.pi) * x * x + 5 / math.pi * x - 6
    return bend * bend + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


HEIGHTS = [1, 1.2, 3, 3.2]
WIDTHS = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
CENTRES = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def hartmann6(values):
    total = 0.0
    for height, widths, centres in zip(HEIGHTS, WIDTHS, CENTRES):
        exponent = 0.0
        for x, width, centre in zip(values, widths, centres):
            difference = x - centre
            exponent += width * difference * difference
        total -= height * math.exp(-exponent)
    return total


def unit(distribution, value):
    low, high = distribution.low, distribution.high
    return math.log(value / low) / math.log(high / low) if distribution.log else (value - low) / (high - low)


def surrogate_of(scale, mean, points, weights):
    def evaluate(values):
        at = [unit(distribution, value) for distribution, value in zip(space.values(), values)]
        total = mean
        for point, weight in zip(points, weights):
            squares = 0.0
            for a, b, factor in zip(at, point, scale):
                difference = (a - b) * factor
                squares += difference * difference
            total += weight * (1 / (1 + squares))
        return total

    return evaluate


def distribution_of(given):
    if given["type"] == "int":
        return IntDistribution(given["low"], given["high"], log=given["log"], step=given["step"])
    return FloatDistribution(given["low"], given["high"], log=given["log"])


def search(seed):
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=job["multivariate"], constant_liar=True)
    study = optuna.create_study(sampler=sampler)
    trace = []
    while len(trace) < job["trials"]:
        trials = [study.ask(space) for _ in range(min(job["generation"], job["trials"] - len(trace)))]
        for trial in trials:
            values = [trial.params[name] for name in space]
            value = evaluate(values)
            study.tell(trial, value)
            trace.append([*values, value])
    return trace


with open(sys.argv[1]) as file:
    job = json.load(file)
space = {given["name"]: distribution_of(given["distribution"]) for given in job["space"]}
if "surrogate" in job:
    evaluate = surrogate_of(**job["surrogate"])
else:
    evaluate = {"branin": branin, "hartmann6": hartmann6}[job["name"]]
print(json.dumps([search(seed) for seed in job["seeds"]]))
