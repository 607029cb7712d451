"""The process of one timing of xgboost, lightgbm or catboost, beside src/bench/child.ts for Lockstep itself.

usage: train.py --probe LIBRARY    {"python": version, "version": the library's} or {"python": version, "missing": why}
       train.py JOB                a Timing of src/bench/job.ts for a TimingJob, both as JSON

The table is the BenchTable of src/bench/table.ts. Only numpy and the library itself are needed. The answer is all that
stdout gets; the process ends when its standard input does, so that it never outlives the one that asked.
"""
import importlib
import json
import os
import platform
import sys
import threading
import time

# What libraries print on stdout, from C++ too, goes to stderr.
answer_stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

BUSY_TICKS = 100
SAMPLE_S = 0.4
IDLE_CORES = 0.1
SHORTEST_JUDGED_S = 0.25
SHORT_S = 0.5


def answer(value):
    json.dump(value, answer_stream, allow_nan=False)
    answer_stream.flush()


def end_with_parent():
    def watch():
        while os.read(0, 4096):
            pass
        os._exit(130)

    threading.Thread(target=watch, daemon=True).start()


def busy_seconds():
    """Seconds that all cores together have been busy since the machine started; None where the system does not say."""
    try:
        with open("/proc/stat") as stat:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / BUSY_TICKS


def read_clocks():
    return time.perf_counter(), time.process_time(), busy_seconds()


def others_between(start, end):
    """Cores that other processes kept busy between two readings."""
    (wall0, cpu0, busy0), (wall1, cpu1, busy1) = start, end
    if busy0 is None or busy1 is None:
        return None
    return max(0.0, (busy1 - busy0 - (cpu1 - cpu0)) / (wall1 - wall0))


def wait_for_idle(seconds):
    """Ends when a sample was idle or the time is up; returns the reading at the start of the last sample."""
    until = time.perf_counter() + seconds
    while True:
        start = read_clocks()
        if start[2] is None:
            return start
        time.sleep(SAMPLE_S)
        if others_between(start, read_clocks()) < IDLE_CORES or time.perf_counter() >= until:
            return start


def timed(body):
    """The result of body() and what it took."""
    start = read_clocks()
    result = body()
    end = read_clocks()
    return result, dict(wall_s=end[0] - start[0], cpu_s=end[1] - start[1])


def timed_when_idle(wait_s, body, warm=False):
    """The same after a wait for an idle machine, with how busy it was; one sample is taken in any case. Where it should be warm,
    work of less than half a second is done twice and the second time counts."""
    sample = wait_for_idle(wait_s)
    start = read_clocks()
    result, took = timed(body)
    if warm and took["wall_s"] < SHORT_S:
        result, took = timed(body)
    judged_from = sample if took["wall_s"] < SHORTEST_JUDGED_S else start
    return result, dict(took, busy_cores=others_between(judged_from, read_clocks()))


class Table:
    """The float32 matrix x (rows, features), NaN missing and categories as their codes, with labels and weights."""

    def __init__(self, folder):
        def column(name, kind):
            return np.fromfile(os.path.join(folder, f"{name}.bin"), dtype=kind)

        with open(os.path.join(folder, "table.json"), encoding="utf-8") as file:
            table = json.load(file)
        features = table["features"]
        self.train_rows = table["train_rows"]
        self.categorical = [f for f, feature in enumerate(features) if feature["kind"] == "categorical"]
        self.x = np.empty((table["rows"], len(features)), np.float32)
        for f in range(len(features)):
            if f in self.categorical:
                codes = column(f, np.int32)
                self.x[:, f] = np.where(codes < 0, np.nan, codes)
            else:
                self.x[:, f] = column(f, np.float32)
        self.label = column("label", np.float32)
        self.weight = column("weight", np.float32) if table["weighted"] else None

    def part(self, name):
        """x, label and weight of the training ("train") or validation rows ("val")."""
        rows = slice(None, self.train_rows) if name == "train" else slice(self.train_rows, None)
        return self.x[rows], self.label[rows], None if self.weight is None else self.weight[rows]

    @property
    def parts(self):
        return ["train"] if self.train_rows == len(self.label) else ["train", "val"]


def last_scores(history, metric):
    """Scores of the last round from {part: {metric: [a value a round]}}."""
    scores = {"train": None, "val": None}
    for part, values in history.items():
        value = float(values[metric][-1])
        scores[part] = value if np.isfinite(value) else None
    return scores


def kind_of(objective):
    return {"binary:logistic": "binary", "reg:squarederror": "regression"}.get(objective, "multiclass")


