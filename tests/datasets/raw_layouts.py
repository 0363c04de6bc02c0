"""Public releases in miniature: their real folders and tables, a few tiny images.

Each function fills a folder and returns the split that must come of it: {part: {(file name, class name), ...}}; part "any"
stands for images that a seeded division distributes.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from datasets.facts import FACTS
from tests.datasets.pictures import picture

Expected = dict[str, set[tuple[str, str]]]


def table(path: Path, rows: list[dict], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def _folders(raw: Path, folders: dict[str, str], suffix: str, n: int = 6) -> Expected:
    """`n` images in each folder, of the class the folder stands for."""
    expected = set()
    for folder, classname in folders.items():
        for index in range(n):
            name = f"{Path(folder).name} ({index}){suffix}"
            picture(raw / folder / name)
            expected.add((name, classname))
    return {"any": expected}


def adam(raw: Path) -> Expected:
    normal, amd = FACTS["adam"].classnames
    return _folders(raw / "Training400", {"AMD": amd, "Non-AMD": normal}, ".jpg")


def aptos2019(raw: Path) -> Expected:
    names = FACTS["aptos2019"].classnames
    rows = [{"id_code": f"{i:04x}", "diagnosis": i % 5} for i in range(30)]
    table(raw / "train.csv", rows)
    table(raw / "test.csv", [{"id_code": "ffff"}])
    picture(raw / "test_images/ffff.png")
    for row in rows:
        picture(raw / "train_images" / f"{row['id_code']}.png")
    return {"any": {(f"{r['id_code']}.png", names[r["diagnosis"]]) for r in rows}}


def aptos2019_three(raw: Path) -> Expected:
    names = FACTS["aptos2019"].classnames
    expected = {}
    for part, name, n in (("train", "train_1", 10), ("val", "valid", 5), ("test", "test", 5)):
        folder = {"train": "train_images", "val": "val_images", "test": "test_images"}[part]
        rows = [{"id_code": f"{part}{i}", "diagnosis": i % 5} for i in range(n)]
        table(raw / f"{name}.csv", rows)
        for row in rows:
            picture(raw / folder / folder / f"{row['id_code']}.png")
        expected[part] = {(f"{r['id_code']}.png", names[r["diagnosis"]]) for r in rows}
    return expected


def busi(raw: Path) -> Expected:
    top = raw / "Dataset_BUSI_with_GT"
    for name in ("benign", "malignant"):
        picture(top / name / f"{name} (1)_mask.png")
        picture(top / name / f"{name} (1)_mask_1.png")
    return _folders(top, {name: name for name in ("benign", "malignant", "normal")}, ".png")


def chaoyang(raw: Path) -> Expected:
    names = FACTS["chaoyang"].classnames
    expected = {}
    for part, n in (("train", 12), ("test", 8)):
        rows = [{"name": f"{part}/5{i}-IMG{i:03d}-{part}.JPG", "label": i % 4} for i in range(n)]
        for row in rows:
            picture(raw / row["name"], format="JPEG")
        (raw / f"{part}.json").write_text(json.dumps(rows))
        expected[part] = {(Path(r["name"]).name, names[r["label"]]) for r in rows}
    return expected


def cpn_x_ray(raw: Path) -> Expected:
    return _folders(raw, {"COVID": "covid", "NORMAL": "normal", "PNEUMONIA": "pneumonia"}, ".jpg")


DERM7PT = {
    "basal cell carcinoma": "carcinoma",
    "seborrheic keratosis": "keratosis",
    "melanoma (in situ)": "melanoma",
    "melanoma metastasis": "melanoma",
    "clark nevus": "nevus",
    "reed or spitz nevus": "nevus",
    "lentigo": "miscellaneous",
    "melanosis": "miscellaneous",
    "vascular lesion": "miscellaneous",
}


def derm7pt(raw: Path) -> Expected:
    top = raw / "release_v0"
    diagnoses = [*DERM7PT] * 2
    rows = [
        {"case_num": i + 1, "diagnosis": d, "clinic": f"Nal/Nal{i:03d}.jpg", "derm": f"NAL/Nal{i:03d}D.jpg"}
        for i, d in enumerate(diagnoses)
    ]
    table(top / "meta/meta.csv", rows)
    for row in rows:
        picture(top / "images" / row["clinic"])
        picture(top / "images" / row["derm"])
    half = len(DERM7PT)
    parts = {"train": range(half), "val": range(half, half + 4), "test": range(half + 4, 2 * half)}
    for part, indexes in parts.items():
        name = {"val": "valid"}.get(part, part)
        table(top / f"meta/{name}_indexes.csv", [{"indexes": i} for i in indexes])
    return {part: {(f"Nal{i:03d}D.jpg", DERM7PT[diagnoses[i]]) for i in indexes} for part, indexes in parts.items()}


def fetal_us(raw: Path) -> Expected:
    planes = {**{name: name for name in FACTS["fetal_us"].classnames[:5]}, "Other": "Other planes"}
    rows, expected = [], {"train": set(), "test": set()}
    for index, plane in enumerate([*planes] * 3):
        train = index < 12
        name = f"Patient{index:05d}_Plane1_1_of_1"
        picture(raw / "Images" / f"{name}.png")
        rows.append(
            {"Image_name": name, "Patient_num": index // 2, "Plane": plane, "Brain_plane": "", "Train ": int(train)}
        )
        expected["train" if train else "test"].add((f"{name}.png", planes[plane]))
    table(raw / "FETAL_PLANES_DB_data.csv", rows, ";")
    return expected


_ISIC = dict(zip(("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"), FACTS["isic"].classnames, strict=True))


def isic(raw: Path) -> Expected:
    expected = {}
    number = 0
    for part, word, n in (("train", "Training", 14), ("val", "Validation", 7), ("test", "Test", 7)):
        rows, expected[part] = [], set()
        for index in range(n):
            code, name = [*_ISIC][index % 7], f"ISIC_{number:07d}"
            number += 1
            picture(raw / f"ISIC2018_Task3_{word}_Input" / f"{name}.jpg")
            rows.append({"image": name, **{c: f"{float(c == code)}" for c in _ISIC}})
            expected[part].add((f"{name}.jpg", _ISIC[code]))
        table(raw / f"ISIC2018_Task3_{word}_GroundTruth" / f"ISIC2018_Task3_{word}_GroundTruth.csv", rows)
        if part == "train":
            lesions = [{"image": r["image"], "lesion_id": f"HAM_{i // 2}"} for i, r in enumerate(rows)]
            table(raw / "ISIC2018_Task3_Training_LesionGroupings.csv", lesions)
    return expected


def ham10000(raw: Path) -> Expected:
    rows, expected = [], set()
    for index in range(56):
        code, name = [*_ISIC][index // 2 % 7], f"ISIC_{index:07d}"
        picture(raw / f"HAM10000_images_part_{1 + index % 2}" / f"{name}.jpg")
        rows.append({"lesion_id": f"HAM_{index // 2}", "image_id": name, "dx": code.lower(), "age": 50})
        expected.add((f"{name}.jpg", _ISIC[code]))
    table(raw / "HAM10000_metadata.csv", rows)
    return {"any": expected}


def kvasir(raw: Path) -> Expected:
    folders = {name.replace(" ", "-"): name for name in FACTS["kvasir"].classnames}
    return _folders(raw / "kvasir-dataset-v2", folders, ".jpg")


def pbc(raw: Path) -> Expected:
    folders = {"ig" if name == "immature granulocyte" else name: name for name in FACTS["pbc"].classnames}
    return _folders(raw / "PBC_dataset_normal_DIB", folders, ".jpg")


def odir(raw: Path, letters: str = "NDGCAHMO") -> Expected:
    names = dict(zip("NDGCAHMO", FACTS["odir"].classnames, strict=True))
    if letters == "NC":
        names = dict(zip("NC", FACTS["odir2"].classnames, strict=True))
    rows, expected = [], set()
    for index in range(64):
        letter, name = "NDGCAHMO"[index // 2 % 8], f"{index // 2}_{'left' if index % 2 else 'right'}.jpg"
        picture(raw / "preprocessed_images" / name)
        rows.append({"ID": index // 2, "Left-Fundus": "", "labels": f"['{letter}']", "filename": name})
        if letter in letters:
            expected.add((name, names[letter]))
    picture(raw / "preprocessed_images/99_left.jpg")
    rows.append({"ID": 99, "Left-Fundus": "", "labels": "['D', 'G']", "filename": "99_left.jpg"})
    table(raw / "full_df.csv", rows)
    return {"any": expected}


def odir2(raw: Path) -> Expected:
    return odir(raw, "NC")


def pneumonia3(raw: Path, names: tuple[str, ...] = FACTS["pneumonia3"].classnames) -> Expected:
    kinds = {"IM-{0:04d}-0001": names[0], "person{0}_bacteria_{0}": names[1], "person{0}_virus_{0}": names[-1]}
    expected = {"train": set(), "test": set()}
    for twice in ("chest_xray", "chest_xray/chest_xray", "__MACOSX/chest_xray"):
        for part, numbers in (("train", range(1, 5)), ("val", range(5, 6)), ("test", range(1, 3))):
            for stem, classname in kinds.items():
                for number in numbers:
                    name = stem.format(number + 100 * (part == "test" and "IM" in stem)) + ".jpeg"
                    name = name if part != "test" else name.replace("_", f"_{part}", 1) if "person" in name else name
                    name = name.replace("_testbacteria", "_bacteria_9").replace("_testvirus", "_virus_9")
                    folder = "NORMAL" if "IM" in stem else "PNEUMONIA"
                    picture(raw / twice / part / folder / name)
                    expected["test" if part == "test" else "train"].add((name, classname))
    return expected


def pneumonia2(raw: Path) -> Expected:
    return pneumonia3(raw, FACTS["pneumonia2"].classnames)


def folders(raw: Path) -> Expected:
    return _folders(raw, {"round_cell": "round cell", "long_cell": "long cell"}, ".png")


def csv_file(raw: Path) -> Expected:
    rows, expected = [], set()
    for index in range(40):
        name, label = f"{index:03d}.png", ("sickle", "target")[index % 4 > 1]
        picture(raw / "pictures" / name)
        rows.append({"path": f"pictures/{name}", "label": label, "group": f"patient {index // 2}"})
        expected.add((name, label))
    table(raw / "manifest.csv", rows)
    return {"any": expected}


def medmnist(raw: Path, name: str = "bloodmnist", n_cls: int = 8, size: int = 28, channels: int = 3) -> Expected:
    """`<name>.npz` as MedMNIST publishes it: `{part}_images` uint8 (n, size, size[, 3]), `{part}_labels` (n, 1)."""
    pytest.importorskip("medmnist")
    raw.mkdir(parents=True, exist_ok=True)
    names = FACTS[name].classnames if name in FACTS else tuple(map(str, range(n_cls)))
    rng, arrays, expected = np.random.default_rng(0), {}, {}
    for part, n in (("train", 2 * n_cls), ("val", n_cls), ("test", n_cls)):
        shape = (n, size, size, 3) if channels == 3 else (n, size, size)
        arrays[f"{part}_images"] = rng.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(n, dtype=np.uint8)[:, None] % n_cls
        expected[part] = {(f"{i:06d}.png", names[i % n_cls]) for i in range(n)}
    np.savez(raw / (f"{name}.npz" if size == 28 else f"{name}_{size}.npz"), **arrays)
    return expected
