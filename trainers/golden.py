"""Compare a method with numbers recorded from its reference program: `python -m trainers.golden FILE.npz ...`.

Beside FILE.npz lies FILE.json, the case: method, sizes and seed of a random CLIP, class names, options. The npz holds
normalised images (batch, 3, height, width), labels, the trainable parameters under the reference program's names, its
logits (evaluation mode), and its loss and gradients (training mode, dropout 0), all float32.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from toolbox.command import run_command
from toolbox.errors import UserError, nearest
from toolbox.plain import parse_json
from trainers.life.config import methods
from vlm.backbone import from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state
from vlm.prompts.prompted import PromptedCLIP

ABSOLUTE = 1e-5  # logits and loss
RELATIVE = 1e-4  # gradients, of their largest entry


@dataclass
class Recording:
    """A case and its arrays, as tensors."""

    path: Path
    case: dict
    arrays: dict[str, Tensor]

    @classmethod
    def read(cls, path: str | Path) -> "Recording":
        """Raises UserError if a file is missing, not what it should be, or lacks an array."""
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
                f"{path.with_suffix('.json')} does not describe a case: see `python -m trainers.golden --help`"
            )
        for key in ("method", "clip", "clip_seed", "classnames", "trainable"):
            if key not in case:
                raise UserError(f"{path.with_suffix('.json')}: no {key!r}")
        for key in ("images", "labels", "logits", "loss", *(f"param/{name}" for name in case["trainable"])):
            if key not in arrays:
                raise UserError(f"{path}: no array {key!r}")
        return cls(path, case, arrays)

    def on(self, device: str | torch.device) -> "Recording":
        """With its arrays on another device, where `model` then builds too."""
        return Recording(self.path, self.case, {name: array.to(device) for name, array in self.arrays.items()})

    def model(self, method: type, dtype: torch.dtype = torch.float32) -> PromptedCLIP:
        """The method's model on the recorded CLIP, with its weights in `dtype`, and with the recorded parameters."""
        state, device = random_state(self.case["clip"], self.case["clip_seed"]), self.arrays["images"].device
        clip = from_open_clip_model("recording", openai_model(state)).cast(dtype).to(device)
        model = method.from_recording(clip, self.case, self.arrays).to(device)
        for name, parameter, index in model.reference_parameters():
            place = parameter.data if index is None else parameter.data[index]
            recorded = self.arrays.get(f"param/{name}")
            if recorded is None or recorded.numel() != place.numel():
                found = "missing" if recorded is None else f"of shape {tuple(recorded.shape)}"
                raise UserError(f"{self.path}: param/{name} is {found}, the model needs {tuple(place.shape)}")
            place.copy_(recorded.reshape(place.shape))
        return model


def differences(
    recording: Recording, method: type, dtype: torch.dtype = torch.float32
) -> dict[str, tuple[float, float]]:
    """Largest difference and its tolerance, which is for float32, for logits, loss and each recorded gradient."""
    arrays, model = recording.arrays, recording.model(method, dtype)
    labels = arrays["labels"].long()
    with torch.no_grad():
        logits = model.eval()(arrays["images"])
    found = {"logits": ((logits - arrays["logits"]).abs().max().item(), ABSOLUTE)}
    _, loss = model.train().loss(arrays["images"], labels)
    loss.backward()
    found["loss"] = (abs(loss.item() - arrays["loss"].item()), ABSOLUTE)
    for name, parameter, index in model.reference_parameters():
        if (recorded := arrays.get(f"grad/{name}")) is None:
            continue
        ours = parameter.grad if index is None else parameter.grad[index]
        largest = recorded.abs().max().item()
        found[f"grad/{name}"] = ((ours.reshape(recorded.shape) - recorded).abs().max().item(), RELATIVE * largest)
    return found


def compare(path: str, methods: dict[str, type]) -> bool:
    """Print the comparison of one recording; True if all is within tolerance."""
    recording = Recording.read(path)
    name = recording.case["method"]
    if name not in methods:
        raise UserError(f"{path}: method {name!r} is not implemented here; {nearest(name, methods)}")
    good = True
    print(f"{path}: {name}, {len(recording.case['classnames'])} classes")
    for key, (difference, tolerance) in differences(recording, methods[name]).items():
        within = difference <= tolerance  # False for NaN too
        good &= within
        print(f"  {'ok  ' if within else 'FAIL'} {key:<100} {difference:.2e}  (tolerance {tolerance:.2e})")
    print(f"  {'within tolerance' if good else 'NOT within tolerance'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trainers.golden", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE.npz")
    files = parser.parse_args().files
    by_name = {method.__name__: method for method in methods()}
    results = [compare(file, by_name) for file in files]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
