"""Text towers of Hugging Face (RoBERTa, XLM-R, mT5, NLLB, ModernBERT), its SigLIP, CONCH: features and life of methods."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel

import vlm
from tests.trainers.small_world import SmallWorld
from tests.vlm.loading.conch_family import conch_folder
from tests.vlm.loading.families import Family
from tests.vlm.loading.hub_text_families import HUB_TEXT_FAMILIES, NUMBERS, SIZES, modernbert, roberta
from tests.vlm.loading.hugging_face_families import HUGGING_FACE_FAMILIES, PATCHES, alt_clip
from tests.vlm.loading.hugging_face_families import pair as pair_of
from tests.vlm.loading.life import DEEP_TEXT, METHODS, VISUAL, compare, live, refused
from toolbox.errors import UserError
from vlm.towers.block import unit

ALL = HUB_TEXT_FAMILIES | HUGGING_FACE_FAMILIES | {"conch": conch_folder}
PAIRS = ("chinese_clip", "alt_clip", "metaclip_2_model", "dual_encoder", "align", "flava")
WHOLE = ("mt5", "nllb", "modernbert", *PAIRS)


@pytest.fixture(scope="module", params=ALL)
def family(request, tmp_path_factory) -> Family:
    return ALL[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def world(tmp_path_factory, tiny_state) -> SmallWorld:
    return SmallWorld(tmp_path_factory.mktemp("world"), tiny_state)


@pytest.fixture(scope="module")
def mean_read(tmp_path_factory) -> Family:
    return roberta(tmp_path_factory.mktemp("roberta"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Family:
    return modernbert(tmp_path_factory.mktemp("modernbert"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Family:
    return alt_clip(tmp_path_factory.mktemp("pair"))


def test_features_are_the_librarys_own(family):
    compare(family)


def test_half_precision_copy(family):
    clip, half = vlm.load(family.backbone), vlm.load(family.backbone, "cpu", torch.bfloat16)
    with torch.no_grad():
        assert (unit(half.text.encode(["lung x-ray"])) * clip.text.encode(["lung x-ray"])).sum(1).min() > 0.97


@pytest.mark.parametrize("method", ["CoCoOp", "IVLP", "CILMP"])
def test_life_cycle(family, world, method, request):
    kind = request.node.callspec.params["family"]
    if kind in WHOLE and method in DEEP_TEXT:
        says = "text tower takes prompts at its input alone|image tower, which takes no visual prompts"
        refused(world, family, method, f"{kind}-{method}", says)
    elif method in VISUAL and not family.takes_visual_prompts:
        refused(world, family, method, f"{kind}-{method}", "NaFlex image tower, which takes no visual prompts")
    else:
        live(world, family, method, f"{kind}-{method}")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_where_a_mean_is_read(mean_read, world, method):
    live(world, mean_read, method, f"mean-{method}")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_a_text_tower_without_places(whole, world, method):
    if method in DEEP_TEXT:
        refused(world, whole, method, f"whole-{method}", "ModernBertModel text tower takes prompts at its input alone")
    else:
        live(world, whole, method, f"whole-{method}")


def test_prompts_at_the_input_alone_can_be_deep_in_images(whole, world):
    live(world, whole, "IVLP", "shallow", TRAINER__IVLP__PROMPT_DEPTH_TEXT=1)


def test_a_context_stands_where_its_words_would(family):
    """In every tower a context of word embeddings gives the words' features, whatever is read of it."""
    from vlm.towers.text import ContextLayout
    from vlm.towers.tokens import NameTokens

    text = vlm.load(family.backbone).text
    pieces = text.vocabulary.encode("a photo of")
    layout = ContextLayout(text, NameTokens(text.vocabulary, ["sickle cell", "lung"], len(pieces)), len(pieces))
    with torch.no_grad():
        found = text(text.embed(pieces), layout)
    expected = text.encode(["a photo of sickle cell.", "a photo of lung."])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_conch_says_what_is_missing(tmp_path):
    conch_folder(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match=r"no pytorch_model.bin in .*; fetch them from .*MahmoodLab/CONCH \(a login"):
        vlm.load(str(tmp_path))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_a_pair_of_transformers(pair, world, method):
    if method in DEEP_TEXT | VISUAL:
        says = "text tower takes prompts at its input alone|image tower, which takes no visual prompts"
        refused(world, pair, method, f"pair-{method}", says)
    else:
        live(world, pair, method, f"pair-{method}")


def test_weights_that_are_not_the_pairs(tmp_path):
    alt_clip(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    for change, says in (
        ({"visual_projection.weight": None}, "lacks visual_projection.weight"),
        ({"x": 1}, "has besides x"),
    ):
        spoilt = {key: value for key, value in state.items() if key not in change}
        spoilt |= {key: torch.ones(2) for key, value in change.items() if value}
        save_file(spoilt, tmp_path / "model.safetensors")
        with pytest.raises(UserError, match=f"the checkpoint {says}; it is not of this architecture"):
            vlm.load(str(tmp_path))


def test_a_pair_that_looks_for_another_end_is_refused(tmp_path):
    """CLIP's earlier configurations say end token 2 and mean the highest number there is: here a word piece."""
    text, vision = SIZES | NUMBERS | {"max_position_embeddings": 40}, SIZES | PATCHES
    pair_of(tmp_path, CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)))
    with pytest.raises(UserError, match="finds the end of a text by another token than its tokeniser puts there"):
        vlm.load(str(tmp_path))
