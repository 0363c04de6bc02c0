"""What is to be seen of a drawn cell, as facts, and those facts in plain words: no name of a kind of cell is among them."""

import numpy as np

from datasets.phantom.draw import Cell

SIZES = ((0.27, "tiny"), (0.41, "small"), (0.53, "medium"), (0.64, "large"), (np.inf, "very large"))
ADJECTIVES = {
    ("size", "tiny"): ["tiny", "very small", "minute"],
    ("size", "small"): ["small", "little"],
    ("size", "medium"): ["medium sized", "mid size"],
    ("size", "large"): ["large", "big"],
    ("size", "very large"): ["very large", "huge"],
    ("body", "red"): ["red", "pinkish red", "salmon red"],
    ("body", "pale pink"): ["pale pink", "light pink", "faint pink"],
    ("body", "light blue"): ["light blue", "sky blue", "pale blue"],
    ("body", "grey"): ["grey", "greyish blue", "dull grey"],
    ("body", "violet"): ["violet", "lilac", "light purple"],
    ("shape", "round"): ["round", "circular"],
    ("shape", "oval"): ["oval", "long", "egg shaped", "stretched", "elongated"],
    ("shape", "crescent"): ["curved", "crescent shaped", "bent and pointed"],
    ("shape", "tail"): ["pear shaped", "tailed"],
    ("shape", "spikes"): ["spiky", "star shaped", "thorny"],
    ("shape", "bumps"): ["bumpy", "scalloped", "wavy edged"],
    ("shape", "broken"): ["broken", "angular", "cut"],
}
CLAUSES = {
    ("size", "medium"): ["of medium size", "of middle size"],
    ("size", "tiny"): ["no bigger than a speck"],
    ("shape", "round"): ["with a round outline", "of round shape"],
    ("shape", "oval"): ["with an oval outline", "longer than it is wide"],
    ("shape", "crescent"): ["shaped like a crescent moon", "with two pointed ends", "curved like a banana"],
    ("shape", "tail"): ["with one long tail", "with a single pointed tail", "drawn out at one end", "with a tip at one end"],
    ("shape", "spikes"): ["with a few long uneven spikes", "with irregular thorns", "with long spikes"],
    ("shape", "bumps"): ["with many short even bumps along its edge", "with a regular wavy edge", "with small even points"],
    ("shape", "broken"): ["with straight edges and sharp corners", "with a piece broken off", "that is a broken fragment"],
    ("centre", "even"): ["without a pale centre", "evenly coloured", "of one solid colour"],
    ("centre", "pale"): ["with a pale centre", "lighter in the middle", "with a light round middle"],
    ("centre", "spot"): ["with a dark spot in the middle of a pale ring", "with a pale ring", "like a bull's eye"],
    ("centre", "slit"): ["with a pale slit in the middle", "with a light line across the middle like a mouth"],
    ("nucleus", "none"): ["without a nucleus", "with no nucleus"],
    ("nucleus", "round"): ["with a round purple nucleus", "with a round nucleus", "with one round dark core"],
    ("nucleus", "bent"): ["with a bent nucleus", "with a purple nucleus bent like a bean", "with a kidney shaped nucleus"],
    ("nucleus", "two"): ["with a nucleus of two lobes", "with a purple nucleus in two halves", "with a double nucleus"],
    ("nucleus", "many"): ["with a purple nucleus of several lobes", "with a nucleus in many lobes", "with several lobes"],
    ("fill", "full"): ["with a nucleus that nearly fills it", "with only a thin rim around the nucleus"],
    ("fill", "part"): ["with a nucleus that leaves much of the body free", "with a wide rim around the nucleus"],
    ("grains", "none"): ["without grains", "with a clear smooth body"],
    ("grains", "fine violet"): ["with fine violet grains", "dusted with fine grains"],
    ("grains", "fine purple"): ["with fine purple grains", "with fine dark dots"],
    ("grains", "coarse orange"): ["with coarse orange grains", "full of bright orange granules", "with large orange grains"],
    ("grains", "coarse dark blue"): ["with coarse dark blue grains", "packed with dark granules", "with large dark grains"],
}  # fmt: skip
OPENINGS = [
    "a photo of",
    "a picture of",
    "a microscope image of",
    "an image of",
    "a drawing of",
    "a close view of",
    "",
    "",
]
ENDINGS = ["", "", "in a blood smear", "in the middle", "under the microscope", "among other cells"]
NOUNS = ["cell", "cell", "cell", "blood cell", "body", "object"]
PIECES = ["piece of a {}cell", "fragment of a {}cell", "bit of a {}cell"]
SPECKS = ["{}speck", "{}dot"]


