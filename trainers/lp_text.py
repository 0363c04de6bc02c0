"""LPText: LP++ as its medical benchmark runs it, at a rate by the number of shots (Shakeri et al., MICCAI 2024)."""

import math
from collections.abc import Iterator

import torch

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import Column, Recording, balanced_accuracy
from trainers.lp_plus_plus import LPPlusPlus, Support, best_of, lipschitz_rate, solve, start


def shots_rate(n: int, n_cls: int, eta: float) -> float:
    """Case 1 of the paper: eta log(K + 1), K the mean number of images a class."""
    return eta * math.log(n / n_cls + 1)


@TRAINER_REGISTRY.register()
class LPText(LPPlusPlus):
    """On the images themselves; the epoch with the best balanced accuracy on validation images is kept."""

    section = "LPTEXT"
    recorded_as = tuple(
        f"FereshteShakeri/few-shot-MedVLMs lp_text_{case}"
        for case in (*(f"case1_eta{i}" for i in range(1, 6)), "case2")
    )
    defaults = {
        **LPPlusPlus.defaults,
        "STEPS": Option(200, "steps over all training images at once", 0, 1_000_000),
        "AUGMENT": Option(False, "see one augmented view of each training image instead of the image"),
        "CASE": Option(1, "learning rate: 1 is ETA log(shots + 1), 2 is LP++'s own", choices=(1, 2)),
        "ETA": Option(5.0, "factor of case 1, in the paper 1 to 5", 0.0, 1e6),
    }
    score = staticmethod(balanced_accuracy)

    def rate(self, support: Support) -> float:
        if self.options.CASE == 2:
            return super().rate(support)
        return shots_rate(*support.products.shape, self.options.ETA)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        part, arrays, case = recording.part, recording.arrays, recording.case["methods"][recording.part]
        train, val, test, text = (arrays[name] for name in ("train", "val", "test", "text"))
        support = Support(train, arrays["train_labels"].long(), train @ text.T)
        name, _, eta = part.removeprefix("lp_text_").partition("_eta")
        rate = shots_rate(len(train), len(text), float(eta)) if name == "case1" else lipschitz_rate(train)
        heads, losses = [start(support, len(text), arrays[f"{part}/init_bias"])], []
        for after, loss in solve(heads[0], support, text, rate, case["steps"]):
            heads.append(after)
            losses.append(loss)
        scores = [cls.score(head.logits(val, text), arrays["val_labels"]) for head in heads[1:]]
        chosen = best_of(
            zip(heads[1:], losses, strict=True),
            lambda head: cls.score(head.logits(val, text), arrays["val_labels"]).item(),
        )
        yield Column(f"{part}/cross_entropy", torch.stack(losses))
        yield Column(f"{part}/val_aca", torch.stack(scores) / 100)
        for i, column, what in recording.snapshots():
            yield Column(column, getattr(heads[i], what), 1e-5)
        yield Column(f"{part}/val_logits_last", heads[-1].logits(val, text), 1e-5)
        yield Column(f"{part}/alpha_last", heads[-1].alpha, 1e-5)
        yield Column(f"{part}/test_logits", chosen.logits(test, text), 1e-5)
