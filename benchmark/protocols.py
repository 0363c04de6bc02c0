"""The protocols of docs and papers (full, few-shot, base-to-new, cross-data-set) as lists of jobs.

Folders are CoOp's, so that scripts of that family find the logs:
`output/base2new/train_base/<dataset>/shots_<N>/<METHOD>/<cfg>/seed<S>/`, `.../test_new/...` and so on.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmark.configs import Configs, plain
from benchmark.jobs import UNTRAINED, Job
from benchmark.plan import Plan
from toolbox.errors import UserError


def jobs_of(plan: Plan, configs: Configs) -> list[Job]:
    """All jobs of a plan, each behind the one whose checkpoint it tests."""
    make = {
        "base2new": _base2new,
        "few_shot": _few_shot,
        "full": _full,
        "cross_dataset": _cross_dataset,
        "eval": _eval,
    }[plan.protocol]
    return list(make(plan, _Maker(plan, configs)))


class _Maker:
    """Builds jobs of one plan."""

    def __init__(self, plan: Plan, configs: Configs):
        self.plan = plan
        self.configs = configs

    def cfg(self, method: str) -> str:
        return self.configs.choose(method, self.plan.backbone, self.plan.cfg.get(method) or self.plan.cfg.get("*"))

    def folder(self, method: str) -> str:
        """Folder that stands for the configuration; it names the backbone, so that two backbones never share one."""
        cfg, backbone = self.cfg(method), plain(self.plan.backbone)
        return cfg if backbone in plain(cfg) else f"{cfg}-{backbone}"

    def job(
        self,
        method: str,
        dataset: str,
        seed: int,
        shots: int,
        output: Path,
        subset: str = "all",
        after: Path | None = None,
    ) -> Job:
        cfg = self.cfg(method)
        argv = ["--root", str(self.plan.root), "--seed", str(seed), "--trainer", method]
        argv += ["--dataset-config-file", str(self.configs.dataset(dataset, self.plan.root))]
        argv += ["--config-file", str(self.configs.method(method, cfg)), "--output-dir", str(output)]
        if after is not None:
            argv += ["--eval-only", "--model-dir", str(after)]
        elif method in UNTRAINED:
            argv += ["--eval-only"]
        argv += ["MODEL.BACKBONE.NAME", self.plan.backbone, "DATASET.NUM_SHOTS", str(shots)]
        argv += [
            "DATASET.SUBSAMPLE_CLASSES",
            subset,
            *self.configs.dataset_opts(dataset, self.plan.root),
            *self.plan.opts,
        ]
        return Job(method, dataset, subset, shots, seed, self.plan.backbone, cfg, output, tuple(argv), after)


def _base2new(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for dataset, method, shots, seed in _cells(plan):
        tail = Path(dataset, f"shots_{shots}", method, maker.folder(method), f"seed{seed}")
        base = plan.output / "base2new/train_base" / tail
        new = plan.output / "base2new/test_new" / tail
        yield maker.job(method, dataset, seed, shots, base, "base")
        yield maker.job(method, dataset, seed, shots, new, "new", after=None if method in UNTRAINED else base)


def _few_shot(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for dataset, method, shots, seed in _cells(plan):
        tail = Path(dataset, f"shots_{shots}", method, maker.folder(method), f"seed{seed}")
        yield maker.job(method, dataset, seed, shots, plan.output / "few_shot" / tail)


def _full(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for dataset in plan.datasets:
        for seed in plan.seeds:
            for method in plan.methods:
                output = plan.output / "full" / dataset / method / maker.folder(method) / f"seed{seed}"
                yield maker.job(method, dataset, seed, -1, output)


def _cross_dataset(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for source, method, shots, seed in _cells(plan):
        folder = plan.output / "evaluation" / method / f"{maker.folder(method)}_{shots}shots"
        trained = folder / source / f"seed{seed}"
        yield maker.job(method, source, seed, shots, trained)
        for target in _targets(plan, maker, source):
            # The source is in the name: runs trained on two sources must not overwrite each other's results.
            output = folder / f"{source}-to-{target}" / f"seed{seed}"
            yield maker.job(method, target, seed, shots, output, after=None if method in UNTRAINED else trained)


def _targets(plan: Plan, maker: _Maker, source: str) -> list[str]:
    found = plan.targets or tuple(maker.configs.datasets_in(plan.root))
    targets = [name for name in found if name.lower() != source.lower()]
    if not targets:
        raise UserError(
            f"no data set to test on was found in {plan.root} besides {source}: name them in TARGETS (--targets)"
        )
    return targets


def _eval(plan: Plan, maker: _Maker) -> Iterator[Job]:
    for dataset, method, shots, seed in _cells(plan):
        output = plan.output / "eval" / dataset / f"shots_{shots}" / method / maker.folder(method) / f"seed{seed}"
        trained = None if method in UNTRAINED else _trained(plan, maker, dataset, method, shots) / f"seed{seed}"
        yield maker.job(method, dataset, seed, shots, output, after=trained)


def _trained(plan: Plan, maker: _Maker, dataset: str, method: str, shots: int) -> Path:
    if plan.model_dir is not None:
        return plan.model_dir
    tail = Path(method, maker.folder(method))
    known = [plan.output / "full" / dataset / tail, plan.output / "few_shot" / dataset / f"shots_{shots}" / tail]
    for folder in known:
        if folder.is_dir():
            return folder
    raise UserError(
        f"{method} has no trained run on {dataset} (looked in {known[0]} and {known[1]}): train it with full.sh or "
        "few_shot.sh, or name a trained run's folder in MODEL_DIR (--model-dir)"
    )


def _cells(plan: Plan) -> Iterator[tuple[str, str, int, int]]:
    """Seeds run in the outer loop over methods: after the first seed every method has a row in the table."""
    for dataset in plan.datasets:
        for shots in plan.shots:
            for seed in plan.seeds:
                for method in plan.methods:
                    yield dataset, method, shots, seed
