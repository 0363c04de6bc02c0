"""The table of data sets: rows read from yaml, and what a row leaves out."""

import pytest

from datasets.facts import FACTS, find
from datasets.facts.tables import HERE, read_table
from toolbox.errors import UserError


def test_rows_say_everything_and_names_are_unique():
    rows = [*read_table("cilmp"), *read_table("other")]
    assert {facts.name for facts in rows} <= FACTS.keys()
    for facts in FACTS.values():
        assert facts.classnames and len(set(facts.classnames)) == len(facts.classnames), facts.name
        assert facts.template.count("{}") == 1 and facts.licence and facts.source and facts.modality, facts.name
        assert facts.sizes is None or (len(facts.sizes) == 3 and min(facts.sizes) >= 0), facts.name


def test_what_a_row_leaves_out_follows_from_its_name():
    busi, other = find("busi"), find("biomedcoop/busi")
    assert (busi.folder, busi.split_file, busi.images) == ("busi", "busi.json", "")
    assert (other.folder, other.split_file, other.images) == ("BUSI", "split_BUSI.json", "BUSI")
    assert busi.classnames == ("normal", "malignant", "benign")
    assert other.sizes == (389, 155, 236) and other.source.startswith("https://huggingface.co/")


def test_every_table_is_read():
    assert {path.stem for path in HERE.glob("*.yaml")} == {"cilmp", "biomedcoop", "other"}


def test_a_row_tells_what_it_is():
    assert "classes: 3: normal, malignant, benign" in str(find("busi"))
    with pytest.raises(UserError, match="nearest: busi"):
        find("busii")
