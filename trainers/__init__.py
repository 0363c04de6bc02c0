"""Prompt-tuning methods as Dassl trainers: one file a method. Importing the package registers them all."""

import toolbox  # noqa: F401  finds or supplies dassl and clip
from trainers import cilmp, cocoop, coop, ivlp, kgcoop, linear_probe, maple, promptsrc, tip_adapter, vpt, zsclip  # noqa: F401
