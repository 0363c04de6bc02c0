"""The one reader: a split file and its images become a Dassl data set."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import toolbox  # noqa: F401  makes dassl importable
from dassl.data.datasets import DatasetBase, Datum
from toolbox.errors import UserError

from .contain import resolve_images
from .facts import Facts, find
from .fewshot import Draw, draw
from .partition import cut_validation
from .quotas import COOP
from .split import PARTS, Item, Split, part_id, plain_name, read_split
from .subsample import subsample, subset_labels

VAL_SEED = 1


class MedicalDataset(DatasetBase):
    """A data set read from CoOp's split JSON, with few-shot draws and base/new classes.

    Attributes beside Dassl's own: `name` (config name), `templates` (list of prompts with `{}`, the first is the default),
    `modality`, `synthetic`, `facts`, `split_path`, `image_dir`, and `split_id`: SHA-256 of "train", "val" and "test" as they
    are used and of the whole few-shot draw ("fewshot", empty without one).
    Raises UserError if the folder, the split file or images are missing, or the split is not valid.
    """

    facts: Facts

    def __init__(self, cfg):
        self.facts = self.describe(cfg)
        self.name = self.facts.name
        self.templates = self.facts.templates
        self.modality = self.facts.modality
        self.synthetic = self.facts.synthetic
        self.dataset_dir = str(dataset_folder(cfg.DATASET.ROOT, self.facts))
        self.image_dir = str(Path(self.dataset_dir) / self.facts.images)
        self.split_path = str(Path(self.dataset_dir) / self.facts.split_file)

        print(f"Reading split from {self.split_path}")
        content = read_split(self.split_path)
        split = name_classes(content, self.facts)
        if cfg.DATASET.DRAW == COOP:
            split = with_validation(split, cfg.DATASET.VAL_PERCENT)
        n_cls = len(split.classnames)
        subset_labels(n_cls, cfg.DATASET.SUBSAMPLE_CLASSES)
        paths = dict.fromkeys(item.path for part in PARTS for item in split.part(part))
        files = resolve_images(self.image_dir, paths, self.split_path, cfg.DATASET.ALLOW_OUTSIDE)
        drawn = self._draw(cfg, split)
        used = {
            "train": drawn.train if drawn else split.train,
            "val": drawn.val if drawn else split.val,
            "test": split.test,
        }
        used = subsample(used, n_cls, cfg.DATASET.SUBSAMPLE_CLASSES)
        self.split_id = {part: part_id(used[part]) for part in PARTS} | {"fewshot": drawn.id if drawn else ""}
        print("Split identity: " + ", ".join(f"{part} {value[:16] or '-'}" for part, value in self.split_id.items()))
        below = "" if cfg.DATASET.ALLOW_OUTSIDE else os.path.realpath(self.image_dir)
        train, val, test = (_datums(used[part], files, content.sums, below) for part in PARTS)
        super().__init__(train_x=train, val=val, test=test)
        names = [split.classnames[label] for label in subset_labels(n_cls, cfg.DATASET.SUBSAMPLE_CLASSES)]
        # Dassl takes the classes from the training images, of which a realistic draw may leave some classes without any.
        self._num_classes, self._lab2cname, self._classnames = len(names), dict(enumerate(names)), names

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{len(items)} {part}" for part, items in zip(PARTS, (self.train_x, self.val or [], self.test), strict=True)
        )
        return f"{self.facts}\n  here: {len(self.classnames)} classes; {sizes} images; {self.split_path}"

    @classmethod
    def describe(cls, cfg) -> Facts:
        """Facts of this data set, with the folder, image folder and split file that the configuration names instead."""
        return override(cls.facts, cfg)

    def _draw(self, cfg, split: Split) -> Draw | None:
        shots, kind = cfg.DATASET.NUM_SHOTS, cfg.DATASET.DRAW
        if shots < 1 and kind != COOP:
            raise UserError(
                f"DATASET.DRAW {kind} is a few-shot draw: give DATASET.NUM_SHOTS, images a class on average"
            )
        if shots < 1:
            return None
        print(f"Drawing {shots} images a class{'' if kind == COOP else f' on average ({kind})'} with seed {cfg.SEED}")
        fallback = Path(cfg.OUTPUT_DIR) / "split_fewshot" / self.name if cfg.OUTPUT_DIR else None
        drawn = draw(split, shots, cfg.SEED, Path(self.dataset_dir) / "split_fewshot", fallback, kind)
        if kind != COOP:
            counts = Counter(item.label for item in drawn.train)
            print("Drawn: " + ", ".join(f"{name} {counts[label]}" for label, name in enumerate(split.classnames)))
        return drawn


def override(facts: Facts, cfg) -> Facts:
    """`facts` with what `cfg.DATASET` says of FOLDER, IMAGES, SPLIT, TEMPLATE and MODALITY, where it is not empty."""
    keys = {
        "folder": "FOLDER",
        "images": "IMAGES",
        "split_file": "SPLIT",
        "template": "TEMPLATE",
        "modality": "MODALITY",
    }
    given = {name: cfg.DATASET[key] for name, key in keys.items() if cfg.DATASET[key]}
    if "{}" not in given.get("template", "{}"):
        raise UserError(f"DATASET.TEMPLATE {given['template']!r} has no {{}} for the class name")
    return Facts(**{**vars(facts), **given})


def dataset_folder(root: str, facts: Facts) -> Path:
    """The data set's folder below the data root. Raises UserError that says which of them is missing and what to do."""
    if not root:
        raise UserError("no data root: give --root DATA, the folder that holds the data sets")
    base = Path(os.path.normpath(Path(root).expanduser().absolute()))
    if not base.is_dir():
        raise UserError(f"data root {base} is missing: --root is the folder that holds the data sets")
    folder = base / facts.folder
    if folder.is_dir():
        return folder
    other = find_namesake(base, facts)
    where = f" from {facts.source}" if facts.source else ""
    hint = f"did you mean {other}?" if other else f"download it{where} and run `python -m cilmp data prepare`"
    raise UserError(f"data set {facts.name}: folder {folder} is missing; {hint}")


