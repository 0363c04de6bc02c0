"""A sweep as a few settings, from a YAML plan or the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from toolbox.errors import UserError, nearest

PROTOCOLS = ("base2new", "few_shot", "full", "cross_dataset", "eval")


@dataclass(frozen=True)
class Plan:
    """What to run. In YAML, the same keys; a single value may stand for a list of one."""

    protocol: str
    methods: tuple[str, ...] = ("ZeroshotCLIP", "CILMP")
    datasets: tuple[str, ...] = ("phantom",)
    seeds: tuple[int, ...] = (1, 2, 3)
    shots: tuple[int, ...] = ()
    """None: those of configs/shots.yaml for the data set, else 16."""
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
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> KEY VALUE pairs of a method's variant, which `methods` calls METHOD:NAME; `benchmark.controls` has some more."""

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UserError(f"unknown protocol {self.protocol!r}; {nearest(self.protocol, PROTOCOLS)}")
        for key in ("methods", "datasets", "seeds"):
            if not getattr(self, key):
                raise UserError(f"the plan's {key} are empty: name at least one")
        for opts in (self.opts, *self.variants.values()):
            if len(opts) % 2:
                raise UserError(f"options come in KEY VALUE pairs; {len(opts)} words were given: {' '.join(opts)}")


_TUPLES = {"methods": str, "datasets": str, "seeds": int, "shots": int, "targets": str, "opts": str}
_PATHS = {"root", "output", "model_dir"}


def read_plan(path: Path) -> Plan:
    """Read a plan file; paths in it are relative to the current folder.

    Raises UserError for a missing file, text that is not YAML, an unknown key or a value of the wrong kind.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the plan {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"the plan {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict) or "protocol" not in data:
        raise UserError(f"the plan {path} needs a line such as `protocol: base2new`")
    return Plan(**convert(data, where=str(path)))


def override(plan: Plan, settings: Mapping[str, Any], where: str = "the command line") -> Plan:
    """The plan with some settings replaced; None leaves a setting as it is."""
    return replace(plan, **convert({k: v for k, v in settings.items() if v is not None}, where))


def convert(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Give plain values (YAML, argparse) the types of Plan's fields; UserError names the key that does not fit."""
    known = {f.name for f in fields(Plan)}
    result: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; {nearest(str(key), known)}")
        try:
            result[key] = _typed(key, value)
        except (TypeError, ValueError) as error:
            raise UserError(f"{where}: {key} cannot be {value!r}") from error
    return result


def _typed(key: str, value: Any) -> Any:
    if key in _TUPLES:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_TUPLES[key](item) for item in items)
    if key in _PATHS:
        return None if value is None else Path(value)
    if key == "cfg":
        return {str(k): str(v) for k, v in dict(value).items()}
    if key == "variants":
        return {str(k): tuple(map(str, v)) for k, v in dict(value).items()}
    return str(value)
