"""The committed small CLIP: the format, the words it learned from, and what it knows of the phantom."""

import re

import numpy as np
import pytest
import torch

from datasets.phantom import PHANTOMS
from datasets.phantom.cells import draw_cell
from datasets.phantom.textbook import KINDS, PLAIN
from vlm.small_clip import WEIGHTS, evaluate, state_dict
from vlm.small_clip.architecture import CONTEXT, EMBED, TEXT, TEXT_WIDTH, VISION, VOCABULARY, build
from vlm.small_clip.captions import all_words, caption, facts
from vlm.small_clip.objective import UNTOLD, FactHeads, contrastive_loss, fact_labels
from vlm.small_clip.pool import draw_pool, random_cell
from vlm.small_clip.train import Captions, save, text_features, train

JARGON = re.compile(
    r"cyte|phil|platelet|disco|sickle|target|spher|schisto|tear|drop|ellip|acanth|stoma|burr|lymph|mono|thromb|echino|helmet"
)


@pytest.fixture(scope="module")
def weights():
    return state_dict()


@pytest.fixture(scope="module")
def model():
    return evaluate.load()


def openai_shapes():
    vision, grid = VISION["width"], VISION["image_size"] // VISION["patch_size"]
    shapes = {
        "visual.class_embedding": (vision,),
        "visual.positional_embedding": (grid * grid + 1, vision),
        "visual.proj": (vision, EMBED),
        "visual.conv1.weight": (vision, 3, VISION["patch_size"], VISION["patch_size"]),
        "token_embedding.weight": (VOCABULARY, TEXT_WIDTH),
        "positional_embedding": (CONTEXT, TEXT_WIDTH),
        "text_projection": (TEXT_WIDTH, EMBED),
        "logit_scale": (),
    }
    norms = [("visual.ln_pre", vision), ("visual.ln_post", vision), ("ln_final", TEXT_WIDTH)]
    for tower, width, layers in (
        ("visual.transformer", vision, VISION["layers"]),
        ("transformer", TEXT_WIDTH, TEXT["layers"]),
    ):
        for i in range(layers):
            block = f"{tower}.resblocks.{i}"
            norms += [(f"{block}.ln_1", width), (f"{block}.ln_2", width)]
            for name, size in (
                ("attn.in_proj_", (3 * width, width)),
                ("attn.out_proj.", (width, width)),
                ("mlp.c_fc.", (4 * width, width)),
                ("mlp.c_proj.", (width, 4 * width)),
            ):
                shapes |= {f"{block}.{name}weight": size, f"{block}.{name}bias": size[:1]}
    return shapes | {f"{norm}.{part}": (width,) for norm, width in norms for part in ("weight", "bias")}


def test_the_state_dict_is_openais_format(weights):
    assert {key: tuple(value.shape) for key, value in weights.items()} == openai_shapes()
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert WEIGHTS.stat().st_size < 6e6


def test_loading_twice_gives_the_same_and_untouched_rows_are_spread_like_the_trained_ones(weights):
    again = state_dict()
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    trained = torch.tensor(Captions().ids)
    rest = torch.ones(VOCABULARY, dtype=torch.bool)
    rest[trained] = False
    rows = weights["token_embedding.weight"]
    assert len(trained) < 400
    assert rows[rest].std().item() == pytest.approx(rows[trained].std().item(), rel=0.02)
    assert rows[rest].mean().abs() < 1e-3


def test_no_caption_names_a_kind_of_cell():
    rng, words = np.random.default_rng(0), set(all_words())
    for _ in range(3000):
        words.add(caption(facts(random_cell(rng)), rng)[0])
    for text in words:
        assert not JARGON.search(text.lower()), text
    assert all(JARGON.search(name) for name in PLAIN)
    said = {word for text in words for word in re.findall("[a-z]+", text.lower())}
    assert not any(name.split()[0].lower() in said for name in PHANTOMS["phantom"].classnames)
    assert not any(JARGON.search(text) for text in PLAIN.values())


def test_a_caption_tells_only_what_is_so():
    rng = np.random.default_rng(1)
    for _ in range(300):
        seen = facts(random_cell(rng))
        text, told = caption(seen, rng)
        assert told and told.items() <= seen.items()
        if ("nucleus", "none") in told.items():
            assert "without a nucleus" in text or "with no nucleus" in text


