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


folder = Path(sys.argv[1])
if len(sys.argv) > 2:
    for record in records(folder)[:7]:
        print(json.dumps(record)[:600])
    print(json.dumps(records(folder)[-3:])[:1500])
    print(wandb("leet", "inspect", "--summary", "--json", folder)[:1500])
