"""Which configuration file belongs to a method and to a data set."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from toolbox.errors import UserError, nearest
from toolbox.names import check_name
from toolbox.plain import PlainError, read_yaml
from toolbox.run_files import RESULT

ROOT = Path(__file__).resolve().parent.parent


class Configs:
    """The configs/ folder: `datasets/<name>.yaml`, `trainers/<METHOD>/<cfg>.yaml`."""

    def __init__(self, folder: Path = ROOT / "configs"):
        self.folder = Path(folder)
        self.defaults, self._shots = self._read("defaults.yaml"), self._read("shots.yaml")

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            return (read_yaml(path) or {}) if path.exists() else {}
        except PlainError as error:
            raise UserError(f"{path} is not YAML: {error}") from error

    def choose(self, method: str, backbone: str, protocol: str, wanted: str | None) -> str:
        """Stem of the method's file: the one asked for, else that of `defaults.yaml`, else the one named like the backbone,
        else `default`, else the only one.

        Raises UserError for an unknown method or file, or where none of these is there.
        """
        stems = self.stems(method)
        published = {plain(key): stem for key, stem in self.defaults.get(method, {}).items()}
        candidates = [published.get(plain(f"{backbone} {protocol}")), published.get(plain(backbone))]
        candidates += [*(stem for stem in stems if plain(stem) == plain(backbone)), "default"]
        for candidate in [wanted] if wanted else candidates:
            if candidate in stems:
                return candidate
        if wanted is None and len(stems) == 1:
            return stems[0]
        problem = f"has no configuration {wanted!r}" if wanted else f"has no configuration named after {backbone}"
        hint = nearest(wanted or backbone, stems)
        raise UserError(f"{method} {problem} in {self.folder / 'trainers' / method}; {hint} (choose with CFG or --cfg)")

    def stems(self, method: str) -> list[str]:
        """Configurations of a method. Raises UserError, with the nearest names, for an unknown one."""
        check_name(method, "method")
        stems = sorted(p.stem for p in (self.folder / "trainers" / method).glob("*.yaml"))
        if not stems:
            raise UserError(f"unknown method {method!r}; {nearest(method, self.methods())}")
        return stems

    def methods(self) -> list[str]:
        """Methods that have a configuration."""
        return sorted(p.name for p in (self.folder / "trainers").glob("*") if any(p.glob("*.yaml")))

    def method(self, method: str, cfg: str) -> Path:
        """The method's file, as seen from here."""
        return _short(self.folder / "trainers" / method / f"{cfg}.yaml")

    def dataset(self, name: str, root: Path) -> Path:
        """The data set's file; a folder `<root>/<name>/` with a split JSON in it needs none of its own and uses split.yaml."""
        path = self.folder / "datasets" / f"{check_name(name, 'data set', nested=True).lower()}.yaml"
        if path.is_file():
            return _short(path)
        if self._is_folder(name, root):
            return _short(self.folder / "datasets" / "split.yaml")
        known = [str(p.relative_to(path.parent).with_suffix("")) for p in path.parent.rglob("*.yaml")]
        raise UserError(
            f"unknown data set {name!r}: no {path.name} in {_short(path.parent)} and no folder {root / name} with a "
            f"split JSON; {nearest(name, known)}"
        )

    def shots(self, name: str) -> int:
        """Training images a class where nobody says how many: those of `shots.yaml` for the data set, else 16."""
        return self._shots.get(name.lower(), 16)

    def dataset_opts(self, name: str, root: Path) -> list[str]:
        """KEY VALUE words that a folder without a configuration of its own needs."""
        if (self.folder / "datasets" / f"{name.lower()}.yaml").is_file() or not self._is_folder(name, root):
            return []
        return ["DATASET.FOLDER", name]

    def datasets_in(self, root: Path) -> list[str]:
        """Data sets whose folder, under their configuration's name or their own split file's, is in the data folder."""
        folders = [p.name for p in sorted(Path(root).glob("*")) if p.is_dir()]
        configured = {plain(p.stem): p.stem for p in (self.folder / "datasets").glob("*.yaml")}
        names = [configured.get(plain(name), name) for name in folders]
        return [name for name in names if name in configured.values() or self._is_folder(name, root)]

    @staticmethod
    def _is_folder(name: str, root: Path) -> bool:
        folder = Path(root) / name
        return folder.is_dir() and any(folder.glob("*.json"))


def config_for(args: Namespace) -> str:
    """The configuration of a run for which train.py is given none: that of the run it tests, else its method's for its
    backbone, as the scripts choose it.

    Raises UserError, with the file to give, where there is none.
    """
    if args.eval_only and args.model_dir and (Path(args.model_dir) / RESULT).is_file():
        chosen = str(Path(args.model_dir) / RESULT)
    elif not args.trainer:
        raise UserError("no method: give --trainer NAME, such as CILMP, CoOp or ZeroshotCLIP")
    else:
        opts = dict(zip(args.opts[::2], args.opts[1::2], strict=True))
        backbone = opts.get("MODEL.BACKBONE.NAME") or args.backbone or "small_clip"
        try:
            folder = Configs().folder / "trainers" / args.trainer
            chosen = str(folder / f"{Configs().choose(args.trainer, backbone, '', None)}.yaml")
        except UserError as error:
            raise UserError(f"give --config-file: {error}") from error
    if not args.quiet:
        print(f"Configuration: {chosen}")
    return chosen


def plain(text: str) -> str:
    """Letters and digits only, in lower case: "ViT-B/16" and "vit_b16" are the same backbone; of a file, its stem."""
    name = Path(text).stem if Path(text).is_file() else text
    return "".join(c for c in name.lower() if c.isalnum())


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) and Path.cwd() == ROOT else path
