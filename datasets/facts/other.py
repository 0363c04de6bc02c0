"""Data sets of neither collection."""

from ..phantom.cells import CLASSNAMES, MODALITY, TEMPLATES
from .cilmp import CILMP
from .entry import Facts

_ISIC = next(facts for facts in CILMP if facts.name == "isic")

OTHER = (
    Facts(
        name="phantom",
        dassl_name="phantom",
        folder="phantom",
        split_file="phantom.json",
        images="images",
        classnames=tuple(CLASSNAMES),
        modality=MODALITY,
        template=TEMPLATES[0],
        licence="Apache-2.0, as this repository",
        source="drawn by datasets/phantom",
        sizes=(64 * len(CLASSNAMES), 16 * len(CLASSNAMES), 48 * len(CLASSNAMES)),
        warning="synthetic: drawn cells, no patients",
        more_templates=tuple(TEMPLATES[1:]),
        synthetic=True,
    ),
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
