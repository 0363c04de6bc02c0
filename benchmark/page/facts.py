"""The page's head: what was compared, on what, when and by which programs; and what it means, in a reader's words."""

from collections.abc import Iterator
from typing import Any

from benchmark.results import Result
from benchmark.significance import Comparison
from benchmark.tables import labels, unique
from toolbox.scores import chance_accuracy

SHORT = 12  # letters of a hash
MOST_VERDICTS = 6


def facts(results: list[Result], whole: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(name, value), in the order they are shown; `whole` is all of each run's result.json, {} where it has none."""
    classes = unique((r.dataset, r.subset, len(r.classnames)) for r in results if r.classnames)
    shots = unique("all" if r.shots == -1 else str(r.shots) for r in results if r.shots is not None)
    found = {
        "Methods": ", ".join(labels(results)),
        "Data": ", ".join(unique(r.dataset for r in results)),
        "Chance": "; ".join(f"{chance_accuracy(n):.1f} % ({name}, {side}, {n} classes)" for name, side, n in classes),
        "Training images a class": ", ".join(shots),
        "Seeds": ", ".join(map(str, sorted({r.seed for r in results}))),
        "Runs": f"{len(results)}, {_span(whole)}",
        "Backbone": ", ".join(unique(f"{r.backbone} ({(r.backbone_hash or '?')[:SHORT]})" for r in results)),
        "Test images": ", ".join(
            unique(f"{r.dataset} {r.subset} ({r.split['test'][:SHORT]})" for r in results if r.split)
        ),
        "Preprocessing": "; ".join(unique(r.transform or "?" for r in results)),
        "Hardware": "; ".join(unique(w["hardware"] for w in whole if w.get("hardware"))),
        "Versions": "; ".join(unique(_versions(w) for w in whole if w)),
        "Commit": ", ".join(unique(str(w.get("git") or "not a checkout") for w in whole if w)),
    }
    return [(name, value) for name, value in found.items() if value]


def _span(whole: list[dict[str, Any]]) -> str:
    ended = sorted(when for w in whole if (when := (w.get("time") or {}).get("finished")))
    return f"finished {ended[0]} to {ended[-1]}" if ended else "of unknown date"


def _versions(result: dict[str, Any]) -> str:
    own = {"cilmp": result.get("version", "?"), **(result.get("versions") or {})}
    return ", ".join(f"{name} {own[name]}" for name in ("cilmp", "python", "torch", "open_clip_torch") if name in own)


def verdicts(comparisons: list[Comparison], synthetic: bool) -> Iterator[str]:
    """A sentence a comparison without figures of speech, and what it does not say."""
    for c in [c for c in comparisons if "accuracy" in c.what][:MOST_VERDICTS]:
        d, (ours, theirs) = c.difference, c.scores
        of = "" if c.what == "accuracy" else f" of the {c.what.split()[0]} classes"
        low, high = (d.low, d.high) if d.seeds_low is None else (d.seeds_low, d.seeds_high)
        scope = "on other such images" if d.seeds_low is None else "on other such images, trained on other draws,"
        yield (
            f"{c.dataset}: of 100 test images{of}, {c.subject} named {ours:.0f} rightly and {c.other} {theirs:.0f} (guessing: "
            f"{c.chance:.0f}). {scope.capitalize()} the difference would lie between {low:+.0f} and {high:+.0f}: {c.verdict()}."
        )
    if comparisons:
        yield (
            "This holds for images like these: it says nothing of other hospitals, devices or patients, of rarer classes, "
            "or of what a wrong answer costs. Research use only."
        )
    if synthetic:
        yield "Images are synthetic (drawn): the figures check the machinery and say nothing about patients."
