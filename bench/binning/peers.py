"""Reads the table into a float32 matrix and bins it with one library on one thread; prints one line of JSON as lockstep.ts does."""
import json
import resource
import sys
import time

import numpy as np
import pyarrow.parquet as pq


def xgboost():
    import xgboost

    return xgboost.__version__, lambda x, y: xgboost.QuantileDMatrix(x, label=y, max_bin=256, nthread=1)


def lightgbm():
    import lightgbm

    params = dict(max_bin=255, num_threads=1, verbosity=-1)
    return lightgbm.__version__, lambda x, y: lightgbm.Dataset(x, label=y, params=params).construct()


def catboost():
    import catboost

    def quantize(x, y):
        pool = catboost.Pool(x, y, thread_count=1)
        pool.quantize(border_count=254)
        return pool

    return catboost.__version__, quantize


version, bin_matrix = dict(xgboost=xgboost, lightgbm=lightgbm, catboost=catboost)[sys.argv[1]]()
with open("/proc/self/statm") as statm:
    before = int(statm.read().split()[1]) * resource.getpagesize()
times = [(time.process_time(), time.perf_counter())]
table = pq.read_table(sys.argv[2], use_threads=False)
y = table.column("target").to_numpy()
x = np.empty((len(y), table.num_columns - 1), np.float32)
for j in range(x.shape[1]):
    x[:, j] = table.column(j).to_numpy()
del table
times.append((time.process_time(), time.perf_counter()))
binned = bin_matrix(x, y)
times.append((time.process_time(), time.perf_counter()))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
(cpu0, wall0), (cpu1, wall1), (cpu2, wall2) = times
print(
    json.dumps(
        dict(
            version=version,
            load_cpu_s=cpu1 - cpu0,
            load_wall_s=wall1 - wall0,
            bin_cpu_s=cpu2 - cpu1,
            bin_wall_s=wall2 - wall1,
            peak_bytes=peak,
        )
    )
)
