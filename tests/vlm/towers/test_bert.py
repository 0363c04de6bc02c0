"""The BERT tower's prompted features against transformers' own layers on full sequences, values and gradients."""

import pytest
import torch

from tests.vlm.towers.bert_reference import WORDS, Words, reference, tiny_bert
from vlm.prompts.conditional import ConditionalText
from vlm.towers.block import unit
from vlm.towers.text import ContextLayout
from vlm.towers.tokens import NameTokens

NAMES = ["red_cell", "lung", "white skin cell"]


def embed(bert, words: str) -> torch.Tensor:
    return bert.embeddings.word_embeddings.weight[Words().encode(words)]


def sequence(bert, *parts) -> torch.Tensor:
    """[CLS], parts (text or vectors), [SEP] as word embeddings."""
    inside = [embed(bert, part) if isinstance(part, str) else part for part in parts]
    table = bert.embeddings.word_embeddings.weight
    return torch.cat([table[2:3], *inside, table[3:4]])


@pytest.mark.parametrize("pooler", [False, True])
def test_plain_texts(pooler):
    bert, text = tiny_bert(pooler=pooler)
    texts = ["a photo of a lung.", "skin", "red white cell."]
    expected = torch.stack([reference(bert, text, sequence(bert, t)) for t in texts])
    torch.testing.assert_close(text.encode(texts), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("per_class", [False, True])
def test_learned_context(position, per_class):
    bert, text = tiny_bert()
    ctx = torch.randn((3, 4, 32) if per_class else (4, 32), requires_grad=True)
    layout = ContextLayout(text, NameTokens(text.vocabulary, NAMES, 4), 4, position, per_class)
    ours = text(ctx, layout)
    expected = []
    for c, name in enumerate(n.replace("_", " ") for n in NAMES):
        v = ctx[c] if per_class else ctx
        parts = {"end": (v, name, "."), "middle": (v[:2], name, v[2:], "."), "front": (name, v, ".")}[position]
        expected.append(reference(bert, text, sequence(bert, *parts)))
    expected = torch.stack(expected)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    weights = torch.randn_like(ours)
    mine, theirs = (torch.autograd.grad((f * weights).sum(), ctx)[0] for f in (ours, expected))
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_context_that_depends_on_the_image():
    _, text = tiny_bert()
    ctx = torch.randn(2, 4, 32)
    layout = ContextLayout(text, NameTokens(text.vocabulary, NAMES, 4), 4)
    expected = torch.stack([text(one, layout) for one in ctx])
    torch.testing.assert_close(text(ctx, layout), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("layers", "depth"), [(layers, depth) for layers in (1, 2, 3) for depth in range(1, layers + 1)]
)
@pytest.mark.parametrize("learned", [2, 4])
def test_deep_prompts(layers, depth, learned):
    bert, text = tiny_bert(layers)
    ctx, deep = torch.randn(4, 32, requires_grad=True), torch.randn(depth - 1, learned, 32, requires_grad=True)
    layout = ContextLayout(text, NameTokens(text.vocabulary, NAMES, 4), 4)
    ours = text(ctx, layout, deep)
    names = [n.replace("_", " ") + "." for n in NAMES]
    expected = torch.stack([reference(bert, text, sequence(bert, ctx, name), list(deep)) for name in names])
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    learned = [ctx, deep] if depth > 1 else [ctx]
    weights = torch.randn_like(ours)
    for mine, theirs in zip(
        *(torch.autograd.grad((f * weights).sum(), learned) for f in (ours, expected)), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("budget", [64 << 20, 1])
def test_conditional_rows(depth, budget):
    """CILMP's rows: for each image and class one full sequence, rows moved by the equations as written in the paper."""
    bert, text = tiny_bert(3)
    rows = [torch.randn(n, 10) for n in (5, 3, 4)]
    names = NameTokens(text.vocabulary, NAMES, [2 + len(r) for r in rows])
    ctx = embed(bert, "photo of")
    model = ConditionalText(text, rows, names, ctx, depth, prefix=1, suffix=2, rank=2, embed_dim=16, budget=budget)
    images = unit(torch.randn(2, 16))
    ours = model.eval()(images)
    expected = torch.stack([_by_the_paper(bert, text, model, rows, f) for f in images])
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    weights, trained = torch.randn_like(ours), list(model.parameters())
    for mine, theirs in zip(
        *(torch.autograd.grad((f * weights).sum(), trained) for f in (ours, expected)), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-3)


def _by_the_paper(bert, text, model, rows, f) -> torch.Tensor:
    features = []
    for h, name in zip(rows, NAMES, strict=True):
        projected = []
        for i in range(model.depth):
            ends = [_moved(model.prefix, i, h[:1], f), h[1:-2], _moved(model.suffix, i, h[-2:], f)]
            projected.append(torch.cat(ends) @ model.projection.A[i].T @ model.projection.B[i].T)
        deep = [torch.cat([model.ctx[i], projected[i]]) for i in range(1, model.depth)]
        words = sequence(bert, model.ctx[0], projected[0], name.replace("_", " ") + ".")
        features.append(reference(bert, text, words, deep))
    return torch.stack(features)


def _moved(intervention, i, h, f) -> torch.Tensor:
    u = intervention.U2[i] @ (intervention.U1[i] @ f + intervention.a1[i]) + intervention.a2[i]
    s = torch.cat([h, u * h], dim=-1) @ intervention.source[i].T + intervention.source_bias[i]
    return h + (s - h @ intervention.rotate[i]) @ intervention.rotate[i].T


def test_words_are_those_of_the_vocabulary():
    assert [WORDS[t] for t in NameTokens(Words(), ["red_cell"]).whole[0]] == ["red", "cell", ".", "[SEP]"]
