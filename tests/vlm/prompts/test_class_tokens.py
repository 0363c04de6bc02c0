"""Class tokens in the context's place, against one whole sequence a class at a time."""

import pytest
import torch

from tests.oracles.cilmp import plain_block
from tests.vlm.towers.bert_reference import tiny_bert
from toolbox.errors import UserError
from vlm.prompts.class_tokens import ClassTokenLayout
from vlm.towers.block import unit
from vlm.towers.tokens import NameTokens

NAMES = ["lung", "white skin cell", "red_cell", "skin"]


def one_at_a_time(clip, ctx, class_tokens, layer: int) -> torch.Tensor:
    """CLIP's tower, every prompt 77 tokens."""
    text, n = clip.text, len(ctx)
    mask = torch.full((77, 77), float("-inf")).triu(1)
    found = []
    for name, own in zip(NAMES, class_tokens, strict=True):
        pieces = text.vocabulary.encode(name.replace("_", " ") + ".")
        rest = [*pieces, text.vocabulary.end, *[0] * (77 - 2 - n - len(pieces))]
        words = torch.cat([text.embed([text.vocabulary.start]), ctx, text.embed(rest)])
        x = (words + text.positional_embedding)[None]
        for i, block in enumerate(text.blocks):
            if i == layer:
                x = torch.cat([x[:, :1], own[None], x[:, 1 + n :]], dim=1)
            x = plain_block(block, x, mask)
        found.append(unit(text.ln_final(x[0, 1 + n + len(pieces)]) @ text.text_projection))
    return torch.stack(found)


def of_bert(bert, text, ctx, class_tokens, layer: int) -> torch.Tensor:
    """transformers' own layers."""
    table, found = bert.embeddings.word_embeddings.weight, []
    for name, own in zip(NAMES, class_tokens, strict=True):
        pieces = text.vocabulary.encode(name.replace("_", " ") + ".")
        x = bert.embeddings(inputs_embeds=torch.cat([table[2:3], ctx, table[pieces], table[3:4]])[None])
        for i, block in enumerate(bert.encoder.layer):
            if i == layer:
                x = torch.cat([x[:, :1], own[None], x[:, 1 + len(ctx) :]], dim=1)
            x = block(x)
            x = x[0] if isinstance(x, tuple) else x
        found.append(unit(text.projection(x[:, 0]))[0])
    return torch.stack(found)


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("tower", ["clip", "bert"])
def test_features_and_gradients(tiny_clip, tower, layer):
    torch.manual_seed(layer)
    bert, text = tiny_bert() if tower == "bert" else (None, tiny_clip.text)
    ctx = torch.randn(3, text.width, requires_grad=True)
    class_tokens = torch.randn(len(NAMES), 3, text.width, requires_grad=True)
    layout = ClassTokenLayout(text, NameTokens(text.vocabulary, NAMES, 3), 3, layer)
    ours = layout.features(text, ctx, class_tokens)
    plain = (
        of_bert(bert, text, ctx, class_tokens, layer) if bert else one_at_a_time(tiny_clip, ctx, class_tokens, layer)
    )
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)
    weights = torch.randn_like(ours)
    mine, theirs = (torch.autograd.grad((f * weights).sum(), [ctx, class_tokens]) for f in (ours, plain))
    for a, b in zip(mine, theirs, strict=True):
        assert (a - b).abs().max() <= 1e-4 * b.abs().max()


def test_a_layer_that_the_tower_lacks_is_refused(tiny_clip):
    for layer in (0, 3):
        with pytest.raises(UserError, match=f"enter text layer {layer} .* 3 layers; choose LAYER from 1 to 2"):
            ClassTokenLayout(tiny_clip.text, NameTokens(tiny_clip.text.vocabulary, NAMES, 3), 3, layer)
