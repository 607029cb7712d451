"""Writes tests/tracking/fixtures/run.wandb anew: an offline run of wandb itself, with records longer than a block.

wandb_fixture.py FILE
"""

import shutil
import sys
import tempfile
from pathlib import Path

import wandb

with tempfile.TemporaryDirectory() as folder:
    settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", disable_git=True, disable_code=True, host="host", silent=True)
    run = wandb.init(project="p", mode="offline", dir=folder, notes="long " * 10_000, settings=settings)
    run.log({"loss": float("nan")})
    run.log({"loss": 0.5})
    run.finish()
    [log] = Path(folder).glob("wandb/offline-run-*/run-*.wandb")
    shutil.copy(log, sys.argv[1])
