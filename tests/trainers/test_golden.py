"""Recordings of the reference programs, and the command that compares with them."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import trainers  # noqa: F401  registers the methods
from toolbox.errors import UserError
from trainers.golden import Recording, by_recorded_name, compare, differences, main
from trainers.life.config import methods

FOLDER = Path(__file__).parent.parent / "golden"
FILES = sorted(FOLDER.glob("*.npz"))
METHODS = by_recorded_name(methods())
GRADIENTS = {"xcoop": "grad_single/"}  # the reference mixes images of a batch; what it gives for one at a time is met
LEFT_ALONE = {  # columns that nothing reads; where words behind a short context are read off the tokens, there are none
    **{key: set() for key in ("ivlp", "maple", "promptsrc")},
    "kgcoop": {"tokenized_prompts", "bias_vectors", "meta_net"},  # dead weight of the reference program
    "vip": {"tokenized_prompts/0", "tokenized_prompts/1", "tokenized_prompts/2"},
}


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
        "biomedcoop", "cilmp", "clip", "cocoop", "coop", "ivlp", "kgcoop", "maple", "prograd", "promptsrc", "tcp", "vip",
        "xcoop"
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_within_tolerance(file):
    recording = Recording.read(file)
    found = differences(recording, METHODS[recording.case["method"]])
    gradients = {key.replace("grad/", GRADIENTS.get(file.stem, "grad/")) for key in recording.arrays if "grad" in key}
    assert {key for key in found if "grad" in key} == gradients
    assert not {key: values for key, values in found.items() if not values[0] <= values[1]}


def not_compared(out: str) -> list[str]:
    """What the command names as columns that it leaves alone."""
    (line,) = [line for line in out.splitlines() if "columns not compared: " in line] or ["columns not compared: "]
    return [name for name in line.split(": ")[1].split(", ") if name]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_columns_that_are_left_alone_are_named(file, capsys):
    assert compare(str(file), METHODS)
    out = capsys.readouterr().out
    left = {name.removeprefix("param/prompt_learner.").split(".")[0] for name in not_compared(out)}
    assert left == LEFT_ALONE.get(file.stem, {"tokenized_prompts"}), "loss_parts, fixed_text and score are compared"


def test_a_wrong_extra_column_is_noticed(tmp_path, capsys):
    assert not compare(str(changed_copy("kgcoop", tmp_path, score=np.float32(0.5))), METHODS)
    assert "FAIL score" in capsys.readouterr().out


def test_one_of_another_size_is_an_error_that_names_it(tmp_path):
    path = changed_copy("promptsrc", tmp_path, loss_parts=np.zeros(3, np.float32))
    with pytest.raises(UserError, match=r"loss_parts is of shape \(3,\), here it is \(4,\)"):
        compare(str(path), METHODS)


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
