"""Writes a data set of the boosting benchmark as the BenchTable of src/bench/table.ts: public sets of tests/data, divided as
their sources do or else by a seeded draw, and synthetic sets. usage: sets.py NAME FOLDER"""
import json
import pathlib
import sys

import numpy as np
import pandas as pd

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data"
# Rows that the source of a set gives for training; they come first. Of the other sets, four fifths drawn at random.
TRAINING_ROWS = {"higgs_7k": 7_000, "adult": 32_561}
SYNTHETIC = {"synth_100kx50": (100_000, 50), "synth_1Mx28": (1_000_000, 28)}


def synth(rows, features, seed=7):
    """A binary task like Higgs: float32 normal features, of which the first third decide by products of neighbours, waves
    and distances from 0; as many after those are skewed. Logistic noise keeps the best AUC at about 0.8."""
    draw = np.random.RandomState(seed)
    x = draw.standard_normal((rows, features)).astype(np.float32)
    deciding = max(6, features // 3)
    score = np.zeros(rows, np.float32)
    for j in range(0, deciding - 1, 2):
        score += np.float32(draw.uniform(0.2, 0.6)) * x[:, j] * x[:, j + 1]
    for j in range(deciding):
        score += np.float32(draw.uniform(-0.4, 0.4)) * np.sin(2 * x[:, j])
        score += np.float32(draw.uniform(-0.2, 0.2)) * np.abs(x[:, j])
    skewed = slice(deciding, 2 * deciding)
    x[:, skewed] = np.exp(np.float32(0.5) * x[:, skewed])
    noisy = score + np.float32(0.8) * draw.logistic(size=rows).astype(np.float32)
    return x, noisy > np.median(score)


def synthetic(name):
    rows, features = SYNTHETIC[name]
    x, label = synth(rows + max(20_000, rows // 20), features)
    return pd.DataFrame(x), label, np.arange(len(x)) < rows


def public(name):
    table = pd.read_parquet(DATA / f"{name}.parquet")
    if name == "nycflights":
        table = table.drop(columns=["tailnum", "flight"])
    label = table.pop("target").to_numpy()
    if name in TRAINING_ROWS:
        in_training = np.arange(len(table)) < TRAINING_ROWS[name]
    else:
        in_training = np.random.RandomState(0).rand(len(table)) < 0.8
    return table, label, in_training


def write(folder, table, label, in_training):
    order = np.concatenate([np.flatnonzero(in_training), np.flatnonzero(~in_training)])
    features = []
    for f, name in enumerate(table.columns):
        column = table[name]
        if pd.api.types.is_numeric_dtype(column):
            values = column.to_numpy(np.float32)
            features.append({"kind": "numeric"})
        else:
            categories = column.astype("category").cat
            values = categories.codes.to_numpy(np.int32)
            features.append({"kind": "categorical", "categories": len(categories.categories)})
        values[order].tofile(folder / f"{f}.bin")
    label.astype(np.float32)[order].tofile(folder / "label.bin")
    description = {
        "rows": len(table),
        "train_rows": int(in_training.sum()),
        "features": features,
        "weighted": False,
    }
    (folder / "table.json").write_text(json.dumps(description))


if __name__ == "__main__":
    _, set_name, out = sys.argv
    write(pathlib.Path(out), *(synthetic if set_name in SYNTHETIC else public)(set_name))
