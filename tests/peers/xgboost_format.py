"""Asks the real xgboost about our XGBoost files: both ways, margins must agree to 1e-5 · max(1, |margin|) in every row.

`exported DIR`   loads the files that xgboost_models.ts exported and compares predictions, also of data frames with the
                 categories in another order, and sums of SHAP values.
`train DIR`      trains models of many kinds for xgboost_models.ts to import.
`imported DIR`   compares our predictions of those models with xgboost's.
`fixtures SMALL OUT`  writes the fixtures of `npm test` to the folder OUT: what xgboost says of the small models that
                 xgboost_models.ts wrote to the file SMALL, and small models of xgboost.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb

DATA = Path(__file__).resolve().parents[1] / "data"
TOLERANCE = 1e-5
MULTICLASS = ["digits", "lgb_multiclass5"]
failures = []


def table(name):
    """Features of a public set, texts as categories, and its target as numbers."""
    frame = pd.read_parquet(DATA / f"{name}.parquet")
    target = frame.pop("target")
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].astype("category")
    numeric = pd.api.types.is_numeric_dtype(target)
    return frame, (target if numeric else target.astype("category").cat.codes).to_numpy()


def public_sets():
    return sorted(path.stem for path in DATA.glob("*.parquet"))


def compare(name, ours, theirs, scale=1.0):
    """`scale` replaces 1 in the tolerance: the largest number that float32 sums went through. Rows may have a margin a class."""
    rows, theirs = len(theirs), np.ravel(theirs)
    if ours.shape != theirs.shape:
        failures.append(name)
        print(f"{name}: {ours.shape} margins and not {theirs.shape}")
        return
    error = np.abs(ours - theirs) / np.maximum(scale, np.abs(theirs))
    worst = float(error.max(initial=0))
    if not worst <= TOLERANCE:
        failures.append(name)
    print(f"{name}: {rows} rows, largest difference {worst:.1e}{'' if worst <= TOLERANCE else '  TOO LARGE'}")


def matrix_of(path, features):
    values = np.fromfile(path, dtype=np.float32)
    return np.ascontiguousarray(values.reshape(features, -1).T)


def exported(folder):
    for name in public_sets():
        frame, _ = table(name)
        ours = np.fromfile(folder / f"{name}.ours.f64")
        booster = xgb.Booster(model_file=folder / f"{name}.json")
        data = xgb.DMatrix(frame, enable_categorical=True)
        compare(name, ours, booster.predict(data, output_margin=True))
        other = frame.copy()
        for column in other.select_dtypes("category"):
            other[column] = other[column].cat.reorder_categories(frame[column].cat.categories[::-1])
        compare(f"{name}, reordered", ours, booster.inplace_predict(other, predict_type="margin"))
        few = xgb.DMatrix(frame.head(2000), enable_categorical=True)
        shap = booster.predict(few, pred_contribs=True).sum(axis=-1)
        compare(f"{name}, SHAP", ours[: shap.size], shap)
        if booster.num_boosted_rounds() != 100 or booster.best_iteration != 99:
            failures.append(name)
            print(f"{name}: xgboost counts {booster.num_boosted_rounds()} rounds, best {booster.best_iteration}")
    for name in ["adult", "digits"]:
        classifier = xgb.XGBClassifier()
        classifier.load_model(folder / f"{name}.json")
        frame, _ = table(name)
        margins = np.fromfile(folder / f"{name}.ours.f64").reshape(len(frame), -1)
        if margins.shape[1] == 1:
            margins = np.hstack([np.zeros_like(margins), margins])
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        compare(f"{name}, XGBClassifier", np.ravel(shares), classifier.predict_proba(frame))
    for path in sorted(folder.glob("random*.json")):
        model = json.loads(path.read_text())
        learner = model["learner"]
        booster = xgb.Booster(model_file=path)
        rows = matrix_of(path.with_suffix(".columns.f32"), booster.num_features())
        ours = np.fromfile(path.with_suffix(".ours.f64"))
        if len(rows) == 0:
            continue
        bases = learner["learner_model_param"]["base_score"].strip("[]").split(",")
        sizes = [1.0, *(abs(float(base)) for base in bases)]
        for tree in learner["gradient_booster"]["model"]["trees"]:
            values = zip(tree["left_children"], tree["split_conditions"], strict=True)
            sizes.append(max(abs(value) for left, value in values if left < 0))
        compare(path.stem, ours, booster.inplace_predict(rows, predict_type="margin"), max(sizes))


def synthetic(rows, seed):
    """Numbers and codes of categories with missing values, float32, and what they are to predict."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.normal(size=rows),
        rng.integers(0, 12, rows),
        rng.exponential(size=rows),
        rng.integers(0, 3, rows),
        np.round(rng.normal(size=rows), 1),
    ]
    x = np.column_stack(columns).astype(np.float32)
    score = x[:, 0] + np.where(np.isin(x[:, 1], [1, 4, 7, 11]), 1.5, -0.5) + 0.7 * (x[:, 3] == 1) - 0.3 * x[:, 2]
    x[rng.random(x.shape) < 0.08] = np.nan
    return x, score + rng.normal(size=rows) * 0.4


