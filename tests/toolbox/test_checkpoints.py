import os
import pickle
from pathlib import Path

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


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    save_checkpoint(state(), str(tmp_path))
    before = (tmp_path / "model.pth.tar-3").read_bytes()
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(state(), str(tmp_path))
    assert (tmp_path / "model.pth.tar-3").read_bytes() == before
    assert names(tmp_path) == ["checkpoint", "model.pth.tar-3"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_file_is_named(tmp_path, share):
    save_checkpoint(state(), str(tmp_path))
    file = tmp_path / "model.pth.tar-3"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(UserError, match=r"model\.pth\.tar-3"):
        load_checkpoint(file)


class Trap:
    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_refused_and_not_run(tmp_path):
    trap = Trap()
    trap.folder = str(tmp_path / "sprung")
    torch.save({"state_dict": {}, "epoch": 1, "scheduler": trap}, tmp_path / "model.pth.tar-1")
    (tmp_path / "bare").write_bytes(pickle.dumps(trap))
    for name in ("model.pth.tar-1", "bare"):
        with pytest.raises(UserError, match=name):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint at .*model\.pth\.tar-9"):
        load_checkpoint(tmp_path / "model.pth.tar-9")
    with pytest.raises(UserError, match="no checkpoint to resume from"):
        resume_from_checkpoint(str(tmp_path), nn.Linear(2, 2))
