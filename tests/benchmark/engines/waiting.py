"""Runs whose engine is disturbed while they are at work."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmark.jobs import Job

RUNS = "tests.benchmark.runs_on_disk:"
PATIENCE_S = 180.0


def job(folder: Path) -> Job:
    """A run of the quick stand-in for train.py."""
    words = ("--trainer", "CoOp", "--seed", "1", "--output-dir", str(folder), "--dataset-config-file", "phantom")
    keys = ("DATASET.SUBSAMPLE_CLASSES", "all", "DATASET.NUM_SHOTS", "16", "MODEL.BACKBONE.NAME", "small_clip")
    return Job("CoOp", "phantom", "all", 16, 1, "small_clip", "small_clip", folder, (*words, *keys))


def until(true: Callable[[], object]) -> bool:
    """Wait until it is true; whether it ever was."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def when_at_work(folder: Path, then: Callable[[], object]) -> None:
    """Once the run in this folder has begun, while a sweep waits for it, do this."""

    def watch() -> None:
        if until((folder / "pid").exists):
            then()

    threading.Thread(target=watch, daemon=True).start()
