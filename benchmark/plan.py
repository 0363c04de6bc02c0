"""A sweep as a few settings, from a YAML plan or the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from benchmark.figures import Stated, check_stated, read_stated
from benchmark.foreign import is_foreign, name_of
from datasets.quotas import COOP, DRAWS
from toolbox.errors import UserError, nearest
from toolbox.names import check_name
from toolbox.plain import PlainError, read_yaml

ALL = "all"
"""In the methods' place: whatever can serve the protocol."""
PROTOCOLS = ("base2new", "few_shot", "full", "cross_dataset", "eval")
WITH_FIGURES = PROTOCOLS[:3]
"""Protocols whose plans may state figures: each cell is one run, or base and new."""


@dataclass(frozen=True)
class Plan:
    """What to run. In YAML, the same keys; a single value may stand for a list of one."""

    protocol: str
    methods: tuple[str, ...] = ("ZeroshotCLIP", "CILMP")
    datasets: tuple[str, ...] = ("phantom",)
    seeds: tuple[int, ...] = (1, 2, 3)
    """Numbers, or ranges such as 1..20."""
    shots: tuple[int, ...] = ()
    """None: those of configs/shots.yaml for the data set, else 16."""
    draw: tuple[str, ...] = (COOP,)
    """Few-shot draws (`DATASET.DRAW`)."""
    only: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Method -> `draw` and `shots` it is run with where not with all of the plan's, and how many `first_seeds` of these."""
    backbone: str = "small_clip"
    root: Path = Path("data")
    output: Path = Path("output")
    cfg: Mapping[str, str] = field(default_factory=dict)
    """Method -> stem of its file in configs/trainers/<method>/; methods left out use the backbone's own or the default."""
    targets: tuple[str, ...] = ()
    """cross_dataset: the data sets tested on; none means all in the data folder but the one trained on."""
    model_dir: Path | None = None
    """eval: a trained run's folder, the one that holds seed1, seed2, ...; none means the full or few-shot run's."""
    opts: tuple[str, ...] = ()
    """KEY VALUE pairs handed to every run."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Method -> the `PATH[:NAME]` that `methods` had in its place."""
    plugin: tuple[str, ...] = ()
    """Files that every run imports before anything else of others, as train.py takes them."""
    plugin_config: tuple[str, ...] = ()
    """Files with configuration keys of these methods, as train.py takes them."""
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> KEY VALUE pairs of a method's variant, which `methods` calls METHOD:NAME; `benchmark.controls` has some more."""
    stated: Stated | None = None
    """What a publication says these runs come to, for --check."""

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UserError(f"unknown protocol {self.protocol!r}; {nearest(self.protocol, PROTOCOLS)}")
        for key in ("methods", "datasets", "seeds"):
            if not getattr(self, key):
                raise UserError(f"the plan's {key} are empty: name at least one")
        for opts in (self.opts, *self.variants.values()):
            if len(opts) % 2:
                raise UserError(f"options come in KEY VALUE pairs; {len(opts)} words were given: {' '.join(opts)}")
        self._check_numbers()
        self._check_names()
        self._check_draws()

    def _check_numbers(self) -> None:
        for key, low, high in (("seeds", -1, 2**32 - 1), ("shots", -1, 1_000_000)):
            for number in getattr(self, key):
                if not low <= number <= high:
                    raise UserError(f"the plan's {key} have {number}; give whole numbers from {low} to {high:,}")
        for key in ("methods", "datasets", "seeds", "shots", "draw", "targets"):
            items = getattr(self, key)
            twice = next((item for item in items if items.count(item) > 1), None)
            if twice is not None:
                raise UserError(f"the plan's {key} name {twice} twice: each is run once")

    def _check_draws(self) -> None:
        for name in self.draw:
            if name not in DRAWS:
                raise UserError(f"the plan's draw names {name!r}; {nearest(name, DRAWS)}")
        if self.protocol == "full" and self.draw != (COOP,):
            raise UserError(
                f"the protocol full trains on all images; draw {' '.join(self.draw)} is of few: use few_shot"
            )
        for method in self.only:
            if method not in self.methods and self.methods != (ALL,):
                raise UserError(
                    f"the plan's only names {method}, which is not among its methods: {', '.join(self.methods)}"
                )

    def _check_names(self) -> None:
        """Names become folders below `output`, so none may lead elsewhere."""
        for name in self.methods:
            method, _, variant = name.partition(":")
            check_name(method, "method")
            if variant:
                check_name(variant, "variant")
        for name in self.variants:
            check_name(name, "variant")
        for name in (*self.datasets, *self.targets):
            check_name(name, "data set", nested=True)


