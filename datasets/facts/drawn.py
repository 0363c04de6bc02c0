"""Facts of the data sets that are drawn here."""

from ..phantom import MODALITY, PHANTOMS, TEMPLATES, Phantom
from .entry import Facts


def _drawn(phantom: Phantom) -> Facts:
    train, val, test = (count * len(phantom.classnames) for count in phantom.parts.values())
    return Facts(
        name=phantom.name,
        dassl_name=phantom.name,
        folder=phantom.name,
        split_file=f"{phantom.name}.json",
        images="images",
        classnames=phantom.classnames,
        modality=MODALITY,
        template=TEMPLATES[0],
        licence="Apache-2.0, as this repository",
        source="drawn by datasets/phantom",
        sizes=(train, val, test),
        warning="synthetic: drawn cells, no patients",
        more_templates=tuple(TEMPLATES[1:]),
        synthetic=True,
    )


DRAWN = tuple(map(_drawn, PHANTOMS.values()))
