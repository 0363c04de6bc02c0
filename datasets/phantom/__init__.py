"""The blood-smear phantom: drawn cells of 16 kinds that stand for a microscope's images, made in seconds on any machine."""

from datasets.phantom.cells import CLASSNAMES, MODALITY, PLAIN, TEMPLATES
from datasets.phantom.generate import ensure_phantom

__all__ = ["CLASSNAMES", "MODALITY", "PLAIN", "TEMPLATES", "ensure_phantom"]
