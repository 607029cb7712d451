"""Asks the real MLflow about the file stores that mlflow_store.ts left in FOLDER: numbers, curves, nested runs, datasets,
artifacts and predictions of models must be those of the run's own files, before and after `mlflow migrate-filestore`, and on
the server URI that a run was sent to.
"""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"

import mlflow
import numpy as np
import pandas as pd
import xgboost as xgb

logging.getLogger("mlflow").setLevel(logging.ERROR)
DATA = Path(__file__).resolve().parents[1] / "data"
STORES = ["mlruns", "evidence/protocol-11-training/mlruns"]


def same(ours, theirs, what):
    ours = [float("nan") if v is None else v for v in ours]
    assert np.array_equal(ours, theirs, equal_nan=True), f"{what}: {theirs} and not {ours}"


def read(out, name):
    return json.loads((out / name).read_text())


def frame_of(name):
    frame = pd.read_parquet(DATA / f"{name}.parquet").drop(columns="target")
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].astype("category")
    return frame


def runs_of(uri):
    """The runs of a store: experiments as a whole in order of time, and all nested runs."""
    mlflow.set_tracking_uri(uri)
    runs = mlflow.search_runs(search_all_experiments=True, order_by=["start_time ASC"])
    parent = runs.get("tags.mlflow.parentRunId", pd.Series(index=runs.index, dtype=object))
    return runs[parent.isna()], runs[parent.notna()]


def check_metrics(client, out, run):
    metrics = run.data.metrics
    count = 0
    for split, file in [("train", "training"), ("val", "validation"), ("test", "test")]:
        for model, scores in read(out, f"metrics/{file}_metrics.json").items():
            for metric, value in scores.items():
                same([value], [metrics[f"{model}/{split}/{metric}"]], f"{model}/{split}/{metric}")
                count += 1
    curve = lambda key: [m.value for m in client.get_metric_history(run.info.run_id, key)]
    for model, history in read(out, "metrics/history.json").items():
        for split in ["train", "val"]:
            same(history[f"{split}_loss"], curve(f"{model}/curve/{split}_loss"), f"{model} {split} loss")
            for metric, values in history[f"{split}_metrics"].items():
                same(values, curve(f"{model}/curve/{split}_{metric}"), f"{model} {split} {metric}")
                steps = [m.step for m in client.get_metric_history(run.info.run_id, f"{model}/curve/{split}_{metric}")]
                assert steps == list(range(len(values)))
    primary = read(out, "run.json")["scoring"]["metric"]
    for model, values in read(out, "metrics/cv_scores.json").items():
        same(values, curve(f"{model}/cv_folds/{primary}"), f"{model} folds")
    return count


def check_trials(out, nested):
    primary = read(out, "run.json")["scoring"]["metric"]
    trials = read(out, "optimization_results.json")["trials"]
    assert len(nested) == len(trials), f"{len(nested)} nested runs and {len(trials)} trials"
    states = {"complete": "FINISHED", "pruned": "KILLED", "fail": "FAILED"}
    for trial in trials:
        run = nested[nested["tags.lockstep.trial"] == str(trial["number"])].iloc[0]
        assert run.status == states[trial["state"]]
        same([trial["value"]], [run[f"metrics.{primary}"]], f"trial {trial['number']}")
        for name, value in trial["params"].items():
            assert float(run[f"params.{name}"]) == value, name


def check_inputs(out, run):
    sources = read(out, "run.json")["sources"]
    inputs = run.inputs.dataset_inputs
    assert len(inputs) == len(sources)
    for source, given in zip(sources, inputs, strict=True):
        assert source["sha256"].startswith(given.dataset.digest) and len(given.dataset.digest) == 36
        assert mlflow.data.get_source(given).load() == source["path"]


