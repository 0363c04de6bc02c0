"""The page of a sweep whose runs are still being made (`--watch`)."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.compose import compose
from benchmark.execute import Outcome
from benchmark.report import Settings
from benchmark.results import read_results
from toolbox.errors import UserError
from toolbox.words import shown

SHARE = 0.1
"""Share of the time that may go into the page: it is written again after ten times as long as it took."""


class PageAsRunsFinish:
    """Writes it anew after a run, but not too often.

    Args:
        folders: of all runs.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders, self.due, self.said = folders, 0.0, False

    def write(self, settings: Settings, outcomes: Sequence[Outcome], console: Console) -> None:
        """Write it, unless it is too early or what there is makes no page yet; the first time, say where it is."""
        from benchmark.page import write_page  # matplotlib takes a second to import

        began = time.monotonic()
        if began < self.due:
            return
        failed = [o.job.title for o in outcomes if o.state == "failed"]
        said = f"{len(outcomes)} of {len(self.folders)} runs so far." + (
            f" Failed: {', '.join(failed)}." if failed else ""
        )
        try:
            results = read_results([folder for folder in self.folders if folder.exists()])
            report = compose(results, settings.spread, settings.subject, allow=True)
        except UserError:  # the end of the sweep will tell
            return
        path = write_page(report, settings.out, settings.page, unfinished=said)
        self.due = time.monotonic() + (time.monotonic() - began) / SHARE
        if not self.said:
            console.print(f"Page, as runs finish: {shown(str(path))}", highlight=False, markup=False, soft_wrap=True)
        self.said = True