def find_namesake(root: Path, facts: Facts) -> str:
    """Config name of the other collection's data set of the same name, if that one lies under `root`; else ""."""
    plain = facts.name.removeprefix("biomedcoop/")
    for name in (plain, f"biomedcoop/{plain}"):
        try:
            other = find(name)
        except UserError:
            continue
        if other.name == name != facts.name and (root / other.folder / other.split_file).is_file():
            return name
    return ""


def name_classes(split: Split, facts: Facts) -> Split:
    """The split with class names in the table's spelling, where they differ in case, blanks, `_` or `-` alone.

    Label order is the file's. Raises UserError if the number of classes is not the table's.
    """
    if not facts.classnames:
        return split
    names = split.classnames
    if len(names) != len(facts.classnames):
        raise UserError(
            f"data set {facts.name}: its split has {len(names)} classes ({', '.join(names[:8])}), "
            f"the table of data sets {len(facts.classnames)}; use the data set `split` for a split of your own"
        )
    spelling = {plain_name(name): name for name in facts.classnames}
    new = {name: spelling.get(plain_name(name), name) for name in names}
    strange = [name for name in names if plain_name(name) not in spelling]
    if strange:
        print(f"Class names of the split that the table does not have, kept as they are: {', '.join(strange)}")
    parts = {part: [item._replace(classname=new[item.classname]) for item in split.part(part)] for part in PARTS}
    return Split(**parts, groups=split.groups, meta=split.meta)


def with_validation(split: Split, share: float) -> Split:
    """The split with validation images: its own, or, where it has none of its own, a seeded cut of train, never of test."""
    seen = {item.path for item in split.train} | {item.path for item in split.test}
    shared = sum(item.path in seen for item in split.val)
    if split.val and not shared:
        return split
    train, val = cut_validation(split.train, share, VAL_SEED, split.groups)
    reason = f"{shared} of its validation images are in train or test" if shared else "it has no validation images"
    print(f"Validation: {reason}; {len(val)} of {len(split.train)} training images were cut for it (seed {VAL_SEED})")
    return Split(train, val, split.test, split.groups, split.meta)


def _datums(items: Sequence[Item], files: Mapping[str, str], sums: Mapping[str, str], below: str) -> list[Datum]:
    datums = [Datum(impath=files[item.path], label=item.label, classname=item.classname) for item in items]
    for datum, item in zip(datums, items, strict=True):
        datum.sha256, datum.below = sums.get(item.path, ""), below
    return datums
