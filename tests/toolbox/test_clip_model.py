"""The bundled clip gives open_clip's features and keeps OpenAI's calling conventions."""

import hashlib

import open_clip
import pytest
import torch
from open_clip.model import CLIPTextCfg, CLIPVisionCfg
from torch import nn

from clip import clip
from clip.model import convert_weights
from clip.simple_tokenizer import SimpleTokenizer
from toolbox.errors import UserError

VISION = {
    "vit": CLIPVisionCfg(layers=2, width=64, patch_size=8, image_size=32),
    "resnet": CLIPVisionCfg(layers=(1, 1, 1, 1), width=8, image_size=64),
}


@pytest.fixture(scope="module", params=list(VISION))
def original(request) -> open_clip.CLIP:
    text = CLIPTextCfg(context_length=77, vocab_size=49408, width=64, heads=1, layers=2)
    torch.manual_seed(0)
    return open_clip.CLIP(32, VISION[request.param], text, quick_gelu=True).eval()


@pytest.fixture(scope="module")
def saved(original, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("clip") / "model.pt"
    torch.save(original.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def images(original) -> torch.Tensor:
    size = clip.build_model(original.state_dict()).visual.input_resolution
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_features_are_those_of_open_clip(original, saved, images):
    model, _ = clip.load(saved, device="cpu")
    tokens = clip.tokenize(["a smear of lymphocytes", "malaria"])
    assert torch.allclose(model.encode_image(images), original.encode_image(images), atol=1e-5)
    assert torch.allclose(model.encode_text(tokens), original.encode_text(tokens), atol=1e-5)
    logits, transposed = model(images, tokens)
    assert torch.allclose(logits, original.get_logits(images, tokens)[0], atol=1e-4)
    assert torch.equal(transposed, logits.t())
    assert set(model.state_dict()) == set(original.state_dict())


@torch.no_grad()
def test_the_text_tower_can_be_run_by_hand_as_coop_does(saved):
    model = clip.build_model(torch.load(saved)).float()
    tokens = clip.tokenize(["a smear of lymphocytes"])
    x = model.token_embedding(tokens).type(model.dtype) + model.positional_embedding.type(model.dtype)
    x = model.transformer(x.permute(1, 0, 2)).permute(1, 0, 2)
    x = model.ln_final(x).type(model.dtype)[torch.arange(1), tokens.argmax(dim=-1)] @ model.text_projection
    assert torch.equal(x, model.encode_text(tokens))


@torch.no_grad()
def test_shorter_prompts_give_the_same_features(saved):
    model, _ = clip.load(saved, device="cpu")
    x = torch.randn(77, 2, model.transformer.width)
    assert torch.allclose(model.transformer(x)[:9], model.transformer(x[:9]), atol=1e-5)


def test_models_are_built_in_half_precision_and_can_be_either(saved):
    model = clip.build_model(torch.load(saved))
    assert model.dtype == torch.float16
    assert model.ln_final.weight.dtype == torch.float32
    assert not model.training
    assert model.float().dtype == torch.float32
    assert model.half().dtype == torch.float16
    assert model.text_projection.dtype == torch.float16
    linear = nn.Linear(2, 2)
    convert_weights(linear)
    assert linear.bias.dtype == torch.float16


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@torch.no_grad()
def test_a_torchscript_archive_is_read(original, images, tmp_path):
    model = clip.build_model(original.state_dict(), half=False)
    torch.jit.trace(original, (images, clip.tokenize("malaria")), check_trace=False).save(tmp_path / "archive.pt")
    loaded, _ = clip.load(str(tmp_path / "archive.pt"), device="cpu")
    assert torch.equal(loaded.encode_image(images), model.encode_image(images))


def test_the_transform_fits_the_model(saved):
    from PIL import Image

    model, transform = clip.load(saved, device="cpu")
    size = model.visual.input_resolution
    assert transform(Image.new("L", (90, 70))).shape == (3, size, size)


def test_tokens_are_those_of_open_clip():
    texts = ["a photo of a Leukocyte.", "β-thalassaemia &amp; anaemia", "", "naïve  T cells!"]
    assert torch.equal(clip.tokenize(texts), open_clip.get_tokenizer("ViT-B-16")(texts))


def test_the_tokeniser_goes_both_ways():
    tokenizer = SimpleTokenizer()
    assert tokenizer.decode(tokenizer.encode("Plasma cell")) == "plasma cell "
    assert tokenizer.encoder["<|endoftext|>"] == 49407


def test_a_long_text_is_named_or_cut():
    text = "basophil " * 90
    with pytest.raises(UserError, match=r"\d+ tokens.*basophil"):
        clip.tokenize(text)
    cut = clip.tokenize(text, truncate=True)
    assert cut.shape == (1, 77)
    assert cut[0, -1] == 49407


def test_a_path_stands_for_a_name(saved):
    assert clip._download(clip._MODELS[saved]) == saved
    assert set(clip.available_models()) >= {"RN50", "ViT-B/16", "ViT-L/14"}
    with pytest.raises(UserError, match=r"ViT-B/17.*nearest: ViT-B/16"):
        clip._MODELS["ViT-B/17"]


def test_downloads_are_checked(tmp_path):
    content = b"weights"
    name = hashlib.sha256(content).hexdigest()
    server = tmp_path / "server" / name
    server.mkdir(parents=True)
    (server / "model.pt").write_bytes(content)
    url = f"file://{server}/model.pt"
    path = clip._download(url, str(tmp_path / "cache"))
    assert path == str(tmp_path / "cache" / "model.pt")
    (tmp_path / "cache" / "model.pt").write_bytes(b"damaged")
    assert clip._download(url, str(tmp_path / "cache")) == path  # fetched anew
    (server / "model.pt").write_bytes(b"something else")
    (tmp_path / "cache" / "model.pt").unlink()
    with pytest.raises(UserError, match="SHA-256"):
        clip._download(url, str(tmp_path / "cache"))
    (server / "model.pt").unlink()
    with pytest.raises(UserError, match=r"put it at .*cache/model\.pt"):
        clip._download(url, str(tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_files_of_another_kind_are_refused(tmp_path):
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(UserError, match=r"text\.pt"):
        clip.load(str(tmp_path / "text.pt"), device="cpu")
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="OpenAI's format"):
        clip.load(str(tmp_path / "other.pt"), device="cpu")
