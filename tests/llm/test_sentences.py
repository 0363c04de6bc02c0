"""Sentences of classes: those that come with the project, what stands in for them, and how more are made."""

import pytest
import yaml

from llm.answers import Generation
from llm.question import described_classes
from llm.sentences import EMBEDDED, class_sentences, read_sentences, sentence_datasets, write_sentences
from llm.sentences.__main__ import main, sentences_in
from llm.sentences.composed import main as compose
from toolbox.errors import UserError
from vlm.towers.tokens import ClipVocabulary

REFERENCE = """
import torch
SENTENCES = {
    "platelet": ["A tiny speck "
                 "without a nucleus.", "A fragment."],
    "red blood cell": ["A pink disc."],
    "white_blood_cell": ["A cell with a nucleus."],
}
print(1 / 0)  # nobody runs this
"""


@pytest.mark.parametrize("dataset", sentence_datasets())
def test_thirty_different_sentences_for_every_class_of_a_known_data_set(dataset, tiny_clip):
    classes = described_classes(dataset).classnames
    found = class_sentences(dataset, classes, ["a photo of a {}."])
    assert all(len(own) == len(set(own)) == 30 for own in found.texts)
    assert found.source == f"{len(classes)} of {len(classes)} classes in {dataset.split('/')[-1]}.yaml"
    vocabulary: ClipVocabulary = tiny_clip.text.vocabulary
    assert all(len(vocabulary.encode(text)) <= 56 for own in found.texts for text in own), (
        "room for a context and a name"
    )


def test_a_class_without_sentences_falls_back_on_what_it_has(tmp_path):
    file = tmp_path / "own.yaml"
    write_sentences(file, {"platelet": ["A tiny  speck."]}, {"source": "a test"})
    found = class_sentences("bccd", ["platelet", "red_blood_cell", "yeast"], ["a {} cell.", "a {}."], str(file))
    assert found.texts[0] == ["A tiny speck."]
    assert found.texts[1] == [described_classes("bccd").answers["red blood cell"]]
    assert found.texts[2] == ["a yeast cell.", "a yeast."]
    assert (
        "1 of 3 classes in own.yaml" in found.source and "its description stand in for red blood cell" in found.source
    )
    assert "hand-written prompts stand in for yeast" in found.source


def test_a_data_set_that_nobody_knows_has_its_templates():
    found = class_sentences("cells", ["a_b"], ["a photo of a {}."])
    assert found.texts == [["a photo of a a b."]] and "hand-written prompts" in found.source


@pytest.mark.parametrize(
    "content, message",
    [
        ("classes: [a]", "needs a mapping `classes:`"),
        ("classes: {no: [a text]}", "class False: needs a list of sentences"),
        ("classes: {a: []}", "class 'a': needs a list of sentences"),
        ("classes: {a: [1]}", "class 'a': needs a list of sentences"),
        ("classes: {a: [", "cannot be read as YAML text"),
    ],
)
def test_what_is_no_file_of_sentences_is_refused(tmp_path, content, message):
    file = tmp_path / "own.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        read_sentences(file)


@pytest.mark.parametrize("inside", ["trainers/prompt_templates.py", ""])
def test_biomedcoops_own_file_is_read_and_not_run(tmp_path, inside, capsys):
    file = tmp_path / "checkout" / (inside or "any_name.py")
    file.parent.mkdir(parents=True)
    file.write_text(REFERENCE)
    source = tmp_path / "checkout" if inside else file
    assert main(["--reference", str(source), "--dataset", "bccd", "--output", str(tmp_path / "out")]) == 0
    made = read_sentences(tmp_path / "out" / "bccd.yaml")
    assert made == {
        "platelet": ["A tiny speck without a nucleus.", "A fragment."],
        "red blood cell": ["A pink disc."],
        "white blood cell": ["A cell with a nucleus."],
    }
    assert "platelet 2, red blood cell 1, white blood cell 1" in capsys.readouterr().out
    with pytest.raises(UserError, match="is there already; --overwrite"):
        main(["--reference", str(source), "--dataset", "bccd", "--output", str(tmp_path / "out")])
    with pytest.raises(UserError, match=r"no sentences of 'normal'"):
        main(["--reference", str(source), "--dataset", "busi", "--output", str(tmp_path / "out")])


def test_what_is_no_checkout_is_refused(tmp_path):
    for content in ("x = 1", "x = ("):
        (tmp_path / "a.py").write_text(content)
        with pytest.raises(UserError, match=r"a\.py: (holds no lists|cannot be read as BiomedCoOp)"):
            main(["--reference", str(tmp_path / "a.py"), "--dataset", "bccd", "--output", str(tmp_path / "out")])


def test_sentences_of_an_answer():
    answer = 'Here are some sentences:\n1. A pink disc.\n2) "A pale, round centre."\n- A smooth outline.\nOk.\n\n'
    assert sentences_in(answer) == ["A pink disc.", "A pale, round centre.", "A smooth outline."]


def test_a_model_is_asked_until_it_has_said_enough(tiny_folder, tmp_path, monkeypatch):
    said = iter(["A pink disc.\na pink disc.", "A smooth outline.\nA pale, round centre.", "1. One two three."])
    seeds = []

    def answer(lm, questions, how: Generation):
        seeds.append(how.seed)
        assert questions == [
            "Write 3 short, different sentences that describe how a b looks in a CT image, one a line."
        ]
        return [lm.tokenizer(next(said)).input_ids]

    monkeypatch.setattr("llm.answers.generate_answers", answer)
    flags = ["--classes", "a b", "--name", "mine", "--modality", "CT", "--count", "3", "--output", str(tmp_path)]
    assert main(["--model", str(tiny_folder("qwen")), *flags]) == 0
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert content["classes"] == {"a b": ["A pink disc.", "A smooth outline.", "A pale, round centre."]}
    assert content["modality"] == "CT" and "sha256:" in content["source"] and seeds == [0, 1]


def test_a_model_without_a_word_to_say_is_named_and_nothing_is_written(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("llm.answers.generate_answers", lambda lm, *_: [lm.tokenizer("Ok.").input_ids])
    flags = ["--classes", "a b", "--name", "mine", "--output", str(tmp_path)]
    with pytest.raises(UserError, match="wrote no sentence about 'a b'; take a model that follows instructions"):
        main(["--model", str(tiny_folder("llama")), *flags])
    assert not list(tmp_path.iterdir())


def test_the_phantoms_sentences_are_those_of_its_descriptions(tmp_path):
    compose(tmp_path / "phantom.yaml")
    assert (tmp_path / "phantom.yaml").read_bytes() == (EMBEDDED / "phantom.yaml").read_bytes(), (
        "scripts/prepare/new_world.sh"
    )
