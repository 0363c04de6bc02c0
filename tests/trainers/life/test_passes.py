"""A step recorded as a CUDA graph, as far as a machine without a GPU can try it; reports that are read late."""

import pytest
import torch
from torch import nn

from tests.trainers.small_world import logits
from toolbox.errors import UserError
from trainers.life import passes
from trainers.life.epoch import Report, Reports
from trainers.life.passes import Passes
from trainers.life.precision import Precision

FP32 = Precision("fp32", torch.device("cpu"))


class Graph:
    """In the place of torch.cuda.CUDAGraph: a replay does again what was done while it was recorded, in place."""

    def replay(self) -> None:
        again = self.passes(self.images, self.labels)
        for old, new in zip(self.kept, (*again, *(p.grad for p in self.parameters)), strict=True):
            old.copy_(new)


class RecordedHere(passes.Recorded):
    def __init__(self, run, parameters, images, labels) -> None:
        self.parameters, self.images, self.labels = parameters, images.clone(), labels.clone()
        self.logits, self.loss = run(self.images, self.labels)
        self.gradients = [p.grad for p in parameters]
        self.graph = Graph()
        self.graph.__dict__ |= {"passes": run, "images": self.images, "labels": self.labels, "parameters": parameters}
        self.graph.kept = (self.logits, self.loss, *self.gradients)


def model_and_loss() -> tuple[nn.Linear, passes.Loss]:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)

    def loss(images, labels):
        logits = model(images)
        return logits, nn.functional.cross_entropy(logits, labels)

    return model, loss


def train(choice: str, sizes=(4, 4, 2, 4)) -> tuple[list[float], torch.Tensor]:
    model, loss = model_and_loss()
    optimizer, step = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9), Passes(loss, model, FP32, choice)
    losses, images = [], torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    for size in sizes:
        out, value = step(images[:size] + len(losses), torch.arange(size) % 2)
        assert out.shape == (size, 2) and not out.requires_grad
        FP32.update(optimizer)
        optimizer.zero_grad()
        losses.append(value.item())
    return losses, model.weight.detach()


def test_replayed_steps_are_the_steps_as_written(monkeypatch, capsys):
    """Batches of another shape, and optimisers that put gradients aside, included."""
    expected = train("off")
    assert "CUDA graph" not in capsys.readouterr().out
    monkeypatch.setattr(passes, "Recorded", RecordedHere)
    losses, weight = train("auto")
    assert "the training step is recorded" in capsys.readouterr().out
    assert losses == expected[0] and torch.equal(weight, expected[1])


def test_what_cannot_be_recorded_is_run_as_written_and_said(monkeypatch, capsys):
    def refuse(*step):
        raise RuntimeError("operation not permitted when stream is capturing\nsecond line")

    expected = train("off")
    monkeypatch.setattr(passes, "Recorded", refuse)
    found = train("auto")
    said = "CUDA graph: not used, the step cannot be recorded (operation not permitted when stream is capturing)\n"
    assert capsys.readouterr().out == said
    assert found[0] == expected[0] and torch.equal(found[1], expected[1])


def test_choices(capsys):
    model, loss = model_and_loss()
    for choice, said in (("auto", ""), ("off", ""), (False, ""), ("on", "CUDA graph: not used, there is no GPU\n")):
        Passes(loss, model, FP32, choice, "there is no GPU")
        assert capsys.readouterr().out == said
    with pytest.raises(UserError, match=r"TRAIN.CUDA_GRAPH is 'yes'; choose one of auto, on, off"):
        Passes(loss, model, FP32, "yes")


def test_a_run_without_a_gpu_says_so_where_it_is_asked_for_a_graph(world):
    runs = [world.run("CoOp", f"graph-{choice}", TRAIN__CUDA_GRAPH=choice) for choice in ("on", "off")]
    said = [(run / "log.txt").read_text().count("CUDA graph: not used, there is no GPU") for run in runs]
    assert said == [1, 0] and (logits(runs[0]) == logits(runs[1])).all()


def test_reports_are_read_together_and_in_order():
    reports = Reports()
    for i in range(3):
        reports.add(Report(i, [f"{i}.png"], 0.1, {"loss": torch.tensor(float(i)), "acc": 10.0 * i}))
    read = reports.read()
    assert [(r.batch, r.numbers) for r in read] == [(i, {"loss": float(i), "acc": 10.0 * i}) for i in range(3)]
    assert reports.read() == []
