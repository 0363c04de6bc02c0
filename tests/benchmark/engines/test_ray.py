"""A sweep on a Ray cluster of several raylets. Skipped where Ray is not installed."""

import os
import signal
from pathlib import Path

import pytest

from benchmark.engines import EngineOptions
from benchmark.engines import ray as engine
from tests.benchmark.engines.waiting import RUNS, job, when_at_work

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cluster(monkeypatch):
    """Ray without a machine that computes."""
    pytest.importorskip("ray", reason="pip install -r requirements-engines.txt")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


def test_two_machines_make_the_table_of_one_process(cluster, sweep, tmp_path):
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    assert sweep("--engine", "ray", "--address", cluster.address, "--workers", "2") == 0
    assert sweep("--output", "plain") == 0
    tables = [tmp_path / name / "reports/base2new/phantom/benchmark/tables.csv" for name in ("output", "plain")]
    assert tables[0].read_text() == tables[1].read_text()


def test_a_run_of_a_lost_worker_starts_again(cluster, tmp_path):
    cluster.add_node(num_cpus=1)
    lost = tmp_path / "lost"
    when_at_work(lost, lambda: os.kill(int((lost / "pid").read_text()), signal.SIGKILL))
    outcomes = list(engine.run([[job(lost)]], RUNS + "interrupted", EngineOptions(address=cluster.address)))
    assert [(outcome.state, outcome.message) for outcome in outcomes] == [("done", "")]