def facts(cell: Cell) -> dict[str, str]:
    """What a viewer can say of `cell`: aspect -> value, the keys of `ADJECTIVES` and `CLAUSES`."""
    seen = {
        "size": next(name for limit, name in SIZES if cell.size < limit),
        "body": cell.body,
        "shape": _shape(cell),
        "nucleus": cell.nucleus,
        "grains": "none" if cell.granules == "none" else f"{cell.granules} {cell.granule_colour}",
    }
    if cell.nucleus == "none":
        seen["centre"] = cell.centre
    if cell.nucleus == "round":
        seen["fill"] = "full" if cell.nucleus_size > 0.7 else "part"
    return seen


def _shape(cell: Cell) -> str:
    if cell.cuts:
        return "broken"
    if cell.spikes:
        return "bumps" if cell.spikes > 8 else "spikes"
    if cell.tail:
        return "tail"
    if cell.bend:
        return "crescent"
    return "oval" if cell.elongation > 1.28 else "round"


def caption(seen: dict[str, str], rng: np.random.Generator) -> tuple[str, dict[str, str]]:
    """A sentence that mentions some of the facts `seen`, in words drawn at random, and the facts it mentions."""
    aspects = sorted(seen)
    told = [aspects[i] for i in rng.permutation(len(aspects))[: rng.integers(1, 5)]]
    adjectives, clauses = [], []
    for aspect in told:
        key = (aspect, seen[aspect])
        options = [form for form, words in (("adjective", ADJECTIVES), ("clause", CLAUSES)) if key in words]
        if _pick(rng, options) == "adjective":
            adjectives.append((("size", "shape", "body").index(aspect), _pick(rng, ADJECTIVES[key])))
        else:
            clauses.append(_pick(rng, CLAUSES[key]))
    before = "".join(f"{word} " for _, word in sorted(adjectives))
    noun = _noun(seen, told, before, rng)
    opening = _pick(rng, OPENINGS)
    article = "an " if noun[0] in "aeiou" else "a "
    words = " ".join(w for w in (opening, article + noun, _joined(clauses, rng), _pick(rng, ENDINGS)) if w)
    return words + ("." if rng.random() < 0.7 else ""), {aspect: seen[aspect] for aspect in told}


def _noun(seen: dict[str, str], told: list[str], before: str, rng: np.random.Generator) -> str:
    if "shape" in told and seen["shape"] == "broken" and rng.random() < 0.4:
        return _pick(rng, PIECES).format(before)
    if "size" in told and seen["size"] == "tiny" and rng.random() < 0.4:
        return _pick(rng, SPECKS).format(before)
    return before + _pick(rng, NOUNS)


def _joined(clauses: list[str], rng: np.random.Generator) -> str:
    if len(clauses) > 1 and rng.random() < 0.6:
        return ", ".join(clauses[:-1]) + " and " + clauses[-1]
    return ", ".join(clauses)


def _pick(rng: np.random.Generator, options: list[str]) -> str:
    return options[int(rng.integers(len(options)))]


def all_words() -> list[str]:
    """Every phrase a caption can be made of, for the list of tokens that training touches."""
    phrases = [p for table in (ADJECTIVES, CLAUSES) for options in table.values() for p in options]
    return [*phrases, *OPENINGS, *ENDINGS, *NOUNS, *(p.format("") for p in PIECES + SPECKS), "a an and , ."]