_TUPLES = {
    "methods": str,
    "datasets": str,
    "seeds": int,
    "shots": int,
    "draw": str,
    "targets": str,
    "opts": str,
    "plugin": str,
    "plugin_config": str,
}

_ONLY = ("first_seeds", "shots", "draw")
MOST_SEEDS = 10_000
_PATHS = {"root", "output", "model_dir"}


def read_plan(path: Path) -> Plan:
    """Read a plan file; paths in it are relative to the current folder.

    Raises UserError for a missing file, text that is not YAML, an unknown key or a value of the wrong kind.
    """
    try:
        data = read_yaml(path)
    except OSError as error:
        raise UserError(f"cannot read the plan {path}: {error.strerror}") from error
    except PlainError as error:
        raise UserError(f"the plan {path} is not YAML: {error}") from error
    if not isinstance(data, dict) or "protocol" not in data:
        raise UserError(f"the plan {path} needs a line such as `protocol: base2new`")
    plan = Plan(**convert(data, where=str(path)))
    if plan.stated is not None:
        if len(plan.draw) > 1 or plan.protocol not in WITH_FIGURES:
            raise UserError(
                f"{path}: stated figures are of one draw of a plan of {', '.join(WITH_FIGURES)}: leave out `stated`"
            )
        check_stated(plan.stated, plan.protocol, plan.methods, plan.datasets, plan.shots)
    return plan


def override(plan: Plan, settings: Mapping[str, Any], where: str = "the command line") -> Plan:
    """The plan with some settings replaced; None leaves a setting as it is.

    `opts` are added behind the plan's own, and win; `only` loses what is of methods that go.
    """
    changed = convert({k: v for k, v in settings.items() if v is not None}, where)
    changed["opts"] = (*plan.opts, *changed.get("opts", ()))
    methods = changed.get("methods", (ALL,))
    kept = plan.only if methods == (ALL,) else {m: plan.only[m] for m in plan.only if m in methods}
    return replace(plan, **{"only": kept, **changed})


def convert(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Give plain values (YAML, argparse) the types of Plan's fields; UserError names the key that does not fit."""
    known = {f.name for f in fields(Plan)}
    result: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; {nearest(str(key), known)}")
        try:
            result[key] = _typed(key, value)
            if key == "methods":
                result |= _named(result[key])
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"{where}: {key} cannot be {_short(value)}") from error
    return result


def _typed(key: str, value: Any) -> Any:
    if key in _TUPLES:
        items = value if isinstance(value, (list, tuple)) else [value]
        if key == "seeds":
            return tuple(seed for item in items for seed in _seeds(item))
        return tuple(_number(item) if _TUPLES[key] is int else _text(item) for item in items)
    if key == "only":
        return {_text(method): _of_method(method, settings) for method, settings in dict(value).items()}
    if key in _PATHS:
        return None if value is None else _path(value)
    if key == "stated":
        return read_stated(value)
    if key == "cfg":
        return {_text(k): _text(v) for k, v in dict(value).items()}
    if key == "variants":
        return {_text(k): tuple(map(_text, v.split() if isinstance(v, str) else v)) for k, v in dict(value).items()}
    return _text(value)


def _named(methods: tuple[str, ...]) -> dict[str, Any]:
    """Methods by name, and the files of those that were given as files."""
    names = [name_of(word) if is_foreign(word) else word for word in methods]
    files = {name: word for name, word in zip(names, methods, strict=True) if is_foreign(word)}
    return {"methods": tuple(names), "plugins": files}


def _of_method(method: str, settings: Any) -> dict[str, tuple]:
    """What `only` says of a method."""
    strange = [key for key in dict(settings) if key not in _ONLY]
    if strange:
        raise UserError(f"the plan's only: unknown key {strange[0]!r} of {method}; {nearest(str(strange[0]), _ONLY)}")
    return {key: _number(value) if key == "first_seeds" else _typed(key, value) for key, value in settings.items()}


def _seeds(value: Any) -> Sequence[int]:
    """A seed, or those of a range: "1..20" has both ends."""
    first, dots, last = str(value).partition("..")
    if not dots:
        return [_number(value)]
    found = range(int(first), int(last) + 1)
    if not 0 < len(found) <= MOST_SEEDS:
        raise ValueError
    return found


def _number(value: Any) -> int:
    """A whole number, as YAML or argparse gives it; 1.5 is not cut to 1, nor `yes` read as 1."""
    number = int(value)
    if isinstance(value, bool) or (isinstance(value, float) and value != number):
        raise ValueError
    return number


def _text(value: Any) -> str:
    if value is None or isinstance(value, list | tuple | dict):
        raise TypeError
    return str(value)


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise TypeError
    return Path(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
