"""One recording against what is computed here for it, column by column."""

from collections.abc import Iterable

from toolbox.errors import UserError, nearest
from trainers.life.recording import Column, Recording


def by_recorded_name(methods: Iterable[type]) -> dict[str, type]:
    """Methods, and other programs (`trainers.golden.programs`), by every name that recordings have for them."""
    return {name: method for method in methods for name in (method.__name__, *vars(method).get("recorded_as", ()))}


def replayed(recording: Recording, method: type) -> list[Column]:
    """The method's columns that are recorded; gradients that the reference program has none of are left out."""
    return [column for column in method.replay(recording) if column.name in recording.arrays]


def differences(recording: Recording, method: type) -> dict[str, tuple[float, float]]:
    """Largest difference of each column that is compared, and its tolerance, which is for float32."""
    columns = replayed(recording, method)
    return {column.name: recording.difference(column) for column in columns if column.value is not None}


def compare(path: str, methods: dict[str, type]) -> bool:
    """Print the comparison of one recording; True if all is within tolerance.

    Args:
        methods: by the names recordings have for them.

    Raises:
        UserError: it cannot be read, or is of no method here.
    """
    recording = Recording.read(path)
    names = recording.names()
    if not any(name in methods for name in names):
        wrong = next(iter(names), "")
        raise UserError(f"{path}: method {wrong!r} is not implemented here; {nearest(wrong, methods)}")
    results = [_compare_one(recording.of(part), name, methods[name]) for name, part in names.items() if name in methods]
    absent = [part for name, part in names.items() if name not in methods]
    strange = [
        name for name in recording.arrays if name not in recording.arrays.used and name.split("/")[0] not in absent
    ]
    if absent:
        print(f"  not replayed by any method here: {', '.join(absent)}")
    if strange:
        print(f"  columns not compared: {', '.join(strange)}")
    return all(results)


def _compare_one(recording: Recording, name: str, method: type) -> bool:
    classes = f", {len(recording.case['classnames'])} classes" if "classnames" in recording.case else ""
    print(f"{recording.path}: {name}{classes}")
    good = compared = 0
    columns = replayed(recording, method)
    if not columns:
        raise UserError(f"{recording.path}: {name}: it has none of the columns that {method.__name__} gives")
    longest = max(len(column.name) for column in columns)
    for column in columns:
        if column.value is None:
            recording.arrays.get(column.name)
            print(f"  --   {column.name:<{longest}} not compared: {column.why}")
            continue
        difference, tolerance = recording.difference(column)
        within = difference <= tolerance  # False for NaN too
        good, compared = good + within, compared + 1
        why = f"; {column.why}" if column.why else ""
        print(
            f"  {'ok  ' if within else 'FAIL'} {column.name:<{longest}} {difference:.2e} (tolerance {tolerance:.2e}{why})"
        )
    print(f"  {'within tolerance' if good == compared else 'NOT within tolerance'}")
    return good == compared
