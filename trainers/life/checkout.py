"""A trainer's checkout, around it: its packages while it is imported, its configuration keys, and what it lacks here."""

import ast
import hashlib
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.abc import SourceLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from yacs.config import CfgNode

from toolbox.errors import UserError
from toolbox.plain import PlainError, read_yaml

TEMPLATES = "CUSTOM_TEMPLATES"
"""Dictionaries of that name, with whatever behind it, hold a prompt by the data set's name in trainers of the family."""
NAMES = "dataset_name_mapping"
"""CoPrompt's dictionary from a data set to its part of the name of a file with descriptions."""


def root_of(folder: Path) -> Path | None:
    """Root of the checkout that a folder of trainers lies in, where a train.py is, at most two folders up; not ours."""
    found = next((f for f in (folder, *folder.parents[:2]) if (f / "train.py").is_file()), None)
    return None if found == Path(__file__).resolve().parents[2] else found


@contextmanager
def at_home(root: Path | None) -> Iterator[None]:
    """Inside, packages at `root` (its own clip, trainers, datasets) are found before those of their names here.

    Modules that were imported inside stay with those who imported them; behind it all is as before.
    """
    if root is None:
        yield
        return
    importlib.import_module("clip")  # ours is chosen before theirs hides it
    theirs = {p.stem for p in root.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file() or _holds_code(p)}
    theirs -= {"dassl", "toolbox", "vlm", "llm", *sys.stdlib_module_names}
    hidden = {key: sys.modules.pop(key) for key in list(sys.modules) if key.partition(".")[0] in theirs}
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    stand_in = _stand_in_for_pkg_resources()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        if stand_in is not None:
            del sys.modules["pkg_resources"]
        inside = [key for key in sys.modules if key.partition(".")[0] in theirs]
        adapt(sys.modules[key] for key in inside)
        for key in inside:
            del sys.modules[key]
        sys.modules.update(hidden)


def _stand_in_for_pkg_resources() -> ModuleType | None:
    """OpenAI's clip.py takes `packaging` from there, and newer setuptools are without it; None where it is to be had."""
    if find_spec("pkg_resources") is not None:
        return None
    module = sys.modules["pkg_resources"] = ModuleType("pkg_resources")
    module.packaging = importlib.import_module("packaging.version") and importlib.import_module("packaging")
    return module


def _holds_code(folder: Path) -> bool:
    return folder.is_dir() and folder.name.isidentifier() and any(folder.glob("*.py"))


def keys_of(path: Path) -> Callable[[CfgNode], None] | None:
    """What adds a trainer's keys: `extend_cfg` in the train.py of its checkout, where there is one."""
    root = root_of((path if path.is_dir() else path.parent).resolve())
    return None if root is None else keys_in(root / "train.py")


def keys_in(file: Path) -> Callable[[CfgNode], None]:
    """What adds the keys that a file declares: `extend_cfg(cfg)` of a Python file, or all of a yaml file as defaults.

    Of the Python file that function alone is run, so that a train.py does not import its methods and data sets.

    Raises:
        UserError: the file has no such function, or is no yaml.
    """
    if file.suffix in (".yaml", ".yml"):
        try:
            tree = CfgNode(read_yaml(file) or {})
        except PlainError as error:
            raise UserError(f"{file} is not yaml: {error}") from error
        return lambda cfg: _add(cfg, tree)
    try:
        program = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is no Python file: {error}") from error
    found = [node for node in program.body if isinstance(node, ast.FunctionDef) and node.name == "extend_cfg"]
    if not found:
        raise UserError(f"{file} has no function extend_cfg(cfg) that adds the keys of its trainers")
    spec = spec_from_loader(f"keys_of_{file.stem}", _Function(ast.unparse(found[-1]), str(file)))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.extend_cfg


class _Function(SourceLoader):
    """Imports a module of one function; CN is yacs' CfgNode, as in the family's files."""

    def __init__(self, function: str, file: str) -> None:
        self.text, self.file = f"from yacs.config import CfgNode\nCN = CfgNode\n{function}\n", file

    def get_filename(self, fullname: str) -> str:
        return self.file

    def get_data(self, path: str) -> bytes:
        return self.text.encode()


def _add(cfg: CfgNode, tree: CfgNode) -> None:
    for key, value in tree.items():
        if isinstance(value, CfgNode) and isinstance(cfg.get(key), CfgNode):
            _add(cfg[key], value)
        else:
            cfg[key] = value


def adapt(modules: Iterable[ModuleType]) -> None:
    """Let a copy of CLIP take a file in the place of a model's name, and prompts by data set know the data sets here."""
    for module in modules:
        models, download = getattr(module, "_MODELS", None), getattr(module, "_download", None)
        if isinstance(models, dict) and callable(download) and not isinstance(models, _Models):
            module._MODELS, module._download = _Models(models), _or_file(download)
        for key, value in list(vars(module).items()):
            if type(value) is dict and (key == NAMES or key.startswith(TEMPLATES)):
                setattr(module, key, _Names(value) if key == NAMES else _Templates(value))


class _Templates(dict):
    def __missing__(self, dataset: str) -> str:
        facts = _facts(dataset)
        return facts.templates[0] if facts and facts.templates else "a photo of a {}."


class _Names(dict):
    def __missing__(self, dataset: str) -> str:
        facts = _facts(dataset)
        return facts.name if facts else dataset.lower()


def _facts(dataset: str) -> Any:
    from datasets.facts import FACTS

    return next((facts for facts in FACTS.values() if facts.dassl_name == dataset), None)


class _Models(dict):
    """Address of each model; the path of a file is its own address, and the small CLIP is written out for whoever asks."""

    def __missing__(self, name: str) -> str:
        if name == "small_clip":
            from vlm.small_clip import WEIGHTS, state_dict

            return _written_out(WEIGHTS, state_dict)
        if name.endswith(".safetensors") and Path(name).is_file():
            from safetensors.torch import load_file

            return _written_out(Path(name), load_file)
        if Path(name).is_file():
            return name
        raise UserError(
            f'unknown CLIP model "{name}": the trainer\'s own clip/ knows {", ".join(self)}, or give a file'
        )


def _or_file(download: Callable[..., str]) -> Callable[..., str]:
    return lambda url, *rest, **options: url if Path(url).is_file() else download(url, *rest, **options)


def _written_out(file: Path, read: Callable[[Path], dict]) -> str:
    """Path of a copy that `torch.load` reads, as trainers of the family do."""
    import torch

    from toolbox.clip.archives import CACHE
    from toolbox.files import atomic_write

    with file.open("rb") as content:
        name = f"{file.stem}-{hashlib.file_digest(content, 'sha256').hexdigest()[:12]}.pt"
    if not (CACHE / name).is_file():
        atomic_write(CACHE / name, lambda part: torch.save(read(file), part))
    return str(CACHE / name)
