"""Medical data sets for Dassl.

Importing the package registers them: their readers are imported when Dassl's registry is first looked into.
"""

import importlib

import toolbox  # noqa: F401  makes dassl importable
from toolbox.registries import fill_with

fill_with("DATASET", lambda: importlib.import_module("datasets.readers"))
