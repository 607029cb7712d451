"""Stacking of xgboost's classifiers on adult by scikit-learn: usage stacking_theirs.py MEMBERS_JSON. Prints one JSON object."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

TRAINING_ROWS = 32_561
table = pd.read_parquet(Path(__file__).resolve().parents[2] / "tests" / "data" / "adult.parquet")
label = table.pop("target")
label = (label == sorted(label.unique())[1]).to_numpy().astype(int)
for column in table.columns:
    if not pd.api.types.is_numeric_dtype(table[column]):
        table[column] = table[column].astype("category").cat.codes.replace(-1, np.nan).astype("float32")
rows = table.to_numpy(np.float32)
members = [
    (f"m{i}", xgboost.XGBClassifier(**given, n_jobs=-1, random_state=42))
    for i, given in enumerate(json.loads(sys.argv[1]))
]
started = time.perf_counter()
model = StackingClassifier(members, LogisticRegression(), cv=5)
model.fit(rows[:TRAINING_ROWS], label[:TRAINING_ROWS])
seconds = time.perf_counter() - started
test = roc_auc_score(label[TRAINING_ROWS:], model.predict_proba(rows[TRAINING_ROWS:])[:, 1])
print(json.dumps({"seconds": seconds, "test": test}))
