"""More of what is fuzzed: plans, YAML of any kind, headers of checkpoints and backbones, DICOM files, names."""

import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from safetensors.torch import save

from benchmark.calibration import FILE as CONFORMAL
from benchmark.calibration import Calibration
from benchmark.configs import Configs
from benchmark.plan import read_plan
from benchmark.protocols import jobs_of
from datasets.images import read_image
from llm.question import read_answers
from tests.benchmark.runs_on_disk import CLASSES as CLASSES_ON_DISK
from tests.benchmark.runs_on_disk import write_run
from tests.faults.world import SIZES
from tests.fuzz.targets import JSON, TARGETS, Target, changed, damaged, world
from toolbox.checkpoints import load_checkpoint
from toolbox.names import OwnNames, check_name, safe_name
from toolbox.seals import seal
from toolbox.words import cell, file_text, is_plain, sentence
from trainers.life.seen import FILE as SEEN
from trainers.life.seen import read_seen
from vlm.loading.openai import from_file
from vlm.loading.random_clip import random_state

SCALARS = st.sampled_from(
    ["2001-13-45", ".inf", ".nan", "-1", "1.5", "~", "yes", "1e400", "*a", "&a [*a]", "!!int ''", "<<"]
)


def plans() -> Target:
    path = world().root / "plan.yaml"
    valid = {"protocol": "full", "methods": ["CoOp"], "datasets": ["phantom"], "seeds": [1], "shots": [4]}
    valid |= {
        "cfg": {"CoOp": "x"},
        "variants": {"slow": ["OPTIM.LR", "0.1"]},
        "opts": ["SEED", "1"],
        "root": "data",
        "output": "out",
    }
    text = yaml.safe_dump(valid)
    key = st.sampled_from([*valid, "targets", "model_dir", "backbone"])
    lines = st.lists(st.tuples(key, SCALARS | st.text(max_size=12)), min_size=1, max_size=3)

    def read(content: Any) -> None:
        if isinstance(content, list):
            content = "protocol: full\n" + "\n".join(f"{key}: {value}" for key, value in content)
        if isinstance(content, str):
            content = content.encode(errors="replace")
        path.write_bytes(content if isinstance(content, bytes) else yaml.safe_dump(content).encode(errors="replace"))
        for job in jobs_of(read_plan(path), Configs()):
            assert ".." not in job.output.parts

    return Target(changed(valid) | lines | damaged(text.encode()) | st.text(max_size=40), read)


def descriptions() -> Target:
    path = world().root / "answers.yaml"
    valid = b"modality: x-ray\nclasses:\n  normal: &a clear lungs\n  pneumonia: *a\n"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_answers(path)

    return Target(damaged(valid) | SCALARS.map(lambda text: f"classes: {{a: {text}}}".encode()), read)


def checkpoints() -> Target:
    """Files of torch.save: their bytes, and what is in them."""
    path = world().root / "fuzzed.pth.tar-1"
    valid = {"state_dict": {"ctx": torch.zeros(2, 3)}, "epoch": 1, "val_result": None}
    file = io.BytesIO()
    torch.save(valid, file)

    def read(content: Any) -> None:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        load_checkpoint(str(path))

    return Target(damaged(file.getvalue()) | JSON, read)


def backbones() -> Target:
    """Tensors of other shapes, numbers and names than a CLIP's, and damaged bytes of a small one."""
    path = world().root / "fuzzed.safetensors"
    small = {**SIZES, "vocab_size": 16, "vision_layers": 1, "transformer_layers": 1}
    state = random_state(small, seed=5)
    shapes = st.lists(st.integers(0, 9), max_size=4)
    swaps = st.dictionaries(
        st.sampled_from(sorted(state)), shapes | st.just("nan") | st.just("gone"), min_size=1, max_size=3
    )
    whole = save(state)

    def read(content: Any) -> None:
        if isinstance(content, dict):
            changed_state = {**state}
            for key, what in content.items():
                if what == "gone":
                    del changed_state[key]
                else:
                    changed_state[key] = torch.full_like(state[key], torch.nan) if what == "nan" else torch.zeros(what)
            content = save(changed_state)
        path.write_bytes(content)
        from_file("fuzzed", path)

    return Target(swaps | damaged(whole[:4000]) | damaged(whole), read)


