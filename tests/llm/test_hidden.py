"""Rows against an independent forward pass: one class at a time, no padding, no hooks, no cache."""

from dataclasses import replace

import pytest
import torch

from llm.answers import Generation, answer_passage, generate_answers, prompt_ids
from llm.extraction import Settings, extract
from llm.hidden import hidden_rows, layer_stack, parse_layers
from llm.question import ClassList
from toolbox.errors import UserError

CLASSES = ["polyps", "a small round red cell with a long tail", "lobes", "fine granules in a pale cell", "cell"]
DECODERS = ["llama", "mistral", "qwen", "qwen_vl", "gpt2"]
MINE = ClassList("mine", CLASSES)
WRITTEN = {name: f"Large dark purple {name}; " * (i + 1) for i, name in enumerate(CLASSES)}


def expected_prompt(lm, asked: str) -> str:
    """The text a model is asked with, spelt out."""
    if lm.model.config.model_type == "llama":
        return f"<s>Question: {asked}\nAnswer:"
    if lm.model.config.model_type == "gpt2":
        return f"Question: {asked}\nAnswer:"
    if lm.model.config.model_type == "mistral":
        return f"<s>[INST] {asked} [/INST]"
    return f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"


def greedy(lm, ids: list[int], length: int) -> list[int]:
    """Greedy continuation by whole forward passes."""
    new: list[int] = []
    while len(new) < length:
        logits = lm.model(input_ids=torch.tensor([ids + new]), use_cache=False).logits
        new.append(int(logits[0, -1].argmax()))
        if new[-1] == lm.tokenizer.eos_token_id:
            return new[:-1]
    return new


def reference_states(lm, ids: list[int], **inputs) -> torch.Tensor:
    """transformers' own hidden states `(layers, tokens, hidden)`; a decoder's last ones have gone through its norm."""
    output = lm.model.base_model(input_ids=torch.tensor([ids]), output_hidden_states=True, **inputs)
    return torch.cat(output.hidden_states[1:])


def final_norm(lm):
    """The norm a decoder ends with."""
    body = getattr(lm.model.base_model, "language_model", lm.model.base_model)
    return body.ln_f if hasattr(body, "ln_f") else body.norm


def normed(lm, rows: torch.Tensor) -> torch.Tensor:
    """Rows as transformers reports them: the last one through the model's final norm."""
    return torch.cat([rows[:-1], final_norm(lm)(rows[-1:])])


@pytest.fixture
def run(tmp_path):
    """Function that extracts rows of `CLASSES`, with a folder for finished classes that is new in each test."""

    def rows_of(lm, **settings) -> dict[str, torch.Tensor]:
        settings = Settings(**{"generation": Generation(12), **settings})
        parts = tmp_path / str(settings.batch_size)
        return extract(lm, replace(MINE, answers=WRITTEN), settings, parts, lambda done: None).rows

    return rows_of


