"""Rows of the reference program: imported unchanged, and never as code."""

import os
import pickle

import pytest
import torch

from llm.import_reference import main
from llm.question import described_classes
from llm.store import load_rows, read_store
from toolbox.errors import UserError

CLASSES = described_classes("kvasir").classnames


@pytest.fixture
def folder(tmp_path):
    """A folder as the reference program leaves it, half of the names with underscores, one tensor with a batch dimension."""
    path = tmp_path / "kvasir"
    path.mkdir()
    generator = torch.Generator().manual_seed(0)
    for i, name in enumerate(CLASSES):
        tensor = torch.randn(4, 16, generator=generator)
        torch.save(tensor[None] if i == 0 else tensor, path / f"{name.replace(' ', '_') if i % 2 else name}.pth")
    return path


def test_rows_are_imported_unchanged_in_label_order(folder, tmp_path):
    output = tmp_path / "out.safetensors"
    main([str(folder), "--dataset", "kvasir", "--output", str(output), "--model", "Llama-3-8B"])
    assert list(read_store(output).rows) == CLASSES
    assert read_store(output).meta["model"] == "Llama-3-8B"
    generator = torch.Generator().manual_seed(0)
    for rows in load_rows(output, CLASSES):
        assert torch.equal(rows, torch.randn(4, 16, generator=generator))


def test_data_set_of_your_own(folder, tmp_path):
    output = tmp_path / "out.safetensors"
    main([str(folder), "--dataset", "mine", "--output", str(output)])
    assert list(read_store(output).rows) == sorted(CLASSES)
    main([str(folder), "--dataset", "mine", "--classes", "polyps; normal cecum", "--output", str(output)])
    assert list(read_store(output).rows) == ["polyps", "normal cecum"]


def test_missing_class_and_empty_folder_are_named(folder, tmp_path):
    (folder / "polyps.pth").unlink()
    with pytest.raises(UserError, match=r"no file 'polyps\.pth'.*dyed lifted polyps"):
        main([str(folder), "--dataset", "kvasir"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no \.pth files"):
        main([str(tmp_path / "empty"), "--dataset", "kvasir"])
    with pytest.raises(UserError, match="no such folder"):
        main([str(tmp_path / "gone"), "--dataset", "kvasir"])


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(folder, tmp_path, how):
    trap = str(tmp_path / "ran")
    if how == "torch":
        torch.save({"rows": Evil(trap)}, folder / "polyps.pth")
    else:
        (folder / "polyps.pth").write_bytes(pickle.dumps(Evil(trap), protocol=2))
    with pytest.raises(UserError, match=r"polyps\.pth: not a file of one plain tensor"):
        main([str(folder), "--dataset", "kvasir"])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": torch.ones(2, 2)}, "holds a dict"),
        ([1, 2], "holds a list"),
        (torch.ones(2, 2, dtype=torch.int64), "not one tensor of"),
        (torch.ones(3), r"'polyps' have shape \(3,\)"),
        (torch.ones(4, 15), "'polyps' are 15 wide"),
        (torch.full((4, 16), float("nan")), "'polyps' hold NaN"),
    ],
)
def test_other_things_than_rows_are_refused(folder, tmp_path, content, message):
    torch.save(content, folder / "polyps.pth")
    with pytest.raises(UserError, match=message):
        main([str(folder), "--dataset", "kvasir", "--output", str(tmp_path / "x.safetensors")])
    assert not (tmp_path / "x.safetensors").exists()


def test_truncated_files_are_refused(folder):
    whole = (folder / "polyps.pth").read_bytes()
    for length in range(0, len(whole), 101):
        (folder / "polyps.pth").write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"polyps\.pth"):
            main([str(folder), "--dataset", "kvasir"])
