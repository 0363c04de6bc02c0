"""Facts of the data sets that are drawn here."""

from ..phantom.cells import CLASSNAMES, MODALITY, TEMPLATES
from .entry import Facts

DRAWN = (
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
)
