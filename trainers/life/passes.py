"""The forward and backward pass of a training step: as it is written, or recorded once as a CUDA graph and replayed.

A replayed graph costs the host one launch instead of a thousand. It has static shapes and buffers, so it serves batches of
the first one's shape, and gradients stay where it puts them.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from trainers.life.distributed import world
from trainers.life.precision import Precision, Rule, plain

CHOICES = ("auto", "on", "off")  # of TRAIN.CUDA_GRAPH
WARM_UP = 3  # passes before recording, in which libraries choose and allocate what they need

Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def why_no_graph(device: torch.device) -> str:
    """Why steps on `device` cannot be recorded; "" if they can."""
    if device.type != "cuda":
        return "there is no GPU"
    return "several processes share the run" if world() > 1 else ""


class Passes:
    """Logits and loss of a batch, with gradients left in the parameters.

    Args:
        loss: images and labels to logits and loss.
        model: whose parameters are trained.
        precision: of the passes.
        choice: one of `CHOICES`; anything that cannot be recorded is run as written, and it is said why.
        why_not: why the passes cannot be recorded in the first place; "" if they can.
        rule: how gradients come from the loss.

    Raises:
        UserError: `choice` is none.
    """

    def __init__(
        self,
        loss: Loss,
        model: nn.Module,
        precision: Precision,
        choice: str,
        why_not: str = "",
        rule: Rule = plain,
    ) -> None:
        choice = {True: "on", False: "off"}.get(choice, choice)
        if choice not in CHOICES:
            raise UserError(f"TRAIN.CUDA_GRAPH is {choice!r}; choose one of {', '.join(CHOICES)}")
        self.loss, self.parameters, self.precision, self.rule = loss, [*model.parameters()], precision, rule
        self.wanted, self._recorded = choice != "off" and not why_not, None
        if choice == "on" and why_not:
            print(f"CUDA graph: not used, {why_not}")

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if self.wanted and self._recorded is None:
            self._try_to_record(images, labels)
        if self._recorded is not None and self._recorded.fits(images, labels):
            return self._recorded(images, labels)
        return self.as_written(images, labels)

    def as_written(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        for parameter in self.parameters:
            parameter.grad = None
        with self.precision.context():
            logits, loss = self.loss(images, labels)
        self.precision.backward(loss, self.rule)
        return logits.detach(), loss.detach()

    def _try_to_record(self, images: Tensor, labels: Tensor) -> None:
        try:
            self._recorded = Recorded(self.as_written, self.parameters, images, labels)
            print("CUDA graph: the training step is recorded")
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.wanted = False
            print(f"CUDA graph: not used, the step cannot be recorded ({str(error).splitlines()[0]})")


class Recorded:
    """A CUDA graph of `passes` for batches like the given one.

    Recording and what comes before it leave random numbers and parameters as they were.
    """

    def __init__(self, passes: Loss, parameters: list[nn.Parameter], images: Tensor, labels: Tensor) -> None:
        self.parameters, self.images, self.labels = parameters, images.clone(), labels.clone()
        random = torch.cuda.get_rng_state(images.device)
        try:
            self._warm_up(passes)
            self.graph = torch.cuda.CUDAGraph()
            # Gradients are None when the graph is recorded, so its replays write them anew instead of adding to them.
            for parameter in parameters:
                parameter.grad = None
            with torch.cuda.graph(self.graph):
                self.logits, self.loss = passes(self.images, self.labels)
        finally:
            torch.cuda.set_rng_state(random, images.device)
        self.gradients = [parameter.grad for parameter in parameters]

    def _warm_up(self, passes: Loss) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                passes(self.images, self.labels)
        torch.cuda.current_stream().wait_stream(stream)

    def fits(self, images: Tensor, labels: Tensor) -> bool:
        return images.shape == self.images.shape and labels.shape == self.labels.shape

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient  # an optimiser, or a batch of another shape, may have put it aside
        return self.logits.clone(), self.loss.clone()
