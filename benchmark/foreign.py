"""Methods of others in a plan, `PATH:NAME` or `PATH`, with the configuration files of their checkouts."""

import re
from pathlib import Path

from benchmark.configs import Configs
from toolbox.errors import UserError, nearest
from trainers.life.plugins import divided

_REGISTERED = re.compile(r"^@TRAINER_REGISTRY\.register\(\)\s*^class (\w+)", re.MULTILINE)


def is_foreign(word: str) -> bool:
    """Whether a method's word in a plan names a file or folder, as `--plugin` takes it."""
    return "/" in word or re.search(r"\.py(:|$)", word) is not None


def name_of(word: str) -> str:
    """What the trainer of PATH:NAME, or of PATH, is called.

    Raises:
        UserError: there is no such path, or no NAME where the path has not one trainer.
    """
    path, name = _split(word)
    found = _trainers(path)
    if name or len(found) == 1:
        return name or found[0]
    raise UserError(f"{word} registers {', '.join(found) or 'no trainer'}: write {word}:NAME for the one that is meant")


def config_of(word: str, backbone: str, protocol: str, wanted: str | None) -> Path:
    """The configuration of a foreign method: the file `wanted`, else as `Configs.choose` does among its checkout's.

    Raises:
        UserError: there is none, or more than one that might be meant.
    """
    if wanted and Path(wanted).is_file():
        return Path(wanted)
    path, name = _split(word)
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    roots = [root for root in (folder, *folder.parents[:2]) if (root / "configs" / "trainers").is_dir()]
    for configs in (Configs(root / "configs") for root in roots[:1]):
        for method in dict.fromkeys([name, *_trainers(path)]):
            if method in configs.methods():
                return configs.method(method, configs.choose(method, backbone, protocol, wanted))
    given = f"CFG={name or 'NAME'}=FILE.yaml (--cfg)"
    raise UserError(f"{word}: its checkout has no configuration for it; give one with {given}")


def _split(word: str) -> tuple[Path, str]:
    found = divided(word)
    if found is not None:
        return found
    path = word.rpartition(":")[0]
    there = [str(p) for p in Path(path or word).parent.glob("*.py")]
    raise UserError(f"no trainer at {path or word}" + (f"; {nearest(path or word, there)}" if there else ""))


def _trainers(path: Path) -> list[str]:
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [name for file in files for name in _REGISTERED.findall(file.read_text(encoding="utf-8", errors="replace"))]
