"""wandb's side of wandb_runs.ts: reads offline runs with wandb's own program and compares them with the runs' files."""

import json
import os
import subprocess
import sys
from pathlib import Path

WANDB = Path(sys.executable).parent / "wandb"


def wandb(*args):
    env = {**os.environ, "WANDB_API_KEY": "a" * 40}
    done = subprocess.run([WANDB, *map(str, args)], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def records(path):
    return [json.loads(line) for line in wandb("leet", "inspect", "--json", path).splitlines() if line.startswith("{")]


def of_type(found, kind):
    return [record[kind] for record in found if record["type"] == kind]


def read(out, name):
    return json.loads((out / name).read_text())


def check_numbers(out, found):
    [summary] = [s["update"] for s in of_type(found, "summary")]
    rows = [row["item"] for row in of_type(found, "history")]
    count = 0
    scores = {
        "train": read(out, "metrics/training_metrics.json"),
        "val": read(out, "metrics/validation_metrics.json"),
        "test": read(out, "metrics/test_metrics.json"),
    }
    for split, models in scores.items():
        for model, metrics in models.items():
            for metric, value in metrics.items():
                assert summary[f"{model}/{split}/{metric}"] == value, (model, split, metric)
                count += 1
    history = read(out, "metrics/history.json")
    for model in history:
        for name in ["train_loss", "val_loss"]:
            key = f"{model}/curve/{name}"
            theirs = [(row[f"{model}/curve/step"], row[key]) for row in rows if key in row]
            assert theirs == list(enumerate(history[model][name])), key
            count += len(theirs)
    trials = read(out, "optimization_results.json")["trials"]
    of_trials = {row["search/step"]: row for row in rows if "search/trial/state" in row}
    assert len(of_trials) == len(trials)
    for trial in trials:
        row = of_trials[trial["number"]]
        assert row["search/trial/state"] == trial["state"]
        for name, value in trial["params"].items():
            assert row[f"search/trial/params/{name}"] == value, name
            count += 1
    return count


def check_about(found, name, code):
    [run] = of_type(found, "run")
    assert run["project"] == f"{name} 50 _" and run["tags"] == ["v1.0", "Grüße, 世界"], run["project"]
    assert run["notes"] == "long " * 20_000
    config = run["config"]["update"]
    assert config["hyperparameters"]["n_estimators"] == 30 and config["use_wandb"] is True
    assert "tracking" not in config
    [exit_record] = of_type(found, "exit")
    assert exit_record.get("exit_code", 0) == code


folder = Path(sys.argv[1])
for name, code in [("breast_cancer", 0), ("digits", 0), ("stopped", 130)]:
    [run] = (folder / name / "wandb").glob("offline-run-*")
    found = records(run)
    check_about(found, name, code)
    assert "Would sync 1 run" in wandb("sync", "--dry-run", run)
    if code == 0:
        print(f"{name}: wandb reads {check_numbers(folder / name, found)} equal numbers")
    else:
        assert any("search/trial/state" in row["item"] for row in of_type(found, "history"))
for left in range(12):
    found = records(folder / f"edge-{left}.wandb")
    assert [record["type"] for record in found] == ["header", "run", "exit"], left
    assert found[-1]["exit"]["exit_code"] == 7
print("Weights & Biases: offline runs read, records across blocks too")
