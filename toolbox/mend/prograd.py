"""The step that ProGrad's copy of Dassl gives every trainer (Zhu et al., ICCV 2023); its trainer calls it on `self`."""

import torch
from torch import Tensor


class ProGradStep:
    """For a TrainerBase: `get_model_names`, `model_zero_grad`, `detect_anomaly` and `model_update` are its own."""

    def prograd_backward_and_update(
        self, loss_a: Tensor, loss_b: Tensor, lambda_: float = 1, names: str | list[str] | None = None
    ) -> None:
        """Step down `loss_a`; where its gradient opposes that of `loss_b`, `lambda_` of the opposing part is taken out.

        Each parameter tensor is judged on its own.
        """
        parameters = [p for name in self.get_model_names(names) for p in self._models[name].parameters()]
        directions = [b / torch.linalg.norm(b) for b in self._gradients(loss_b, parameters, names, keep=True)]
        for p, gradient, direction in zip(
            parameters, self._gradients(loss_a, parameters, names, keep=False), directions, strict=True
        ):
            along = torch.sum(gradient * direction)
            p.grad = gradient - lambda_ * along * direction if along < 0 else gradient
        self.model_update(names)

    def _gradients(self, loss: Tensor, parameters: list, names: str | list[str] | None, keep: bool) -> list[Tensor]:
        self.model_zero_grad(names)
        self.detect_anomaly(loss)
        loss.backward(retain_graph=keep)
        return [p.grad.clone() for p in parameters]
