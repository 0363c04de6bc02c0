"""The blood-smear phantoms: drawn cells that stand for a microscope's images, made in seconds on any machine.

`phantom` has 64 invented kinds (`world.py`), `phantom16` 16 of the textbook's (`textbook.py`).
"""

from datasets.phantom.cells import MODALITY, TEMPLATES
from datasets.phantom.generate import PHANTOMS, Phantom, ensure_phantom

__all__ = ["MODALITY", "PHANTOMS", "TEMPLATES", "Phantom", "ensure_phantom"]
