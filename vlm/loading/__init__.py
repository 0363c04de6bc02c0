"""Backbones by name: presets, files, hubs and the formats that weights come in."""
