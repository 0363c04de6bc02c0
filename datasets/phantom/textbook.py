"""The 16 kinds of cell of `phantom16`, as haematology describes them: ranges of what is drawn, and the same in plain words.

A tuple of two numbers is a range drawn from evenly; a tuple of words is a choice.
Ranges of neighbouring kinds overlap on purpose. Descriptions follow common textbook wording (a Wright-Giemsa stained
smear under the light microscope).
"""

RED = {"body": ("red",), "size": (0.40, 0.50), "elongation": (1.0, 1.15), "depth": (0.75, 1.0)}
PALE = {"centre": ("pale",), "centre_size": (0.32, 0.58), "centre_depth": (0.35, 0.85)}
WHITE = {"size": (0.54, 0.72), "elongation": (1.0, 1.2), "depth": (0.6, 1.0)}

# The first 8 are the base classes of base-to-new, the last 8 the new ones; both hold red and white cells.
KINDS: dict[str, dict[str, tuple]] = {
    "discocyte": RED | PALE,
    "neutrophil": WHITE
    | {"body": ("pale pink",), "nucleus": ("many",), "nucleus_size": (0.55, 0.75), "granules": ("fine",)}
    | {"granule_colour": ("violet",), "granule_count": (25, 70)},
    "target cell": RED
    | {"size": (0.42, 0.54), "centre": ("spot",), "centre_size": (0.5, 0.72), "centre_depth": (0.4, 0.85)},
    "sickle cell": RED
    | {"size": (0.34, 0.46), "elongation": (2.2, 3.6), "bend": (0.5, 1.5), "point": (0.5, 1.0)}
    | {"centre": ("even", "even", "pale"), "centre_size": (0.2, 0.4), "centre_depth": (0.2, 0.5)},
    "lymphocyte": WHITE
    | {"size": (0.42, 0.60), "body": ("light blue",), "nucleus": ("round",), "nucleus_size": (0.72, 0.92)},
    "acanthocyte": RED
    | {"size": (0.36, 0.46), "spikes": (4, 8), "spike_length": (0.25, 0.6), "spike_jitter": (0.6, 1.0)}
    | {"centre": ("even", "even", "pale"), "centre_size": (0.25, 0.4), "centre_depth": (0.2, 0.5)},
    "basophil": WHITE
    | {"size": (0.46, 0.62), "body": ("violet", "pale pink"), "nucleus": ("two", "bent"), "nucleus_size": (0.5, 0.7)}
    | {"granules": ("coarse",), "granule_colour": ("dark blue",), "granule_count": (35, 90)},
    "spherocyte": RED
    | {"size": (0.29, 0.41), "depth": (0.9, 1.0), "centre": ("even", "even", "even", "pale")}
    | {"centre_size": (0.2, 0.35), "centre_depth": (0.1, 0.3)},
    "elliptocyte": RED | PALE | {"elongation": (1.35, 2.4), "centre": ("pale", "pale", "even")},
    "monocyte": WHITE
    | {"size": (0.58, 0.78), "body": ("grey",), "nucleus": ("bent",), "nucleus_size": (0.55, 0.75)}
    | {"granules": ("none", "none", "fine"), "granule_colour": ("violet",), "granule_count": (10, 30)},
    "teardrop cell": RED
    | PALE
    | {"size": (0.36, 0.46), "tail": (0.45, 1.1), "centre": ("pale", "even"), "centre_size": (0.25, 0.45)},
    "stomatocyte": RED | {"centre": ("slit",), "centre_size": (0.38, 0.55), "centre_depth": (0.45, 0.9)},
    "eosinophil": WHITE
    | {"body": ("pale pink",), "nucleus": ("two",), "nucleus_size": (0.5, 0.7), "granules": ("coarse",)}
    | {"granule_colour": ("orange",), "granule_count": (45, 110)},
    "burr cell": RED
    | {"spikes": (9, 15), "spike_length": (0.10, 0.24), "spike_jitter": (0.0, 0.35)}
    | {"centre": ("pale", "even"), "centre_size": (0.25, 0.45), "centre_depth": (0.2, 0.7)},
    "schistocyte": RED
    | {"size": (0.26, 0.42), "elongation": (1.0, 1.7), "cuts": (1, 3), "centre": ("even", "even", "pale")}
    | {"centre_size": (0.2, 0.35), "centre_depth": (0.1, 0.4)},
    "platelet": {"size": (0.12, 0.26), "body": ("violet",), "elongation": (1.0, 1.6), "depth": (0.7, 1.0)}
    | {"granules": ("fine", "none"), "granule_colour": ("purple",), "granule_count": (4, 14)},
}
PLAIN = {
    "discocyte": "round red cell of medium size with a pale centre",
    "neutrophil": "large pale pink cell with a purple nucleus of several lobes and fine violet grains",
    "target cell": "round red cell with a dark spot in the middle of a pale ring",
    "sickle cell": "curved red cell shaped like a crescent moon with two pointed ends",
    "lymphocyte": "light blue cell with a round purple nucleus that nearly fills it",
    "acanthocyte": "red cell with a few long uneven spikes",
    "basophil": "violet cell packed with coarse dark blue grains",
    "spherocyte": "small round red cell, evenly coloured without a pale centre",
    "elliptocyte": "oval red cell with a pale centre",
    "monocyte": "very large grey cell with a purple nucleus bent like a bean",
    "teardrop cell": "red cell with one long tail",
    "stomatocyte": "round red cell with a pale slit in the middle like a mouth",
    "eosinophil": "large cell with a purple nucleus of two lobes and coarse orange grains",
    "burr cell": "round red cell with many short even bumps along its edge",
    "schistocyte": "small broken piece of a red cell with straight edges and sharp corners",
    "platelet": "tiny violet speck without a nucleus",
}
