"""The 64 invented kinds of cell of `phantom`: what `aspects.yaml` allows, drawn by one number, the world's seed.

`world.json` holds the kinds that were drawn, base classes first; `python -m datasets.phantom --world SEED` draws others.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from toolbox.plain import parse_json, read_yaml

ASPECTS = Path(__file__).with_name("aspects.yaml")
WORLD = Path(__file__).with_name("world.json")
TRIES = 1_000_000

Kind = dict[str, str]
"""Aspect -> value, and "line": red or white."""


@dataclass(frozen=True)
class World:
    """The seed and the kinds by class name, in label order: the first half are the base classes."""

    seed: int
    kinds: dict[str, Kind]

    @classmethod
    def read(cls, path: Path = WORLD) -> "World":
        return cls(**parse_json(path.read_text(encoding="utf-8")))

    def text(self) -> str:
        """As JSON, a line a kind."""
        kinds = ",\n".join(f"    {json.dumps(name)}: {json.dumps(kind)}" for name, kind in self.kinds.items())
        return f'{{\n  "seed": {self.seed},\n  "kinds": {{\n{kinds}\n  }}\n}}\n'

    def ranges(self) -> dict[str, dict[str, tuple]]:
        """What is drawn of each kind, for `draw_cell`."""
        return {name: _ranges(kind) for name, kind in self.kinds.items()}

    def plain(self) -> dict[str, str]:
        """Each kind in the plain words that the small CLIP has learned."""
        return {name: _filled(kind, "plain") for name, kind in self.kinds.items()}

    def descriptions(self) -> dict[str, str]:
        """Each kind in haematology's terms, one standard term a fact."""
        return {name: _filled(kind, "term") for name, kind in self.kinds.items()}

    def paraphrases(self) -> dict[str, str]:
        """The same facts, sentence and words drawn anew for each kind from several ways to say them."""
        rng = np.random.default_rng([self.seed, 1])
        return {name: _paraphrase(kind, rng) for name, kind in self.kinds.items()}


@cache
def aspects() -> dict[str, Any]:
    """`aspects.yaml`."""
    return read_yaml(ASPECTS)


def draw_world(seed: int) -> World:
    """Kinds, names and division into base and new classes, a function of `seed` and `aspects.yaml` alone.

    The division looks at counts alone: every value of every aspect has at least `least` base classes.
    """
    rng = np.random.default_rng([seed, 0])
    kinds = [kind for line in ("red", "white") for kind in _draw_kinds(line, rng)]
    order = _division(kinds, rng)
    names = rng.choice(aspects()["surnames"].split(), len(kinds), replace=False)
    return World(seed, {f"{name} cell": kinds[i] for name, i in zip(names, order, strict=True)})


def _draw_kinds(line: str, rng: np.random.Generator) -> Iterator[Kind]:
    """Different kinds of one line: no two agree in all aspects but size."""
    table = aspects()[line]
    values = {aspect: list(options) for aspect, options in table["aspects"].items() if aspect != "size"}
    every = list(product(*values.values()))
    for i in sorted(rng.choice(len(every), table["kinds"], replace=False)):
        size = str(rng.choice(list(table["aspects"]["size"])))
        yield {"line": line, **dict(zip(values, every[i], strict=True)), "size": size}


def _division(kinds: Sequence[Kind], rng: np.random.Generator) -> np.ndarray:
    """An order whose first half has enough of every value."""
    least = {
        (line, aspect, value): aspects()[line]["least"][aspect]
        for line in ("red", "white")
        for aspect, values in aspects()[line]["aspects"].items()
        for value in values
    }
    has = np.array(
        [[kind["line"] == line and kind[aspect] == value for line, aspect, value in least] for kind in kinds]
    )
    for _ in range(TRIES):
        order = rng.permutation(len(kinds))
        if (has[order[: len(kinds) // 2]].sum(axis=0) >= list(least.values())).all():
            return order
    raise RuntimeError(f"no division of these kinds in {TRIES} tries: lower `least` in {ASPECTS.name}")


def _ranges(kind: Kind) -> dict[str, tuple]:
    table = aspects()[kind["line"]]
    drawn = dict(table["draw"])
    for aspect, values in table["aspects"].items():
        drawn |= values[kind[aspect]]["draw"]
    return {key: tuple(value) for key, value in drawn.items()}


def _filled(kind: Kind, form: str) -> str:
    table = aspects()[kind["line"]]
    return table[form].format(**{aspect: values[kind[aspect]][form] for aspect, values in table["aspects"].items()})


def _paraphrase(kind: Kind, rng: np.random.Generator) -> str:
    table = aspects()[kind["line"]]
    ways = {aspect: values[kind[aspect]] for aspect, values in table["aspects"].items()}
    words = {aspect: _pick(rng, [way["term"], *way["other"]]) for aspect, way in ways.items()}
    return _pick(rng, [table["term"], *table["other"]]).format(**words)


def _pick(rng: np.random.Generator, options: list[str]) -> str:
    return options[int(rng.integers(len(options)))]
