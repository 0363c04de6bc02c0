"""The page docs/add-a-trainer.md does what it says: its text is taken as it stands and run."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import train
from cilmp.verbs import predict
from toolbox.errors import UserError
from trainers.life.plugins import load_plugins

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-trainer.md").read_text(encoding="utf-8")
SMALL = {"DATASET.NAME": "split", "DATASET.FOLDER": "cells", "DATALOADER.NUM_WORKERS": "0", "OPTIM.MAX_EPOCH": "2"}


def block(language: str) -> str:
    """The page's code in `language`; there is one block of each."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return code


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory) -> Path:
    """The page's two files, and images for its last command."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "warm_coop.py").write_text(block("python"))
    (folder / "warm_coop.yaml").write_text(block("yaml"))
    (folder / "my_images").mkdir()
    Image.new("RGB", (40, 40), (200, 30, 90)).save(folder / "my_images" / "cell.png")
    return folder


@pytest.fixture
def run(world, folder, monkeypatch):
    """Runs a command of the page on the small data set and backbone; what the page says of them is replaced."""
    root = Path(train.__file__).parent
    monkeypatch.chdir(folder)

    def call(command: str) -> None:
        words = shlex.split(command)
        assert words[0] == "python"
        if words[1:4] == ["-m", "cilmp", "predict"]:
            assert predict.main(words[4:]) == 0
            return
        assert words[1] == "train.py"
        words[words.index("--root") + 1] = str(world.root)
        at = words.index("--dataset-config-file") + 1
        words[at] = str(root / words[at])
        at = next(i for i, word in enumerate(words) if word.startswith("DATASET."))
        words[at:at] = ["--backbone", str(world.clip)]
        train.run([*words[2:], *(word for pair in SMALL.items() for word in pair)])

    return call


def test_the_example_is_short():
    assert len(block("python").splitlines()) <= 30
    assert len(block("yaml").splitlines()) <= 15


def test_the_page_as_it_stands(folder, run, capsys):
    commands = block("sh").splitlines()
    assert len(commands) == 3
    for command in commands:
        run(command)
    result = json.loads((folder / "output/warm/base/result.json").read_text())
    assert result["method"] == "WarmCoOp" and result["trainable_params"] == 4 * 64 + 1
    state = load_file(folder / "output/warm/base/prompt_learner/model-2.safetensors")
    assert set(state) == {"ctx", "warmth"}
    assert state["warmth"] != torch.tensor(20.0).log(), "the temperature is learned"
    assert json.loads((folder / "output/warm/new/result.json").read_text())["classnames"] == ["target cell", "basophil"]
    predicted = json.loads((folder / "predictions.json").read_text())["images"]
    assert [image["image"] for image in predicted] == ["my_images/cell.png"]


def test_what_the_page_names_is_there():
    root = Path(train.__file__).parent
    for name in re.findall(r"`((?:trainers|tests|vlm|docs|configs)/[\w./]+)`", PAGE):
        assert (root / name).exists(), name
    from vlm.prompts.prompted import PromptedCLIP

    for name in re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE):
        assert hasattr(PromptedCLIP, name), name


def test_a_package_registers_by_its_entry_point(tmp_path, monkeypatch):
    code = block("python").replace("WarmCoOp", "PackagedCoOp").replace("WARMCOOP", "PACKAGEDCOOP")
    (tmp_path / "packaged_coop.py").write_text(code)
    info = tmp_path / "packaged_coop-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: packaged-coop\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[cilmp.plugins]\npackaged = packaged_coop\n")
    monkeypatch.syspath_prepend(tmp_path)
    load_plugins([])
    from trainers.life.config import methods

    assert "PackagedCoOp" in {method.__name__ for method in methods()}


def test_a_plugin_that_fails_is_named(tmp_path):
    (tmp_path / "broken_plugin.py").write_text("import no_such_package\n")
    with pytest.raises(UserError, match=r"broken_plugin\.py fails to import: ModuleNotFoundError"):
        load_plugins([str(tmp_path / "broken_plugin.py")])
    with pytest.raises(UserError, match="no plugin at"):
        load_plugins([str(tmp_path / "nothing.py")])
