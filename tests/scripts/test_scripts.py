"""The shell scripts: all there, valid, and handing on what they are given (read from --dry-run's commands)."""

import os
import subprocess
from pathlib import Path

import pytest

from benchmark.jobs import CLASS_BOUND

ROOT = Path(__file__).resolve().parents[2]
METHODS = sorted(p.parent.name for p in (ROOT / "scripts").glob("*/base2new.sh"))
PROTOCOLS = ("base2new", "few_shot", "full", "cross_dataset")


def call(script, *words, cwd=ROOT, **env):
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / script), *words],
        cwd=cwd,
        env={**os.environ, "BENCHMARK": "--dry-run", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_every_script(method):
    wanted = PROTOCOLS if method == "benchmark" else (*PROTOCOLS, "eval")
    for protocol in wanted:
        path = ROOT / "scripts" / method / f"{protocol}.sh"
        assert os.access(path, os.X_OK), f"{path} is missing or cannot be executed"
        assert subprocess.run(["bash", "-n", str(path)]).returncode == 0
        assert len(path.read_text().splitlines()) <= 6


def test_default_is_the_phantom_with_the_small_clip():
    code, commands, _ = call("cilmp/base2new.sh")
    assert code == 0
    assert len(commands) == 2 * 3 * 3
    assert sum("TRAINER.CILMP.ROWS shuffled" in c for c in commands) == 2 * 3
    assert all("--root data " in c and "configs/datasets/phantom.yaml" in c for c in commands)
    assert all("MODEL.BACKBONE.NAME small_clip DATASET.NUM_SHOTS 4" in c for c in commands)


def test_another_data_set_has_no_control_and_16_shots():
    code, commands, _ = call("cilmp/base2new.sh", "data", "kvasir")
    assert (code, len(commands)) == (0, 2 * 2 * 3)
    assert all("DATASET.NUM_SHOTS 16" in c for c in commands)


@pytest.mark.parametrize(
    ("words", "file", "runs", "seeds"), [(("data",), "phantom", 17, 5), (("data", "kvasir"), "kvasir", 13, 1)]
)
def test_controls_on_the_phantom_and_on_any_data_set(words, file, runs, seeds):
    """The phantom's plan has planted rows and paraphrases besides; seeds are the plan's unless SEEDS says others."""
    code, commands, _ = call("benchmark/controls.sh", *words, **({} if seeds == 5 else {"SEEDS": "7"}))
    assert (code, len(commands)) == (0, 2 * runs * seeds)
    assert all(f"configs/datasets/{file}.yaml" in c for c in commands)
    assert ("TRAINER.CILMP.ROWS planted" in " ".join(commands)) == (file == "phantom")
    assert sum("DATASET.CLASS_TEXT description" in c for c in commands) == 2 * 2 * seeds


def test_draws_of_one_method_and_of_the_plan():
    code, commands, err = call("coop/few_shot.sh", "data", "kvasir", "4", DRAW="realistic", SEEDS="1..2")
    assert (code, len(commands)) == (0, 4), err  # zero-shot CLIP too
    assert all("few_shot/kvasir/shots_4_realistic/" in c and "DATASET.DRAW realistic" in c for c in commands)
    env = {"METHODS": "ZeroshotCLIP SSText:plus CoOp", "SHOTS": "1 2", "DRAW": "standard realistic", "SEEDS": "1..5"}
    code, commands, err = call("benchmark/realistic.sh", "data", "kvasir", OPTS="TRAINER.CLAP.VIEWS 3", **env)
    assert code == 0, err
    counted = [sum(f"--trainer {name} " in c for c in commands) for name in ("ZeroshotCLIP", "SSText", "CoOp")]
    assert counted == [2 * 2, 2 * 2 * 5, 2 * 2 * 3]
    assert all("TRAINER.SSTEXT.SOLVER ss-text+" in c for c in commands if "--trainer SSText" in c)
    assert all(c.endswith("LPPLUSPLUS.AUGMENT False TRAINER.CLAP.VIEWS 3") for c in commands)


def test_the_whole_plan_of_draws():
    code, commands, _ = call("benchmark/realistic.sh", "data", "pbc")
    of_draw = {
        draw: [c for c in commands if f"DATASET.DRAW {draw} " in c] for draw in ("standard", "relaxed", "realistic")
    }
    assert [len(of_draw[draw]) for draw in of_draw] == [5 * (1 + 9 * 20 + 6)] * 2 + [5 * (1 + 8 * 20 + 6)]
    assert code == 0 and sum(map(len, of_draw.values())) == len(commands)


def test_arguments_and_environment(tmp_path):
    (tmp_path / "images/cells").mkdir(parents=True)
    (tmp_path / "images/cells/cells.json").write_text("{}")
    words = ("images", "cells", "4", "ViT-B/16")
    env = {"SEEDS": "7", "OUTPUT": "runs", "CFG": "CILMP=vit_b16 ZeroshotCLIP=small_clip", "OPTS": "OPTIM.MAX_EPOCH 3"}
    code, commands, err = call("cilmp/few_shot.sh", *words, cwd=tmp_path, **env)
    assert code == 0, err
    (command,) = (c for c in commands if "--trainer CILMP" in c)
    assert f"--root {tmp_path}/images --seed 7 " in command
    assert "--output-dir runs/few_shot/cells/shots_4/CILMP/vit_b16/seed7" in command
    assert command.endswith(
        "MODEL.BACKBONE.NAME ViT-B/16 DATASET.NUM_SHOTS 4 DATASET.SUBSAMPLE_CLASSES all "
        "DATASET.FOLDER cells OPTIM.MAX_EPOCH 3"
    )


def trainers(commands: list[str]) -> list[str]:
    return list(dict.fromkeys(c.split("--trainer ")[1].split()[0] for c in commands))


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "eval"])
def test_one_script_a_protocol_serves_every_method(protocol, tmp_path):
    (tmp_path / "data/pbc").mkdir(parents=True)
    (tmp_path / "trained/seed1").mkdir(parents=True)
    words = (str(tmp_path / "data"), "pbc")
    env = {"SEEDS": "1", "TARGETS": "kvasir"} | ({"MODEL_DIR": str(tmp_path / "trained")} if protocol == "eval" else {})
    code, commands, err = call(f"{protocol}.sh", "BiomedCoOp", *words, **env)
    assert code == 0, err
    assert trainers(commands) == ["ZeroshotCLIP", "BiomedCoOp"]
    assert commands == call(f"{protocol}.sh", "ZeroshotCLIP BiomedCoOp", *words, **env)[1]


