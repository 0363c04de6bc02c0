"""Makes `open_clip` the installed package where a folder of that name lies at a checkout's root (BiomedCoOp's does).

Python takes the folder for the package, and finds in it nothing of what ours and others import. With the folder behind
the package's own, both are found: `open_clip.create_model` and the checkout's `open_clip.src.open_clip`.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path


def mend_open_clip() -> None:
    """Import the installed package and let the hiding folder's modules be found too; nothing where none hides it."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or _is_installed(spec.origin):
        return
    for place in sys.path:
        found = PathFinder.find_spec("open_clip", [place])
        if found is not None and _is_installed(found.origin):
            package = sys.modules["open_clip"] = importlib.util.module_from_spec(found)
            found.loader.exec_module(package)
            package.__path__.extend(spec.submodule_search_locations or [])
            return


def _is_installed(init: str | None) -> bool:
    return init is not None and (Path(init).parent / "factory.py").is_file()
