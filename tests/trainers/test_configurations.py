"""Every method's yaml files: readable, complete, leaving the input's size to the backbone, with the published numbers."""

from pathlib import Path

import pytest

import train
import trainers  # noqa: F401  registers the methods
from trainers.life.config import methods, setup_cfg

FOLDER = Path(train.__file__).parent / "configs" / "trainers"
FILES = sorted(FOLDER.glob("*/*.yaml"))
METHODS = {method.__name__: method for method in methods() if method.__module__.startswith("trainers.")}


def read(path: Path, backbone: Path):
    """The whole configuration, on a small backbone (the named one may not be on this machine)."""
    return setup_cfg(
        train.parse(["--config-file", str(path), "--trainer", path.parent.name, "--backbone", str(backbone)])
    )


def test_every_method_has_one_for_the_small_clip_and_none_is_for_nobody():
    assert {path.parent.name for path in FILES} == set(METHODS)
    assert all((FOLDER / method / "small_clip.yaml").is_file() for method in METHODS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_known_keys_and_no_input_size(world, path):
    cfg = read(path, world.clip)
    assert tuple(cfg.INPUT.SIZE) == (32, 32), "the backbone's own"
    text = path.read_text()
    assert not any(key in text for key in ("SIZE: (", "PIXEL_MEAN", "PIXEL_STD"))
    assert "normalize" in cfg.INPUT.TRANSFORMS and text.startswith("#")


@pytest.mark.parametrize(
    "name, lr, epochs, batch, option",
    [
        ("CoOp/vit_b16", 0.002, 200, 32, ("COOP.CTX_INIT", "")),
        ("CoOp/rn50_ep50_ctxv1", 0.002, 50, 32, ("COOP.CTX_INIT", "a photo of a")),
        ("CoCoOp/vit_b16_c4_ep10_batch1_ctxv1", 0.002, 10, 1, ("COCOOP.N_CTX", 4)),
        ("MaPLe/vit_b16_c2_ep5_batch4_2ctx", 0.0035, 5, 4, ("MAPLE.PROMPT_DEPTH", 9)),
        ("MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets", 0.0026, 2, 4, ("MAPLE.PROMPT_DEPTH", 3)),
        ("IVLP/vit_b16_c2_ep5_batch4_4ctx_language_only", 0.0025, 5, 4, ("IVLP.PROMPT_DEPTH_VISION", 0)),
        ("VPT/vit_b16_c2_ep5_batch4_4", 0.0025, 5, 4, ("VPT.N_CTX_VISION", 8)),
        ("PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx", 0.0025, 20, 4, ("PROMPTSRC.GPA_MEAN", 15.0)),
        ("PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot", 0.0025, 50, 4, ("PROMPTSRC.GPA_STD", 30.0)),
        ("BiomedCoOp/vit_b16", 0.0025, 100, 4, ("BIOMEDCOOP.PUBLISHED", "few_shot")),
        ("BiomedCoOp/vit_b16_base2new", 0.0025, 50, 4, ("BIOMEDCOOP.PUBLISHED", "base_to_new")),
        ("ProGrad/vit_b16", 0.002, 100, 128, ("PROGRAD.LAMBDA", 1.0)),
        ("ProGrad/vit_b16_base2new", 0.0015, 50, 128, ("PROGRAD.T", 1.0)),
        ("ProGrad/rn50", 0.002, 200, 32, ("PROGRAD.N_CTX", 16)),
        ("TCP/vit_b16", 0.002, 50, 32, ("TCP.ADAM_EPS", 1e-3)),
        ("ViP/vit_b16", 0.002, 50, 32, ("VIP.N_CTX", 4)),
        ("KgCoOp/vit_b16_ep100_ctxv1", 0.002, 100, 128, ("KGCOOP.W", 8.0)),
        ("CLIPAdapter/rn50", 0.002, 200, 32, ("CLIPADAPTER.RATIO", 0.2)),
        ("CLIPAdapter/vit_b16_few_shot", 0.01, 20, 32, ("CLIPADAPTER.TICK", "iteration")),
        ("CLAP/rn50", 0.1, 300, 256, ("CLAP.VIEWS", 20)),
    ],
)
def test_published_numbers(world, name, lr, epochs, batch, option):
    cfg = read(FOLDER / f"{name}.yaml", world.clip)
    assert (lr, epochs, batch) == (cfg.OPTIM.LR, cfg.OPTIM.MAX_EPOCH, cfg.DATALOADER.TRAIN_X.BATCH_SIZE)
    assert (cfg.OPTIM.LR_SCHEDULER, cfg.OPTIM.WARMUP_EPOCH, cfg.OPTIM.WARMUP_CONS_LR) == ("cosine", 1, 1e-5)
    key, value = option
    section, key = key.split(".")
    assert cfg.TRAINER[section][key] == value


def test_the_same_budget_for_all_on_the_small_clip(world):
    stepping = [method for method in METHODS.values() if method.trains]
    configurations = [read(FOLDER / method.__name__ / "small_clip.yaml", world.clip) for method in stepping]
    budgets = {(cfg.OPTIM.MAX_EPOCH, cfg.DATALOADER.TRAIN_X.BATCH_SIZE, cfg.INPUT.TRANSFORMS) for cfg in configurations}
    assert len(budgets) == 1
