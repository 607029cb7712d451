"""Writes the table of the prediction bench: float32 features, column by column, and a label of two classes."""
import pathlib
import sys

import numpy as np

folder, rows, features = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random = np.random.RandomState(7)
x = random.standard_normal((features, rows)).astype(np.float32)
score = np.zeros(rows, np.float32)
for j in range(0, features - 1, 2):
    score += np.float32(random.uniform(0.2, 0.6)) * x[j] * x[j + 1]
for j in range(features):
    score += np.float32(random.uniform(-0.4, 0.4)) * np.sin(2 * x[j])
noisy = score + random.logistic(size=rows).astype(np.float32)
x.tofile(folder / "columns.f32")
(noisy > np.median(score)).astype(np.float32).tofile(folder / "label.f32")
