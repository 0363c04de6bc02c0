"""A real Slurm of one node on this machine, where its daemons are installed and may be started."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "clusters/slurm.sh"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, worker_id):
    """Slurm's folder; its configuration is SLURM_CONF while the tests run."""
    pytest.importorskip("submitit", reason="pip install -r requirements-engines.txt")
    missing = [name for name in ("slurmctld", "slurmd", "munged") if not shutil.which(name, path="/usr/sbin")]
    if missing or os.geteuid():
        pytest.skip("as root, with Debian's packages: apt-get install slurm-wlm munge")
    folder = tmp_path_factory.mktemp("slurm")
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    environment = {**os.environ, "SLURM_PORT": str(16817 + 10 * number)}
    subprocess.run(["bash", SCRIPT, "start", folder], env=environment, check=True, timeout=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("PYTHONPATH", str(SCRIPT.parents[2]))
        yield folder
        subprocess.run(["scancel", "--user", "root"], check=False)
    subprocess.run(["bash", SCRIPT, "stop", folder], check=True, timeout=60)
