"""Recordings of the reference programs, and the command that compares with them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import trainers  # noqa: F401  registers the methods
from toolbox.errors import UserError
from trainers.golden.__main__ import main
from trainers.golden.compare import by_recorded_name, compare
from trainers.golden.programs import PROGRAMS
from trainers.life.config import methods
from trainers.life.recording import Recording

FOLDER = Path(__file__).parent.parent / "golden"
FILES = sorted(FOLDER.rglob("*.npz"))
METHODS = by_recorded_name([*methods(), *PROGRAMS])
SUPPORT = {"test_labels", "text_samples", "text_sample_labels"}
LEFT_ALONE = {  # columns that nothing reads; where words behind a short context are read off the tokens, there are none
    **{key: set() for key in ("ivlp", "maple", "promptsrc", "clip_adapter", "draws", "endtoend_adapt", "conformal")},
    "endtoend_conformal": set(),
    "kgcoop": {"tokenized_prompts", "bias_vectors", "meta_net"},  # dead weight of the reference program
    "clip_adapter_fs": {"tokenized_prompts", "val_labels"},
    "clap": {"test_labels", "clap_adaptative"},  # a run of the program that ends in nan
    **{key: {"test_labels"} for key in ("clap_raw", "lp_text")},
    **{f"sstext_{key}": SUPPORT for key in ("raw", "realistic", "relaxed", "standard", "standard_k1")},
}


def changed_copy(name: str, folder: Path, **arrays: np.ndarray) -> Path:
    """A copy of a recording with some arrays replaced; `__` stands for "/" in their names."""
    with np.load(FOLDER / f"{name}.npz") as file:
        content = {key: file[key] for key in file.files}
    content |= {key.replace("__", "/"): value for key, value in arrays.items()}
    shutil.copy(FOLDER / f"{name}.json", folder)
    path = folder / (FOLDER / f"{name}.npz").name
    np.savez(path, **content)
    return path


def test_every_method_that_is_replayed_is_recorded():
    names = {name for file in FILES for name in Recording.read(file).names()}
    recorded = {METHODS[name].__name__ for name in names & METHODS.keys()}
    own = {method.__name__: vars(method) for method in METHODS.values() if method.__module__.startswith("trainers.")}
    assert {name for name, has in own.items() if "replay" in has or "recorded_as" in has} <= recorded
    assert {"CILMP", "CoCoOp", "CoOp", "IVLP", "KgCoOp", "MaPLe", "PromptSRC"} <= recorded


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_within_tolerance_and_what_is_left_alone_is_named(file, capsys):
    good, recording = compare(str(file), METHODS), Recording.read(file)
    out = capsys.readouterr().out
    assert good, out
    assert out.count(" grad/") == sum(key.startswith("grad/") for key in recording.arrays)
    left = {name.removeprefix("param/prompt_learner.").split(".")[0].split("/")[0] for name in not_compared(out)}
    assert left == LEFT_ALONE.get(file.stem, {"tokenized_prompts"})


def test_what_is_not_held_is_said_and_only_where_it_cannot_be(capsys):
    for name in ("clap", "clap_raw", "sstext_raw", "sstext_standard"):
        assert compare(str(FOLDER / f"realistic/{name}.npz"), METHODS)
    out = capsys.readouterr().out
    unheld = {line.split()[1] for line in out.splitlines() if line.startswith("  --")}
    after = {"step100/0", "step300/0", "cross_entropy", "weights", "logits"}
    chaotic = {f"{part}/{name}" for part in ("clap", "clap_constant", "CLAP") for name in after} | {"CLAP/train_prob"}
    assert unheld == chaotic | {f"SS/{name}" for name in ("weights", "train_prob", "logits")}
    raw = out[out.index("clap_raw.npz") : out.index("sstext_standard.npz")]
    assert "-- clap" not in raw.replace("  ", " ") and "-- CLAP" not in raw.replace("  ", " ")


def not_compared(out: str) -> list[str]:
    """What the command names as columns that it leaves alone."""
    (line,) = [line for line in out.splitlines() if line.startswith("  columns not compared: ")] or [": "]
    return [name for name in line.split(": ")[1].split(", ") if name]


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


def test_one_image_drawn_instead_of_another_is_noticed(tmp_path, capsys):
    with np.load(FOLDER / "realistic/draws.npz") as file:
        value = file["b/relaxed/k2/seed19"]
    value[3] += 1
    path = changed_copy("realistic/draws", tmp_path, b__relaxed__k2__seed19=value)
    assert not compare(str(path), METHODS)
    out = capsys.readouterr().out
    assert out.count("FAIL") == 1 and "FAIL b/relaxed/k2/seed19" in out


def test_what_stands_in_the_case_is_compared_and_a_strange_entry_named(tmp_path, capsys):
    case = json.loads((FOLDER / "realistic/endtoend_adapt.json").read_text(encoding="utf-8"))
    case["results"] = {name: value for name, value in case["results"].items() if name.startswith("zero-shot")}
    case["results"]["zero-shot/relaxed/k4"]["aca"][7] += 0.01
    case["results"]["Oracle/relaxed/k4"] = {"seeds": 1, "aca": [99.0]}
    shutil.copy(FOLDER / "realistic/endtoend_adapt.npz", tmp_path)
    (tmp_path / "endtoend_adapt.json").write_text(json.dumps(case), encoding="utf-8")
    assert not compare(str(tmp_path / "endtoend_adapt.npz"), METHODS)
    out = capsys.readouterr().out
    assert out.count("FAIL") == 1 and "FAIL zero-shot/relaxed/k4/aca" in out
    assert not_compared(out) == ["Oracle/relaxed/k4/seeds", "Oracle/relaxed/k4/aca"]


def test_a_cell_of_no_draw_is_an_error_that_names_it(tmp_path):
    case = json.loads((FOLDER / "realistic/draws.json").read_text(encoding="utf-8"))
    shutil.copy(FOLDER / "realistic/draws.npz", tmp_path)
    (tmp_path / "draws.json").write_text(
        json.dumps({**case, "counts": {"a/even/k2": [1, 1, 1, 1, 1]}}), encoding="utf-8"
    )
    with pytest.raises(
        UserError, match=r"draws.json: 'a/even/k2' is not NAME/DRAW/kSHOTS with a draw of standard, relaxed"
    ):
        compare(str(tmp_path / "draws.npz"), METHODS)


def test_results_that_are_no_numbers_are_an_error(tmp_path):
    shutil.copy(FOLDER / "realistic/endtoend_adapt.npz", tmp_path)
    case = {"source": "a b", "results": {"SS/relaxed/k1": {"aca": "much"}}}
    (tmp_path / "endtoend_adapt.json").write_text(json.dumps(case), encoding="utf-8")
    with pytest.raises(UserError, match=r"endtoend_adapt.json: counts and results must be numbers"):
        Recording.read(tmp_path / "endtoend_adapt.npz")


def test_exit_codes(tmp_path, monkeypatch, capsys):
    with np.load(FOLDER / "coop_end.npz") as file:
        value = file["param/prompt_learner.ctx"]
    value[0, 0] += 0.5
    changed = changed_copy("coop_end", tmp_path, **{"param__prompt_learner.ctx": value})

    def golden(*files: Path) -> int:
        monkeypatch.setattr(sys, "argv", ["golden", *map(str, files)])
        return main()

    assert golden(FOLDER / "coop_end.npz") == 0
    assert golden(changed, FOLDER / "coop_end.npz") == 1
    capsys.readouterr()
    assert golden(tmp_path / "nothing.npz", changed, FOLDER / "coop_end.npz") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: no recording at ") and printed.err.count("\n") == 1
    assert printed.out.endswith("1 of 3 recordings within tolerance\n")


def test_the_command_itself(tmp_path):
    command = [sys.executable, "-m", "trainers.golden", str(tmp_path / "nothing.npz")]
    missing = subprocess.run(command, cwd=FOLDER.parent.parent, capture_output=True, text=True)
    assert missing.returncode == 2 and missing.stderr.startswith("error: no recording at ")
