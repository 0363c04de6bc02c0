"""The 2-D sets of MedMNIST, through the package `medmnist`."""

from pathlib import Path

from PIL import Image

from toolbox.errors import UserError, nearest

from ..progress import bar
from .raw import Entry, Release

SIZES = (28, 64, 128, 224)


def medmnist(name: str, size: int, npz_folder: Path | None, scratch: Path) -> Release:
    """The set `name` at `size` pixels, with its official parts, as PNG files below `scratch`.

    `npz_folder` holds `<name>.npz` or `<name>_<size>.npz`; None lets the package download it.
    Raises UserError for an unknown, 3-D or multi-label set, another size, or if the package or the file is missing.
    """
    info, reader = _reader(name)
    if size not in SIZES:
        raise UserError(f"--size {size}: MedMNIST comes in {', '.join(map(str, SIZES))}")
    names = [info["label"][str(label)] for label in range(len(info["label"]))]
    entries = []
    for part in ("train", "val", "test"):
        data = _open(reader, name, part, size, npz_folder, scratch)
        folder = scratch / part
        folder.mkdir(parents=True)
        pairs = enumerate(zip(data.imgs, data.labels, strict=True))
        for index, (pixels, label) in bar(pairs, f"{name} {part}", len(data.imgs)):
            file = folder / f"{index:06d}.png"
            Image.fromarray(pixels).save(file)
            entries.append(Entry(file, names[int(label[0])], part))
    return Release(entries, [f"licence of {name}: {info['license']}", f"{size} x {size} pixels"], tuple(names))


def _reader(name: str) -> tuple[dict, type]:
    try:
        import medmnist as package
    except ImportError:
        raise UserError("`pip install medmnist` to prepare the sets of MedMNIST") from None
    known = {
        key: info
        for key, info in package.INFO.items()
        if "3d" not in key and info["task"] not in ("multi-label, binary-class",)
    }
    if name not in known:
        raise UserError(f"{name!r} is no 2-D set of MedMNIST with one label an image; {nearest(name, known)}")
    return known[name], getattr(package, known[name]["python_class"])


def _open(reader: type, name: str, part: str, size: int, npz_folder: Path | None, scratch: Path):
    folder = npz_folder or scratch
    file = f"{name}.npz" if size == 28 else f"{name}_{size}.npz"
    if npz_folder and not (folder / file).is_file():
        raise UserError(f"no {file} in {folder}; name its folder with --raw, or leave --raw out to download it")
    try:
        return reader(split=part, root=str(folder), size=size, download=npz_folder is None)
    except RuntimeError:
        raise UserError(
            f"MedMNIST could not download {file}; get it from its page and name the folder with --raw"
        ) from None
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(f"{folder / file} is no file of MedMNIST ({type(error).__name__}); download it again") from None
