import os
import pickle
import random
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from toolbox.checkpoints import load_checkpoint, resume_from_checkpoint, save_checkpoint
from toolbox.errors import UserError


def state(epoch: int = 3) -> dict:
    model = nn.Linear(2, 2)
    return {"state_dict": model.state_dict(), "epoch": epoch, "optimizer": None, "scheduler": None, "val_result": None}


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_the_layout_is_dassls(tmp_path, capsys):
    save_checkpoint(state(), str(tmp_path / "model"), is_best=True)
    assert names(tmp_path / "model") == ["checkpoint", "model-best.pth.tar", "model.pth.tar-3"]
    assert (tmp_path / "model" / "checkpoint").read_text() == "model.pth.tar-3\n"
    assert capsys.readouterr().out == f"Checkpoint saved to {tmp_path}/model/model.pth.tar-3\n"


def test_the_prefix_of_data_parallel_is_dropped(tmp_path):
    saved = {"state_dict": {"module.weight": torch.ones(2)}, "epoch": 1}
    save_checkpoint(saved, str(tmp_path))
    assert list(load_checkpoint(tmp_path / "model.pth.tar-1")["state_dict"]) == ["weight"]
    assert list(saved["state_dict"]) == ["module.weight"]  # the caller's own is not touched


def test_resuming_loads_weights_and_tells_the_epoch(tmp_path):
    saved = state(epoch=7)
    save_checkpoint(saved, str(tmp_path), model_name="model-best.pth.tar")
    model = nn.Linear(2, 2)
    assert resume_from_checkpoint(str(tmp_path), model) == 7
    assert torch.equal(model.weight, saved["state_dict"]["weight"])


@pytest.fixture
def small_disk():
    """No file may grow beyond 500 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_file(tmp_path, request):
    save_checkpoint(state(), str(tmp_path))
    before = (tmp_path / "model.pth.tar-3").read_bytes()
    request.getfixturevalue("small_disk")
    with pytest.raises(UserError, match=r"cannot write .*model\.pth\.tar-3: File too large"):
        save_checkpoint(state(), str(tmp_path))
    assert (tmp_path / "model.pth.tar-3").read_bytes() == before
    assert names(tmp_path) == ["checkpoint", "model.pth.tar-3"]


def test_no_flipped_bit_becomes_a_weight(tmp_path):
    save_checkpoint(state(), str(tmp_path))
    file = tmp_path / "model.pth.tar-3"
    whole, good = file.read_bytes(), load_checkpoint(file)["state_dict"]
    refused = 0
    for place in random.Random(0).sample(range(len(whole)), 200):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            read = load_checkpoint(file)["state_dict"]
        except UserError as error:
            assert "model.pth.tar-3" in str(error)
            refused += 1
        else:
            assert all(torch.equal(read[key], good[key]) for key in good)  # the bit was between two entries
    assert refused > 50


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_file_is_named(tmp_path, share):
    save_checkpoint(state(), str(tmp_path))
    file = tmp_path / "model.pth.tar-3"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(UserError, match=r"model\.pth\.tar-3"):
        load_checkpoint(file)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_refused_and_not_run(tmp_path):
    trap = Trap(tmp_path / "sprung")
    torch.save({"state_dict": {}, "epoch": 1, "scheduler": trap}, tmp_path / "model.pth.tar-1")
    torch.save(
        {"state_dict": {"w": trap}, "epoch": 1}, tmp_path / "model.pth.tar-2", _use_new_zipfile_serialization=False
    )
    (tmp_path / "bare").write_bytes(pickle.dumps(trap))
    for name in ("model.pth.tar-1", "model.pth.tar-2", "bare"):
        with pytest.raises(UserError, match=name):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_weights_are_read_from_checkpoints_with_a_pickled_schedule(tmp_path):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    schedule = {"warmup_epoch": 1, "successor": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)}
    saved = {"state_dict": model.state_dict(), "epoch": 5, "optimizer": optimizer.state_dict(), "scheduler": schedule}
    file = tmp_path / "model.pth.tar-5"
    torch.save({**saved, "val_result": np.float64(81.5)}, file)
    checkpoint = load_checkpoint(file)
    assert torch.equal(checkpoint["state_dict"]["weight"], model.weight)
    assert checkpoint["epoch"] == 5
    (tmp_path / "checkpoint").write_text(file.name)
    with pytest.raises(UserError, match="another Dassl"):
        resume_from_checkpoint(str(tmp_path), nn.Linear(2, 2))


@pytest.mark.parametrize("text", ["", "../model.pth.tar-1", "/etc/passwd", "a\0b"])
def test_a_damaged_pointer_is_named(tmp_path, text):
    (tmp_path / "checkpoint").write_text(text)
    with pytest.raises(UserError, match="checkpoint does not name a checkpoint beside it"):
        resume_from_checkpoint(str(tmp_path), nn.Linear(2, 2))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint at .*model\.pth\.tar-9"):
        load_checkpoint(tmp_path / "model.pth.tar-9")
    with pytest.raises(UserError, match="no checkpoint to resume from"):
        resume_from_checkpoint(str(tmp_path), nn.Linear(2, 2))
