"""The question, the presets, and the written descriptions of every data set."""

import pytest

from llm.presets import find_preset, preset_names
from llm.question import DESCRIPTIONS, ClassList, article, described_classes, described_datasets, read_answers
from toolbox.errors import UserError


def test_the_papers_question():
    plain, oct_ = ClassList("mine", []), ClassList("mine", [], "OCT")
    assert plain.question("lung_opacity") == "In an image, describe the distinctive visual features of lung opacity."
    assert oct_.question("drusen") == "In an OCT image, describe the distinctive visual features of drusen."
    assert oct_.question("a {x}") == "In an OCT image, describe the distinctive visual features of a {x}."


def test_a_question_of_ones_own():
    template = "What does {class} look like in {article} {modality} scan?"
    assert ClassList("mine", [], "CT", {}, template).question("a_cyst") == "What does a cyst look like in a CT scan?"


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("MRI", "an"),
        ("X-ray", "an"),
        ("ultrasound", "an"),
        ("CT", "a"),
        ("fundus", "a"),
        ("endoscopy", "an"),
        ("retinal OCT", "a"),
    ],
)
def test_article(noun, expected):
    assert article(noun) == expected


@pytest.mark.parametrize("name", described_datasets())
def test_descriptions_are_short_sentences_of_their_own_with_a_source(name):
    classes = described_classes(name)
    assert len(read_answers(DESCRIPTIONS / f"{name}.yaml")["source"]) > 20
    assert classes.modality
    texts = list(classes.answers.values())
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert 8 <= len(text.split()) <= 60
        assert text.endswith(".")


def test_unknown_data_set_is_refused():
    with pytest.raises(UserError, match=r"'kvasirr'.*nearest: .*kvasir"):
        described_classes("kvasirr")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: {no: clear}", "class False"),
        ("classes: {a: 3}", "class 'a'"),
        ("classes: {a: ''}", "class 'a'"),
        ("classes: []", "needs a mapping"),
        ("- a", "needs a mapping"),
        ("", "needs a mapping"),
        ("classes: {a: b", "cannot be read as YAML"),
        ("classes: !!python/object/apply:os.system ['true']", "cannot be read as YAML"),
    ],
)
def test_bad_answer_files_are_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"mine\.yaml: .*{message}") as error:
        read_answers(tmp_path / "mine.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", preset_names())
def test_presets_say_what_they_are(name):
    preset = find_preset(name.upper())
    assert preset.kind in ("causal", "encoder")
    assert preset.answer == ("model" if preset.kind == "causal" else "written")
    assert preset.layers > 0 and preset.hidden_size > 0
    assert preset.licence and preset.page.startswith("https://")
    assert preset.command == f"python -m llm.extract --model {name} --dataset kvasir"


def test_the_named_models_have_presets():
    wanted = {
        "llama-3-8b",
        "llama-3-8b-instruct",
        "llama-2-7b",
        "mistral-7b",
        "biomistral-7b",
        "meditron-7b",
        "lingshu-7b",
    }
    assert wanted | {"minilm", "qwen2.5-7b"} <= set(preset_names())
    assert find_preset("no such model") is None
