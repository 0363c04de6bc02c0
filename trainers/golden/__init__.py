"""Comparing with recorded reference programs: `python -m trainers.golden FILE.npz ...`."""
