"""What scikit-learn's voting and stacking, the latter with passthrough too, make of given member predictions: fixtures/sklearn.json."""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge

rng = np.random.default_rng(20260)


class Known(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities are known: X has row numbers."""

    def __init__(self, probabilities=None):
        self.probabilities = probabilities

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        return self.probabilities[x[:, 0].astype(int)]

    def predict(self, x):
        return self.classes_[self.predict_proba(x).argmax(axis=1)]


class KnownValues(RegressorMixin, BaseEstimator):
    def __init__(self, values=None):
        self.values = values

    def fit(self, x, y):
        self.fitted_ = True
        return self

    def predict(self, x):
        return self.values[x[:, 0].astype(int)]


def members_of(classes, rows, count, label):
    members = []
    for _ in range(count):
        score = rng.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[label]
        # Multiples of 2^-10 that sum to 1, so that JSON and float64 have them exactly.
        p = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
        p = np.maximum(np.round(p * 1024), 1)
        p[np.arange(rows), p.argmax(axis=1)] += 1024 - p.sum(axis=1)
        members.append(p / 1024)
    return members


def classification(classes, rows, count, weighted):
    label = rng.integers(classes, size=rows)
    members = members_of(classes, rows, count, label)
    weight = np.round(rng.uniform(0.25, 4, size=rows) * 8) / 8 if weighted else None
    x = np.arange(rows)[:, None]
    known = [(f"m{i}", Known(p).fit(x, label)) for i, p in enumerate(members)]
    exact = LogisticRegression(tol=1e-13, max_iter=100_000)
    stacking = StackingClassifier(known, exact, cv="prefit").fit(x, label, sample_weight=weight)
    return {
        "classes": classes,
        "label": label.tolist(),
        "weight": None if weight is None else weight.tolist(),
        "members": [(p[:, 1] if classes == 2 else p).tolist() for p in members],
        "soft": VotingClassifier(known, voting="soft").fit(x, label).predict_proba(x).tolist(),
        "hard": VotingClassifier(known, voting="hard").fit(x, label).predict(x).tolist(),
        "stacking": stacking.predict_proba(x).tolist(),
        "coefficients": stacking.final_estimator_.coef_.tolist(),
    }


def regression(rows, count):
    label = np.round(rng.normal(size=rows) * 3 * 256) / 256
    members = [np.round((label + rng.normal(size=rows)) * 256) / 256 for _ in range(count)]
    x = np.arange(rows)[:, None]
    known = [(f"m{i}", KnownValues(v).fit(x, label)) for i, v in enumerate(members)]
    stacking = StackingRegressor(known, Ridge(), cv="prefit").fit(x, label)
    return {
        "label": label.tolist(),
        "members": [values.tolist() for values in members],
        "mean": VotingRegressor(known).fit(x, label).predict(x).tolist(),
        "stacking": stacking.predict(x).tolist(),
        "coefficients": stacking.final_estimator_.coef_.tolist(),
    }


def features_of(rows):
    """Numbers of very different sizes, some of them correlated, a constant, and float32 exactly."""
    a, b, c = rng.normal(size=(3, rows))
    table = np.stack(
        [a, 1e4 + 3000 * b, 0.002 * (a + 0.1 * c), np.full(rows, 7.25), rng.integers(2, size=rows), 40 * c - 12],
        axis=1,
    )
    return table.astype(np.float32).astype(np.float64)


class Kept(ClassifierMixin, BaseEstimator):
    """A member that knows its predictions of all rows, whatever their features."""

    def __init__(self, outputs=None):
        self.outputs = outputs

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        return self.outputs


class KeptValues(KnownValues):
    def predict(self, x):
        return self.values


def passed_classification(classes, rows, count, weighted):
    x = features_of(rows)
    score = x[:, 0] + (x[:, 1] - 1e4) / 3000 + rng.normal(size=rows)
    label = np.digitize(score, [0] if classes == 2 else [-1, 1])
    members = members_of(classes, rows, count, label)
    weight = np.round(rng.uniform(0.25, 4, size=rows) * 8) / 8 if weighted else None
    known = [(f"m{i}", Kept(p).fit(x, label)) for i, p in enumerate(members)]
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-13, max_iter=1000)
    stacking = StackingClassifier(known, exact, cv="prefit", passthrough=True)
    stacking.fit(x, label, sample_weight=weight)
    return {
        "classes": classes,
        "label": label.tolist(),
        "weight": None if weight is None else weight.tolist(),
        "members": [(p[:, 1] if classes == 2 else p).tolist() for p in members],
        "features": x.T.tolist(),
        "stacking": stacking.predict_proba(x).tolist(),
        "coefficients": stacking.final_estimator_.coef_.tolist(),
    }


def passed_regression(rows, count):
    x = features_of(rows)
    label = np.round((x[:, 0] - (x[:, 1] - 1e4) / 1500 + rng.normal(size=rows)) * 256) / 256
    members = [np.round((label + rng.normal(size=rows)) * 256) / 256 for _ in range(count)]
    known = [(f"m{i}", KeptValues(v).fit(x, label)) for i, v in enumerate(members)]
    stacking = StackingRegressor(known, Ridge(), cv="prefit", passthrough=True).fit(x, label)
    return {
        "label": label.tolist(),
        "members": [values.tolist() for values in members],
        "features": x.T.tolist(),
        "stacking": stacking.predict(x).tolist(),
        "coefficients": stacking.final_estimator_.coef_.tolist(),
    }


fixture = {
    "sklearn": sklearn.__version__,
    "classification": [
        classification(2, 120, 4, False),
        classification(2, 90, 3, True),
        classification(3, 100, 3, False),
    ],
    "regression": regression(80, 3),
    # After those above, whose draws stay as they are.
    "passthrough": {
        "classification": [
            passed_classification(2, 140, 3, False),
            passed_classification(2, 110, 2, True),
            passed_classification(3, 120, 2, False),
        ],
        "regression": passed_regression(100, 3),
    },
}
path = Path(__file__).parent / "fixtures" / "sklearn.json"
path.write_text(json.dumps(fixture) + "\n")
