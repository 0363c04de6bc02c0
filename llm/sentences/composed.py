"""The phantom's sentences, composed of the terms of its descriptions: `python -m llm.sentences.composed`.

Its kinds are invented and drawn from a few properties, so sentences of one property each, and of two, say all there is.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from llm.question import described_classes
from llm.sentences import EMBEDDED, write_sentences
from toolbox.command import run_command

COUNT = 30
RED = (
    {
        "microcytic": (
            "a microcytic erythrocyte; a red cell smaller than normal; a diameter below 7 micrometres; "
            "a small pink cell; a narrow red cell among wider ones; reduced size; a little erythrocyte"
        ),
        "normocytic": (
            "a normocytic erythrocyte; a red cell of normal size; a diameter of about 7 to 8 micrometres; "
            "a medium-sized pink cell; a red cell neither large nor small; usual size; "
            "an erythrocyte as wide as most"
        ),
        "macrocytic": (
            "a macrocytic erythrocyte; a red cell larger than normal; a diameter above 8 micrometres; "
            "a large pink cell; a wide red cell among narrower ones; increased size; a big erythrocyte"
        ),
    },
    {
        "discocytic": (
            "discocytic shape; a round outline; a smooth, circular border; a disc without projections; "
            "an even, unbroken edge; a circle as wide as it is high; no spikes, tail or corners"
        ),
        "schistocytic": (
            "schistocytic shape; a helmet-like fragment; straight edges with sharp corners; an angular outline; "
            "a broken-off piece; pointed ends at a cut side; a jagged form"
        ),
        "elliptocytic": (
            "elliptocytic shape; an oval outline; a stretched, smooth border; "
            "a cigar-like form with rounded ends; a cell longer than it is wide; an elongated body; an ellipse"
        ),
        "dacryocytic": (
            "dacryocytic shape; a teardrop-like form; one tapering tail; a pear-like outline; "
            "a single pointed end; a round body drawn out to a tip; a drop"
        ),
        "acanthocytic": (
            "acanthocytic shape; irregular spikes; a few thorns of uneven length; "
            "a star-like, irregular outline; spurs at unequal distances; spiculation without order; "
            "a thorny border"
        ),
        "echinocytic": (
            "echinocytic shape; regular crenation; many short, even bumps; a scalloped border; "
            "teeth of equal size all around; a cogwheel outline; a rim with a repeated pattern"
        ),
        "falciform": (
            "falciform shape; a sickle-like form; a crescent with two pointed ends; a curved, slender body; "
            "a half-moon outline; two sharp tips; an arc like a new moon"
        ),
    },
    {
        "lacking central pallor, hyperchromic": (
            "lack of central pallor; a hyperchromic body; even, dense red from edge to edge; "
            "no pale spot in the middle; a centre as dark as the rim; a solid, deep colour; uniform staining"
        ),
        "with central pallor over a third of the diameter": (
            "central pallor over a third of the diameter; a pale centre; "
            "a lighter middle that fades into the rim; a pink ring around a pale area; a pale round spot; "
            "less colour in the middle than at the edge; a light centre"
        ),
        "with the slit-like pallor of a stomatocyte": (
            "the slit-like pallor of a stomatocyte; a pale slit in the middle; a mouth-like light bar; "
            "a narrow, elongated pale centre; a pale line across the cell; "
            "a centre like the cut of a coffee bean; a bright streak in the middle"
        ),
        "with the central density of a codocyte, target-like": (
            "the central density of a codocyte; a target-like centre; a dark spot in the middle of a pale ring; "
            "a bull's eye; a red dot surrounded by a halo; concentric dark and pale zones; "
            "a coloured middle inside a pale zone"
        ),
    },
)
"""Of red cells: size, shape and pallor; each term of a description, and ways to say it."""

WHITE = (
    {
        "medium-sized": (
            "a medium-sized leucocyte; a white cell of middle size; "
            "a nucleated cell about as large as most leucocytes; a leucocyte neither large nor giant; "
            "a purple cell of moderate size"
        ),
        "large": (
            "a large leucocyte; a white cell larger than most; a wide nucleated cell; "
            "a leucocyte of increased size; a big purple cell"
        ),
        "giant": (
            "a giant leucocyte; a white cell of very large size; a nucleated cell far wider than its neighbours; "
            "the largest of leucocytes; a huge purple cell"
        ),
    },
    {
        "a reniform nucleus": (
            "a reniform nucleus; a kidney-shaped nucleus; a nucleus bent like a bean; "
            "an indented purple nucleus; one nucleus with a deep notch"
        ),
        "a multisegmented, polymorphonuclear nucleus": (
            "a multisegmented nucleus; a polymorphonuclear form; a nucleus of several lobes; "
            "lobes joined by thin strands; a purple nucleus in many parts"
        ),
        "a compact round nucleus of low nucleocytoplasmic ratio": (
            "a compact round nucleus; a low nucleocytoplasmic ratio; "
            "a small, round nucleus with much cytoplasm around it; "
            "a round nucleus that leaves much of the body free; a dense purple ball in a wide cell body"
        ),
        "a round nucleus of high nucleocytoplasmic ratio": (
            "a round nucleus that nearly fills the cell; a high nucleocytoplasmic ratio; "
            "a large, round purple nucleus; a narrow rim of cytoplasm around a round nucleus; "
            "a nucleus almost as wide as the cell"
        ),
        "a bilobed nucleus": (
            "a bilobed nucleus; a nucleus of two lobes; two purple lobes joined by a strand; "
            "a nucleus like a pair of glasses; a twofold nucleus"
        ),
    },
    {
        "slate-coloured, ground-glass cytoplasm": (
            "slate-coloured cytoplasm; ground-glass cytoplasm; a dull grey cell body; cloudy grey cytoplasm; "
            "a grey-blue, hazy body"
        ),
        "amphophilic, lilac cytoplasm": (
            "amphophilic cytoplasm; a lilac cell body; violet cytoplasm; cytoplasm between pink and blue; "
            "a pale purple body"
        ),
        "acidophilic cytoplasm": (
            "acidophilic cytoplasm; a pale pink cell body; cytoplasm stained by eosin; a rosy body; pinkish cytoplasm"
        ),
        "clear basophilic cytoplasm": (
            "clear basophilic cytoplasm; a light blue cell body; sky-blue cytoplasm; a clear blue body; "
            "cytoplasm stained pale blue"
        ),
    },
    {
        "dense blue-black basophilic granulation": (
            "dense basophilic granulation; coarse blue-black granules; dark blue grains; "
            "inky granules over the cell; coarse, deep violet stippling"
        ),
        "coarse eosinophilic granulation": (
            "coarse eosinophilic granulation; large orange-red granules; bright orange grains; "
            "coral-red granules of even size; coarse, warm red stippling"
        ),
        "fine azurophilic granulation": (
            "fine azurophilic granulation; fine violet granules; dust-like purple grains; "
            "delicate lilac stippling; very small red-violet granules"
        ),
        "no granulation": (
            "no granulation; an agranular cell body; cytoplasm free of granules; a smooth body without grains; "
            "no stippling at all"
        ),
    },
)
"""Of white cells: size, nucleus, cytoplasm and granules."""


def composed(description: str) -> list[str]:
    """The description, then sentences of one of its properties, then of two."""
    tables: Sequence[Mapping[str, str]] = RED if "erythrocyte" in description else WHITE
    properties = [_words(description, table) for table in tables]
    single = [words for turn in zip(*properties, strict=True) for words in turn]
    sentences = [description.rstrip("."), *single, *_pairs(properties)]
    return [f"{text[0].upper()}{text[1:]}." for text in sentences[:COUNT]]


def _words(description: str, table: Mapping[str, str]) -> list[str]:
    """The words for the term that stands in the description."""
    (found,) = [words for term, words in table.items() if f" {term}" in f" {description}"]
    return found.split("; ")


def _pairs(properties: Sequence[Sequence[str]]) -> Iterator[str]:
    for turn in range(len(properties[0])):
        for one, other in itertools.combinations(properties, 2):
            yield f"{one[turn]} together with {other[(turn + 1) % len(other)]}"


def main(path: Path = EMBEDDED / "phantom.yaml") -> int:
    """Write the file; returns the exit code."""
    classes = described_classes("phantom")
    source = "composed of the terms in llm/descriptions/phantom.yaml; kinds and names are invented"
    sentences = {name: composed(text) for name, text in classes.answers.items()}
    write_sentences(path, sentences, {"modality": classes.modality, "source": source})
    print(f"{path}: {len(sentences)} classes")
    return 0


if __name__ == "__main__":
    run_command(main)
