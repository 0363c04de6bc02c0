"""What is known of a data set before its files are opened."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """One row of the table of data sets.

    `sizes` are images in (train, val, test) as published, 0 for a part the release lacks, None where no split is published.
    `images` is the folder under `folder` that the paths of the split start from ("" means `folder` itself).
    """

    name: str
    dassl_name: str
    folder: str
    split_file: str
    images: str
    classnames: tuple[str, ...]
    modality: str
    template: str
    licence: str
    source: str
    sizes: tuple[int, int, int] | None = None
    warning: str = ""
    more_templates: tuple[str, ...] = ()
    synthetic: bool = False

    @property
    def templates(self) -> list[str]:
        """Prompt templates, the data set's own first."""
        return list(dict.fromkeys([self.template, *self.more_templates, "a photo of a {}."]))

    def __str__(self) -> str:
        sizes = " / ".join(str(n or "-") for n in self.sizes) if self.sizes else "no published split"
        lines = {
            "modality": self.modality,
            "classes": f"{len(self.classnames)}: {', '.join(self.classnames)}"
            if self.classnames
            else "as the split says",
            "train / val / test": sizes,
            "licence": self.licence,
            "source": self.source,
            "warning": self.warning,
        }
        return "\n".join([self.name, *(f"  {key}: {value}" for key, value in lines.items() if value)])