def dicom_files() -> Target:
    path = world().root / "fuzzed.dcm"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = SecondaryCaptureImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    picture = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    picture.SOPClassUID, picture.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    picture.Rows = picture.Columns = 6
    picture.SamplesPerPixel, picture.PhotometricInterpretation, picture.PixelRepresentation = 1, "MONOCHROME2", 0
    picture.BitsAllocated, picture.BitsStored, picture.HighBit = 16, 12, 11
    picture.WindowCenter, picture.WindowWidth, picture.RescaleSlope, picture.RescaleIntercept = 40, 400, 1, -1024
    picture.PixelData = np.arange(36, dtype="<u2").tobytes()
    file = io.BytesIO()
    picture.save_as(file, enforce_file_format=True)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_image(path)

    return Target(damaged(file.getvalue()), read)


def names() -> Target:
    """Names of files, classes and data sets: whatever they are, they stay in their folder, in one line, and readable."""
    folder = Path(tempfile.mkdtemp(dir=world().root))
    parts = st.lists(
        st.sampled_from(["..", "/", "\\", "\0", "~", "con", ".", " ", "\x1b[2J", "=", "é", "\udcff"]), max_size=6
    )

    def read(content: Any) -> None:
        text = "".join(content) if isinstance(content, list) else content
        used = OwnNames()
        for name in (safe_name(text), used.name(text), used.name(text)):
            target = folder / name
            assert target.parent == folder and target.name == name
        assert used.name(text) != used.name(text)
        assert is_plain(sentence(text)) and is_plain(cell(text)) and not cell(text).startswith(("=", "+", "-", "@"))
        if "\0" not in text and not any(
            "\ud800" <= letter < "\udc80" or "\udcff" < letter <= "\udfff" for letter in text
        ):
            os.fsencode(text)
            file_text(text).encode()
        kept = folder / check_name(text, "name", nested=True)
        assert folder in kept.parents and ".." not in kept.parts

    return Target(st.text(max_size=200) | parts, read)


def calibrations() -> Target:
    """conformal.json and seen.json of a run, with a right seal, with none and with a wrong one."""
    folder = world().root / "fuzzed-calibration"
    result = seal(write_run(folder))
    logits, labels = np.eye(CLASSES_ON_DISK), np.arange(CLASSES_ON_DISK)
    images = [f"{i:064x}" for i in range(40)]
    file = Calibration.of(result, logits.repeat(10, 0), labels.repeat(10), images, ("0.9",)).save(folder)
    valid = json.loads(file.read_text())
    seen = seal({"trained": images, "chose": images[:2], "counts": {"class 0": 40}})

    def read(content: tuple[str, Any]) -> None:
        name, value = content
        (folder / name).write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        if name == SEEN:
            found = read_seen(folder)
            assert sum(found.among(images)) <= 2 * len(images) and all(n >= 0 for n in found.counts.values())
            return
        kept = Calibration.read(folder, result)
        for coverage in kept.thresholds:
            for by_class in (False, True):
                assert kept.sets(logits, coverage, by_class).shape == logits.shape

    def of(name: str, value: dict) -> SearchStrategy:
        sealed = changed(value).map(lambda v: seal(v) if isinstance(v, dict) else v)
        return st.tuples(st.just(name), changed(value) | sealed | damaged(json.dumps(value).encode()))

    return Target(of(CONFORMAL, valid) | of(SEEN, seen), read)


MORE: dict[str, Callable[[], Target]] = {
    "plans": plans,
    "descriptions": descriptions,
    "checkpoints": checkpoints,
    "backbones": backbones,
    "DICOM": dicom_files,
    "names": names,
    "calibrations": calibrations,
}

ALL = {**TARGETS, **MORE}
