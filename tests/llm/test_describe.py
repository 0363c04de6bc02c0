"""A yaml of a split's classes, to be filled."""

import json

import pytest
import yaml

from llm.describe import FILE, main
from llm.extract import main as extract
from llm.question import read_answers
from llm.store import read_store
from toolbox.errors import UserError


@pytest.fixture
def split(tmp_path):
    lines = {"train": [["a.png", 0, "round_cell"], ["b.png", 1, "no"]], "val": [], "test": []}
    path = tmp_path / "mine" / "mine.json"
    path.parent.mkdir()
    path.write_text(json.dumps(lines))
    return path


def test_it_is_refused_empty_and_makes_rows_once_filled(split, tmp_path, capsys):
    assert main([str(split), "--modality", "microscopy"]) == 0
    file = split.parent / FILE
    assert f"python -m llm.extract --split {split} --answers {file}" in capsys.readouterr().out
    assert "In a microscopy image, describe the distinctive visual features of {class}." in file.read_text()
    with pytest.raises(UserError, match="class 'round cell' has no description yet: write what it looks like"):
        read_answers(file)
    content = yaml.safe_load(file.read_text())
    content["classes"] = dict.fromkeys(content["classes"], "A round thing.")
    file.write_text(yaml.safe_dump(content))
    rows = tmp_path / "rows.safetensors"
    assert extract(["--split", str(split), "--answers", str(file), "--output", str(rows)]) == 0
    assert read_store(rows).meta["answers"] == {"round cell": "A round thing.", "no": "A round thing."}


def test_a_file_that_is_there_is_left_alone(split):
    main([str(split)])
    with pytest.raises(UserError, match="is already there"):
        main([str(split)])


def test_a_draft_says_who_wrote_it_and_ends_in_a_whole_sentence(split, monkeypatch):
    class Model:
        class tokenizer:
            @staticmethod
            def decode(tokens, skip_special_tokens):
                return "Round and\n pale. It has a"

    monkeypatch.setattr("llm.models.load_language_model", lambda *_: Model())
    monkeypatch.setattr("llm.answers.generate_answers", lambda *_: [[1]])
    main([str(split), "--draft", "some-model"])
    text = (split.parent / FILE).read_text()
    assert "Drafted by some-model, not checked by anybody" in text
    assert read_answers(split.parent / FILE)["classes"] == {"round cell": "Round and pale.", "no": "Round and pale."}
