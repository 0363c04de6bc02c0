"""Decides, once a process, which `dassl` and which `clip` it uses: the user's own where they work, else the bundled."""

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType

from toolbox.errors import UserError

BUNDLED = Path(__file__).resolve().parents[1]


def find_dassl() -> ModuleType | None:
    """Put stock Dassl on the path (DASSL_HOME, or it is importable already) and return it; None: the bundled one."""
    home = os.environ.get("DASSL_HOME")
    if home:
        if not (Path(home) / "dassl" / "__init__.py").is_file():
            raise UserError(f"DASSL_HOME={home} holds no dassl/ folder: name the root of a Dassl.pytorch checkout")
        if Path(home).resolve() not in [Path(place).resolve() for place in sys.path]:
            sys.path.insert(0, home)
    if not _is_elsewhere("dassl"):
        _use_bundled("dassl")
        return None
    from toolbox.mend import mend_dassl  # only now: it imports parts of stock Dassl

    mend_dassl.prepare()
    try:
        dassl = importlib.import_module("dassl")
        mend_dassl.mend()
    except ImportError as error:
        raise UserError(
            f"stock Dassl cannot be imported ({error}): install what it needs, or unset DASSL_HOME"
        ) from error
    return dassl


def find_clip() -> ModuleType | None:
    """Import the user's own `clip` and return it; None where the bundled one is used.

    Checkouts of CoOp, MaPLe and the like bring a copy of their own, which is used. PyPI's packages of that name can be
    installed and yet not be imported (they want `pkg_resources`, which is gone), lack what trainers of this family
    call, or are something else altogether: so it is tried, not only looked for.
    """
    if _is_elsewhere("clip"):
        try:
            found = importlib.import_module("clip.clip")
            fault = _fault_of_clip(found)
        except Exception as error:  # a broken third-party package may fail in any way
            fault = f"it cannot be imported: {error}"
        if not fault:
            return sys.modules["clip"]
        print(f"note: the clip package on the path is not used ({fault}); the bundled one is")
        for name in [name for name in sys.modules if name.partition(".")[0] == "clip"]:
            del sys.modules[name]
    _use_bundled("clip")
    return None


def _fault_of_clip(clip: ModuleType) -> str:
    """Why trainers of the CoOp family could not use this module; empty where they can."""
    missing = [name for name in ("tokenize", "load", "build_model", "_MODELS", "_download") if not hasattr(clip, name)]
    if missing:
        return f"it has no {missing[0]}"
    try:
        inspect.signature(clip._download).bind("url")
    except TypeError:
        return "its _download wants more than an address"
    return ""


def _is_elsewhere(name: str) -> bool:
    """Whether a package of that name other than ours is on the path."""
    spec = importlib.util.find_spec(name)
    places = [Path(place).resolve() for place in spec.submodule_search_locations or []] if spec else []
    has_code = spec is not None and spec.origin is not None  # a mere folder of that name is a namespace package
    return has_code and BUNDLED / name not in places


def _use_bundled(name: str) -> None:
    if str(BUNDLED) not in sys.path:
        sys.path.append(str(BUNDLED))
    if _is_elsewhere(name):  # a broken package shadows ours on the path: load ours from its file
        file = BUNDLED / name / "__init__.py"
        spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)])
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
