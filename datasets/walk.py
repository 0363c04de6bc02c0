"""The one walk over a folder of images: what prepare, predict and explain find in it, and what they leave out.

Linked folders are followed. Images are known by content where the suffix does not tell. Masks, hidden files and what
servers and archivers put between images are left out, and counted.
"""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from PIL import Image

from toolbox.errors import UserError

from .images import FORMATS, SUFFIXES

_NEVER = (
    ".csv",
    ".tsv",
    ".txt",
    ".md",
    ".json",
    ".yaml",
    ".yml",
    ".xml",
    ".html",
    ".log",
    ".py",
    ".zip",
    ".gz",
    ".npz",
)
_CLUTTER = ("__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found")
_CLUTTER_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini", "dicomdir")
_MASK_FOLDER = re.compile(r"masks?|(.*[ _-])?(masks|segs?|segmentations?)|ground[ _-]?truths?|annotations?", re.I)
_MASK_FILE = re.compile(r"[ _.-](mask|seg)|^(mask|seg|segmentation)s?[ _.-]?\d*$|^(mask|seg|segmentation)s?[_-]", re.I)
_DICOM_CLASS = (
    b"\x02\x00\x02\x00UI"  # the tag of the storage class; the file's group 2 is written this way in all syntaxes
)
_NOT_PICTURES = (  # segmentations, radiotherapy structures, reports, presentation states: DICOM without a picture
    "1.2.840.10008.1.3.10",
    "1.2.840.10008.5.1.4.1.1.66.",
    "1.2.840.10008.5.1.4.1.1.481.3",
    "1.2.840.10008.5.1.4.1.1.88.",
    "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.104.",
)


@dataclass
class Found:
    """What lies below a folder, by path: `images`, images that look like `masks`, and `others`; `clutter` counts the rest."""

    images: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    clutter: int = 0
    dangling: int = 0

    def left_out(self, read: Iterable[Path] = ()) -> str:
        """What is not read ("12 .nii.gz, 3 .txt, 20 masks"), but for the files `read`; "" where nothing is left out."""
        read = set(read)
        count = Counter(suffix(path) or "without suffix" for path in self.others if path not in read)
        parts = [f"{n} {kind}" for kind, n in count.most_common()]
        parts += [f"{len(self.masks)} masks"] if self.masks else []
        parts += [f"{self.clutter} hidden or system files"] if self.clutter else []
        parts += [f"{self.dangling} broken links"] if self.dangling else []
        return ", ".join(parts)


def walk(folder: str | Path, keep_masks: bool = False) -> Found:
    """All files below `folder`, at any depth, in the order of their paths; masks are images where `keep_masks`.

    A linked folder that leads back to a folder it lies in is not entered.
    Raises UserError for a folder that cannot be listed.
    """
    root = Path(folder)
    found = Found()
    real = root.resolve()
    above = {_identity(parent) for parent in (real, *real.parents)}
    for path in _files(root, above, found):
        if not path.is_file():
            found.dangling += path.is_symlink()
        elif not is_image(path):
            found.others.append(path)
        elif not keep_masks and is_mask(path.relative_to(root)):
            found.masks.append(path)
        else:
            found.images.append(path)
    for files in (found.images, found.masks, found.others):
        files.sort()
    return found


def images_in(paths: Iterable[Path]) -> tuple[list[Path], str]:
    """The files among `paths` as they are, and the images in folders among them; and what was left out, in words.

    Raises UserError if a path does not exist, or there is no image.
    """
    paths = list(paths)
    images: list[Path] = []
    total = Found()
    for path in paths:
        if path.is_dir():
            found = walk(path)
            images += found.images
            total.masks += found.masks
            total.others += found.others
            total.clutter += found.clutter
            total.dangling += found.dangling
        elif path.is_file():
            images.append(path)
        else:
            raise UserError(f"no image or folder at {path}")
    left_out = total.left_out()
    if not images:
        rest = f"; left out: {left_out}" if left_out else ""
        raise UserError(f"no images in {', '.join(map(str, paths))}{rest}; images are {', '.join(SUFFIXES)}")
    return list(dict.fromkeys(images)), left_out


def is_image(path: Path) -> bool:
    """Whether a file is an image: by its suffix (a damaged one is still meant as one), else by what is in it."""
    kind = path.suffix.lower()
    if kind in SUFFIXES:
        return not (kind in (".dcm", ".dicom") and _holds_no_picture(path))
    if kind in _NEVER:
        return False
    try:
        with path.open("rb") as file:
            if file.read(132)[128:] == b"DICM":
                return not _holds_no_picture(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(path, formats=FORMATS).close()
        return True
    except Image.DecompressionBombError:  # an image, and reading it will say that it is too large
        return True
    except Exception:  # no image; decoders say so in many ways
        return False


def is_mask(path: PurePath) -> bool:
    """Whether a path below a folder of images is named like a mask: `masks/a.png`, `a_mask_1.png`, `a_segmentation.png`."""
    return bool(_MASK_FILE.search(path.stem)) or in_mask_folder(path)


def in_mask_folder(path: PurePath) -> bool:
    """Whether a folder on the way to a file is one of masks."""
    return any(_MASK_FOLDER.fullmatch(part) for part in path.parts[:-1])


def suffix(path: PurePath) -> str:
    """The suffix in lower case, that of what is packed with it: `.nii.gz`; "" for none."""
    inner = PurePath(path.stem).suffix.lower()
    last = path.suffix.lower()
    return inner + last if last in (".gz", ".bz2", ".xz") and inner.isascii() else last


def _files(folder: Path, above: set[tuple[int, int]], found: Found) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed: {error.strerror}") from None
    for entry in listed:
        path = folder / entry.name
        if entry.name.startswith(".") or entry.name.lower() in (*_CLUTTER, *_CLUTTER_FILES):
            found.clutter += 1
        elif not path.is_dir():
            yield path
        elif entry.is_symlink():
            if (here := _identity(path)) not in above:
                yield from _files(path, above | {here}, found)
        else:
            yield from _files(path, above | {_identity(path)}, found)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _holds_no_picture(path: Path) -> bool:
    """Whether a DICOM file says of itself that it is a directory, a report, a segmentation or the like."""
    try:
        with path.open("rb") as file:
            head = file.read(2048)
    except OSError:
        return False
    at = head.find(_DICOM_CLASS)
    if at < 0:
        return False
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return head[at + 8 : at + 8 + length].decode("ascii", "replace").startswith(_NOT_PICTURES)