class Xgboost:
    METRICS = {"auc_roc": "auc", "logloss": "logloss", "rmse": "rmse", "mae": "mae"}

    def __init__(self, library, job, table):
        self.library, self.job, self.table, self.notes = library, job, table, []

    def prepare(self):
        """The matrices that training takes, by part."""
        table, matrices = self.table, {}
        types = ["c" if f in table.categorical else "q" for f in range(table.x.shape[1])]
        for part in table.parts:
            x, label, weight = table.part(part)
            matrices[part] = self.library.QuantileDMatrix(
                x,
                label=label,
                weight=weight,
                feature_types=types,
                enable_categorical=True,
                max_bin=self.job["params"]["max_bin"],
                nthread=self.job["threads"],
                ref=matrices.get("train"),
            )
        return matrices

    def train(self, matrices):
        params = dict(self.job["params"])
        rounds = params.pop("n_estimators")
        constraints = params.pop("monotone_constraints")
        if any(constraints):
            params["monotone_constraints"] = "(" + ",".join(map(str, constraints)) + ")"
        if params["base_score"] is None:
            del params["base_score"]
        if params["num_class"] == 0:
            del params["num_class"]
        if kind_of(params["objective"]) != "binary":
            del params["scale_pos_weight"]
        metric = self.METRICS[self.job["metric"]]
        if kind_of(params["objective"]) == "multiclass":
            metric = "mlogloss"
        params.update(
            tree_method="hist", nthread=self.job["threads"], seed=self.job["seed"], eval_metric=metric, verbosity=0
        )
        history = {}
        booster = self.library.train(
            params,
            matrices["train"],
            rounds,
            evals=[(matrix, part) for part, matrix in matrices.items()],
            evals_result=history,
            early_stopping_rounds=rounds + 1 if "val" in matrices else None,
            verbose_eval=False,
        )
        return booster.num_boosted_rounds(), last_scores(history, metric)


class Lightgbm:
    METRICS = {"auc_roc": "auc", "logloss": "binary_logloss", "rmse": "rmse", "mae": "l1"}
    OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}

    def __init__(self, library, job, table):
        self.library, self.job, self.table, self.notes = library, job, table, []
        given = job["params"]
        kind = kind_of(given["objective"])
        self.metric = "multi_logloss" if kind == "multiclass" else self.METRICS[job["metric"]]
        self.params = dict(
            objective=self.OBJECTIVES[kind],
            metric=self.metric,
            num_leaves=2 ** given["max_depth"],
            max_depth=given["max_depth"],
            learning_rate=given["learning_rate"],
            min_data_in_leaf=1,
            min_sum_hessian_in_leaf=given["min_child_weight"],
            lambda_l1=given["reg_alpha"],
            lambda_l2=given["reg_lambda"],
            min_gain_to_split=given["gamma"],
            max_delta_step=given["max_delta_step"],
            feature_fraction=given["colsample_bytree"],
            feature_fraction_bynode=given["colsample_bynode"],
            max_bin=max(2, given["max_bin"] - 1),
            max_cat_to_onehot=given["max_cat_to_onehot"],
            max_cat_threshold=given["max_cat_threshold"],
            num_threads=job["threads"],
            seed=job["seed"],
            verbosity=-1,
        )
        if given["subsample"] < 1:
            self.params.update(bagging_fraction=given["subsample"], bagging_freq=1)
        if kind == "binary":
            self.params.update(scale_pos_weight=given["scale_pos_weight"])
        if kind == "multiclass":
            self.params.update(num_class=given["num_class"])
        if any(given["monotone_constraints"]):
            self.params.update(monotone_constraints=given["monotone_constraints"])
        for name, neutral in (("colsample_bylevel", 1), ("base_score", None)):
            if given[name] != neutral:
                self.notes.append(f"lightgbm has no {name}; it was left out")

    def prepare(self):
        sets = {}
        for part in self.table.parts:
            x, label, weight = self.table.part(part)
            sets[part] = self.library.Dataset(
                x,
                label=label,
                weight=weight,
                categorical_feature=self.table.categorical,
                params=self.params,
                reference=sets.get("train"),
            ).construct()
        return sets

    def train(self, sets):
        rounds = self.job["params"]["n_estimators"]
        history = {}
        callbacks = [self.library.record_evaluation(history)]
        if "val" in sets:
            callbacks.append(self.library.early_stopping(rounds + 1, verbose=False))
        booster = self.library.train(
            self.params,
            sets["train"],
            rounds,
            valid_sets=list(sets.values()),
            valid_names=list(sets),
            callbacks=callbacks,
        )
        # It ends by itself once no tree can be split any more.
        return booster.current_iteration(), last_scores(history, self.metric)


