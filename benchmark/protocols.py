"""The protocols of docs and papers (full, few-shot, base-to-new, cross-data-set) as lists of jobs.

Folders are CoOp's, so that scripts of that family find the logs:
`output/base2new/train_base/<dataset>/shots_<N>/<METHOD>/<cfg>/seed<S>/`, `.../test_new/...` and so on; another draw than
CoOp's is named behind the shots, `shots_<N>_realistic`.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from benchmark.configs import Configs, plain
from benchmark.controls import CONTROLS
from benchmark.foreign import config_of
from benchmark.jobs import CLASS_BOUND, UNTRAINED, ZERO_SHOT, Job
from benchmark.plan import ALL, Plan
from datasets.quotas import COOP, with_draw
from toolbox.errors import UserError, nearest
from toolbox.names import check_name

OF_OTHER_CLASSES = ("base2new", "cross_dataset")
"""Protocols that test classes which were not trained on."""


def jobs_of(plan: Plan, configs: Configs) -> list[Job]:
    """All jobs of a plan, each behind the one whose checkpoint it tests."""
    make = {
        "base2new": _base2new,
        "few_shot": _few_shot,
        "full": _full,
        "cross_dataset": _cross_dataset,
        "eval": _eval,
    }[plan.protocol]
    bound = [name for name in plan.methods if name.partition(":")[0] in CLASS_BOUND]
    if bound and plan.protocol in OF_OTHER_CLASSES:
        raise UserError(
            f"{', '.join(bound)} learns weights of the very classes it is trained on and has nothing to say of others: "
            "use few_shot or full"
        )
    return list(make(plan, _Maker(plan, configs)))


def with_every_method(plan: Plan, configs: Configs) -> Plan:
    """`methods: all` written out: all methods that can serve the protocol and have a configuration for the backbone.

    Zero-shot CLIP is the first and CILMP, which the others are compared with, the last.
    """
    if plan.methods != (ALL,):
        return plan
    names = [name for name in configs.methods() if not _unable(name, plan, configs)]
    ends = {ZERO_SHOT: -1, "CILMP": 1}
    return replace(plan, methods=tuple(sorted(names, key=lambda name: (ends.get(name, 0), name.lower()))))


def _unable(method: str, plan: Plan, configs: Configs) -> bool:
    if method in CLASS_BOUND and plan.protocol in OF_OTHER_CLASSES:
        return True
    try:
        configs.choose(method, plan.backbone, plan.protocol, plan.cfg.get(method) or plan.cfg.get("*"))
    except UserError:
        return True
    return False


class _Maker:
    """Builds jobs of one plan. A method's name may carry a variant of the plan: "CILMP:shuffled"."""

    def __init__(self, plan: Plan, configs: Configs):
        self.plan = plan
        self.configs = configs

    def split(self, name: str) -> tuple[str, str, tuple[str, ...]]:
        """(method, variant, the variant's KEY VALUE pairs)."""
        method, _, variant = name.partition(":")
        known = {**CONTROLS, **self.plan.variants}
        if variant and variant not in known:
            raise UserError(f"{name}: the plan has no variant {variant!r}; {nearest(variant, known)}")
        return method, variant, known.get(variant, ())

    def cfg(self, name: str) -> Path:
        """The method's configuration file."""
        method = self.split(name)[0]
        wanted = self.plan.cfg.get(method) or self.plan.cfg.get("*")
        if method in self.plan.plugins:
            return config_of(self.plan.plugins[method], self.plan.backbone, self.plan.protocol, wanted)
        return self.configs.method(method, self.configs.choose(method, self.plan.backbone, self.plan.protocol, wanted))

    def tail(self, name: str) -> Path:
        """METHOD/<cfg>; the cfg part names backbone and variant, so that two of them never share a folder."""
        method, variant, _ = self.split(name)
        cfg, backbone = self.cfg(name).stem, plain(self.plan.backbone)
        parts = [cfg, *([] if backbone in plain(cfg) else [backbone]), *([variant] if variant else [])]
        return Path(method, check_name("-".join(parts), "configuration, backbone and variant"))

    def trained(self, name: str, output: Path | None) -> Path | None:
        """The folder a test loads from: none for methods that have nothing to train."""
        return None if self.split(name)[0] in UNTRAINED else output

    def job(self, cell: "_Cell", output: Path, subset: str = "all", after: Path | None = None) -> Job:
        dataset, name, shots, draw, seed = cell
        method, variant, opts = self.split(name)
        plan, cfg = self.plan, self.cfg(name)
        argv = [word for file in plan.plugin for word in ("--plugin", file)]
        if method in plan.plugins:
            argv += ["--plugin", plan.plugins[method]]
            argv += [word for file in plan.plugin_config for word in ("--plugin-config", file)]
        argv += ["--root", str(plan.root), "--seed", str(seed), "--trainer", method]
        argv += ["--dataset-config-file", str(self.configs.dataset(dataset, plan.root))]
        argv += ["--config-file", str(cfg), "--output-dir", str(output)]
        if after is not None:
            argv += ["--eval-only", "--model-dir", str(after)]
        elif method in UNTRAINED:
            argv += ["--eval-only"]
        argv += ["MODEL.BACKBONE.NAME", plan.backbone, "DATASET.NUM_SHOTS", str(shots)]
        argv += ["DATASET.DRAW", draw] if draw != COOP else []
        argv += ["DATASET.SUBSAMPLE_CLASSES", subset, *self.configs.dataset_opts(dataset, plan.root), *opts, *plan.opts]
        return Job(
            method, dataset, subset, shots, seed, plan.backbone, cfg.stem, output, tuple(argv), after, variant, draw
        )


