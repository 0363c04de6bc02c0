"""Loading by name and path: what is refused and how, presets, sharing, the list of backbones."""

import pickle
import urllib.error
import urllib.request
from pathlib import Path

import open_clip
import pytest
import torch
import yaml
from safetensors.torch import save_file

import vlm
from tests.vlm.loading.families import biomedclip, open_clip_folder
from toolbox.errors import UserError
from vlm import list as backbones
from vlm.loading import hub, openai
from vlm.loading.presets import Preset, find, presets

CLIP_NORM = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@pytest.fixture
def offline(monkeypatch):
    """No way out, whatever the machine has."""

    def urlopen(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ViT-B/15", r"unknown backbone 'ViT-B/15'; nearest: ViT-B/16"),
        ("biomedclp", "nearest: BiomedCLIP"),
        ("open_clip:ViT-B-17/openai", "open_clip has no model 'ViT-B-17'; nearest: ViT-B-16"),
        (
            "open_clip:ViT-B-16/laion2b",
            "ViT-B-16 has no weights 'laion2b', nor is it a file; nearest: .*laion2b_s34b_b88k",
        ),
        ("open_clip:ViT-B-16-SigLIP/webli", "timm/ViT-B-16-SigLIP is not on this machine and cannot be fetched"),
        ("open_clip:coca_ViT-B-32/laion2b_s13b_b90k", "laion/CoCa-ViT-B-32-laion2B-s13B-b90k is not on this machine"),
        ("open_clip:EVA02-B-16/merged2b_s8b_b131k", "timm/eva02_base_patch16_clip_224.* cannot be fetched"),
        ("open_clip:convnext_base/laion400m_s13b_b51k", "laion/CLIP-convnext_base-laion400M.* cannot be fetched"),
        (
            "open_clip:roberta-ViT-B-32/laion2b_s12b_b32k",
            "CLIP-ViT-B-32-roberta-base-laion2B-s12B-b32k is not on this machine",
        ),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "cannot be fetched .*`hf download laion/CLIP-ViT-B-32"),
        ("BiomedCLIP", "cannot be fetched .*run `hf download microsoft/BiomedCLIP.* and give its path as the backbone"),
        (
            "PMC-CLIP",
            r"no image_encoder\(resnet50\).pth, .* fetch them from https://huggingface.co/datasets/axiong/pmc_oa",
        ),
        ("UniMed-CLIP", "UzairK/unimed-clip-vit-b16 is not on this machine and cannot be fetched"),
        ("absent.pt", "no checkpoint at absent.pt"),
    ],
)
def test_refused_in_one_line(name, says, offline):
    with pytest.raises(UserError, match=says) as error:
        vlm.load(name)
    assert "\n" not in str(error.value)


def test_openai_offline_says_where_to_place_the_file(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(openai, "CACHE", tmp_path)
    (tmp_path / "ViT-B-16.pt").write_bytes(b"not the published file")
    with pytest.raises(UserError, match=f"put it at {tmp_path / 'ViT-B-16.pt'}"):
        vlm.load("ViT-B/16")


class Code:
    """A checkpoint that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "run")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_no_checkpoint_runs_code(tmp_path):
    trace = tmp_path / "trace"
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        write({"state_dict": Code(trace)}, tmp_path / "evil.pt")
        with pytest.raises(UserError, match=r"evil.pt cannot be read .* or holds program objects"):
            vlm.load(str(tmp_path / "evil.pt"))
    assert not trace.exists()


def spoil(state: dict) -> list[tuple[dict, str]]:
    """A state dict with a fault, and what the error says of it."""
    missing, extra, shape = dict(state), dict(state), dict(state)
    del missing["visual.transformer.resblocks.1.mlp.c_fc.weight"]
    extra["prompt"] = torch.ones(2)
    shape["ln_final.bias"] = torch.ones(3)
    return [
        (missing, "lacks visual.transformer.resblocks.1.mlp.c_fc.weight; it is not of this architecture"),
        (extra, "has besides prompt"),
        (shape, "has in another shape ln_final.bias"),
        ({"a": torch.ones(1)}, "no CLIP in OpenAI's format: they have no 'visual"),
    ]


def test_checkpoints_that_do_not_fit(tiny_state, tmp_path):
    for i, (state, says) in enumerate(spoil(tiny_state)):
        save_file(state, tmp_path / f"{i}.safetensors")
        with pytest.raises(UserError, match=rf"{i}.safetensors: .*{says}"):
            vlm.load(str(tmp_path / f"{i}.safetensors"))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_truncated(tiny_state, tmp_path, suffix):
    path = tmp_path / f"half{suffix}"
    save_file(tiny_state, path) if suffix == ".safetensors" else torch.save(tiny_state, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=f"half{suffix} cannot be read"):
        vlm.load(str(path))


def test_plain_state_dicts(tiny_state, tiny_clip, tmp_path):
    """As users keep fine-tuned models: under "state_dict", with DataParallel's prefix."""
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in tiny_state.items()}}, tmp_path / "tuned.pth")
    clip = vlm.load(str(tmp_path / "tuned.pth"))
    assert clip.weights_hash == tiny_clip.weights_hash
    assert vlm.load(str(tmp_path / "tuned.pth"), "cpu", torch.float32) is clip  # read once


