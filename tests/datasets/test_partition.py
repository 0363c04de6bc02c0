"""Dividing images: stratified, seeded, patients together."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.partition import cut_validation, divide
from datasets.split import Item

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def _items(counts: dict[str, int]) -> list[Item]:
    return [Item(f"{name}_{i}", label, name) for label, (name, n) in enumerate(counts.items()) for i in range(n)]


def test_every_class_has_its_shares():
    parts = divide(_items({"a": 100, "b": 20, "c": 3}), SHARES, seed=1)
    count = {part: Counter(item.classname for item in items) for part, items in parts.items()}
    assert count["train"] == {"a": 80, "b": 16, "c": 1}
    assert count["val"] == {"a": 10, "b": 2, "c": 1}
    assert count["test"] == {"a": 10, "b": 2, "c": 1}


def test_seed_and_items_alone_decide():
    items = _items({"a": 30, "b": 30})
    first = divide(items, SHARES, seed=1)
    assert divide(items[::-1], SHARES, seed=1) == first
    assert divide(items, SHARES, seed=2) != first


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=4, max_size=60), st.integers(0, 5))
def test_groups_stay_whole_and_nothing_is_lost(pairs, seed):
    items = [Item(f"{i}.png", label, f"class {label}") for i, (label, _) in enumerate(pairs)]
    groups = {f"{i}.png": str(group) for i, (_, group) in enumerate(pairs)}
    parts = divide(items, SHARES, seed, groups)
    assert sorted(item for part in parts.values() for item in part) == sorted(items)
    seen = [{groups[item.path] for item in part} for part in parts.values()]
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_validation_cut_leaves_every_class_in_train_and_keeps_patients_together():
    items = _items({"a": 40, "b": 1, "c": 2})
    groups = {f"a_{i}": f"p{i // 4}" for i in range(40)} | {"c_0": "q", "c_1": "q"}
    train, val = cut_validation(items, 0.25, seed=1, groups=groups)
    assert {item.classname for item in train} == {"a", "b", "c"}
    assert sorted([*train, *val]) == sorted(items)
    assert not {groups.get(i.path, i.path) for i in train} & {groups.get(i.path, i.path) for i in val}
    assert Counter(item.classname for item in val)["a"] in (8, 12)


def test_two_patients_a_class_are_train_and_test_before_val():
    items = _items({"a": 6, "b": 4, "c": 1})
    groups = {f"a_{i}": f"p{i // 3}" for i in range(6)} | {f"b_{i}": f"q{i // 2}" for i in range(4)}
    parts = divide(items, SHARES, 1, groups)
    assert {part: Counter(i.classname for i in chosen) for part, chosen in parts.items()} == {
        "train": {"a": 3, "b": 2, "c": 1},
        "val": {},
        "test": {"a": 3, "b": 2},
    }


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=40), st.integers(0, 3))
def test_every_class_is_in_train_and_in_test_where_a_patient_can_be_spared(pairs, seed):
    items = [Item(f"{i}.png", label, f"class {label}") for i, (label, _) in enumerate(pairs)]
    groups = {f"{i}.png": str(group) for i, (_, group) in enumerate(pairs)}
    parts = divide(items, SHARES, seed, groups)
    labels = {item.label for item in items}
    assert {item.label for item in parts["train"]} == labels
    of_train = {group: {i.label for i in parts["train"] if groups[i.path] == group} for group in set(groups.values())}
    for label in labels - {item.label for item in parts["test"]}:
        assert label not in {item.label for item in parts["val"]}, "val has it, but test goes first"
        for group in (group for group, found in of_train.items() if label in found):
            others = [found for other, found in of_train.items() if other != group]
            assert any(not any(one in found for found in others) for one in of_train[group]), "it could be spared"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=30), st.floats(0.05, 0.6))
def test_validation_cut_tears_no_patient_and_bares_no_class(pairs, share):
    items = [Item(f"{i}.png", label, f"class {label}") for i, (label, _) in enumerate(pairs)]
    groups = {f"{i}.png": str(group) for i, (_, group) in enumerate(pairs)}
    train, val = cut_validation(items, share, 1, groups)
    assert not {groups[i.path] for i in train} & {groups[i.path] for i in val}
    assert {i.label for i in train} == {i.label for i in items}
