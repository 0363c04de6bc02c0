"""A stand-in for Dassl.pytorch with its public interface, for current torch; used where stock Dassl is not found."""

__version__ = "0.6.3+bundled"
