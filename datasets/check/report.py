"""What a check found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from toolbox.words import shown

SHOWN = 3


@dataclass
class Finding:
    """One kind of trouble: `kind` is its name, `files` the images it concerns."""

    kind: str
    message: str
    files: list[str] = field(default_factory=list)

    def line(self) -> str:
        files = ", ".join(self.files[:SHOWN]) + (", ..." if len(self.files) > SHOWN else "")
        return shown(f"{self.kind}: {self.message}" + (f": {files}" if files else ""))


@dataclass
class Report:
    """Faults fail a check, warnings and facts do not."""

    data_set: str
    facts: dict[str, Any] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults

    def fault(self, kind: str, message: str, files: Sequence[str] = ()) -> None:
        self.faults.append(Finding(kind, message, list(files)))

    def warn(self, kind: str, message: str, files: Sequence[str] = ()) -> None:
        self.warnings.append(Finding(kind, message, list(files)))

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}