def test_facts_of_the_kinds():
    rng = np.random.default_rng(2)
    assert facts(draw_cell(KINDS["sickle cell"], rng))["shape"] == "crescent"
    assert facts(draw_cell(KINDS["burr cell"], rng))["shape"] == "bumps"
    assert facts(draw_cell(KINDS["acanthocyte"], rng))["shape"] == "spikes"
    assert facts(draw_cell(KINDS["eosinophil"], rng))["grains"] == "coarse orange"
    assert facts(draw_cell(KINDS["lymphocyte"], rng))["fill"] == "full"


def test_truth_says_which_captions_hold_of_which_images():
    rng = np.random.default_rng(3)
    seen = [facts(random_cell(rng)) for _ in range(12)]
    tokens, truth, told = Captions().batch(seen, 8, rng)
    assert torch.equal(torch.where(told == UNTOLD, told, fact_labels(seen[:8])), told)
    assert truth.shape == (12, 8) and tokens.shape[0] == 8
    assert truth.diagonal().all() and not truth.all()
    same, *_ = Captions().batch(seen, 8, np.random.default_rng(9))
    again, *_ = Captions().batch(seen, 8, np.random.default_rng(9))
    assert torch.equal(same, again)


def test_the_loss_is_clips_where_each_caption_holds_of_one_image():
    torch.manual_seed(0)
    image, text, scale = torch.randn(6, 8), torch.randn(6, 8), torch.tensor(10.0)
    logits = scale * torch.nn.functional.normalize(image, dim=1) @ torch.nn.functional.normalize(text, dim=1).T
    labels = torch.arange(6)
    clip = (torch.nn.functional.cross_entropy(logits, labels) + torch.nn.functional.cross_entropy(logits.T, labels)) / 2
    assert contrastive_loss(image, text, scale, torch.eye(6).bool()).item() == pytest.approx(clip.item(), abs=1e-6)


def test_fact_heads_pass_over_what_is_untold():
    torch.manual_seed(0)
    heads, features = FactHeads(8), torch.randn(2, 8)
    labels = fact_labels([{"body": "red", "shape": "tail"}, {"shape": "oval"}])
    assert (labels != UNTOLD).sum() == 3
    both = heads(features, labels)
    alone = [heads(features[i : i + 1], labels[i : i + 1]) for i in (0, 1)]
    assert both.item() == pytest.approx((2 * alone[0] + alone[1]).item() / 3, rel=1e-5)


def test_short_contexts_give_the_features_of_the_whole_context():
    torch.manual_seed(0)
    small = build(50).eval()
    tokens = torch.tensor([[0, 5, 7, 49, 49], [0, 9, 49, 49, 49]])
    padded = torch.nn.functional.pad(tokens, (0, CONTEXT - 5), value=49)
    assert torch.allclose(text_features(small, tokens), small.encode_text(padded), atol=1e-5)


def test_the_pool_does_not_depend_on_the_number_of_processes():
    (one, cells), (two, others) = draw_pool(260, 5, 1), draw_pool(260, 5, 2)
    assert cells == others and np.array_equal(one, two)
    assert len(set(cells)) == 260


def test_the_recipe_runs_and_its_file_is_read_back(tmp_path):
    images, cells = draw_pool(16, 0, 1)
    seen = [facts(cell) for cell in cells]
    trained, ids = train(images, seen, steps=2, batch=8, lr=1e-3, seed=0)
    again, _ = train(images, seen, steps=2, batch=8, lr=1e-3, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), again.parameters(), strict=True))
    save(trained, ids, tmp_path / "w.safetensors")
    state = state_dict(tmp_path / "w.safetensors")
    assert {key: tuple(value.shape) for key, value in state.items()} == openai_shapes()
    assert torch.allclose(state["visual.proj"], trained.visual.proj, atol=1e-3)
    assert torch.allclose(state["token_embedding.weight"][ids], trained.token_embedding.weight, atol=1e-3)


@pytest.mark.parametrize(("name", "count", "known", "unknown"), [("phantom16", 6, 50, 30), ("phantom", 2, 50, 10)])
def test_plain_words_are_understood_and_names_are_not(model, name, count, known, unknown):
    phantom = PHANTOMS[name]
    images, labels = evaluate.phantom_part(phantom, 100, count)
    features = evaluate.image_features(model, images)
    names, words = list(phantom.classnames), phantom.plain()
    jargon = evaluate.text_features(model, names)
    assert evaluate.zero_shot(features, jargon, labels).mean() < unknown
    plain = evaluate.text_features(model, [words[n] for n in names])
    assert evaluate.zero_shot(features, plain, labels).mean() > known
    assert jargon.norm(dim=1) == pytest.approx(torch.ones(len(names)), abs=1e-5)
