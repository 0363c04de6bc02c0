"""Which function reads which release."""

from collections.abc import Callable

from . import blood, chest, gut, retina, skin, ultrasound
from .raw import RawTree, Release

RELEASES: dict[str, Callable[[RawTree], Release]] = {
    "adam": retina.adam,
    "aptos2019": retina.aptos2019,
    "busi": ultrasound.busi,
    "chaoyang": gut.chaoyang,
    "cpn_x_ray": chest.cpn_x_ray,
    "derm7pt": skin.derm7pt,
    "fetal_us": ultrasound.fetal_us,
    "ham10000": skin.ham10000,
    "isic": skin.isic,
    "kvasir": gut.kvasir,
    "odir": retina.odir,
    "odir2": retina.odir2,
    "pbc": blood.pbc,
    "pneumonia2": chest.pneumonia2,
    "pneumonia3": chest.pneumonia3,
}
