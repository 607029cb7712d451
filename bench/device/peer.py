"""Times xgboost on what engines.ts, single.ts and batches.ts train: the synthetic table, and every k-th of the models of a
generation, one after the other. Matrices are made before the clock starts. Needs numpy and xgboost."""
import argparse
import json
import pathlib
import statistics
import time

import numpy as np
import xgboost

parser = argparse.ArgumentParser()
parser.add_argument("--tables", type=pathlib.Path, required=True)
parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder that batches.ts has written to")
parser.add_argument("--device", default="cuda")
parser.add_argument("--tasks", default="single,higgs_7k,adult")
parser.add_argument("--single", default="synth_1000000x28")
parser.add_argument("--rounds", type=int, default=100)
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--every", type=int, default=25)
parser.add_argument("--early-stopping", type=int, default=50)
options = parser.parse_args()
common = {"device": options.device, "tree_method": "hist", "max_bin": 256, "objective": "binary:logistic"}


def read(name):
    """Features as float32, missing ones NaN, their types, and labels."""
    folder = options.tables / name
    table = json.loads((folder / "table.json").read_text())
    columns = []
    for f, feature in enumerate(table["features"]):
        if feature["kind"] == "numeric":
            columns.append(np.fromfile(folder / f"{f}.bin", np.float32))
        else:
            codes = np.fromfile(folder / f"{f}.bin", np.int32)
            columns.append(np.where(codes < 0, np.nan, codes).astype(np.float32))
    types = ["q" if feature["kind"] == "numeric" else "c" for feature in table["features"]]
    return np.column_stack(columns), types, np.fromfile(folder / "label.bin", np.float32)


def matrix(x, types, label, of=None):
    return xgboost.QuantileDMatrix(
        x, label, feature_types=types, enable_categorical=True, max_bin=common["max_bin"], ref=of
    )


def clocked(params, *args, **kwargs):
    started = time.perf_counter()
    booster = xgboost.train({**common, **params}, *args, **kwargs)
    return time.perf_counter() - started, booster


def write(name, results):
    results = {"xgboost": xgboost.__version__, "device": options.device, **results}
    (options.out / name).write_text(json.dumps(results, indent=1))


def single():
    train = matrix(*read(options.single))
    params = {"max_depth": 6, "learning_rate": 0.1}
    warming, _ = clocked(params, train, 2)
    seconds = [clocked(params, train, options.rounds)[0] for _ in range(options.repeats)]
    middle = statistics.median(seconds)
    print(
        f"xgboost {xgboost.__version__}, {options.device}: {options.single}, depth 6, {options.rounds} rounds\n"
        f"boosting {middle:.4g} s, median of {len(seconds)} ({', '.join(f'{s:.4g}' for s in seconds)}); "
        f"{1000 * middle / options.rounds:.4g} ms a tree; warm-up {warming:.3g} s",
        flush=True,
    )
    write("peer-single.json", {"set": options.single, "rounds": options.rounds, "seconds": seconds, "warming": warming})


def batch(name):
    plan = json.loads((options.out / f"trials-{name}.json").read_text())
    trials, k, rows = plan["trials"], plan["k"], plan["rows"]
    models = len(trials) * k
    x, types, label = read(name)
    x, label, folds = x[:rows], label[:rows], np.array(plan["folds"])
    # Neighbours in the sample differ in fold, whatever the step.
    chosen = sorted({min(models - 1, start + i % k) for i, start in enumerate(range(0, models, options.every))})
    matrices = {}
    for fold in {model % k for model in chosen}:
        train = matrix(x[folds != fold], types, label[folds != fold])
        matrices[fold] = train, matrix(x[folds == fold], types, label[folds == fold], of=train)
    for train, held_out in matrices.values():
        clocked({"eval_metric": "auc"}, train, 2, evals=[(held_out, "fold")], verbose_eval=False)
    wanted = sum(trial["n_estimators"] for trial in trials) * k
    for patience in (options.early_stopping, 0):
        timings = []
        for model in chosen:
            params = dict(trials[model // k])
            rounds = params.pop("n_estimators")
            train, held_out = matrices[model % k]
            stopping = {"early_stopping_rounds": patience} if patience else {}
            scores = {}
            seconds, booster = clocked(
                {**params, "eval_metric": "auc"},
                train,
                rounds,
                evals=[(held_out, "fold")],
                evals_result=scores,
                verbose_eval=False,
                **stopping,
            )
            score = booster.best_score if patience else scores["fold"]["auc"][-1]
            trees = booster.num_boosted_rounds()
            timings.append({"model": model, "seconds": seconds, "rounds": trees, "wanted": rounds, "score": score})
        spent = sum(timing["seconds"] for timing in timings)
        trees = sum(timing["rounds"] for timing in timings)
        # Where models stop early nobody knows the rounds of the others.
        factor, by = (models / len(timings), "number") if patience else (wanted / trees, "rounds")
        print(
            f"xgboost {xgboost.__version__}, {options.device}: {name}, {rows} rows, "
            f"{f'early stopping {patience}' if patience else 'n_estimators rounds each'}\n"
            f"{len(timings)} of {models} models, one after the other: {spent:.4g} s, {trees} trees, "
            f"{1000 * spent / trees:.4g} ms a tree, mean AUC {statistics.mean(timing['score'] for timing in timings):.5f}; "
            f"scaled by their {by} to {models} models: {spent * factor:.4g} s",
            flush=True,
        )
        write(
            f"peer-{name}-{patience}.json",
            {"set": name, "early_stopping_rounds": patience, "every": options.every, "models": models, "timings": timings},
        )


for task in options.tasks.split(","):
    single() if task == "single" else batch(task)
