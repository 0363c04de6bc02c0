"""The whole configuration of a run, put together in CoOp's order: defaults, data set, method, flags, KEY VALUE pairs."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from yacs.config import CfgNode

import toolbox  # noqa: F401  finds or supplies dassl
from toolbox.errors import UserError, nearest
from toolbox.options import default_of
from toolbox.plain import PlainError, parse_yaml, read_yaml
from toolbox.registries import fill
from toolbox.run_files import RESULT, read_result
from trainers.base import PromptTrainer
from trainers.life import plugins
from trainers.life.keys import PREC, check_values
from trainers.life.preprocessing import check_preprocessing, set_preprocessing


def methods() -> Iterator[type[PromptTrainer]]:
    """All methods that are subclasses of PromptTrainer, plugins included."""
    fill("TRAINER")
    found = PromptTrainer.__subclasses__()
    while found:
        method = found.pop()
        found += method.__subclasses__()
        if method.section:
            yield method


def extend_cfg(cfg: CfgNode) -> None:
    """Add the keys that methods and data sets read, beside Dassl's own; values already there are kept."""
    from datasets.config import extend_cfg as extend_datasets

    extend_datasets(cfg)
    cfg.setdefault("WANDB", "")  # Weights & Biases project, beside TensorBoard
    cfg.TRAIN.setdefault("CUDA_GRAPH", "auto")
    # Pixels a side if not the backbone's own: its position embeddings are resized. 0 leaves them as they were trained.
    cfg.MODEL.BACKBONE.setdefault("IMAGE_SIZE", 0)
    for method in methods():
        section = cfg.TRAINER.setdefault(method.section, CfgNode())
        for key, value in {"PREC": PREC, **method.defaults}.items():
            section.setdefault(key, default_of(value))


def setup_cfg(args: argparse.Namespace) -> CfgNode:
    """The frozen configuration of one run.

    The input's size and normalisation come with the backbone.

    Raises:
        UserError: a file is missing or not yaml; a key or value in it, or on the command line, is not known, or says
            another image size or normalisation than the backbone's.
    """
    from dassl.config import get_cfg_default

    cfg = get_cfg_default()
    extend_cfg(cfg)
    plugins.extend_cfg(cfg, args.trainer)
    cfg.INPUT.INTERPOLATION = "bicubic"
    _merge(cfg, args)
    _check(cfg)
    if not cfg.MODEL.BACKBONE.NAME:
        cfg.MODEL.BACKBONE.NAME = "small_clip"
    from vlm.loading.load import load

    clip = load(cfg.MODEL.BACKBONE.NAME, image_size=cfg.MODEL.BACKBONE.IMAGE_SIZE)
    set_preprocessing(cfg, clip)
    _merge(cfg, args)
    check_preprocessing(cfg, clip)
    cfg.freeze()
    return cfg


def _check(cfg: CfgNode) -> None:
    """Values of the run's own method; a trainer of another kind (Dassl's own, a plugin's) is checked for common keys alone."""
    name = cfg.TRAINER.NAME
    method = next((m for m in methods() if m.__name__ == name and not plugins.knows_other(name, m)), None)
    check_values(cfg, method.section if method else "", method.defaults if method else {})


def _merge(cfg: CfgNode, args: argparse.Namespace) -> None:
    for file in (args.dataset_config_file, args.config_file):
        if file:
            _merge_file(cfg, Path(file))
    _merge_flags(cfg, args)
    try:
        cfg.merge_from_list(args.opts)
    except (KeyError, ValueError, AssertionError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise UserError(f"command line: {_sentence(cfg, error)}") from error
    if cfg.DATASET.NAME:
        from datasets.readers import registry_name

        cfg.DATASET.NAME = registry_name(cfg.DATASET.NAME)


def _merge_file(cfg: CfgNode, path: Path) -> None:
    if not path.is_file():
        there = sorted(str(p) for p in path.parent.glob("*.yaml"))
        raise UserError(f"no configuration at {path}" + (f"; {nearest(str(path), there)}" if there else ""))
    try:
        if path.name == RESULT:
            tree = parse_yaml(read_result(path.parent)["config"])
            tree = {key: value for key, value in tree.items() if key not in ("OUTPUT_DIR", "RESUME")}  # that run's own
        else:
            tree = read_yaml(path)
        cfg.merge_from_other_cfg(CfgNode(tree or {}))
    except PlainError as error:
        raise UserError(f"{path} is not yaml: {error}") from error
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: {_sentence(cfg, error)}") from error


def _sentence(cfg: CfgNode, error: Exception) -> str:
    text = str(error.args[0] if error.args else error).replace("\n", " ")
    key = text.removeprefix("Non-existent config key: ").removeprefix("Non-existent key: ").strip()
    if key == text:
        return text
    return f"unknown key {key}; {nearest(key, _keys(cfg))}"


def _keys(cfg: CfgNode, before: str = "") -> Iterator[str]:
    for key, value in cfg.items():
        if isinstance(value, CfgNode):
            yield from _keys(value, f"{before}{key}.")
        else:
            yield before + key


def _merge_flags(cfg: CfgNode, args: argparse.Namespace) -> None:
    for flag, section, key in (
        ("root", cfg.DATASET, "ROOT"),
        ("output_dir", cfg, "OUTPUT_DIR"),
        ("resume", cfg, "RESUME"),
        ("seed", cfg, "SEED"),
        ("source_domains", cfg.DATASET, "SOURCE_DOMAINS"),
        ("target_domains", cfg.DATASET, "TARGET_DOMAINS"),
        ("transforms", cfg.INPUT, "TRANSFORMS"),
        ("draw", cfg.DATASET, "DRAW"),
        ("trainer", cfg.TRAINER, "NAME"),
        ("backbone", cfg.MODEL.BACKBONE, "NAME"),
        ("head", cfg.MODEL.HEAD, "NAME"),
    ):
        value = getattr(args, flag)
        if value not in (None, "", []) and not (flag == "seed" and value < 0):
            section[key] = tuple(value) if isinstance(value, list) else value
