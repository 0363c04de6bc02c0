"""`python -m llm.show`: what it prints and draws."""

import pytest
import torch
from PIL import Image

from llm.show import close_pairs, cosines, main
from llm.store import RowStore, save_rows
from toolbox.errors import UserError


@pytest.fixture
def rows():
    first = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    return {"polyps": first, "same [polyps]": 3 * first, "ulcer": torch.tensor([[0.0, 1.0], [0.0, 1.0], [5.0, 5.0]])}


@pytest.fixture
def file(tmp_path, rows):
    meta = {"model": "tiny/model", "question": "What of {class}?", "answers": {"polyps": "Round [bold] bumps."}}
    save_rows(tmp_path / "mine.safetensors", rows, meta)
    return tmp_path / "mine.safetensors"


def test_cosines_are_means_over_shared_rows(rows):
    matrix = cosines(RowStore(rows, {}))
    expected = torch.tensor([[1, 1, 0.5], [1, 1, 0.5], [0.5, 0.5, 1]], dtype=torch.float64)
    torch.testing.assert_close(matrix, expected)


def test_cosines_of_one_layer(rows):
    store = RowStore(rows, {})
    assert float(cosines(store, 1)[0, 2]) == pytest.approx(0)
    assert float(cosines(store, -1)[0, 2]) == pytest.approx(0.5**0.5)
    for layer in (0, 3, -3):
        with pytest.raises(UserError, match="'polyps' has rows 1 to 2"):
            cosines(store, layer)


def test_pairs_hardly_told_apart(rows):
    matrix = cosines(RowStore(rows, {}))
    assert close_pairs(matrix, list(rows)) == [("same [polyps]", "polyps", pytest.approx(1.0))]
    assert len(close_pairs(matrix, list(rows), limit=0.4)) == 3


def test_it_prints_classes_shapes_norms_answers_and_cosines(file, capsys):
    assert main([str(file)]) == 0
    out = capsys.readouterr().out
    for text in (
        "tiny/model",
        "What of {class}?",
        "polyps",
        "same [polyps]",
        "3x2",
        "1.00..2.00",
        "Round [bold] bumps.",
    ):
        assert text in out
    assert "3 ulcer         0.50 0.50 1.00" in out
    assert "hardly told apart: same [polyps] and polyps (1.0000)" in out


def test_it_draws_the_matrix(file, tmp_path):
    main([str(file), "--picture", str(tmp_path / "a" / "cosine.png")])
    with Image.open(tmp_path / "a" / "cosine.png") as picture:
        assert min(picture.size) > 200
    with pytest.raises(UserError, match="--picture"):
        main([str(file), "--picture", str(tmp_path / "cosine.doc")])


def test_a_file_that_is_not_one_of_rows_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match=r"x\.safetensors"):
        main([str(tmp_path / "x.safetensors")])
