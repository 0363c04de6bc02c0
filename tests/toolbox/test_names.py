"""Names from outside become one harmless component of a path."""

from hypothesis import example, given
from hypothesis import strategies as st

from toolbox.names import LONGEST, safe_name


def test_ordinary_names_stay():
    assert safe_name("kvasir-v2_1.0") == "kvasir-v2_1.0"
    assert safe_name("sickle cell") == "sickle_cell"


def test_what_could_lead_elsewhere():
    assert safe_name("../../etc/passwd") == "_.._etc_passwd"
    assert safe_name("..") == safe_name("") == safe_name("/") == "_"
    assert safe_name("AUX.png") == "_AUX.png"


@given(st.text(max_size=300))
@example("\x00\x1b[31m")
@example("\ud800")
@example("\u00e9" * 200)
def test_always_one_short_printable_component(text):
    name = safe_name(text)
    assert name and name not in (".", "..") and not name.startswith(".")
    assert not set(name) & set("/\\\0\x1b \n")
    assert len(name.encode("utf-8", "replace")) <= LONGEST + 1
