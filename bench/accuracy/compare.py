"""Trains xgboost on the splits that lockstep.ts wrote and prints a table of docs/accuracy.md: paired differences of
test metrics over seeds, a two-sided paired t-test each, Holm's correction over all, and the mean standardised loss."""
import json
import pathlib
import sys

import numpy as np
import pandas as pd
import xgboost
from scipy import stats
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, roc_auc_score

folder = pathlib.Path(sys.argv[1])
data_folder = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data"
plan = json.loads((folder / "sets.json").read_text())
params = dict(plan["params"])
rounds = params.pop("n_estimators")


def load(name):
    table = pd.read_parquet(data_folder / f"{name}.parquet")
    target = table.pop("target")
    if not pd.api.types.is_numeric_dtype(target):
        target = target.astype("category").cat.codes
    for column in table.columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            table[column] = table[column].astype("category")
    return table, target.to_numpy()


def metrics(objective, truth, prediction):
    """Name → value, all to be minimised."""
    if objective == "multi:softprob":
        return {
            "1 − auc_roc": 1 - roc_auc_score(truth, prediction, multi_class="ovr"),
            "logloss": log_loss(truth, prediction),
            "merror": 1 - accuracy_score(truth, prediction.argmax(axis=1)),
        }
    if objective == "binary:logistic":
        return {"1 − auc_roc": 1 - roc_auc_score(truth, prediction), "logloss": log_loss(truth, prediction)}
    return {"rmse": float(np.sqrt(mean_squared_error(truth, prediction)))}


rows = []
for entry in plan["sets"]:
    name, objective = entry["id"], entry["objective"]
    features, target = load(entry["name"])
    ours, theirs = {}, {}
    more = {"num_class": int(target.max()) + 1} if objective.startswith("multi:") else {}
    for seed in range(plan["seeds"]):
        test = np.fromfile(folder / f"{name}.{seed}.rows.u32", dtype=np.uint32)
        in_test = np.zeros(len(target), dtype=bool)
        in_test[test] = True
        train = xgboost.DMatrix(features[~in_test], label=target[~in_test], enable_categorical=True)
        model = xgboost.train(
            dict(params, **more, **entry.get("params", {}), objective=objective, tree_method="hist", seed=seed, nthread=1),
            train,
            rounds,
        )
        prediction = model.predict(xgboost.DMatrix(features[in_test], enable_categorical=True))
        for metric, value in metrics(objective, target[in_test], prediction).items():
            theirs.setdefault(metric, []).append(value)
        prediction = np.fromfile(folder / f"{name}.{seed}.predictions.f64").reshape(prediction.shape)
        for metric, value in metrics(objective, target[in_test], prediction).items():
            ours.setdefault(metric, []).append(value)
    for metric in ours:
        a, b = np.array(ours[metric]), np.array(theirs[metric])
        rows.append(
            dict(
                set=name,
                metric=metric,
                lockstep=float(a.mean()),
                xgboost=float(b.mean()),
                difference=float((a - b).mean()),
                seed_deviation=float(b.std(ddof=1)),
                standardised=float((a - b).mean() / b.std(ddof=1)),
                p=float(stats.ttest_rel(a, b).pvalue),
            )
        )
    print(f"{name}: compared", file=sys.stderr)

# Holm: the i-th smallest p times the number of hypotheses not yet rejected, kept monotone.
order = sorted(range(len(rows)), key=lambda i: rows[i]["p"])
running = 0.0
for rank, i in enumerate(order):
    running = max(running, min(1.0, rows[i]["p"] * (len(rows) - rank)))
    rows[i]["p_holm"] = running
    rows[i]["worse"] = running < 0.05 and rows[i]["difference"] > 0

mean_loss = float(np.mean([row["standardised"] for row in rows]))
print(f"xgboost {xgboost.__version__} hist, {plan['seeds']} seeds, split {plan['split']}, {plan['params']}; lower is better\n")
print("| set | metric | Lockstep | xgboost | difference | seed deviation | standardised | p | p (Holm) |")
print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
for row in rows:
    print(
        f"| {row['set']} | {row['metric']} | {row['lockstep']:.6g} | {row['xgboost']:.6g} | {row['difference']:+.2g}"
        f" | {row['seed_deviation']:.2g} | {row['standardised']:+.3f} | {row['p']:.3f} | {row['p_holm']:.3f} |"
    )
print(f"\nmean standardised loss {mean_loss:+.3f} (limit 0.3); sets worse at Holm-corrected p < 0.05: "
      f"{', '.join(row['set'] + ' ' + row['metric'] for row in rows if row['worse']) or 'none'}")
(folder / "result.json").write_text(
    json.dumps(dict(xgboost=xgboost.__version__, **plan, rows=rows, mean_standardised_loss=mean_loss), indent=1) + "\n"
)
sys.exit(1 if mean_loss > 0.3 or any(row["worse"] for row in rows) else 0)
