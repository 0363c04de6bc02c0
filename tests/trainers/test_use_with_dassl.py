"""The page docs/use-with-dassl.md does what it says, in a small checkout in CoOp's layout: its text is taken as it stands."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.small_world import OPTIONS, logits, result

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "use-with-dassl.md").read_text(encoding="utf-8")

TRAIN = """
import argparse
import datasets.theirs
import trainers.coop
from dassl.config import get_cfg_default
from dassl.engine import build_trainer
from dassl.utils import set_random_seed


def extend_cfg(cfg):
    from yacs.config import CfgNode

    cfg.TRAINER.COOP = CfgNode({"N_CTX": 16})
    cfg.DATASET.SUBSAMPLE_CLASSES = "all"


def main(argv):
    parser = argparse.ArgumentParser()
    for flag in ("root", "output-dir", "trainer", "backbone", "config-file", "dataset-config-file", "model-dir"):
        parser.add_argument(f"--{flag}", default="")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--eval-only", action="store_true")
    parser.add_argument("opts", nargs=argparse.REMAINDER)
    args = parser.parse_args(argv)
    cfg = get_cfg_default()
    extend_cfg(cfg)
    for file in filter(None, (args.dataset_config_file, args.config_file)):
        cfg.merge_from_file(file)
    cfg.DATASET.ROOT, cfg.OUTPUT_DIR, cfg.SEED, cfg.TRAINER.NAME = args.root, args.output_dir, args.seed, args.trainer
    cfg.MODEL.BACKBONE.NAME = args.backbone or cfg.MODEL.BACKBONE.NAME
    cfg.merge_from_list(args.opts)
    cfg.freeze()
    set_random_seed(cfg.SEED)
    trainer = build_trainer(cfg)
    if args.eval_only:
        trainer.load_model(args.model_dir)
        trainer.test()
    else:
        trainer.train()


if __name__ == "__main__":
    import json
    import sys

    for argv in json.loads(sys.argv[1]):  # several runs, for starting Python takes most of the time
        main(argv)
"""

METHOD = '''
from dassl.engine import TRAINER_REGISTRY, TrainerX


@TRAINER_REGISTRY.register()
class CoOp(TrainerX):
    """Theirs: registered under a name of ours."""

    def build_data_loader(self):
        self.lab2cname = {0: "cell"}

    def build_model(self):
        pass

    def train(self):
        print("their CoOp with", self.cfg.TRAINER.COOP)
'''

DATASET = """
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase


@DATASET_REGISTRY.register()
class Theirs(DatasetBase):
    pass
"""

THEIRS = {
    "train.py": TRAIN,
    "trainers/__init__.py": "",
    "trainers/coop.py": METHOD,
    "datasets/__init__.py": "",
    "datasets/theirs.py": DATASET,
    "configs/datasets/theirs.yaml": "DATASET:\n  NAME: Theirs\n",
    "configs/trainers/CoOp/vit_b16.yaml": "OPTIM:\n  MAX_EPOCH: 50\n",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def command(line: str, world, output: Path) -> list[str]:
    """The arguments of a `train.py` line of the page, for the small data set and backbone."""
    words = shlex.split(line)
    assert words[:2] == ["python", "train.py"]
    replaced = {"--root": str(world.root), "--dataset-config-file": "configs/datasets/split.yaml"}
    at = words.index("DATASET.NUM_SHOTS")
    flags, opts = words[2:at], words[at:]
    for i, word in enumerate(flags[:-1]):
        if word in replaced:
            flags[i + 1] = replaced[word]
        elif word in ("--output-dir", "--model-dir"):
            flags[i + 1] = str(output / flags[i + 1])
    options = {key: value for key, value in OPTIONS.items() if not key.startswith("TRAINER.") or ".CILMP." in key}
    options["TRAINER.CILMP.ROWS_FILE"] = world.rows
    return [*flags, "--backbone", str(world.clip), *opts, *(str(word) for pair in options.items() for word in pair)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A checkout of somebody's, after the page's first two steps."""
    folder = tmp_path_factory.mktemp("checkout")
    for name, text in THEIRS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    copying = [line for line in blocks("sh")[0].splitlines() if not line.startswith("pip ")]
    assert copying[0] == "CILMP=../cilmp"
    copying[0] = f"CILMP={shlex.quote(str(PROJECT))}"
    copying[-1] = copying[-1].replace("python", shlex.quote(sys.executable))
    subprocess.run(["bash", "-ec", "\n".join(copying)], cwd=folder, check=True)
    imports, call = blocks("python")
    call = "\n" + call.partition("# yours\n")[2]
    start, after, rest = (imports + TRAIN).partition("\n\ndef main")
    (folder / "train.py").write_text(start + call + after + rest)
    return folder


def test_what_they_had_is_as_it_was(checkout):
    for name, text in THEIRS.items():
        if name != "train.py":
            assert (checkout / name).read_text() == text


def test_the_page_as_it_stands(checkout, world, tmp_path):
    runs = [command(line, world, tmp_path) for line in blocks("sh")[1].splitlines()]
    theirs = ["--trainer", "CoOp", "--seed", "1", "--config-file", "configs/trainers/CoOp/vit_b16.yaml"]
    runs.append([*theirs, "--output-dir", str(tmp_path / "theirs"), "TRAINER.COOP.N_CTX", "8"])
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "train.py", json.dumps(runs)], cwd=checkout, env=env, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    base, new = result(tmp_path / "output/cilmp/base"), result(tmp_path / "output/cilmp/new")
    assert (base["method"], base["subset"], base["epochs"]) == ("CILMP", "base", 2)
    assert base["classnames"] == ["discocyte", "sickle_cell"] and new["classnames"] == ["target cell", "basophil"]
    assert "SIZE:\n  - 32\n" in base["config"], "the backbone's image size, which nobody has said"
    assert "their CoOp with N_CTX: 8" in ended.stdout

    configuration = PROJECT / runs[0][runs[0].index("--config-file") + 1]
    keys = {"DATASET__NUM_SHOTS": 16, "DATASET__SUBSAMPLE_CLASSES": "base"}
    ours = world.run("CILMP", "cilmp-ours", "--config-file", str(configuration), **keys)
    np.testing.assert_array_equal(logits(tmp_path / "output/cilmp/base"), logits(ours))
