"""Writes tests/metrics/fixtures/{binary,regression,multiclass}.json: integer scores and what scikit-learn says of them.

Run it as `python tests/peers/make_metric_fixtures.py` with the packages of tests/peers/requirements.txt. The scores
are integers (margins in units of 2^-20, or of 2^-margin_bits for regression; weights in units of 2^-24), and
scikit-learn is given the binary64 values that they stand for.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FIXTURES = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "metrics" / "fixtures"
UNIT_WEIGHT = 1 << 24
rng = np.random.default_rng(11)
warnings.simplefilter("ignore")


def number(value):
    return None if np.isnan(value) else float(value)


def integers(values):
    return [int(value) for value in values]


def binary_case(name, margins, labels, weights=None):
    margins = np.asarray(margins, dtype=np.int64)
    labels = np.asarray(labels, dtype=np.int64)
    sample_weight = None if weights is None else np.asarray(weights, dtype=np.float64) / UNIT_WEIGHT
    e = np.exp(-np.abs(margins) / 2.0**20)
    p = np.where(margins < 0, e / (1 + e), 1 / (1 + e))
    q = np.where(margins < 0, 1 / (1 + e), e / (1 + e))
    predicted = p > 0.5
    options = {"sample_weight": sample_weight}
    expected = {
        "accuracy": metrics.accuracy_score(labels, predicted, **options),
        "precision": metrics.precision_score(labels, predicted, **options),
        "recall": metrics.recall_score(labels, predicted, **options),
        "f1": metrics.f1_score(labels, predicted, **options),
        "auc_roc": metrics.roc_auc_score(labels, p, **options),
        "auc_pr": metrics.average_precision_score(labels, p, **options),
        "logloss": metrics.log_loss(labels, np.column_stack([q, p]), labels=[0, 1], **options),
    }
    case = {"name": name, "margins": integers(margins), "labels": integers(labels)}
    if weights is not None:
        case["weights"] = integers(weights)
    return case | {"expected": {key: number(value) for key, value in expected.items()}}


def multiclass_case(name, margins, labels, weights=None):
    """margins: (rows, classes)."""
    margins = np.asarray(margins, dtype=np.int64)
    labels = np.asarray(labels, dtype=np.int64)
    classes = margins.shape[1]
    every = list(range(classes))
    sample_weight = None if weights is None else np.asarray(weights, dtype=np.float64) / UNIT_WEIGHT
    e = np.exp((margins - margins.max(axis=1, keepdims=True)) / 2.0**20)
    # fsum rounds once: a row's probabilities do not depend on the order of its classes, and ties stay ties.
    p = e / np.array([[math.fsum(row)] for row in e])
    predicted = margins.argmax(axis=1)
    options = {"sample_weight": sample_weight}
    expected = {
        "accuracy": metrics.accuracy_score(labels, predicted, **options),
        "merror": 1 - metrics.accuracy_score(labels, predicted, **options),
        "logloss": metrics.log_loss(labels, p, labels=every, **options),
    }
    scores = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}
    for metric, score in scores.items():
        for average, suffix in (("macro", ""), ("weighted", "_weighted")):
            value = score(labels, predicted, labels=every, average=average, zero_division=0, **options)
            expected[metric + suffix] = value
    for average, suffix in (("macro", ""), ("weighted", "_weighted")):
        if classes == 2:
            area = metrics.roc_auc_score(labels, p[:, 1], **options)
        else:
            area = metrics.roc_auc_score(labels, p, multi_class="ovr", average=average, labels=every, **options)
        expected["auc_roc" + suffix] = area
    case = {"name": name, "margins": integers(margins.ravel()), "labels": integers(labels), "classes": classes}
    if weights is not None:
        case["weights"] = integers(weights)
    return case | {"expected": {key: number(value) for key, value in expected.items()}}


def regression_case(name, margins, targets, margin_bits, base=0.0, weights=None):
    scale = 2.0**-margin_bits
    y = base + np.asarray(targets, dtype=np.int64) * scale
    predicted = base + np.asarray(margins, dtype=np.int64) * scale
    if not np.array_equal(y, y.astype(np.float32)):
        raise ValueError(f"{name}: the targets must be float32 values")
    sample_weight = None if weights is None else np.asarray(weights, dtype=np.float64) / UNIT_WEIGHT
    options = {"sample_weight": sample_weight}
    mse = metrics.mean_squared_error(y, predicted, **options)
    expected = {
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": metrics.mean_absolute_error(y, predicted, **options),
        "r2": metrics.r2_score(y, predicted, **options),
        "mape": metrics.mean_absolute_percentage_error(y, predicted, **options),
    }
    case = {"name": name, "margins": integers(margins), "targets": integers(targets), "raw": [float(v) for v in y]}
    if weights is not None:
        case["weights"] = integers(weights)
    return case | {"marginBits": margin_bits, "expected": {key: number(value) for key, value in expected.items()}}


def random_weights(rows, zeros=0.0):
    weights = rng.integers(1, UNIT_WEIGHT, rows, endpoint=True)
    weights[rng.random(rows) < zeros] = 0
    return weights


def noisy_binary(rows, rate=0.5, spread=1.5):
    score = rng.normal(0, 1, rows) + np.log(rate / (1 - rate))
    return np.rint(score * spread * 2**20), (score + rng.logistic(0, 0.7, rows) > 0).astype(int)


def breast_cancer_scores():
    x, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05))
    scores = cross_val_predict(model, x, y, cv=5, method="decision_function")
    return np.rint(scores[::2] * 2**20), y[::2]


def binary_cases():
    cancer = breast_cancer_scores()
    yield binary_case("breast cancer, logistic regression", *cancer)
    yield binary_case("breast cancer, weighted", *cancer, random_weights(len(cancer[0])))
    for rate in (0.5, 0.1, 0.9):
        scores = noisy_binary(200, rate)
        yield binary_case(f"random, about {rate:.0%} positive", *scores)
        yield binary_case(f"random, about {rate:.0%} positive, weighted", *scores, random_weights(200, zeros=0.1))
    margins, labels = noisy_binary(150)
    coarse = np.rint(margins / 2**20) * 2**20
    yield binary_case("many tied margins", coarse, labels)
    yield binary_case("many tied margins, weighted", coarse, labels, random_weights(150))
    yield binary_case("all margins tied at zero", np.zeros(20), [0, 1] * 10)
    yield binary_case("neighbouring margins", np.arange(-30, 30), rng.integers(0, 2, 60))
    yield binary_case("perfect ranking", [-3 << 20, -2 << 20, 1 << 20, 2 << 20], [0, 0, 1, 1])
    yield binary_case("inverted ranking", [-3 << 20, -2 << 20, 1 << 20, 2 << 20], [1, 1, 0, 0])
    yield binary_case("no positive prediction", [-5 << 20, -1 << 20, 0, -1], [0, 1, 1, 0])
    yield binary_case("no positive row", [-1 << 20, 1 << 20, 5], [0, 0, 0])
    yield binary_case("no negative row", [-1 << 20, 1 << 20, 5], [1, 1, 1])
    yield binary_case("no positive row and no positive prediction", [-1 << 20, -5], [0, 0])
    yield binary_case("one row", [123456], [1])
    yield binary_case("confident and wrong", [-30 << 20, 30 << 20, 20 << 20, -20 << 20], [1, 0, 1, 0])
    yield binary_case("one row carries the weight", [5 << 18, -3 << 19, 7 << 18], [1, 0, 0], [UNIT_WEIGHT, 1, 1])
    yield binary_case("positive rows of weight zero", [5 << 18, -3 << 19, 7 << 18, 9], [1, 0, 0, 1], [0, 99, 55, 0])
    yield binary_case("rows of weight zero", [5 << 18, -3 << 19, 7 << 18, 9], [1, 0, 0, 1], [77, 99, 0, 0])


def regression_cases():
    x, y = load_diabetes(return_X_y=True)
    predicted = cross_val_predict(Ridge(), x, y, cv=5)[:300]
    base = 152.0
    margins, targets = np.rint((predicted - base) * 2**15), np.rint((y[:300] - base) * 2**15)
    yield regression_case("diabetes, ridge", margins, targets, 15, base)
    yield regression_case("diabetes, ridge, weighted", margins, targets, 15, base, random_weights(300, zeros=0.1))
    targets = rng.integers(-(2**23), 2**23, 120)
    margins = targets + rng.integers(-(2**21), 2**21, 120)
    yield regression_case("random", margins, targets, 20)
    yield regression_case("random, weighted", margins, targets, 20, weights=random_weights(120))
    yield regression_case("values in the millions", margins, targets, -4)
    yield regression_case("tiny values", margins, targets, 60)
    yield regression_case("a large offset", margins, targets // 2**13 * 2**13, 10, base=2.0**16)
    exponents = rng.integers(0, 30, 200)
    yield regression_case("nine orders of magnitude", (1 << exponents) + rng.integers(-50, 50, 200), 1 << exponents, 12)
    zeros = np.where(rng.random(60) < 0.2, 0, targets[:60])
    yield regression_case("zero targets", margins[:60], zeros, 20)
    yield regression_case("zero targets, weighted", margins[:60], zeros, 20, weights=random_weights(60, zeros=0.1))
    yield regression_case("zero targets predicted exactly", np.where(zeros == 0, 0, margins[:60]), zeros, 20)
    yield regression_case("targets below the epsilon of mape", [900, -40, 3], [1, 0, -2], 60)
    yield regression_case("constant target, perfect", [77, 77, 77], [77, 77, 77], 10)
    yield regression_case("constant target, not perfect", [77, 78, 77], [77, 77, 77], 10)
    yield regression_case("worse than the mean", [4096, -4096, 9999], [-4096, 4096, 1], 10)
    yield regression_case("one row", [1000], [1024], 10)
    yield regression_case("two rows", [1000, 2000], [1024, 2047], 10)
    yield regression_case("two rows, one of weight zero", [1000, 2000], [1024, 2047], 10, weights=[5, 0])
    yield regression_case("errors at the limits", [2**30, -(2**30), 0], [-(2**30), 2**30, 2**30], 20)


def class_scores(load, take):
    x, y = load(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05))
    scores = cross_val_predict(model, x, y, cv=3, method="decision_function")
    return np.rint(scores[take] * 2**20), y[take]


def noisy_classes(rows, classes, spread=1.5):
    labels = rng.integers(0, classes, rows)
    scores = rng.normal(0, 1, (rows, classes)) + 1.2 * (labels[:, None] == np.arange(classes))
    return np.rint(scores * spread * 2**20), labels


def multiclass_cases():
    iris = class_scores(load_iris, slice(None, None, 2))
    yield multiclass_case("iris, logistic regression", *iris)
    yield multiclass_case("iris, weighted", *iris, random_weights(len(iris[1]), zeros=0.1))
    digits = class_scores(load_digits, slice(None, None, 12))
    yield multiclass_case("digits, logistic regression", *digits)
    yield multiclass_case("digits, weighted", *digits, random_weights(len(digits[1])))
    for classes in (2, 3, 5, 25):
        scores = noisy_classes(120, classes)
        yield multiclass_case(f"random, {classes} classes", *scores)
        yield multiclass_case(f"random, {classes} classes, weighted", *scores, random_weights(120, zeros=0.1))
    margins, labels = noisy_classes(90, 4)
    coarse = np.rint(margins / 2**20) * 2**20
    yield multiclass_case("many tied margins", coarse, labels)
    yield multiclass_case("many tied margins, weighted", coarse, labels, random_weights(90))
    yield multiclass_case("all margins tied", np.zeros((30, 3)), [0, 1, 2] * 10)
    yield multiclass_case("shifted rows", coarse[:40] + rng.integers(-(2**22), 2**22, (40, 1)), labels[:40])
    yield multiclass_case("a class without rows", margins[labels != 2], labels[labels != 2])
    yield multiclass_case("a class that is never predicted", margins - [0, 30 << 20, 0, 0], labels)
    yield multiclass_case("a class whose rows weigh nothing", margins, labels, np.where(labels == 1, 0, 1 << 20))
    yield multiclass_case("one class alone", margins[labels == 3], labels[labels == 3])
    yield multiclass_case("perfect ranking", [[3 << 20, 0, 0], [0, 3 << 20, 0], [0, 0, 3 << 20]], [0, 1, 2])
    yield multiclass_case("confident and wrong", [[20 << 20, -10 << 20, 0], [0, 30 << 20, 0], [0, 0, 15 << 20]], [1, 0, 2])
    yield multiclass_case("one row", [[5 << 18, -3 << 19, 7 << 18]], [1])


def write(name, cases):
    rows = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    version = json.dumps(f"scikit-learn {sklearn.__version__}")
    (FIXTURES / f"{name}.json").write_text(f'{{"source":{version},"cases":[\n{rows}\n]}}\n')


write("binary", binary_cases())
write("regression", regression_cases())
write("multiclass", multiclass_cases())
