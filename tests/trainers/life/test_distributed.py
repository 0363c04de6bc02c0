"""Two processes over gloo against one: the same weights at the same whole batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainers.small_world import SmallWorld

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from tests.trainers.small_world import SmallWorld
world = SmallWorld.__new__(SmallWorld)
world.root = Path(sys.argv[2])
world.clip, world.rows = world.root / "tiny.safetensors", world.root / "rows.safetensors"
# ProGrad's drawn context is not zero-shot CLIP's own, where the divergence has no gradient and its direction is rounding alone
rival = {"TRAINER__CLIPLORA__DROPOUT": 0.0, "TRAINER__PROGRAD__CTX_INIT": ""}
cilmp = {"TRAINER__CILMP__DROPOUT": 0.1, "TRAINER__CILMP__ROWS_SCALING": "centred"}
world.run(sys.argv[3], sys.argv[4], **{"INPUT__TRANSFORMS": '("normalize",)'}, **cilmp, **rival)
"""


def test_torch_is_told_before_it_is_imported_to_keep_its_warnings_to_itself():
    look = (
        "import os, sys, train\n"
        "def parse(words): print('torch' in sys.modules, os.environ['TORCH_CPP_LOG_LEVEL']); sys.exit()\n"
        "train.parse = parse\n"
        "train.main([])"
    )
    said = subprocess.run([sys.executable, "-c", look], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert said == "False ERROR\n"


@pytest.mark.parametrize("method", ["CoOp", "CILMP", "ProGrad", "CLIPLoRA"])
def test_two_processes_end_with_the_weights_of_one(world: SmallWorld, tmp_path, method):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    words = [str(ROOT), str(world.root), method]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for launcher, output in (([sys.executable], f"one-{method}"), (torchrun, f"two-{method}")):
        subprocess.run([*launcher, str(script), *words, output], cwd=ROOT, check=True, capture_output=True)
    folders = [next((world.root / f"{n}-{method}").glob("*/model-2.safetensors")) for n in ("one", "two")]
    one, two = map(load_file, folders)
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=2e-6, rtol=1e-5)
    logs = list((world.root / f"two-{method}").glob("log*.txt"))
    assert len(logs) == 1 and logs[0].read_text().count("=> result") == 1
