"""YAML and JSON of any origin: plain values, or one reason, soon and in little memory."""

import pytest

from toolbox.plain import MAX_BYTES, MAX_DEPTH, PlainError, parse_json, parse_yaml, read_yaml


def aliases(levels: int, width: int = 9) -> str:
    """A few lines that stand for `width ** levels` values."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


def merges(levels: int, width: int = 9) -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * width)}]}}" for n in range(1, levels)]
    return "\n".join(lines)


def test_plain_values():
    assert parse_yaml("a: [1, 2.5, yes, null, text]\nb: {c: 0x10}") == {
        "a": [1, 2.5, True, None, "text"],
        "b": {"c": 16},
    }
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: *a") == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 1}}
    assert parse_yaml("") is None
    assert parse_json('{"a": [1, 1e3, NaN]}')["a"][:2] == [1, 1000.0]
    assert len(parse_yaml(aliases(3))["a2"][0][0]) == 9


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (aliases(40), "aliases stand for more than"),
        (merges(40), "aliases stand for more than"),
        ("a: &a [*a]", "contains itself"),
        ("&a {b: {c: *a}}", "contains itself"),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "nested more than"),
        ("[" * 20_000, "nested too deeply"),
        ("n: " + "9" * 5000, "5,000 digits"),
        ("n: 0x" + "f" * 5000, "digits"),
        ("seeds: 2001-13-45", "month must be in"),
        ("a: 1\nb: 2\na: 3", "the key 'a' is there twice"),
        ("!!int ''", "index out of range"),
        ("!!timestamp x", "groupdict"),
        ("? [1]\n: 2", "unhashable"),
        ("\0", "special characters"),
        ("a: *b", "undefined alias"),
    ],
    ids=lambda value: value[:12],
)
def test_hostile_yaml(text, says):
    with pytest.raises(PlainError, match=says) as error:
        parse_yaml(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"), [("[" * 200_000, "too deeply"), ("9" * 5000, "5,000 digits"), ("{", "Expecting")]
)
def test_hostile_json(text, says):
    with pytest.raises(PlainError, match=says):
        parse_json(text)


def test_json_without_nan():
    with pytest.raises(PlainError, match="NaN is no number"):
        parse_json("[NaN]", finite=True)


def test_files(tmp_path):
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(tmp_path / "bom.yaml") == {"a": 1}
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(PlainError, match="not UTF-8"):
        read_yaml(tmp_path / "latin.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(PlainError, match="larger than 1 MB"):
        read_yaml(tmp_path / "large.yaml")
