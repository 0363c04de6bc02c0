"""A run as a program that needs none of this project: ONNX, TorchScript or torch.export, compared before it is kept."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cilmp.run import Run
from toolbox.errors import UserError
from toolbox.files import atomic_json, atomic_path, check_writable

SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt", "pt2": ".pt2"}
IMAGES = 32  # compared before the file is kept
TOLERANCE = 1e-4  # of the largest logit


class Program(nn.Module):
    """Logits (batch, n_cls), float32, of preprocessed images (batch, 3, height, width), float32."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.model = run.model
        self.clip = self.model.clip  # registered here: the model itself holds no frozen weights
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images).float()


def export(run: Run, kind: str, out: Path) -> tuple[Path, float]:
    """Write the program and, beside it, what an image goes through before; returns the file and its largest difference.

    Methods whose text features depend on the image take one image at a time, the others any number.

    Raises:
        UserError: a package is missing, the run's precision is not fp32, or the program's logits differ from the run's.
    """
    if run.result["precision"] != "fp32":
        raise UserError(f"{run.folder} runs in {run.result['precision']}: a program is made of fp32 weights")
    out = out.with_suffix(SUFFIXES[kind])
    check_writable(out.parent, "give --out FILE")
    program, about = Program(run).cpu(), described(run)
    size = run.model.clip.image_size
    images = torch.randn(IMAGES, 3, size, size, generator=torch.Generator().manual_seed(0))
    step = 1 if about["batch"] == "1" else IMAGES
    with torch.no_grad(), _quiet():
        program(images[:2])  # text features are computed now, once, and become constants
        wanted = torch.cat([program(part) for part in images.split(step)])
        with atomic_path(out) as part:
            run_program = _WRITERS[kind](program, images[: min(step, 2)], part, about)
            found = torch.cat([run_program(piece) for piece in images.split(step)])
            apart = ((found - wanted).abs().max() / wanted.abs().max()).item()
            if not apart <= TOLERANCE:
                raise UserError(
                    f"{kind}: logits differ by {apart:.1e} of the largest from the run's, so it is not kept"
                )
    atomic_json(out.with_name(f"{out.stem}.json"), {**about, "classnames": json.loads(about["classnames"])})
    return out, apart


def described(run: Run) -> dict[str, str]:
    """What stands in the file's metadata and, as JSON, beside it: texts by name."""
    clip, result = run.model.clip, run.result
    return {
        "method": result["method"],
        "backbone": result["backbone"],
        "classnames": json.dumps(run.classnames, ensure_ascii=False),
        "input": f"images (batch, 3, {clip.image_size}, {clip.image_size}), float32, RGB",
        "batch": "1" if run.model.conditional else "any",
        "preprocessing": result.get("transform", ""),
        "mean": json.dumps(list(clip.mean)),
        "std": json.dumps(list(clip.std)),
        "output": "logits (batch, n_cls); softmax gives probabilities",
        "run": result.get("sha256", ""),
        "licence": "the data's and the backbone's publishers' terms hold; research use only, not a medical device",
    }


def _torchscript(program: Program, images: Tensor, file: Path, about: dict[str, str]) -> Callable[[Tensor], Tensor]:
    traced = torch.jit.freeze(torch.jit.trace(program, images, check_trace=False))
    torch.jit.save(traced, str(file), _extra_files={"about.json": json.dumps(about)})
    return torch.jit.load(str(file))


def _pt2(program: Program, images: Tensor, file: Path, about: dict[str, str]) -> Callable[[Tensor], Tensor]:
    made = torch.export.export(program, (images,), dynamic_shapes=_shapes(about))
    with file.open("wb") as stream:
        torch.export.save(made, stream, extra_files={"about.json": json.dumps(about)})
    with file.open("rb") as stream:
        return torch.export.load(stream).module()


def _onnx(program: Program, images: Tensor, file: Path, about: dict[str, str]) -> Callable[[Tensor], Tensor]:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  torch's exporter needs it
    except ImportError as error:
        raise UserError(
            "onnx needs three packages: pip install onnx onnxruntime onnxscript (the extra `export`)"
        ) from error
    names = {"input_names": ["images"], "output_names": ["logits"], "dynamic_shapes": _shapes(about)}
    made = torch.onnx.export(program, (images,), dynamo=True, verbose=False, **names)
    model = made.model_proto
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    file.write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(file))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda batch: torch.from_numpy(session.run(None, {"images": batch.numpy()})[0])


def _shapes(about: dict[str, str]) -> Any:
    return {"images": {0: torch.export.Dim("batch", min=1)}} if about["batch"] == "any" else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn of their own workings at length; what counts is the comparison."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


_WRITERS = {"onnx": _onnx, "torchscript": _torchscript, "pt2": _pt2}
