"""Recordings of the reference programs, and the command that compares with them."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import trainers  # noqa: F401  registers the methods
from toolbox.errors import UserError
from trainers.golden import Recording, compare, differences, main
from trainers.life.config import methods

FOLDER = Path(__file__).parent.parent / "golden"
FILES = sorted(FOLDER.glob("*.npz"))
METHODS = {method.__name__: method for method in methods()}


def changed_copy(name: str, folder: Path, **arrays: np.ndarray) -> Path:
    """A copy of a recording with some arrays replaced; `__` stands for "/" in their names."""
    with np.load(FOLDER / f"{name}.npz") as file:
        content = {key: file[key] for key in file.files}
    content |= {key.replace("__", "/"): value for key, value in arrays.items()}
    shutil.copy(FOLDER / f"{name}.json", folder)
    np.savez(folder / f"{name}.npz", **content)
    return folder / f"{name}.npz"


def test_every_recorded_method_has_a_file():
    assert {file.stem.split("_")[0] for file in FILES} == {
        "cilmp", "cocoop", "coop", "ivlp", "kgcoop", "maple", "promptsrc"
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_within_tolerance(file):
    recording = Recording.read(file)
    found = differences(recording, METHODS[recording.case["method"]])
    assert sum(key.startswith("grad/") for key in found) == sum(key.startswith("grad/") for key in recording.arrays)
    assert not {key: values for key, values in found.items() if not values[0] <= values[1]}


def test_promptsrc_parts_and_fixed_text():
    recording = Recording.read(FOLDER / "promptsrc.npz")
    model = recording.model(METHODS["PromptSRC"]).train()
    _, parts = model.loss_parts(recording.arrays["images"], recording.arrays["labels"].long())
    torch.testing.assert_close(parts.detach(), recording.arrays["loss_parts"], atol=1e-5, rtol=0)
    torch.testing.assert_close(model.fixed_text, recording.arrays["fixed_text"], atol=1e-5, rtol=0)


def test_kgcoop_score():
    recording = Recording.read(FOLDER / "kgcoop.npz")
    model = recording.model(METHODS["KgCoOp"])
    score = model.score(model.text_features(torch.empty(0)))
    torch.testing.assert_close(score.detach(), recording.arrays["score"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["maple", "ivlp"])
def test_words_behind_a_short_context_are_read_off_the_tokens(name):
    recording = Recording.read(FOLDER / f"{name}.npz")
    model = recording.model(METHODS[recording.case["method"]])
    assert model.text.vectors.shape[1] == 2 and len(model.text.words) == 2  # [v1][v2] of a {class}.


@pytest.mark.parametrize("name, weight", [("kgcoop", "prompt_learner.ctx"), ("maple", "prompt_learner.proj.weight")])
def test_one_changed_weight_is_noticed(tmp_path, capsys, name, weight):
    with np.load(FOLDER / f"{name}.npz") as file:
        value = file[f"param/{weight}"]
    value[0, 0] += 0.5
    path = changed_copy(name, tmp_path, **{f"param__{weight}": value})
    assert not compare(str(path), METHODS)
    assert "FAIL logits" in capsys.readouterr().out


def test_exit_codes(tmp_path, monkeypatch):
    with np.load(FOLDER / "coop_end.npz") as file:
        value = file["param/prompt_learner.ctx"]
    value[0, 0] += 0.5
    changed = changed_copy("coop_end", tmp_path, **{"param__prompt_learner.ctx": value})

    def golden(*files: Path) -> int:
        monkeypatch.setattr(sys, "argv", ["golden", *map(str, files)])
        return main()

    assert golden(FOLDER / "coop_end.npz") == 0
    assert golden(changed, FOLDER / "coop_end.npz") == 1
    with pytest.raises(UserError, match=r"no recording at .*nothing\.(npz|json)"):
        golden(tmp_path / "nothing.npz")


def test_the_command_itself(tmp_path):
    command = [sys.executable, "-m", "trainers.golden", str(tmp_path / "nothing.npz")]
    missing = subprocess.run(command, cwd=FOLDER.parent.parent, capture_output=True, text=True)
    assert missing.returncode == 2 and missing.stderr.startswith("error: no recording at ")