def test_open_clip_architecture_with_a_local_file(tmp_path):
    with pytest.raises(UserError, match=r"image tower: the checkpoint lacks .*not of this architecture"):
        torch.save({"logit_scale": torch.ones(())}, tmp_path / "w.pt")
        vlm.load(f"open_clip:ViT-S-32/{tmp_path / 'w.pt'}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds no JSON object"),
        ('{"model_cfg": {}}', "no model_cfg with embed_dim"),
    ],
)
def test_broken_configuration(tmp_path, text, says):
    (tmp_path / "open_clip_config.json").write_text(text)
    with pytest.raises(UserError, match=says):
        vlm.load(str(tmp_path))


def test_folders_that_are_no_backbone(tmp_path):
    with pytest.raises(UserError, match=r"is no backbone: it has neither open_clip_config.json"):
        vlm.load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match=r"describes a .bert., not a CLIP or another image-text pair"):
        vlm.load(str(tmp_path))


def hub_cache(root: Path, repo: str, folder: Path) -> Path:
    """The files of `folder` as the Hugging Face hub's client keeps a repository; large ones under their SHA-256."""
    base = root / f"models--{repo.replace('/', '--')}"
    (base / "blobs").mkdir(parents=True)
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text("1234")
    snapshot = base / "snapshots" / "1234"
    snapshot.mkdir(parents=True)
    for file in filter(Path.is_file, folder.iterdir()):
        blob = base / "blobs" / hub.sha256(file)
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(blob)
    return snapshot


def test_from_the_hubs_cache_without_network(tmp_path, monkeypatch, offline):
    (tmp_path / "files").mkdir()
    family = biomedclip(tmp_path / "files")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    snapshot = hub_cache(tmp_path / "cache", "org/repo", tmp_path / "files")
    clip = vlm.load("hf-hub:org/repo")
    assert clip.weights_hash == vlm.load(family.backbone).weights_hash
    weights = (snapshot / "open_clip_pytorch_model.bin").resolve()
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="is not the published file"):
        hub.fetch("org/repo", "open_clip_pytorch_model.bin")


def test_every_preset_is_complete():
    assert {"small_clip", "RN50", "ViT-B/32", "ViT-B/16", "ViT-L/14", "BiomedCLIP", "PubMedCLIP"} <= set(presets())
    assert {"MedSigLIP", "CONCH", "PLIP", "QuiltNet-B-32", "MONET", "LongCLIP-B/16"} <= set(presets())
    for preset in presets().values():
        assert preset.licence and preset.paper and preset.about and preset.size_mb > 0
        others = {((0.5,) * 3, (0.5,) * 3): ("SigLIP",), ((0.0,) * 3, (1.0,) * 3): ("MobileCLIP",)}
        norm = (preset.mean, preset.std)
        assert norm == CLIP_NORM or any(family in preset.name for family in others[norm])
        kind, _, rest = preset.source.partition(":")
        if kind == "open_clip":
            known = open_clip.pretrained.get_pretrained_cfg(*rest.split("/"))
            assert (tuple(known["mean"]), tuple(known["std"])) == norm
            assert open_clip.get_model_config(rest.split("/")[0])["vision_cfg"]["image_size"] == preset.image_size
        assert preset.templates and all(t.count("{}") == 1 for t in preset.templates)
        assert preset.image_size % 8 == 0
        assert find(preset.name.upper()) is preset and find(preset.source) is preset
    assert find("vit-b-16") is find("ViT-B/16") and find("nothing") is None


def test_a_preset_with_a_wrong_key_is_refused(tmp_path):
    facts = yaml.safe_load("name: x\nsource: y\nmeen: 3\n")
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(facts))
    with pytest.raises(UserError, match=r"x.yaml: .*'meen'; a preset has name, source"):
        Preset.read(tmp_path / "x.yaml")


def test_a_preset_that_contradicts_the_files_is_refused(tmp_path, monkeypatch):
    source = open_clip_folder(tmp_path).backbone
    facts = {**vars(find("ViT-B/16")), "name": "mine", "source": source, "image_size": 32, "aliases": ()}
    monkeypatch.setattr("vlm.loading.presets.presets", lambda: {"mine": Preset(**facts)})
    with pytest.raises(UserError, match=r"backbone mine: its preset says mean \(0.48.* files say \(0.5, 0.4, 0.3\)"):
        vlm.load("mine")


def test_list(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(openai, "CACHE", tmp_path)
    (tmp_path / "ViT-B-32.pt").touch()
    monkeypatch.setattr("sys.argv", ["vlm.list"])
    backbones.main()
    lines = {line.split("  ")[0]: line.split() for line in capsys.readouterr().out.splitlines() if "  " in line}
    assert lines["ViT-B/32"][-1] == "yes" and lines["ViT-B/16"][-1] == "no"
    assert lines["ViT-L/14"][1:5] == ["openai:ViT-L/14", "MIT", "933", "MB"]
    assert set(presets()) <= set(lines)
    assert "PubMedBERT" in backbones.facts("biomedclip")
    with pytest.raises(UserError, match="no preset 'nope'"):
        backbones.facts("nope")


def test_longclip(tiny_state, tmp_path):
    """A second table of positions holds from the 21st on; the text tower has as many as the tables."""
    first, second = torch.randn(2, 248, tiny_state["positional_embedding"].shape[1])
    long = {**tiny_state, "positional_embedding": first, "positional_embedding_res": second}
    torch.save(long, tmp_path / "longclip.pt")
    text = vlm.load(str(tmp_path / "longclip.pt")).text
    assert text.vocabulary.context_length == 248
    torch.testing.assert_close(text.positional_embedding[:20], first[:20])
    torch.testing.assert_close(text.positional_embedding[20:], second[20:])
    assert text.encode(["a long report. " * 60]).isfinite().all()
