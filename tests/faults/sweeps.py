"""Faults of a whole sweep: a base run and its test on new classes, one after the other or on two workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmark.stopping import LINE, STOPPED
from tests.faults import world as worlds
from tests.faults.scene import Scene, Wrong

ROOT = Path(__file__).resolve().parents[2]
RUNNER = "tests.faults.sweeps:run_quickly"
LIMIT_S = 240.0


def run_quickly(argv: list[str]) -> None:
    """train.py on one thread, as a sweep's runner."""
    import torch

    from train import run

    torch.set_num_threads(1)
    run(argv)


def differences(argv: list[str], result: dict) -> list[str]:
    """train.py's own, which a sweep asks its runner's module for."""
    from train import differences as found

    return found(argv, result)


def sweep_told_to_stop(scene: Scene) -> tuple[str, str]:
    """SIGTERM to a sweep with one or two workers: one line, 143, nobody left; started again it ends as it would have."""
    return _stopped(scene, signal.SIGTERM)


def sweep_killed(scene: Scene) -> tuple[str, str]:
    """SIGKILL to a sweep with one or two workers: its workers end too; started again it ends as it would have."""
    return _stopped(scene, signal.SIGKILL)


def _stopped(scene: Scene, number: int) -> tuple[str, str]:
    workers = scene.rng.choice([1, 2])
    process = _start(scene, workers)
    begun = _wait_for(lambda: bool(list(scene.folder.rglob("log.txt"))) or process.poll() is not None)
    if not begun:
        process.kill()
        raise Wrong(f"no run began: {process.communicate()[1][-600:]}")
    time.sleep(scene.rng.uniform(0.0, 2 * scene.seconds))
    family = _family(process.pid)
    process.send_signal(number)
    _, said = process.communicate(timeout=LIMIT_S)
    hit = process.returncode != 0 and not (process.returncode == -number and _is_done(scene, said))
    scene.hits += hit
    if hit and number == signal.SIGTERM:
        _check_line(process.returncode, said)
    left = [pid for pid in family if not _wait_for(lambda pid=pid: _is_gone(pid))]
    if left:
        raise Wrong(f"{len(left)} processes of a sweep that ended are still there")
    again = _start(scene, workers)
    _, said = again.communicate(timeout=LIMIT_S)
    if again.returncode:
        raise Wrong(f"exit code {again.returncode} of the second start: {said[-600:]}")
    if not _is_done(scene, said):
        raise Wrong(f"a result is missing: {said[-600:]}")
    found = worlds.ending(scene.method, scene.out / f"full/cells/{scene.method}/default-clip/seed3")
    if found.weights != scene.reference.weights:
        raise Wrong("finished with other numbers")
    return f"signal {number} to a sweep on {workers} workers ({'at work' if hit else 'was done'})", "same numbers"


def _is_done(scene: Scene, said: str) -> bool:
    """Whether all was there before the signal came, which then met a program that was about to end."""
    results = [scene.out / f"full/cells/{scene.method}/default-clip/seed{seed}/result.json" for seed in (3, 4)]
    return all(result.is_file() for result in results) and "Traceback" not in said


def _check_line(code: int, said: str) -> None:
    lines = [line for line in said.splitlines() if line.startswith(("SIGTERM", "Traceback", "Exception", "error"))]
    if code != STOPPED or lines != [LINE]:
        raise Wrong(f"exit code {code} after SIGTERM, and not one line: {said[-600:]}")


def _start(scene: Scene, workers: int) -> subprocess.Popen:
    configs = scene.folder / "configs"
    path = configs / "trainers" / scene.method / "default.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    (configs / "datasets").mkdir(exist_ok=True)
    (configs / "datasets/split.yaml").write_text("DATASET:\n  NAME: split\n")
    words = scene.world.argv(scene.method, scene.out, *scene.options)
    opts = words[words.index("DATASET.NAME") :]
    shots = opts.index("DATASET.NUM_SHOTS")
    command = [sys.executable, "-m", "benchmark.run", "full", "--methods", scene.method, "--datasets", "cells"]
    command += ["--seeds", "3", "4", "--root", scene.world.data, "--output", scene.out, "--backbone", scene.world.clip]
    command += ["--configs", configs, "--workers", workers, "--runner", RUNNER]
    command += ["--opts", *opts[:shots], *opts[shots + 2 :], "DATASET.NUM_SHOTS", "4"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        list(map(str, command)), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def _family(pid: int) -> set[int]:
    """A process and all below it."""
    found, waiting = set(), [pid]
    while waiting:
        one = waiting.pop()
        found.add(one)
        try:
            for thread in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(word) for word in (thread / "children").read_text().split()]
        except OSError:
            continue
    return found


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _wait_for(true, seconds: float = LIMIT_S / 2) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False
