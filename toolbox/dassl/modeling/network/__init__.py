"""Whole networks by name; plugins register theirs here."""

from .build import NETWORK_REGISTRY, build_network

__all__ = ["NETWORK_REGISTRY", "build_network"]