def test_a_methods_own_script_is_the_common_one():
    assert call("cilmp/base2new.sh") == call("base2new.sh", "CILMP")
    assert call("maple/few_shot.sh", "data", "kvasir", "1 4") == call("few_shot.sh", "MaPLe", "data", "kvasir", "1 4")


def test_all_is_every_method_that_can_serve_the_protocol():
    few_shot = trainers(call("few_shot.sh", "all", "data", "kvasir", SEEDS="1")[1])
    assert few_shot == trainers(call("benchmark/few_shot.sh", "data", "kvasir", SEEDS="1")[1])
    assert sorted(few_shot) == sorted(path.name for path in (ROOT / "configs/trainers").iterdir())
    assert (few_shot[0], few_shot[-1]) == ("ZeroshotCLIP", "CILMP")
    base2new = trainers(call("base2new.sh", "all", "data", "kvasir", SEEDS="1")[1])
    assert set(few_shot) - set(base2new) == CLASS_BOUND
    assert set(trainers(call("full.sh", "all", "data", "kvasir", "ViT-B/16", SEEDS="1")[1])) == set(few_shot)
    assert "MaPLe" not in trainers(call("full.sh", "all", "data", "kvasir", "RN50", SEEDS="1")[1])


def test_benchmark_runs_the_methods_asked_for():
    code, commands, _ = call("benchmark/full.sh", METHODS="ZeroshotCLIP CoOp", SEEDS="1")
    assert code == 0
    assert [c.split("--trainer ")[1].split()[0] for c in commands] == ["ZeroshotCLIP", "CoOp"]


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        ("cilmp/base2new.sh", ("data", "phantm"), "error: unknown data set 'phantm'"),
        ("coop/full.sh", ("data", "phantom", "small_clip", "1"), "error: too many arguments"),
        ("full.sh", (), "error: no method"),
        ("full.sh", ("CoOpp",), "error: unknown method 'CoOpp'; nearest: CoOp"),
        ("test.sh", (), "error: DASSL_HOME=/nowhere holds no dassl package"),
    ],
)
def test_bad_input_is_one_clear_line_and_code_2(script, words, message):
    env = {"DASSL_HOME": "/nowhere"} if script == "test.sh" else {}
    code, out, err = call(script, *words, **env)
    assert (code, out) == (2, [])
    assert err.startswith(message)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "text"), [("SEEDS", "1 --output /etc"), ("CFG", "a --retries 9"), ("SHOTS", "--page"), ("TARGETS", "x -h")]
)
def test_no_option_comes_in_with_a_value(name, text):
    code, out, err = call("cilmp/cross_dataset.sh", **{name: text})
    assert (code, out) == (2, [])
    assert err.startswith(f"error: {name} holds -")


def test_a_star_is_no_list_of_files():
    code, _, err = call("cilmp/full.sh", "data", "con*")
    assert code == 2
    assert "data set 'con*'" in err


@pytest.mark.parametrize("script", ["cilmp/full.sh", "predict.sh", "prepare/check.sh", "test.sh"])
def test_another_shell_says_run_it_with_bash(script):
    path = ROOT / "scripts" / script
    done = subprocess.run(["sh", str(path)], capture_output=True, text=True, timeout=60)
    if "bash" not in os.path.realpath("/bin/sh"):
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: run it with bash: bash {path}\n")


def test_paths_are_those_of_the_caller(tmp_path):
    (tmp_path / "trainers").mkdir()
    (tmp_path / "trainers/__init__.py").write_text("raise ImportError('the wrong trainers')")
    code, commands, err = call("cilmp/full.sh", cwd=tmp_path, SEEDS="1", OUTPUT="runs")
    assert code == 0, err
    assert f"python {ROOT}/train.py --root {ROOT}/data " in commands[0]
    assert f"--config-file {ROOT}/configs/trainers/" in commands[0]
    assert "--output-dir runs/full/phantom/" in commands[0]


def test_help_names_the_arguments():
    code, lines, _ = call("maple/few_shot.sh", "--help")
    assert code == 0
    assert lines[0].endswith("few_shot.sh [DATA] [DATASET] [SHOTS] [BACKBONE]")
    code, lines, _ = call("few_shot.sh", "--help")
    assert code == 0
    assert lines[0].endswith("few_shot.sh METHOD [DATA] [DATASET] [SHOTS] [BACKBONE]")
