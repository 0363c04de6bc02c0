"""Variants that any plan and METHODS="..." may name, as METHOD:VARIANT: what a method does without a part of its knowledge."""

CONTROLS: dict[str, tuple[str, ...]] = {
    "shuffled_rows": ("TRAINER.CILMP.ROWS", "shuffled"),
    "random_rows": ("TRAINER.CILMP.ROWS", "random"),
    "bag_of_words": ("TRAINER.CILMP.ROWS", "bag_of_words"),
    "planted_rows": ("TRAINER.CILMP.ROWS", "planted"),
    "no_rows": ("TRAINER.CILMP.ROWS", "none"),
    "description": ("DATASET.CLASS_TEXT", "description"),
    "plain_words": ("DATASET.CLASS_TEXT", "plain"),
}
"""Name -> KEY VALUE words for train.py. Rows are CILMP's; a class's text stands in any method's prompt (CoOp:description)."""
