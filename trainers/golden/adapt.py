"""SS-Text's program run whole: draw, fit and test, seed by seed, for many solvers (Silva-Rodriguez et al., MICCAI 2025)."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from datasets.quotas import indices, quotas
from trainers.base import accuracy, balanced_accuracy, descend
from trainers.clap import STEPS, CLAPModel, cosine
from trainers.golden.draws import cell_of
from trainers.life.recording import Column, Recording
from trainers.ss_text import solved
from trainers.tip_adapter_f import TipAdapterFModel
from vlm.towers.block import unit

CLOSED_FORMS = {"SS": "simpleshot", "SStext": "ss-text", "SStext+": "ss-text+"}
DRAWN_ON = "its first weights are random numbers that go on from the runs before"
NOT_COMPARED = {
    "CLAP": "chaotic at texts of length 1: two right programs part after some thirty steps",
    "LP++": DRAWN_ON,
    "LP++(TF)": DRAWN_ON,
    "TIPAdFT": "no method here trains the values of the cache",
}
WITHOUT_IMAGES = "the reference has nan, or no column, for a class without images"


class Adaptation:
    """A case has features of length 1 of a `pool` to draw from and of `test`, and `results` of "<solver>/<draw>/k<shots>"."""

    recorded_as = ("jusiro/SS-Text run whole",)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        arrays = recording.arrays
        pool, labels, test, truth = (arrays[name] for name in ("pool", "pool_labels", "test", "test_labels"))
        for cell in recording.case["results"]:
            solver, draw, shots = cell_of(recording, cell)
            if solver not in {"zero-shot", "LP", "TIPAd", *CLOSED_FORMS, *NOT_COMPARED}:
                continue  # its columns are named as not compared
            wanted = quotas(labels.bincount().tolist(), shots, draw)
            why = NOT_COMPARED.get(solver, WITHOUT_IMAGES if solver == "SS" and 0 in wanted else "")
            seeds = range(int(arrays[f"{cell}/seeds"]))
            if why:
                yield from (Column(f"{cell}/{name}", None, why=why) for name in ("aca", "accuracy", "mean_aca"))
                continue
            drawn = [indices(labels, wanted, seed) for seed in seeds]
            logits = [_logits(recording, solver, pool[rows], labels[rows])(test) for rows in drawn]
            balanced = torch.stack([balanced_accuracy(found, truth) for found in logits]).round(decimals=2)
            yield Column(f"{cell}/aca", balanced, 1e-9)
            yield Column(f"{cell}/accuracy", torch.stack([accuracy(found, truth) for found in logits]), 1e-6)
            yield Column(f"{cell}/mean_aca", balanced.mean(), 1e-9)


def _logits(recording: Recording, solver: str, train: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """Logits of images (n, embed_dim) by a solver fitted to `train` (n, embed_dim), all of them of length 1."""
    text = recording.arrays["text"]
    clip = recording.any_clip(text.shape[1])
    names = ["a"] * len(text)
    if solver == "TIPAd":  # at a scale of 1, so that the text weighs as much as one image
        model = TipAdapterFModel(clip, names, ["{}"], scale=1.0)
        model.text, model.keys, model.labels = unit(text), nn.Parameter(train), labels
        model.beta.fill_(1.0)
        return lambda images: model.classify(images).detach()
    model = CLAPModel(clip, names, ["{}"])
    model.text = text
    model.weight.data.copy_(text)
    if solver == "LP":
        optimizer, schedule = cosine(model)
        for _ in descend(model.feature_loss, [(train, labels)] * STEPS, optimizer, schedule):
            pass
    elif solver != "zero-shot":
        model.weight.data.copy_(solved(CLOSED_FORMS[solver], train, labels, text, clip.logit_scale.exp().item()))
    return lambda images: model.classify(images).detach()
