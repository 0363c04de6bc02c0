"""Testing a run: logits of a part of its data, Dassl's result block, and for the test part the run's results."""

import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dassl.evaluation import build_evaluator
from toolbox.errors import UserError
from trainers.life import features, result
from trainers.life.metrics import evaluate
from trainers.life.run import Run

SHOWN = ("balanced_accuracy", "auc", "kappa", "ece")


def test_run(run: Run, split: str) -> float:
    """Evaluate on `split` (`val` or `test`), print Dassl's result block and, for the test part, write the run's results.

    Raises:
        UserError: logits are not finite; no result is written.
    """
    loader = run.val_loader if split == "val" and run.val_loader is not None else run.test_loader
    print(f"Evaluate on the *{'val' if loader is run.val_loader else 'test'}* set")
    evaluator = build_evaluator(run.cfg, lab2cname=run.lab2cname)
    began, logits, labels, paths = time.monotonic(), [], [], []
    for output, label, files in outputs(run, loader):
        if not torch.isfinite(output).all():
            raise UserError(f"logits are not finite for images among {', '.join(files)}: no result is written")
        evaluator.process(output, label)
        logits.append(output.cpu())
        labels.append(label.cpu())
        paths.extend(files)
    scores = evaluator.evaluate()
    for name, value in scores.items():
        run.write_scalar(f"{split}/{name}", value, getattr(run, "epoch", 0))
    if loader is run.test_loader:
        _write_result(run, torch.cat(logits), torch.cat(labels), paths, time.monotonic() - began)
    return next(iter(scores.values()))


def outputs(run: Run, loader: DataLoader) -> Iterator[tuple[Tensor, Tensor, Sequence[str]]]:
    """Logits (batch, n_cls) in float32, labels (batch,) and files of each batch."""
    if not features.suffice(run):
        for batch in loader:
            images, label = run.parse_batch_test(batch)
            with run.precision.context():
                yield run.model_inference(images).float(), label, batch["impath"]
        return
    for part in features.of_loader(run, loader).split(run.cfg.DATALOADER.TEST.BATCH_SIZE):
        with run.precision.context():
            yield run.model.classify(part.values).float(), part.labels, part.paths


def _write_result(run: Run, logits: Tensor, labels: Tensor, paths: list[str], seconds: float) -> None:
    logits, labels = logits.numpy(), labels.numpy()
    scores = evaluate(logits, labels, [run.lab2cname[i] for i in range(run.num_classes)])
    for name in SHOWN:
        value, reason = scores[name], scores["undefined"].get(name)
        print(f"* {name}: {value:.1f}" if reason is None else f"* {name}: - ({reason})")
    result.write(run, scores, logits, labels, paths, seconds)