class _Cell(NamedTuple):
    """One run of a plan, but for what its protocol makes of it."""

    dataset: str
    method: str
    shots: int
    draw: str
    seed: int

    def tail(self, maker: _Maker) -> Path:
        """<dataset>/shots_<N>[_<draw>]/<METHOD>/<cfg>/seed<S>"""
        few = with_draw(f"shots_{self.shots}", self.draw)
        return Path(self.dataset, few, maker.tail(self.method), f"seed{self.seed}")


def _base2new(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for cell in _cells(plan, maker.configs):
        base = plan.output / "base2new/train_base" / cell.tail(maker)
        new = plan.output / "base2new/test_new" / cell.tail(maker)
        yield maker.job(cell, base, "base")
        yield maker.job(cell, new, "new", after=maker.trained(cell.method, base))


def _few_shot(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for cell in _cells(plan, maker.configs):
        yield maker.job(cell, plan.output / "few_shot" / cell.tail(maker))


def _full(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for dataset in plan.datasets:
        for seed in plan.seeds:
            for method in plan.methods:
                output = plan.output / "full" / dataset / maker.tail(method) / f"seed{seed}"
                yield maker.job(_Cell(dataset, method, -1, COOP, seed), output)


def _cross_dataset(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for cell in _cells(plan, maker.configs):
        source, method, shots, draw, seed = cell
        tail = maker.tail(method)
        folder = plan.output / "evaluation" / tail.with_name(with_draw(f"{tail.name}_{shots}shots", draw))
        trained = folder / source / f"seed{seed}"
        yield maker.job(cell, trained)
        for target in _targets(plan, maker, source):
            # The source is in the name: runs trained on two sources must not overwrite each other's results.
            output = folder / f"{source}-to-{target}" / f"seed{seed}"
            yield maker.job(cell._replace(dataset=target), output, after=maker.trained(method, trained))


def _targets(plan: Plan, maker: _Maker, source: str) -> list[str]:
    found = plan.targets or tuple(maker.configs.datasets_in(plan.root))
    targets = [name for name in found if name.lower() != source.lower()]
    if not targets:
        raise UserError(
            f"no data set to test on was found in {plan.root} besides {source}: name them in TARGETS (--targets)"
        )
    return targets


def _eval(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for cell in _cells(plan, maker.configs):
        # The configuration is that of the run that is tested, which a protocol may choose.
        user, trained = _trained(plan, maker.configs, cell)
        after = user.trained(cell.method, trained and trained / f"seed{cell.seed}")
        yield user.job(cell, plan.output / "eval" / cell.tail(user), after=after)


def _trained(plan: Plan, configs: Configs, cell: _Cell) -> tuple[_Maker, Path | None]:
    """Where the runs to test lie, and a maker of jobs that fit them: MODEL_DIR, else the full runs, else the few-shot runs."""
    dataset, method = cell.dataset, cell.method
    full, few = (_Maker(replace(plan, protocol=protocol), configs) for protocol in ("full", "few_shot"))
    if plan.model_dir is not None or full.split(method)[0] in UNTRAINED:
        return few, plan.model_dir
    known = {
        plan.output / "full" / dataset / full.tail(method): full,
        plan.output / "few_shot" / cell.tail(few).parent: few,
    }
    for folder, maker in known.items():
        if folder.is_dir():
            return maker, folder
    raise UserError(
        f"{method} has no trained run on {dataset} (looked in {' and '.join(map(str, known))}): train it with full.sh or "
        "few_shot.sh, or name a trained run's folder in MODEL_DIR (--model-dir)"
    )


def _cells(plan: Plan, configs: Configs) -> Iterator[_Cell]:
    """Seeds run in the outer loop over methods: after the first seed every method has a row in the table."""
    for dataset in plan.datasets:
        for shots in plan.shots or (configs.shots(dataset),):
            for draw, (number, seed), method in product(plan.draw, enumerate(plan.seeds), plan.methods):
                only = plan.only.get(method, {})
                some = number < only.get("first_seeds", len(plan.seeds))
                if some and shots in only.get("shots", [shots]) and draw in only.get("draw", [draw]):
                    yield _Cell(dataset, method, shots, draw, seed)
