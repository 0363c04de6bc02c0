"""Medical data sets for Dassl: importing this package registers them."""

from .readers import register

register()
