"""Writes the table of the binning bench: float32 features, normal with interactions and heavy tails, and a target of two classes."""
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

path, rows, features = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random = np.random.RandomState(7)
x = random.standard_normal((rows, features)).astype(np.float32)
informative = max(6, features // 3)
score = np.zeros(rows, np.float32)
for j in range(0, informative - 1, 2):
    score += np.float32(random.uniform(0.2, 0.6)) * x[:, j] * x[:, j + 1]
for j in range(informative):
    score += np.float32(random.uniform(-0.4, 0.4)) * np.sin(2 * x[:, j])
    score += np.float32(random.uniform(-0.2, 0.2)) * np.abs(x[:, j])
x[:, informative : 2 * informative] = np.exp(np.float32(0.5) * x[:, informative : 2 * informative])
noisy = score + random.logistic(size=rows).astype(np.float32) * 0.8
columns = {f"x{j}": x[:, j] for j in range(features)}
pq.write_table(pa.table({**columns, "target": (noisy > np.median(score)).astype(np.int32)}), path)