def check_models(out, name, run):
    frame = frame_of(name)
    outputs = {m.model_id for m in run.outputs.model_outputs}
    for model in ["baseline", "optimized"]:
        uri = f"runs:/{run.info.run_id}/{model}"
        loaded = mlflow.pyfunc.load_model(uri)
        assert loaded.metadata.model_id in outputs
        categories = any(str(t) == "category" for t in frame.dtypes)
        assert (loaded.metadata.signature is None) == categories
        ours = np.fromfile(out / "expected" / f"{model}.f64")
        # A signature puts columns in order.
        theirs = loaded.predict(frame if categories else frame[frame.columns[::-1]])
        shape = (len(frame), -1) if np.ndim(theirs) == 2 else (len(frame),)
        assert theirs.dtype == np.float32
        native = mlflow.xgboost.load_model(uri)
        booster = native if isinstance(native, xgb.Booster) else native.get_booster()
        direct = booster.predict(xgb.DMatrix(frame, enable_categorical=True))
        assert np.array_equal(theirs, direct)
        error = np.max(np.abs(ours.reshape(shape) - theirs) / np.maximum(1, np.abs(theirs)))
        assert error < 1e-6, f"{name} {model}: predictions differ by {error}"
        print(f"{name} {model}: {len(frame)} rows, largest difference {error:.1e}")


def check_tags(out, run):
    tags = run.data.tags
    labels = json.loads(tags["lockstep.tags"])
    assert labels[:3] == ["baseline", "v1.0", "two words"] and len(labels) == 9
    for key in ["baseline", "v1.0", "two words", "Grüße_ 世界_", "a/b", "a_2", "_/up", "x" * 250]:
        assert tags[key] == "true", key
    assert tags["mlflow.runName"] == run.info.run_name
    note = tags["mlflow.note.content"]
    assert note.startswith('Line one: "é"\nline two\nlong ') and len(note) == 8000
    experiment = mlflow.get_experiment(run.info.experiment_id)
    assert experiment.name.endswith(" 1.0 – off") and len(experiment.tags["mlflow.note.content"]) > 10_000
    for model, fingerprint in read(out, "run.json")["fingerprints"].items():
        assert tags[f"lockstep.fingerprint.{model}"] == fingerprint
    assert run.data.params["hyperparameters.n_estimators"] == "30"
    assert run.data.params["optimization.sampler.name"] == "tpe"


def check_artifacts(out, run):
    for name in ["run.json", "reports/training_report.md", "models/ensemble_model.json"]:
        path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name)
        assert Path(path).read_bytes() == (out / name).read_bytes(), name


def check_finished(uri, out, name):
    parents, nested = runs_of(uri)
    assert list(parents.status) == ["FINISHED"]
    client = mlflow.MlflowClient()
    run = client.get_run(parents.run_id.iloc[0])
    count = check_metrics(client, out, run)
    check_trials(out, nested)
    check_inputs(out, run)
    check_tags(out, run)
    check_artifacts(out, run)
    check_models(out, name, run)
    return count, len(nested)


def migrated(store, target):
    command = [Path(sys.executable).parent / "mlflow", "migrate-filestore", "--source", store, "--target", f"sqlite:///{target}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return f"sqlite:///{target}"


folder = Path(sys.argv[1])
for name in ["breast_cancer", "digits", "diabetes", "adult"]:
    out = folder / name
    for store in STORES:
        count, trials = check_finished((out / store).as_uri(), out, name)
        database = migrated(out / store, folder / f"{name}.db")
        check_finished(database, out, name)
        (folder / f"{name}.db").unlink()
    print(f"{name}: {count} scores and {trials} nested runs agree, before and after the migration")

parents, nested = runs_of((folder / "twice/mlruns").as_uri())
assert list(parents.status) == ["FINISHED", "FINISHED"] and len(nested) == 10
assert parents["experiment_id"].nunique() == 1 and parents["run_id"].nunique() == 2
migrated(folder / "twice/mlruns", folder / "twice.db")

parents, nested = runs_of((folder / "stopped/mlruns").as_uri())
assert list(parents.status) == ["KILLED"] and len(nested) >= 2
assert parents["tags.lockstep.error"].iloc[0].startswith("Interrupted")

parents, nested = runs_of((folder / "failed/mlruns").as_uri())
assert list(parents.status) == ["FINISHED", "FINISHED", "FAILED"] and len(nested) == 5
print("MLflow file stores: read, loaded and migrated")

count, trials = check_finished(sys.argv[2], folder / "served", "digits")
print(f"MLflow server: {count} scores and {trials} nested runs agree, sent twice")
