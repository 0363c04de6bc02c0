"""Makes `torchvision`, `dassl` and `clip` importable on a current torch, whichever of them the user has.

Import this package before any of the three. It does nothing until one of them is imported, so that it costs no time:

- torchvision from PyPI is mended beside a CPU torch (`toolbox.mend.mend_torchvision`), and the old names of mixed precision
  lead to the current ones (`toolbox.mend.mend_amp`);
- `dassl` is stock Dassl where it can be found (environment variable DASSL_HOME, or already importable), mended at run
  time for current versions (`toolbox.mend.mend_dassl`); otherwise it is `toolbox/dassl`, with the same public interface;
- `clip` is the user's own where it can be imported; otherwise it is `toolbox/clip`;
- `open_clip` is the installed one, also where a folder of the checkout has that name (`toolbox.mend.mend_open_clip`).
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType

from toolbox.errors import UserError
from toolbox.mend.first_import import before_import

_hosts: dict[str, ModuleType | None] = {}  # what `dassl` and `clip` are; None: the bundled one


def host() -> str:
    """One line for a run's header: which Dassl and which CLIP are in use."""
    return "; ".join(f"{name}: {_describe(name)}" for name in ("dassl", "clip"))


def _describe(name: str) -> str:
    importlib.import_module(name)
    module = _hosts[name]
    if module is None:
        return "bundled toolbox"
    version = getattr(module, "__version__", "")
    return f"stock {version} at {module.__path__[0]}".replace("  ", " ")


def _mend_torch() -> None:
    from toolbox.mend.mend_amp import mend_amp
    from toolbox.mend.mend_torchvision import mend_torchvision

    mend_torchvision()
    mend_amp()


def _mend_open_clip() -> None:
    from toolbox.mend.mend_open_clip import mend_open_clip

    mend_open_clip()


def _find(name: str) -> None:
    importlib.import_module("torchvision")
    from toolbox.mend import find_host

    find: Callable[[], ModuleType | None] = getattr(find_host, f"find_{name}")
    try:
        _hosts[name] = find()
    except UserError as error:  # whoever imports it may not have begun to catch anything
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


before_import("torchvision", _mend_torch)
before_import("open_clip", _mend_open_clip)
for _name in ("dassl", "clip"):
    before_import(_name, partial(_find, _name))
