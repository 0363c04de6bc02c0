"""A pickle is a program. In every place where a file is read, a hostile one is refused and nothing of it is run."""

import pickle
import shutil

import numpy as np
import pytest
import torch

from benchmark.results import Result, read_predictions
from datasets.pickles import read_coop_pickle
from datasets.split import read_split
from llm.import_reference import read_tensor
from llm.store import read_store
from tests.faults.world import FOLDERS
from tests.security.traps import object_array, torch_file, torchscript
from toolbox.checkpoints import load_checkpoint
from toolbox.errors import UserError
from toolbox.run_files import find_result
from train import run
from trainers.life.recording import Recording
from vlm.loading.weights import read_weights

pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("place", ["state_dict", "optimizer", "scheduler", "random", "extra"])
def test_checkpoints(tmp_path, trap, place, old_format):
    checkpoint = {"state_dict": {"ctx": torch.zeros(2)}, "epoch": 1, place: {"x": trap}}
    path = torch_file(tmp_path / "model.pth.tar-1", checkpoint, old_format)
    with pytest.raises(UserError, match=r"model\.pth\.tar-1"):
        load_checkpoint(path)


def test_bare_pickles_as_checkpoints(tmp_path, trap):
    path = tmp_path / "model.pth.tar-1"
    path.write_bytes(pickle.dumps(trap))
    with pytest.raises(UserError, match=r"model\.pth\.tar-1"):
        load_checkpoint(path)


def test_a_run_that_resumes(tmp_path, trap, world):
    out = tmp_path / "out"
    folder = out / FOLDERS["CoOp"]
    folder.mkdir(parents=True)
    torch_file(folder / "model.pth.tar-1", {"state_dict": {"ctx": trap}, "epoch": 1})
    (folder / "checkpoint").write_text("model.pth.tar-1\n")
    with pytest.raises(UserError, match=r"model\.pth\.tar-1"):
        run(world.argv("CoOp", out))


def test_a_run_that_tests_another_ones_weights(tmp_path, trap, world):
    folder = tmp_path / "given" / FOLDERS["CoOp"]
    folder.mkdir(parents=True)
    for name in ("model.pth.tar-4", "model-5.safetensors"):
        torch_file(folder / name, {"state_dict": {"ctx": trap}, "epoch": 4})
        flags = ("--eval-only", "--model-dir", str(folder.parent), "--load-epoch", name[-1] if "tar" in name else "5")
        with pytest.raises(UserError, match=name.replace(".", r"\.")):
            run(world.argv("CoOp", tmp_path / "out", flags=flags))


@pytest.mark.parametrize("name", ["clip.pt", "clip.pth", "clip.bin", "clip.safetensors"])
def test_backbones(tmp_path, trap, name):
    state = {"text_projection": torch.zeros(2, 2), "token_embedding.weight": trap}
    for path in (torch_file(tmp_path / name, state), torchscript(tmp_path / f"script-{name}", trap)):
        with pytest.raises(UserError, match=path.name.replace(".", r"\.")):
            read_weights(path)


def test_a_run_with_a_hostile_backbone(tmp_path, trap, world):
    path = torchscript(tmp_path / "hostile.pt", trap)
    argv = world.argv("CoOp", tmp_path / "out")
    argv[argv.index("--backbone") + 1] = str(path)
    with pytest.raises(UserError, match=r"hostile\.pt"):
        run(argv)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_few_shot_pickles(tmp_path, trap, world, protocol):
    split, path = read_split(world.split), tmp_path / "shot_4-seed_3.pkl"
    for content in (trap, {"train": [trap], "val": []}, {"train": trap}):
        path.write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(UserError, match=r"shot_4-seed_3\.pkl is refused: it names"):
            read_coop_pickle(path, split)


def test_a_run_with_a_hostile_few_shot_pickle(tmp_path, trap, world):
    data = shutil.copytree(world.data, tmp_path / "data")
    folder = data / "cells" / "split_fewshot"
    folder.mkdir(exist_ok=True)
    (folder / "shot_4-seed_3.pkl").write_bytes(pickle.dumps({"train": [trap]}))
    argv = world.argv("CoOp", tmp_path / "out")
    argv[argv.index("--root") + 1] = str(data)
    with pytest.raises(UserError, match=r"shot_4-seed_3\.pkl is refused"):
        run(argv)


def test_row_files(tmp_path, trap):
    path = torch_file(tmp_path / "rows.safetensors", {"normal": trap})
    with pytest.raises(UserError, match=r"rows\.safetensors"):
        read_store(path)


def test_rows_of_the_reference_program(tmp_path, trap):
    path = torch_file(tmp_path / "normal.pth", trap)
    with pytest.raises(UserError, match=r"normal\.pth"):
        read_tensor(path)


def test_recordings(tmp_path, trap):
    path = object_array(tmp_path / "case.npz", trap, "images", labels=np.zeros(1))
    path.with_suffix(".json").write_text(
        '{"method": "CoOp", "clip": {}, "clip_seed": 1, "classnames": [], "trainable": []}'
    )
    with pytest.raises(UserError, match=r"case\.npz"):
        Recording.read(path)


def test_predictions(tmp_path, trap):
    object_array(tmp_path / "predictions.npz", trap, "paths", labels=np.zeros(1), logits=np.zeros((1, 2)))
    result = Result(tmp_path, "CoOp", "cells", "all", 4, 1, "default", "tiny", {})
    with pytest.raises(UserError, match=r"predictions\.npz"):
        read_predictions(result)


def test_results(tmp_path, trap):
    (tmp_path / "result.json").write_bytes(pickle.dumps(trap))
    with pytest.raises(UserError, match=r"result\.json"):
        find_result(tmp_path)
