"""Makes the rooms importable by their names (`trainers`, `datasets`, ...), from a checkout and from an installed package.

In the wheel they lie below `cilmp/`: a top-level `datasets` in site-packages would hide Hugging Face's from all other programs.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("benchmark", "datasets", "llm", "toolbox", "trainers", "vlm")


def open_rooms(cilmp: Path) -> None:
    """Put the folder that holds the rooms first on the path; `cilmp` is this package's own.

    Raises:
        ImportError: the process has imported another package of such a name already, which would be taken for ours.
    """
    folder = cilmp if (cilmp / ROOMS[0]).is_dir() else cilmp.parent
    others = list(_others(folder))
    if others:
        raise ImportError(
            f"{', '.join(others)} is imported already, and cilmp has a package of that name: import cilmp first, or use the "
            "two in different processes"
        )
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def _others(folder: Path) -> Iterator[str]:
    for name in ROOMS:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None and not Path(file).resolve().is_relative_to(folder):
            yield f"{name} ({file})"
