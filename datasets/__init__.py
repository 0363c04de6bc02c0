"""Medical data sets for Dassl: importing this package registers them."""

from . import readers  # noqa: F401
