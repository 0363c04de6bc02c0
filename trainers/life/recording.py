"""Numbers recorded from a method's reference program, and what a method here gives for the same input, column by column.

Beside FILE.npz lies FILE.json, the case. The usual one has `method`, sizes and seed of a random CLIP, class names, options
and the reference program's names of what is trained; its npz holds normalised images (batch, 3, height, width), labels,
the trained parameters under those names, the program's logits (evaluation mode), and its loss and gradients (training
mode, dropout 0), all float32. A case may hold several methods instead, as `methods` or `solvers`: then the columns of each
stand under its name, and it is called by its program's name too, "jusiro/CLAP clap".

Other programs than methods (`trainers.golden.programs`) have cases too: few-shot draws (`pools`), prediction sets (`cases`),
and programs run whole, whose `results` by seed stand in the case. `results` and `counts` are columns like those of the npz:
the entry "aca" of "SS/standard/k1" is SS/standard/k1/aca.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from toolbox.errors import UserError
from toolbox.plain import parse_json
from vlm.backbone import Backbone, from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state
from vlm.prompts.prompted import PromptedCLIP

ABSOLUTE = 1e-5  # logits, losses and other columns
RELATIVE = 1e-4  # gradients, of their largest entry
WIDTHS = ("vision_width", "transformer_width")
SEVERAL = ("methods", "solvers")  # keys of a case with more than one method
OTHERS = {"pools": "few-shot draws", "cases": "prediction sets"}  # key of a case of no method -> what it is called
WHOLE = "results"


class Column(NamedTuple):
    """What we compute for a column of a recording.

    Attributes:
        name: the column's.
        value: ours, of the recorded shape or one that flattens to the same; None says that it is not compared.
        relative: allowed difference, a share of the largest recorded entry; None takes ABSOLUTE, or RELATIVE for `grad...`.
        within: allowed difference of each entry, in the shape of `value`; the difference is then told in these units.
        why: the reason where the allowed difference is not the usual one, or nothing is compared.
    """

    name: str
    value: Tensor | None
    relative: float | None = None
    why: str = ""
    within: Tensor | None = None


class Content(dict):
    """Entries of one file. What is read is noted, and what is missing is an error that names the file."""

    def __init__(self, path: Path, entries: dict[str, Any]) -> None:
        super().__init__(entries)
        self.path, self.used = path, set()

    def __getitem__(self, key: str) -> Any:
        self.used.add(key)
        if key not in self:
            raise UserError(f"{self.path}: no {key!r}")
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.used.add(key)
        return super().get(key, default)


@dataclass
class Recording:
    """A case and its arrays, as tensors.

    Attributes:
        part: which of several methods is replayed, as the case calls it; "" for a case of one.
        dtype: of the CLIP's weights.
    """

    path: Path
    case: Content
    arrays: Content
    part: str = ""
    dtype: torch.dtype = torch.float32

    @classmethod
    def read(cls, path: str | Path) -> "Recording":
        """Raises UserError if a file is missing, not what it should be, or lacks what every recording has."""
        path = Path(path)
        try:
            case = parse_json(path.with_suffix(".json").read_text(encoding="utf-8"))
            with np.load(path, allow_pickle=False) as file:
                arrays = {key: torch.from_numpy(file[key]) for key in file.files}
        except FileNotFoundError as error:
            raise UserError(f"no recording at {error.filename}; FILE.npz and FILE.json lie side by side") from error
        except Exception as error:
            raise UserError(f"{path} or its .json cannot be read: {error}") from error
        if not isinstance(case, dict) or not isinstance(case.get("trainable", []), list):
            raise UserError(
                f"{path.with_suffix('.json')} does not describe a case: see `python -m cilmp golden --help`"
            )
        arrays |= _numbers(case, path)
        recording = cls(path, Content(path.with_suffix(".json"), case), Content(path, arrays))
        recording._check()
        return recording

    def _check(self) -> None:
        """That it is of a method, of several or of another program; what these are made of is missed where it is asked for."""
        if not any(isinstance(self.case.get(key), dict) for key in (*SEVERAL, *OTHERS, WHOLE)):
            for key in ("method", "clip", "clip_seed", "classnames", "trainable"):
                self.case[key]
            for name in ("logits", "loss", *(f"param/{name}" for name in self.case["trainable"])):
                self.arrays[name]
            self.arrays.used.clear()

    def names(self) -> dict[str, str]:
        """What each method in it is called in full, to what the case calls it ("" for a case of one)."""
        key = next((key for key in (*SEVERAL, *OTHERS, WHOLE) if isinstance(self.case.get(key), dict)), "method")
        if key in OTHERS:
            return {OTHERS[key]: ""}
        if key == "method":
            return {str(self.case["method"]): ""}
        program = str(self.case["source"]).partition(" ")[0]
        return {f"{program} run whole": ""} if key == WHOLE else {f"{program} {part}": part for part in self.case[key]}

    def of(self, part: str) -> "Recording":
        """The same recording, for one of its methods."""
        return replace(self, part=part)

    def on(self, device: str | torch.device, dtype: torch.dtype = torch.float32) -> "Recording":
        """With its arrays on another device, where `model` then builds too, with the CLIP's weights in `dtype`."""
        arrays = {name: array.to(device) for name, array in self.arrays.items()}
        return replace(self, arrays=Content(self.path, arrays), dtype=dtype)

    def clip(self) -> Backbone:
        """The recorded CLIP."""
        state = random_state(self.case["clip"], self.case["clip_seed"])
        clip = from_open_clip_model("recording", openai_model(state)).cast(self.dtype)
        return clip.to(next(iter(self.arrays.values())).device)

    def any_clip(self, embed_dim: int) -> Backbone:
        """A small CLIP at the recorded scale for cases that are features alone; the same object for all of one size."""
        clip = _any_clip(embed_dim)
        clip.logit_scale.data.fill_(self.case.get("logit_scale_log", math.log(100)))
        return clip

    def model(self, method: type) -> PromptedCLIP:
        """The method's model on the recorded CLIP with the recorded parameters."""
        clip = self.clip()
        model = method.from_recording(clip, self.case, self.arrays).to(clip.device)
        for name, parameter, index in model.reference_parameters():
            place = parameter.data if index is None else parameter.data[index]
            recorded = self.arrays.get(f"param/{name}")
            if recorded is None or recorded.numel() != place.numel():
                found = "missing" if recorded is None else f"of shape {tuple(recorded.shape)}"
                raise UserError(f"{self.path}: param/{name} is {found}, the model needs {tuple(place.shape)}")
            place.copy_(recorded.reshape(place.shape))
        return model

    def step(self, model: PromptedCLIP) -> Iterator[Column]:
        """Logits, and loss and gradients of one training batch: what every recording of a trained method has."""
        images, labels = self.arrays["images"], self.arrays["labels"].long()
        with torch.no_grad():
            yield Column("logits", model.eval()(images))
        _, loss = model.train().loss(images, labels)
        model.backward(loss)
        yield Column("loss", loss.detach())
        for name, parameter, index in model.reference_parameters():
            if parameter.grad is not None:
                yield Column(f"grad/{name}", parameter.grad if index is None else parameter.grad[index])

    def snapshots(self) -> Iterator[tuple[int, str, str]]:
        """Columns of the part after a number of steps, `<part>/step<i>/<what>`: i, the column's name, and what."""
        for name in self.arrays:
            before, _, rest = name.removeprefix(f"{self.part}/").partition("/")
            if name.startswith(f"{self.part}/step") and before.removeprefix("step").isdecimal():
                yield int(before.removeprefix("step")), name, rest

    @torch.no_grad()
    def features(self, clip: Backbone, images: str) -> Tensor:
        """Features, of any length, of an array of images (..., 3, height, width), as one list (n, embed_dim)."""
        return clip.image(self.arrays[images].flatten(0, -4), normalised=False)

    def difference(self, column: Column) -> tuple[float, float]:
        """Largest difference between a column and the recorded one, and how large it may be.

        Raises:
            UserError: nothing of that name is recorded, or of another size.
        """
        recorded, ours = self.arrays[column.name], column.value
        if recorded.numel() != ours.numel():
            raise UserError(
                f"{self.path}: {column.name} is of shape {tuple(recorded.shape)}, here it is {tuple(ours.shape)}"
            )
        largest = recorded.double().abs().max().item()
        tolerance = RELATIVE * largest if column.name.startswith("grad") else ABSOLUTE
        if column.relative is not None:
            tolerance = column.relative * largest
        ours, recorded = ours.reshape(recorded.shape).double(), recorded.double()
        apart = torch.where(ours == recorded, 0.0, ours - recorded).abs()  # both infinite: 0
        if column.within is not None:
            apart, tolerance = apart / column.within.reshape(recorded.shape), 1.0
        return apart.max().item(), tolerance


