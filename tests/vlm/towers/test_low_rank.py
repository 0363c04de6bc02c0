"""Trained modules beside a tower's blocks: what they add, and that the shared tower is left as it was."""

import copy

import pytest
import torch

from tests.vlm.towers.bert_reference import tiny_bert
from vlm.towers.block import in_place
from vlm.towers.low_rank import LowRank, LowRankProjections
from vlm.towers.text import ContextLayout

PARTS = ["qkv", "q", "kv", "v"]


def updates(blocks, parts: str) -> list[LowRankProjections]:
    found = [LowRankProjections(parts, block.width, rank=2, scale=0.7) for block in blocks]
    for module in found:
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return found


def merged(blocks, inside, outside):
    """Copies of the blocks with W + k B A in place of W."""
    blocks = copy.deepcopy(list(blocks))
    for block, beside, out in zip(blocks, inside, outside, strict=True):
        w = block.width
        for i, part in enumerate("qkv"):
            if part in beside.updates:
                update = beside.updates[part]
                block.in_weight.data[i * w : (i + 1) * w] += update.scale * update.B.data @ update.A.data
        block.out_proj.weight.data += out.scale * out.B.data @ out.A.data
    return blocks


def outside_of(blocks) -> list[LowRank]:
    found = [LowRank(block.width, rank=3, scale=0.5) for block in blocks]
    for module in found:
        torch.nn.init.normal_(module.B, std=0.2)
    return found


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("tower", ["image", "text", "bert"])
def test_beside_is_the_same_as_merged(tiny_clip, tower, parts):
    torch.manual_seed(0)
    if tower == "image":
        towers, images = tiny_clip.image, torch.randn(2, 3, 32, 32)

        def run(tower):
            return tower(images)
    else:
        towers = tiny_clip.text if tower == "text" else tiny_bert()[1]
        layout = ContextLayout.plain(towers, towers.pieces(["a photo of a lung.", "skin"]))

        def run(tower):
            return tower(tower.embed([]), layout)

    plain = run(towers)
    inside, outside = updates(towers.blocks, parts), outside_of(towers.blocks)
    with in_place(towers.blocks, "beside_in", inside), in_place(towers.blocks, "beside_out", outside):
        ours = run(towers)
    other = copy.deepcopy(towers)
    other.blocks = torch.nn.ModuleList(merged(towers.blocks, inside, outside))
    torch.testing.assert_close(ours, run(other), atol=2e-6, rtol=0)
    assert (ours - plain).abs().max() > 1e-2
    assert torch.equal(run(towers), plain), "the tower is as it was"


def test_the_tower_is_as_it_was_after_an_error(tiny_clip):
    blocks = tiny_clip.image.blocks
    names = set(tiny_clip.state_dict())
    with pytest.raises(RuntimeError, match="on the way"), in_place(blocks, "beside_in", updates(blocks, "q")):
        assert set(tiny_clip.state_dict()) != names
        raise RuntimeError("on the way")
    assert set(tiny_clip.state_dict()) == names and all(block.beside_in is None for block in blocks)


def test_nothing_is_added_at_the_start_and_dropout_is_for_training_alone():
    torch.manual_seed(0)
    x, made = torch.randn(3, 8), LowRankProjections("qv", 8, rank=2, scale=1.0, dropout=0.5)
    assert not made(x, slice(None)).any() and made(x, slice(8, None)).shape == (3, 16)
    for update in made.updates.values():
        torch.nn.init.normal_(update.B)
    assert not torch.equal(made(x, slice(8)), made(x, slice(8)))
    made.eval()
    assert torch.equal(made(x, slice(8)), made(x, slice(8)))


def test_every_token_begins_with_what_the_tower_reads(tiny_clip):
    images = torch.randn(2, 3, 32, 32)
    tokens = tiny_clip.image.every_token(images)
    assert tokens.shape == (2, 17, tiny_clip.embed_dim)
    torch.testing.assert_close(tokens[:, 0], tiny_clip.image(images), atol=1e-6, rtol=0)
