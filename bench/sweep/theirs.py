"""The protocol's search as it is usually written: usage theirs.py SET METHOD TRIALS SEED. Prints one JSON object.

naive: Optuna's TPE, cross_val_score, XGBClassifier(n_jobs=-1), as in the protocol.
xgboost, lightgbm: an expert's: bins shared over trials, early stopping, MedianPruner after each fold, THREADS threads.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
# Rows that train; they come first, and the others test.
TRAINING_ROWS = {"breast_cancer": None, "higgs_7k": 7_000, "adult": 32_561}
FOLDS = 5
PATIENCE = 50


def load(name):
    table = pd.read_parquet(DATA / f"{name}.parquet")
    label = table.pop("target")
    label = (label == sorted(label.unique())[1]).to_numpy().astype(int)
    for column in table.columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            table[column] = table[column].astype("category").cat.codes.replace(-1, np.nan).astype("float32")
    return table.to_numpy(np.float32), label


def space(trial):
    return {
        "n_estimators": trial.suggest_int("n_estimators", 100, 1000),
        "max_depth": trial.suggest_int("max_depth", 3, 10),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "subsample": trial.suggest_float("subsample", 0.6, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.6, 1.0),
        "min_child_weight": trial.suggest_int("min_child_weight", 1, 10),
        "gamma": trial.suggest_float("gamma", 0, 0.5),
        "reg_alpha": trial.suggest_float("reg_alpha", 0, 1),
        "reg_lambda": trial.suggest_float("reg_lambda", 0, 1),
    }


def naive(x, y):
    import xgboost

    def objective(trial):
        model = xgboost.XGBClassifier(**space(trial), n_jobs=-1, random_state=42)
        return cross_val_score(model, x, y, cv=FOLDS, scoring="roc_auc", n_jobs=None).mean()

    return objective


def by_folds(folds, train):
    def objective(trial):
        params = space(trial)
        scores, rounds = [], []
        for number, fold in enumerate(folds):
            score, best_round = train(params, *fold)
            scores.append(score)
            rounds.append(best_round)
            trial.report(float(np.mean(scores)), number)
            if number + 1 < FOLDS and trial.should_prune():
                raise optuna.TrialPruned()
        trial.set_user_attr("rounds", float(np.mean(rounds)))
        return float(np.mean(scores))

    return objective


def xgboost_params(params, threads):
    rest = {key: value for key, value in params.items() if key != "n_estimators"}
    return {
        "objective": "binary:logistic",
        "eval_metric": "auc",
        "tree_method": "hist",
        "nthread": threads,
        "seed": 42,
        "verbosity": 0,
        **rest,
    }


def xgboost_expert(x, y, threads):
    import xgboost

    folds = []
    for train, held in StratifiedKFold(FOLDS).split(x, y):
        matrix = xgboost.QuantileDMatrix(x[train], label=y[train], nthread=threads)
        folds.append((matrix, xgboost.QuantileDMatrix(x[held], label=y[held], ref=matrix, nthread=threads)))

    def train(params, matrix, held):
        booster = xgboost.train(
            xgboost_params(params, threads),
            matrix,
            params["n_estimators"],
            evals=[(held, "held")],
            early_stopping_rounds=PATIENCE,
            verbose_eval=False,
        )
        return booster.best_score, booster.best_iteration + 1

    return by_folds(folds, train)


def lightgbm_params(params, threads):
    rest = {key: value for key, value in params.items() if key not in ("n_estimators", "gamma")}
    return {
        "objective": "binary",
        "metric": "auc",
        "num_threads": threads,
        "seed": 42,
        "verbosity": -1,
        "subsample_freq": 1,
        "feature_pre_filter": False,
        "num_leaves": min(2 ** params["max_depth"], 255),
        "min_split_gain": params["gamma"],
        **rest,
    }


def lightgbm_expert(x, y, threads):
    import lightgbm

    fixed = {"verbosity": -1, "num_threads": threads, "feature_pre_filter": False}
    folds = []
    for train, held in StratifiedKFold(FOLDS).split(x, y):
        data = lightgbm.Dataset(x[train], label=y[train], params=fixed, free_raw_data=False).construct()
        held_out = lightgbm.Dataset(x[held], label=y[held], reference=data, params=fixed, free_raw_data=False)
        folds.append((data, held_out.construct()))

    def train(params, data, held):
        booster = lightgbm.train(
            lightgbm_params(params, threads),
            data,
            params["n_estimators"],
            valid_sets=[held],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        return booster.best_score["valid_0"]["auc"], booster.best_iteration or params["n_estimators"]

    return by_folds(folds, train)


def test_score(method, best, x, y, x_test, y_test):
    """Test AUC of the best parameters trained on all training rows, for as many rounds as its folds had on average."""
    params = dict(best.params)
    params["n_estimators"] = max(1, round(best.user_attrs.get("rounds", params["n_estimators"])))
    if method == "lightgbm":
        import lightgbm

        data = lightgbm.Dataset(x, label=y, params={"verbosity": -1, "feature_pre_filter": False})
        model = lightgbm.train(lightgbm_params(params, 2), data, params["n_estimators"])
        return roc_auc_score(y_test, model.predict(x_test))
    import xgboost

    model = xgboost.train(xgboost_params(params, 2), xgboost.DMatrix(x, label=y), params["n_estimators"])
    return roc_auc_score(y_test, model.predict(xgboost.DMatrix(x_test)))


name, method, trials, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
threads = int(os.environ.get("THREADS", "1"))
x_all, y_all = load(name)
count = TRAINING_ROWS[name] or len(x_all)
x, y = x_all[:count], y_all[:count]
started, cpu = time.perf_counter(), time.process_time()
objective = {"naive": naive, "xgboost": xgboost_expert, "lightgbm": lightgbm_expert}[method]
objective = objective(x, y) if method == "naive" else objective(x, y, threads)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=seed),
    pruner=optuna.pruners.MedianPruner(),
)
study.optimize(objective, n_trials=trials)
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
test = test_score(method, study.best_trial, x, y, x_all[count:], y_all[count:]) if count < len(x_all) else None
pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpu_seconds": cpu,
            "best": study.best_value,
            "pruned": pruned,
            "test": test,
            "first": study.trials[0].params,
        }
    )
)