CODED = ["float", "c", "float", "c", "q"]
NAMES = {1: ["kelp", "ash", "", "moss", "fir", "oak", "a b", "elm", "yew", "x'\"", "box", "ivy"], 3: [30, 5, 100]}


def named(x):
    """The same rows as a data frame, categories with names."""
    frame = pd.DataFrame({f"column {f}": x[:, f] for f in range(x.shape[1])})
    for f, names in NAMES.items():
        codes = np.where(np.isnan(x[:, f]), -1, x[:, f]).astype(int)
        frame[f"column {f}"] = pd.Categorical.from_codes(codes, names)
    return frame


def data_of(x, y, kind):
    if kind == "named":
        return xgb.DMatrix(named(x), y, enable_categorical=True)
    types = CODED if kind == "coded" else None
    return xgb.DMatrix(x, y, feature_types=types, enable_categorical=True)


def cases(rows, rounds, depth):
    """name → booster, its rows as numbers, as it is given them."""
    x, score = synthetic(rows, 1)
    y = (score > 0.3).astype(int)
    fresh, _ = synthetic(rows, 2)
    # Codes that no node lists, and that training did not have.
    fresh[::9, 1] = 40
    base = {"nthread": 1, "seed": 3, "max_depth": depth}

    def made(params, label=y, kind="numeric", count=rounds, **options):
        booster = xgb.train(base | params, data_of(x, label, kind), count, **options)
        rows_for = fresh.copy()
        if kind == "named":
            rows_for[::9, 1] = np.nan
        return booster, rows_for, kind

    logistic = {"objective": "binary:logistic"}
    squares = {"objective": "reg:squarederror"}
    yield "logistic", made(logistic)
    yield "partitions with names", made(logistic | {"max_cat_to_onehot": 2}, kind="named")
    yield "one-hot with names", made(logistic | {"max_cat_to_onehot": 20}, kind="named")
    yield "partitions without names", made(logistic | {"max_cat_to_onehot": 2}, kind="coded")
    yield "one-hot without names", made(squares | {"max_cat_to_onehot": 20}, score, kind="coded")
    yield "regression", made(squares, score)
    yield "regression far from 0", made(squares, 1e6 + 100 * score)
    yield "regression of tiny values", made(squares, 1e-20 * score)
    yield "dart", made(logistic | {"booster": "dart", "rate_drop": 0.4, "max_cat_to_onehot": 2}, kind="coded")
    yield "dart regression", made(squares | {"booster": "dart", "rate_drop": 0.3}, score)
    yield "random forest", made({**squares, "num_parallel_tree": 3, "subsample": 0.5}, score)
    yield "pruned", made(logistic | {"tree_method": "exact", "gamma": 3.0})
    yield "leaf-wise", made(logistic | {"grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0})
    yield "approx", made(logistic | {"tree_method": "approx"})
    yield "base score 0.999", made(logistic | {"base_score": 0.999})
    yield "base score 1e-9", made(logistic | {"base_score": 1e-9})
    yield "fractions as labels", made({"objective": "reg:logistic"}, 1 / (1 + np.exp(-score)))
    stop = {"evals": [(data_of(fresh, y[::-1], "numeric"), "v")], "early_stopping_rounds": 2, "verbose_eval": False}
    third = np.digitize(score, [-0.5, 0.8])
    softprob = {"objective": "multi:softprob", "num_class": 3}
    yield "three classes", made(softprob, third)
    yield "classes, partitions with names", made(softprob | {"max_cat_to_onehot": 2}, third, kind="named")
    yield "classes, one-hot without names", made(
        {"objective": "multi:softmax", "num_class": 4, "max_cat_to_onehot": 20}, third, kind="coded"
    )
    yield "random forests of classes", made({**softprob, "num_parallel_tree": 2, "subsample": 0.5}, third)
    yield "dart of classes", made({**softprob, "booster": "dart", "rate_drop": 0.4}, third)
    yield "classes, stopped early", made(
        softprob,
        third,
        evals=[(data_of(fresh, third[::-1], "numeric"), "v")],
        early_stopping_rounds=2,
        verbose_eval=False,
    )
    yield "stopped early", made(logistic | {"eval_metric": "auc"}, **stop)
    yield "missing only", made(logistic, label=np.isnan(x[:, 0]).astype(int))
    yield "one leaf", made(squares | {"max_depth": 1, "gamma": 1e9}, score, count=2)


def predict(booster, rows, kind):
    return booster.predict(data_of(rows, None, kind), output_margin=True)


def train(folder):
    folder.mkdir(parents=True, exist_ok=True)

    def save(name, booster, margins):
        booster.save_model(folder / f"{name}.json")
        margins.astype(np.float64).tofile(folder / f"{name}.theirs.f64")

    for name in public_sets():
        frame, target = table(name)
        classes = len(np.unique(target))
        params = {"objective": "binary:logistic" if classes == 2 else "reg:squarederror"}
        if name in MULTICLASS:
            params = {"objective": "multi:softprob", "num_class": classes}
        data = xgb.DMatrix(frame, target, enable_categorical=True)
        booster = xgb.train(params | {"nthread": 1, "max_cat_to_onehot": 5}, data, 50)
        save(name, booster, booster.predict(data, output_margin=True))
    for name, (booster, rows, kind) in cases(3000, 60, 6):
        save(name, booster, predict(booster, rows, kind))
        rows.T.tofile(folder / f"{name}.columns.f32")
    x, score = synthetic(4000, 4)
    for name, y, objective in [("logistic", score > 0, "binary:logistic"), ("regression", score, "reg:squarederror")]:
        params = {"objective": objective, "learning_rate": 0.02, "nthread": 1}
        booster = xgb.train(params, data_of(x, y, "numeric"), 2000)
        save(f"2000 trees, {name}", booster, predict(booster, x, "numeric"))
        x.T.tofile(folder / f"2000 trees, {name}.columns.f32")


def imported(folder):
    for path in sorted(folder.glob("*.json")):
        ours = np.fromfile(folder / f"{path.stem}.ours.f64")
        compare(path.stem, ours, np.fromfile(folder / f"{path.stem}.theirs.f64"))


def lists(columns):
    return [[None if np.isnan(v) else float(v) for v in column] for column in columns]


def fixtures(small, out):
    theirs = []
    for case in json.loads(small.read_text()):
        text = case.pop("xgboost").encode()
        booster = xgb.Booster()
        booster.load_model(bytearray(text))
        rows = np.array([[np.nan if v is None else v for v in column] for column in case["columns"]], dtype=np.float32).T
        margins = booster.inplace_predict(np.ascontiguousarray(rows), predict_type="margin")
        theirs.append(case | {"sha256": hashlib.sha256(text).hexdigest(), "margins": np.ravel(margins).tolist()})
    write(out / "xgboost-exports.json", theirs)
    ours = []
    for name, (booster, rows, kind) in cases(400, 2, 2):
        rows = rows[:15]
        margins = predict(booster, rows, kind)
        text = booster.save_raw("json").decode()
        ours.append({"name": name, "model": text, "columns": lists(rows.T), "margins": np.ravel(margins).tolist()})
    write(out / "xgboost-models.json", ours)


def write(path, cases):
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    path.write_text(f'{{"source":"xgboost {xgb.__version__}","cases":[\n{lines}\n]}}\n')


MODES = {"exported": exported, "train": train, "imported": imported, "fixtures": fixtures}
MODES[sys.argv[1]](*map(Path, sys.argv[2:]))
if failures:
    sys.exit(f"xgboost differs in {', '.join(failures)}")
