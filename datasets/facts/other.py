"""Data sets of neither collection."""

from .cilmp import CILMP
from .entry import Facts

_ISIC = next(facts for facts in CILMP if facts.name == "isic")

OTHER = (
    Facts(
        name="ham10000",
        dassl_name="HAM10000",
        folder="ham10000",
        split_file="ham10000.json",
        images="",
        classnames=_ISIC.classnames,
        modality=_ISIC.modality,
        template=_ISIC.template,
        licence="CC BY-NC 4.0",
        source="https://doi.org/10.7910/DVN/DBW86T",
        warning=_ISIC.warning,
    ),
)
