"""Logs of the CoOp family as results: what a `log.txt` says of its run, and what the names of its folders say.

A training log counts once it says that training is finished; a log of `--eval-only` when it has a result.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_METRICS = ("accuracy", "macro_f1", "auc", "kappa")
_FINISHED = re.compile(r"^Finish(ed)? training", re.MULTILINE)  # Dassl 0.6, and 0.5
_EPOCH = re.compile(r"^epoch \[", re.MULTILINE)
_ARGUMENT = re.compile(r"^(\w+): ?(.*)$", re.MULTILINE)
_SHOTS, _SHORT = r"shots_(\d+)(?:_[\w.]+)?", r"(.+)_(\d+)shots(?:_\w+)?"
_SEED = r"seed_?(\d+)"


@dataclass(frozen=True)
class Told:
    """What is known of a run: metrics on a scale of 0-100, and where it belongs."""

    metrics: Mapping[str, float]
    method: str
    dataset: str
    subset: str
    shots: int | None
    seed: int
    cfg: str
    source: str | None = None


def read_log(folder: Path, placed: bool = True) -> Told | str | None:
    """The run of `folder`/log.txt; None where it is not finished; a sentence where it is not to be told what it is of.

    Without `placed` there is no such sentence: method and data set may be "?".
    """
    text = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    metrics = parse_log(text)
    said, settings = _header(text)
    trained = bool(_EPOCH.search(text)) if not said else "True" not in (said.get("eval_only"), said.get("no_train"))
    if not metrics or (trained and not _FINISHED.search(text)):
        return None
    place = _placed(folder)
    method = said.get("trainer") or place.get("method")
    dataset = Path(said.get("dataset_config_file", "")).stem or place.get("dataset")
    if placed and not (method and dataset):
        return f"{folder} was not understood: neither its log's header nor the names of its folders say method and data set"
    shots = settings.get("DATASET.NUM_SHOTS") or place.get("shots")
    return Told(
        metrics,
        method or "?",
        dataset or "?",
        settings.get("DATASET.SUBSAMPLE_CLASSES") or place.get("subset", "all"),
        int(shots) if shots else None,
        int(said.get("seed") or place.get("seed", 0)),
        place.get("cfg") or Path(said.get("config_file", "")).stem or "?",
        place.get("source"),
    )


def parse_log(text: str) -> dict[str, float]:
    """Metrics of the last `=> result` block of a Dassl log: lines such as `* accuracy: 83.3%`."""
    _, found, tail = text.rpartition("=> result")
    pairs = re.findall(r"^\* (\w+): ([\d.,]+)%?\s*$", tail, flags=re.MULTILINE) if found else []
    return {k: float(v.replace(",", "")) for k, v in pairs if k in _METRICS}


def _header(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Arguments, and leaves of the configuration as SECTION.KEY, that the log begins with; of several runs the last one's."""
    _, begins, rest = text.rpartition("** Arguments **")
    arguments, _, config = rest.partition("** Config **") if begins else ("", "", "")
    settings, sections = {}, []
    for line in config.splitlines()[2:]:
        found = re.match(r"^( *)([\w.]+):(.*)$", line)
        if not found:
            break
        depth = len(found[1]) // 2
        sections = [*sections[:depth], found[2]]
        settings[".".join(sections)] = found[3].strip()
    return {key: value.strip() for key, value in _ARGUMENT.findall(arguments)}, settings


def _placed(folder: Path) -> dict[str, str]:
    """What the layouts of the family's scripts say: parts of the path by name; {} for another layout.

    <data set>/shots_<N>/<METHOD>/<cfg>/seed<S>, <data set>/<METHOD>/<cfg>_<N>shots[/nctx...]/seed<S>, and
    evaluation/<METHOD>/<cfg>_<N>shots/<data set>/seed<S>; train_base and test_new above say which classes.
    """
    parts = list(folder.parts)
    seed = re.fullmatch(_SEED, parts[-1]) if parts else None
    if not seed:
        return {}
    parts = parts[:-1]
    subset = {"train_base": "base", "test_new": "new", "test_base": "base"}
    found = {"seed": seed[1], "subset": next((subset[p] for p in reversed(parts) if p in subset), "all")}
    for i in range(len(parts) - 1, 0, -1):
        if (few := re.fullmatch(_SHOTS, parts[i])) and len(parts) - i >= 3:
            return found | {
                "dataset": parts[i - 1],
                "shots": few[1],
                "method": parts[i + 1],
                "cfg": "/".join(parts[i + 2 :]),
            }
        if few := re.fullmatch(_SHORT, parts[i]):
            found |= {"shots": few[2], "cfg": few[1], "method": parts[i - 1]}
            if i >= 2 and parts[i - 2] == "evaluation" and i + 1 < len(parts):
                source, to, target = parts[i + 1].rpartition("-to-")
                return found | {"dataset": target, **({"source": source} if to else {})}
            return found | ({"dataset": parts[i - 2]} if i >= 2 else {})
    return {}
