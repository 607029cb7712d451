"""Makes the table in a temporary folder, then reads and bins it with each tool in turn, every time in a fresh process, and
prints medians: process CPU seconds on one thread, and the peak of resident memory over the process start as a multiple
of the float32 matrix. The raw repeats go to --out."""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--features", type=int, default=28)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--out", type=pathlib.Path)
options = parser.parse_args()

here = pathlib.Path(__file__).resolve().parent
root = here.parents[1]
tsx = [str(root / "node_modules" / ".bin" / "tsx"), str(here / "lockstep.ts")]
peers = [sys.executable, str(here / "peers.py")]
one_thread = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

with tempfile.TemporaryDirectory() as folder:
    table = str(pathlib.Path(folder) / "table.parquet")
    subprocess.run([sys.executable, here / "table.py", table, str(options.rows), str(options.features)], check=True)
    tools = {
        "lockstep": [*tsx, table],
        "lockstep, split": [*tsx, table, "split"],
        "xgboost": [*peers, "xgboost", table],
        "lightgbm": [*peers, "lightgbm", table],
        "catboost": [*peers, "catboost", table],
    }
    runs = []
    for repeat in range(options.repeats):
        for tool, command in tools.items():
            result = subprocess.run(command, check=True, capture_output=True, text=True, env=one_thread)
            runs.append(dict(tool=tool, repeat=repeat, **json.loads(result.stdout.splitlines()[-1])))

matrix = options.rows * options.features * 4
print(f"{options.rows:,} rows × {options.features} features, medians of {options.repeats}; the float32 matrix has {matrix / 1e6:.0f} MB\n")
print("| tool | load, CPU s | bin, CPU s | peak, MB | peak / matrix |")
print("|---|--:|--:|--:|--:|")
for tool in tools:
    of_tool = [run for run in runs if run["tool"] == tool]
    load, bins, peak = (
        statistics.median(run[key] for run in of_tool) for key in ("load_cpu_s", "bin_cpu_s", "peak_bytes")
    )
    name = f"{tool} {of_tool[0]['version']}"
    print(f"| {name} | {load:.2f} | {bins:.3f} | {peak / 1e6:.0f} | {peak / matrix:.2f} |")

if options.out:
    options.out.write_text(
        json.dumps(
            dict(
                rows=options.rows,
                features=options.features,
                matrix_bytes=matrix,
                machine=f"{platform.machine()}, {os.cpu_count()} cores",
                runs=runs,
            ),
            indent=1,
        )
        + "\n"
    )
