"""The 64 invented kinds: what the seed decides, what base classes are promised, and that the committed texts are theirs."""

import re
import sys
from collections import Counter

import pytest
import yaml

from datasets.phantom import __main__ as command
from datasets.phantom.textbook import PLAIN
from datasets.phantom.world import World, aspects, draw_world
from toolbox.errors import UserError
from vlm.loading.load import load


@pytest.fixture(scope="module")
def world() -> World:
    return World.read()


def test_the_committed_world_and_its_texts_are_what_its_seed_gives(world, tmp_path, monkeypatch):
    written = {name: tmp_path / name for name in ("world.json", "phantom.yaml", "phantom-paraphrased.yaml")}
    committed = [command.WORLD, *(command.DESCRIPTIONS / name for name in list(written)[1:])]
    kept = [path.read_text() for path in committed]
    monkeypatch.setattr(command, "WORLD", written["world.json"])
    monkeypatch.setattr(command, "DESCRIPTIONS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["phantom", "--world", str(world.seed)])
    command.main()
    assert [path.read_text() for path in written.values()] == kept


def test_another_seed_is_another_world(world):
    other = draw_world(world.seed + 1)
    assert list(other.kinds) != list(world.kinds)
    assert list(other.kinds.values()) != list(world.kinds.values())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_two_kinds_are_alike_and_every_value_is_among_the_base_classes(seed):
    kinds = list(draw_world(seed).kinds.values())
    shown = {tuple(v for k, v in kind.items() if k != "size") for kind in kinds}
    assert len(shown) == len(kinds) == 64
    assert Counter(kind["line"] for kind in kinds) == {"red": 26, "white": 38}
    base = Counter((kind["line"], a, v) for kind in kinds[:32] for a, v in kind.items())
    for line in ("red", "white"):
        for aspect, values in aspects()[line]["aspects"].items():
            for value in values:
                assert base[line, aspect, value] >= aspects()[line]["least"][aspect], (line, aspect, value)


def test_names_are_one_token_each_and_no_word_of_any_description():
    """Names tell nothing: neither to a CLIP, for which each is one token, nor to a reader of the descriptions."""
    surnames, encode = aspects()["surnames"].split(), load("small_clip").text.vocabulary.encode
    assert len(set(surnames)) == len(surnames) >= 64
    assert all(len(encode(name)) == 1 for name in surnames)
    world = draw_world(0)
    texts = " ".join([*world.plain().values(), *world.descriptions().values(), *world.paraphrases().values()])
    assert not {name.lower() for name in surnames} & set(re.findall("[a-z]+", texts.lower()))


def test_each_fact_has_one_term_and_paraphrases_mix_several(world):
    terms, other = world.descriptions(), world.paraphrases()
    assert len(set(terms.values())) == len(set(other.values())) == 64
    crescents = [name for name, kind in world.kinds.items() if kind.get("shape") == "crescent"]
    assert all("falciform, sickle-like" in terms[name] for name in crescents)
    assert not all("falciform, sickle-like" in other[name] for name in crescents)


def test_a_world_needs_a_whole_number(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["phantom", "--world", "-3"])
    with pytest.raises(UserError, match="whole number"):
        command.main()


def test_plain_words_are_in_the_textbooks_descriptions_too():
    assert yaml.safe_load((command.DESCRIPTIONS / "phantom16.yaml").read_text())["plain"] == PLAIN
