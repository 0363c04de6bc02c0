"""Cores that may be used, and threads that are put back."""

import os

import pytest
import torch

from toolbox import cores


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A control group of version 2, and no Slurm."""
    monkeypatch.setattr(cores, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("quota", "slurm", "wanted"),
    [("max 100000", "", 8), ("250000 100000", "", 2), ("50000 100000", "", 1), ("max 100000", "3", 3)],
)
def test_the_least_of_affinity_quota_and_slurms_share(group, monkeypatch, quota, slurm, wanted):
    (group / "cpu.max").write_text(quota)
    if slurm:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", slurm)
    assert cores.usable_cores() == wanted


def test_memory_is_what_the_control_group_leaves(group):
    (group / "memory.max").write_text("1000000")
    (group / "memory.current").write_text("400000")
    assert cores.free_memory() == 600000


def test_threads_inside_and_as_before_after(group, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = torch.get_num_threads()
    with cores.threads(2) as number:
        assert number == 2 and torch.get_num_threads() == 2 and os.environ["OMP_NUM_THREADS"] == "2"
    assert torch.get_num_threads() == before and os.environ["OMP_NUM_THREADS"] == "7"
    with cores.threads(64) as number:
        assert number == 8