class Catboost:
    METRICS = {"auc_roc": "AUC", "logloss": "Logloss", "rmse": "RMSE", "mae": "MAE"}
    LOSSES = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}
    # catboost has no counterpart of these; value without effect.
    MISSING = dict(
        min_child_weight=1,
        reg_alpha=0,
        gamma=0,
        max_delta_step=0,
        colsample_bynode=1,
        colsample_bylevel=1,
        base_score=None,
    )

    def __init__(self, library, job, table):
        self.library, self.job, self.table = library, job, table
        given = job["params"]
        self.kind = kind_of(given["objective"])
        self.metric = "MultiClass" if self.kind == "multiclass" else self.METRICS[job["metric"]]
        self.params = dict(
            loss_function=self.LOSSES[self.kind],
            # Some metrics are not computed on training rows unless asked for.
            eval_metric=f"{self.metric}:hints=skip_train~false",
            iterations=given["n_estimators"],
            depth=given["max_depth"],
            learning_rate=given["learning_rate"],
            l2_leaf_reg=given["reg_lambda"],
            rsm=given["colsample_bytree"],
            boosting_type="Plain",
            bootstrap_type="No",
            random_strength=0,
            thread_count=job["threads"],
            random_seed=job["seed"],
            verbose=False,
            allow_writing_files=False,
        )
        if given["subsample"] < 1:
            self.params.update(bootstrap_type="Bernoulli", subsample=given["subsample"])
        if self.kind == "binary" and given["scale_pos_weight"] != 1:
            self.params.update(scale_pos_weight=given["scale_pos_weight"])
        if any(given["monotone_constraints"]):
            self.params.update(monotone_constraints=given["monotone_constraints"])
        self.borders = max(1, min(254, given["max_bin"] - 2))
        self.notes = [
            f"catboost has no {name}; it was left out"
            for name, neutral in self.MISSING.items()
            if given[name] != neutral
        ]
        if table.categorical:
            self.params.update(border_count=self.borders)

    def pool(self, part):
        x, label, weight = self.table.part(part)
        if self.kind != "regression":
            label = label.astype(np.int32)
        if not self.table.categorical:
            return self.library.Pool(x, label, weight=weight, thread_count=self.job["threads"])
        numeric = [f for f in range(x.shape[1]) if f not in self.table.categorical]
        names = np.array([b"missing" if np.isnan(v) else b"%d" % v for v in x[:, self.table.categorical].flat], object)
        features = self.library.FeaturesData(
            num_feature_data=np.ascontiguousarray(x[:, numeric]) if numeric else None,
            cat_feature_data=names.reshape(len(x), len(self.table.categorical)),
        )
        return self.library.Pool(features, label, weight=weight, thread_count=self.job["threads"])

    def prepare(self):
        pools = {part: self.pool(part) for part in self.table.parts}
        if self.table.categorical:
            return pools
        pools["train"].quantize(border_count=self.borders, task_type="CPU")
        if "val" in pools:
            borders = os.path.join(self.job["table"], f"borders.{os.getpid()}.tsv")
            pools["train"].save_quantization_borders(borders)
            pools["val"].quantize(input_borders=borders, task_type="CPU")
            os.unlink(borders)
        return pools

    def train(self, pools):
        rounds = self.params["iterations"]
        model = self.library.CatBoost(self.params)
        if "val" in pools:
            model.fit(pools["train"], eval_set=pools["val"], use_best_model=False, early_stopping_rounds=rounds + 1)
        else:
            model.fit(pools["train"])
        history = model.get_evals_result()
        parts = dict(zip(["learn", "validation"], ["train", "val"]))
        return model.tree_count_, last_scores({parts[name]: of for name, of in history.items()}, self.metric)


def peak_memory_mb():
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


def run(job):
    library = importlib.import_module(job["library"])
    adapter = dict(xgboost=Xgboost, lightgbm=Lightgbm, catboost=Catboost)[job["library"]]
    table, load = timed(lambda: Table(job["table"]))
    peer = adapter(library, job, table)
    binned, bin_section = timed_when_idle(job["wait_s"], peer.prepare)
    (rounds, scores), boost = timed_when_idle(job["wait_s"], lambda: peer.train(binned), warm=True)
    return dict(
        version=library.__version__,
        load=load,
        bin=None if job["library"] == "catboost" and table.categorical else bin_section,
        boost=boost,
        rounds=rounds,
        scores=scores,
        peak_memory_mb=peak_memory_mb(),
        notes=peer.notes,
    )


def probe(name):
    found = {"python": platform.python_version()}
    try:
        return dict(found, version=importlib.import_module(name).__version__)
    except ModuleNotFoundError as error:
        return dict(found, missing=f"this Python ({sys.executable}) has no package {error.name}")
    except Exception as error:
        return dict(found, missing=f"it cannot be imported: {error}")


end_with_parent()
if sys.argv[1] == "--probe":
    answer(probe(sys.argv[2]))
else:
    import numpy as np

    answer(run(json.loads(sys.argv[1])))
# Some libraries crash or hang while the interpreter takes them down; the answer is out.
os._exit(0)
