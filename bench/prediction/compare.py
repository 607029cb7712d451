"""Trains a model with each tool, 100 trees of depth 6 on a table of 100,000 rows × 50 float32 features, then predicts the table
with each in turn on one thread, every time in a fresh process, and prints medians: rows per process CPU second, and
the time of single rows. All runs go to --out."""
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
parser.add_argument("--rows", type=int, default=100_000)
parser.add_argument("--features", type=int, default=50)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--runs", type=int, default=7, help="predictions of a process")
parser.add_argument("--out", type=pathlib.Path)
options = parser.parse_args()

here = pathlib.Path(__file__).resolve().parent
root = here.parents[1]
tsx = [str(root / "node_modules" / ".bin" / "tsx"), str(here / "lockstep.ts")]
peers = [sys.executable, str(here / "peers.py")]
one_thread = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
tools = ("lockstep", "catboost", "xgboost", "lightgbm")


def run(tool, step, folder):
    command = [*tsx, step] if tool == "lockstep" else [*peers, step, tool]
    given = [folder, str(options.features), str(options.runs)]
    result = subprocess.run([*command, *given], check=True, capture_output=True, text=True, env=one_thread)
    return json.loads(result.stdout.splitlines()[-1])


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown processor"


batches, singles, versions, simd = [], [], {}, ""
with tempfile.TemporaryDirectory() as folder:
    size = [str(options.rows), str(options.features)]
    subprocess.run([sys.executable, here / "table.py", folder, *size], check=True)
    for tool in tools:
        trained = run(tool, "train", folder)
        versions[tool] = trained["version"]
        simd = trained.get("simd", simd)
    for repeat in range(options.repeats):
        for tool in tools:
            batches += [dict(tool=tool, repeat=repeat, **one) for one in run(tool, "batch", folder)["runs"]]
            singles += [dict(tool=tool, repeat=repeat, **one) for one in run(tool, "rows", folder)["rows"]]


def median(runs, key, **where):
    return statistics.median(one[key] for one in runs if all(one[k] == v for k, v in where.items()))


machine = f"{processor()}, {platform.machine()}, {os.cpu_count()} cores, {simd}"
print(f"{options.rows:,} rows × {options.features} features, 100 trees of depth 6, one thread; medians; {machine}\n")
print("| tool | given | margins, Mrows/s | probabilities, Mrows/s |")
print("|---|---|--:|--:|")
for tool, given in dict.fromkeys((one["tool"], one["input"]) for one in batches):
    speed = [
        options.rows / median(batches, "cpu_s", tool=tool, input=given, kind=kind) / 1e6
        for kind in ("margin", "probability")
    ]
    print(f"| {tool} {versions[tool]} | {given} | {speed[0]:.2f} | {speed[1]:.2f} |")
print("\n| tool | one row, given as | p50, µs | p99, µs |")
print("|---|---|--:|--:|")
for tool, given in dict.fromkeys((one["tool"], one["input"]) for one in singles):
    p50, p99 = (median(singles, key, tool=tool, input=given) / 1000 for key in ("p50_ns", "p99_ns"))
    print(f"| {tool} {versions[tool]} | {given} | {p50:.2f} | {p99:.2f} |")

if options.out:
    options.out.write_text(
        json.dumps(
            dict(
                rows=options.rows,
                features=options.features,
                trees=100,
                depth=6,
                machine=machine,
                versions=versions,
                batches=batches,
                single_rows=singles,
            ),
            indent=1,
        )
        + "\n"
    )