@pytest.mark.parametrize("kind", DECODERS)
@torch.no_grad()
def test_generated_answers_and_rows_match_a_plain_forward_pass(tiny, run, kind):
    lm = tiny(kind)
    rows = run(lm, answer="model", batch_size=3)
    for name in CLASSES:
        text = expected_prompt(lm, f"In an image, describe the distinctive visual features of {name}.")
        prompt = lm.tokenizer(text, add_special_tokens=False).input_ids
        whole = prompt + greedy(lm, prompt, 12) + [lm.tokenizer.eos_token_id]
        expected = reference_states(lm, whole)[:, -1]
        assert rows[name].shape == (lm.depth, 24)
        torch.testing.assert_close(normed(lm, rows[name]), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", DECODERS)
@torch.no_grad()
def test_last_row_is_the_raw_output_of_the_last_layer(tiny, run, kind):
    lm = tiny(kind)
    row = run(lm, answer="none")["polyps"][-1]
    states = reference_states(lm, prompt_ids(lm, MINE.question("polyps")))[-1, -1]
    assert not torch.allclose(row, states, atol=1e-2)
    torch.testing.assert_close(final_norm(lm)(row), states, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_encoder_rows_match_a_plain_forward_pass(tiny, run):
    lm = tiny("bert")
    by_mean, by_last = run(lm, answer="written", pooling="mean"), run(lm, answer="written", pooling="last")
    for name in CLASSES:
        pair = lm.tokenizer(MINE.question(name), WRITTEN[name])
        states = reference_states(lm, pair.input_ids, token_type_ids=torch.tensor([pair.token_type_ids]))
        answer_length = len(lm.tokenizer(WRITTEN[name], add_special_tokens=False).input_ids)
        assert pair.input_ids[-1] == lm.tokenizer.sep_token_id
        assert sum(pair.token_type_ids) == answer_length + 1
        torch.testing.assert_close(by_mean[name], states[:, -1 - answer_length : -1].mean(1), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(by_last[name], states[:, -1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "mean", "tokens"])
@pytest.mark.parametrize(
    ("kind", "answer"), [*[(kind, "model") for kind in DECODERS], ("bert", "written"), ("bert", "none")]
)
def test_batch_size_and_padding_change_nothing(tiny, run, kind, answer, pooling):
    alone = run(tiny(kind), answer=answer, pooling=pooling, batch_size=1)
    for size in (2, 5):
        together = run(tiny(kind), answer=answer, pooling=pooling, batch_size=size)
        for name in CLASSES:
            torch.testing.assert_close(together[name], alone[name], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_token_sequence_and_mean_cover_the_answer_alone(tiny, run):
    lm = tiny("qwen")
    tokens, mean = run(lm, answer="written", pooling="tokens"), run(lm, answer="written", pooling="mean")
    for name in CLASSES:
        prompt = lm.tokenizer(expected_prompt(lm, MINE.question(name)), add_special_tokens=False).input_ids
        answer = lm.tokenizer(WRITTEN[name], add_special_tokens=False).input_ids
        states = reference_states(lm, [*prompt, *answer, lm.eos_id])[:, len(prompt) : -1]
        torch.testing.assert_close(final_norm(lm)(tokens[name]), states[-1], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(mean[name][:-1], states[:-1].mean(1), atol=1e-5, rtol=1e-5)


def test_answer_ends_before_any_of_the_models_end_tokens(tiny, monkeypatch):
    lm = tiny("qwen")
    asked = [MINE.question("polyps")]
    (free,) = generate_answers(lm, asked, Generation(8))
    end = next(token for token in free[2:] if token not in free[:2])
    monkeypatch.setattr(lm.model.generation_config, "eos_token_id", [lm.eos_id, end])
    (cut,) = generate_answers(lm, asked, Generation(8))
    assert cut == free[: free.index(end)]
    assert answer_passage(lm, asked[0], cut).ids[-1] == lm.eos_id


def test_sampling_depends_on_the_seed_alone(tiny):
    lm = tiny("llama")
    first, again, other = (
        generate_answers(lm, [MINE.question("polyps")], Generation(12, temperature=5.0, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_chosen_layers_are_rows_of_all_layers(tiny, run):
    lm = tiny("qwen")
    every, some = run(lm, answer="none"), run(lm, answer="none", layers="1-2,-1")
    assert torch.equal(some["cell"], every["cell"][[0, 1, 4]])


@pytest.mark.parametrize(
    ("text", "layers"), [("all", [1, 2, 3, 4]), ("1-3", [1, 2, 3]), ("-1", [4]), ("4,1", [1, 4]), (" 2 , 2-3", [2, 3])]
)
def test_layers_are_parsed(text, layers):
    assert parse_layers(text, 4) == layers


@pytest.mark.parametrize("text", ["", "0", "5", "1-9", "a", "3-1", "1--2", "-9"])
def test_wrong_layers_are_refused(text):
    with pytest.raises(UserError, match="--layers"):
        parse_layers(text, 4)


def test_hooks_are_gone_after_a_pass(tiny):
    lm = tiny("llama")
    passage = answer_passage(lm, MINE.question("cell"), None)
    hooks = [dict(layer._forward_hooks) for layer in layer_stack(lm.model)]
    hidden_rows(lm.model, [passage], "last", [1, 2], True, 0)
    assert [dict(layer._forward_hooks) for layer in layer_stack(lm.model)] == hooks


def test_a_passage_longer_than_the_model_reads_is_refused(tiny):
    with pytest.raises(UserError, match=r"polyps.* tokens; .* reads 512"):
        answer_passage(tiny("bert"), MINE.question("polyps"), "red cell " * 400)
