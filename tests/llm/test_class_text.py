"""DATASET.CLASS_TEXT: a text about the class in its name's place, in prompts alone."""

import numpy as np
import pytest

from llm.class_text import class_texts
from llm.question import described_classes, plain_words
from tests.trainers.small_world import logits, result
from toolbox.errors import UserError

CELLS = ["sickle_cell", "platelet"]


def test_texts_of_classes():
    assert class_texts("name", "anything", CELLS) == CELLS
    described = class_texts("description", "phantom16", CELLS)
    assert described[0].startswith("thin, dark red cell bent into a crescent") and not described[0].endswith(".")
    assert class_texts("plain", "phantom16", CELLS)[1] == "tiny violet speck without a nucleus"


@pytest.mark.parametrize(
    ("kind", "dataset", "classes", "said"),
    [
        ("descriptions", "phantom16", CELLS, "nearest: description"),
        ("description", "phantom16", ["polyp"], r"no such text for class 'polyp' in llm/descriptions/phantom16\.yaml"),
        ("description", "nowhere", CELLS, "no data set 'nowhere' in llm/descriptions"),
        ("plain", "kvasir", CELLS, r"kvasir\.yaml has no mapping `plain:`"),
    ],
)
def test_what_is_missing_is_said(kind, dataset, classes, said):
    with pytest.raises(UserError, match=said):
        class_texts(kind, dataset, classes)


def test_descriptions_of_the_project_and_their_plain_words_name_the_same_classes():
    for name in ("phantom", "phantom-paraphrased", "phantom16"):
        assert list(plain_words(name)) == described_classes(name).classnames


@pytest.mark.parametrize("method", ["ZeroshotCLIP", "CoOp", "CILMP"])
def test_prompts_change_and_class_names_do_not(world, monkeypatch, method):
    """Rows still go by the name, and the result says what was in the prompt."""
    texts = {"name": None, "description": lambda *_: ["a b", "c d e", "f", "g h"]}
    folders = {}
    for kind, fake in texts.items():
        with monkeypatch.context() as patch:
            if fake:
                patch.setattr("trainers.base.class_texts", fake)
                patch.setattr("trainers.life.fingerprint.class_texts", fake)
            flags = ["--eval-only"] if method == "ZeroshotCLIP" else []
            folders[kind] = world.run(method, f"text-{method}-{kind}", *flags, DATASET__CLASS_TEXT=kind)
    named, described = (result(folder) for folder in folders.values())
    assert (named["class_text"], described["class_text"]) == ("name", "description")
    assert named["classnames"] == described["classnames"]
    assert not np.array_equal(*map(logits, folders.values()))
