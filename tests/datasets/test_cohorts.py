"""Cohorts drawn at random, with known patients: none is in two parts, or prepare refuses and leaves nothing."""

import csv
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets.prepare.__main__ import main as prepare
from datasets.split import PARTS, read_split
from toolbox.errors import UserError

HEADERS = ["patient", "Patient ID", "patientid", "PatientID", "PATIENT_ID", "Subject", "subject id", "case", "Case No."]
PART_NAMES = ["Train", "TEST", "valid", "test_set", "Training"]
LAYOUTS = [
    "folders",
    "class above patient",
    "patient above class",
    "parts above",
    "parts below",
    "csv",
    "csv with copies",
]

images = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2), st.sampled_from(PART_NAMES)), min_size=6, max_size=24)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(images, st.sampled_from(LAYOUTS), st.sampled_from(HEADERS), st.sampled_from(",;\t"), st.integers(0, 3))
def test_no_patient_is_in_two_parts_or_prepare_refuses(drawn, layout, header, delimiter, seed):
    with tempfile.TemporaryDirectory() as folder:
        raw, root = Path(folder) / "raw", Path(folder) / "data"
        files = _write(raw, drawn, layout)
        arguments = ["--raw", str(raw), "--root", str(root), "--folder", "x", "--seed", str(seed)]
        if layout.startswith("csv"):
            _table(raw / "labels.csv", files, header, delimiter)
            arguments = ["csv", *arguments]
        else:
            level = {"class above patient": ["--class-level", "1"], "patient above class": ["--class-level", "2"]}
            arguments = ["folders", *arguments, "--group-pattern", r"(patient\d+)", *level.get(layout, [])]
        try:
            prepare(arguments)
        except UserError as error:
            event(f"{layout}: refused")
            assert not root.exists() and "\n" not in str(error)
            return
        event(f"{layout}: divided")
        split = read_split(root / "x/x.json")
        seen: dict[int, set[str]] = {}
        for part in PARTS:
            for item in split.part(part):
                patient, _ = files[item.path.removeprefix("images/")]
                seen.setdefault(patient, set()).add(part)
        assert sum(len(split.part(part)) for part in PARTS) == len(files)
        assert {patient: parts for patient, parts in seen.items() if len(parts) > 1} == {}
        assert {item.classname for item in split.train} == {item.classname for p in PARTS for item in split.part(p)}


def _write(raw: Path, drawn: list[tuple[int, int, str]], layout: str) -> dict[str, tuple[int, int]]:
    """Images in a layout; returns patient and class by path."""
    files = {}
    for number, (patient, label, part) in enumerate(drawn):
        who, what = f"patient{patient}", f"class_{label}"
        path = {
            "folders": f"{what}/{who}_{number}.png",
            "class above patient": f"{what}/{who}/{number}.png",
            "patient above class": f"{who}/{what}/{number}.png",
            "parts above": f"top/{part}/{what}/{who}_{number}.png",
            "parts below": f"{what}/{part}/{who}_{number}.png",
        }.get(layout, f"pictures/{number}.png")
        files[path] = patient, label
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        shade = number % 5 if layout == "csv with copies" else number
        Image.fromarray(np.full((4, 4), 10 * shade, np.uint8)).save(raw / path)
    return files


def _table(path: Path, files: dict[str, tuple[int, int]], header: str, delimiter: str) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["lesion_id", "Image Path", "study", header, "Diagnosis"])
        for number, (name, (patient, label)) in enumerate(files.items()):
            writer.writerow([number, name.replace("/", "\\"), number // 2, f"p{patient}", f"class {label}"])