def _numbers(case: dict[str, Any], path: Path) -> dict[str, Tensor]:
    """Columns that stand in the case itself."""
    found = {f"{cell}/counts": value for cell, value in _entries(case, "counts")}
    try:
        found |= {f"{cell}/{what}": value for cell, of_cell in _entries(case, WHOLE) for what, value in of_cell.items()}
        for name, cells in _entries(case, "cases"):
            found |= {f"{name}/{what}": value for what, value in _leaves(cells) if "/" in what}
        return {name: torch.tensor(np.asarray(value, dtype=np.float64)) for name, value in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path.with_suffix('.json')}: counts and results must be numbers: {error}") from error


def _leaves(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Whatever lies in dictionaries of dictionaries, by the way to it."""
    for name, part in value.items():
        if isinstance(part, dict):
            yield from _leaves(part, f"{before}{name}/")
        else:
            yield f"{before}{name}", part


def _entries(case: dict[str, Any], key: str) -> Iterable[tuple[str, Any]]:
    entries = case.get(key)
    return entries.items() if isinstance(entries, dict) else ()


@lru_cache(maxsize=1)
def _any_clip(embed_dim: int) -> Backbone:
    sizes = {"embed_dim": embed_dim, "image_resolution": 8, "vision_patch_size": 8, "context_length": 77}
    sizes |= {"vocab_size": 49408, "vision_layers": 1, "transformer_layers": 1} | dict.fromkeys(WIDTHS, 64)
    return from_open_clip_model("none", openai_model(random_state(sizes, 0)))
