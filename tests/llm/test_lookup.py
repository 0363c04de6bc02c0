"""Rows of one's own classes are found by the data set's name."""

import pytest
import torch

from llm.lookup import find_rows
from llm.store import EMBEDDED, save_rows
from toolbox.errors import UserError

CLASSES = ["round_cell", "flat cell"]


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Write rows as `llm.extract` does; the test runs in the folder they are below."""
    monkeypatch.chdir(tmp_path)

    def write(model: str, classes: list[str] = CLASSES) -> None:
        path = tmp_path / "output/llm" / model / "mine.safetensors"
        path.parent.mkdir(parents=True)
        save_rows(path, {name: torch.randn(3, 4) for name in classes}, {})

    return write


def test_those_that_were_made_here_are_found(make):
    make("minilm")
    assert str(find_rows("Mine", CLASSES)) == "output/llm/minilm/mine.safetensors"


def test_embedded_ones_come_first(make):
    make("minilm")
    assert find_rows("kvasir", CLASSES) == EMBEDDED / "kvasir.safetensors"


def test_two_models_are_a_question(make):
    make("minilm")
    make("other")
    with pytest.raises(UserError, match=r"rows in .*minilm.*, .*other.*: choose with TRAINER\.CILMP\.ROWS_FILE FILE"):
        find_rows("mine", CLASSES)


def test_without_any_the_command_that_makes_them_is_said(make):
    with pytest.raises(UserError, match=r'llm extract --classes "round cell; flat cell" --name mine --answer none'):
        find_rows("mine", CLASSES)
    make("minilm", ["another"])
    with pytest.raises(UserError, match=r"minilm/mine\.safetensors is of other classes"):
        find_rows("mine", CLASSES)
