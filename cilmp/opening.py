"""What verbs over images begin with: the images that are meant, and the run that is to see them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolbox.words import shown

if TYPE_CHECKING:
    from trainers.life.saved import SavedRun


def images_and_run(
    images: Sequence[Path],
    run: Path,
    plugins: list[str],
    classnames: list[str] | None = None,
    epoch: int | None = None,
) -> tuple[list[Path], "SavedRun"]:
    """The images among files and folders, and the run opened again; what folders hold besides is said on standard error.

    Args:
        images: may be empty, where a verb can do without.
        classnames, epoch: as for `trainers.life.saved.open_run`.

    Raises:
        UserError: there are no images where some were named, or the run cannot be opened.
    """
    import trainers  # noqa: F401  registers the methods
    from datasets.walk import images_in
    from trainers.life.plugins import load_plugins
    from trainers.life.saved import open_run

    load_plugins(plugins)
    files, left_out = images_in(images) if images else ([], "")
    if left_out:
        print(shown(f"left out of the folders: {left_out}"), file=sys.stderr)
    return files, open_run(run, classnames, epoch)
