"""One step of compare.py with one library, on one thread.
usage: peers.py train|batch|rows TOOL FOLDER FEATURES RUNS
train saves a model of 100 trees of depth 6; batch predicts the table RUNS times, in turn as margins and as probabilities;
rows predicts 2,000 single rows, arrays of numbers, through the library's own Python. Prints one line of JSON."""
import json
import pathlib
import sys
import time

import numpy as np

TREES, DEPTH, RATE = 100, 6, 0.1


class XGBoost:
    inputs = ("array",)

    def __init__(self, path):
        import xgboost

        self.library, self.path = xgboost, str(path / "xgboost.json")

    def train(self, x, y):
        params = dict(objective="binary:logistic", tree_method="hist", max_depth=DEPTH, eta=RATE, max_bin=256, nthread=1)
        self.library.train(params, self.library.DMatrix(x, y, nthread=1), TREES).save_model(self.path)

    def load(self):
        self.model = self.library.Booster(dict(nthread=1), model_file=self.path)

    # A DMatrix remembers the margins that it was given before, so the array is predicted in place.
    def predict(self, x, kind):
        return self.model.inplace_predict(x, predict_type="margin" if kind == "margin" else "value")

    def predict_row(self, row):
        return self.predict(row.reshape(1, -1), "probability")[0]


class LightGBM:
    inputs = ("array",)

    def __init__(self, path):
        import lightgbm

        self.library, self.path = lightgbm, str(path / "lightgbm.txt")

    def train(self, x, y):
        params = dict(objective="binary", max_depth=DEPTH, num_leaves=2**DEPTH, learning_rate=RATE, num_threads=1, verbosity=-1)
        self.library.train(params, self.library.Dataset(x, y), TREES).save_model(self.path)

    def load(self):
        self.model = self.library.Booster(model_file=self.path)

    def predict(self, x, kind):
        return self.model.predict(x, raw_score=kind == "margin", num_threads=1)

    def predict_row(self, row):
        return self.predict(row.reshape(1, -1), "probability")[0]


class CatBoost:
    inputs = ("array", "pool")

    def __init__(self, path):
        import catboost

        self.library, self.path = catboost, str(path / "catboost.cbm")

    def train(self, x, y):
        params = dict(iterations=TREES, depth=DEPTH, learning_rate=RATE, border_count=254, thread_count=1, verbose=0)
        self.library.CatBoostClassifier(**params, allow_writing_files=False).fit(x, y).save_model(self.path)

    def load(self):
        self.model = self.library.CatBoostClassifier().load_model(self.path)

    def predict(self, x, kind):
        return self.model.predict(x, prediction_type="RawFormulaVal" if kind == "margin" else "Probability", thread_count=1)

    def predict_row(self, row):
        return self.model.predict(row, prediction_type="Probability", thread_count=1)[1]


step, name, folder, features, runs = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
columns = np.fromfile(folder / "columns.f32", np.float32).reshape(features, -1)
tool = dict(xgboost=XGBoost, lightgbm=LightGBM, catboost=CatBoost)[name](folder)
record = dict(version=tool.library.__version__)

if step == "train":
    tool.train(columns.T, np.fromfile(folder / "label.f32", np.float32))
elif step == "batch":
    tool.load()
    record["runs"] = []
    # CatBoost is fastest on columns, xgboost and LightGBM are on rows.
    x = np.ascontiguousarray(columns.T) if name != "catboost" else columns.T
    for given in tool.inputs:
        table = tool.library.Pool(x) if given == "pool" else x
        for run in range(-1, runs):  # the first is not counted
            for kind in ("margin", "probability"):
                cpu, wall = time.process_time(), time.perf_counter()
                tool.predict(table, kind)
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
                if run >= 0:
                    record["runs"].append(dict(input=given, kind=kind, cpu_s=cpu, wall_s=wall))
else:
    tool.load()
    rows = np.ascontiguousarray(columns[:, :2000].T)
    for row in rows[:200]:
        tool.predict_row(row)
    nanoseconds = []
    for row in rows:
        start = time.perf_counter_ns()
        tool.predict_row(row)
        nanoseconds.append(time.perf_counter_ns() - start)
    nanoseconds.sort()
    record["rows"] = [dict(input="array", p50_ns=nanoseconds[1000], p99_ns=nanoseconds[1980])]
print(json.dumps(record))
