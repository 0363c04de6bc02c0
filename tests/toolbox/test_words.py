"""Text from files on terminals, in spreadsheets and in errors."""

import csv
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolbox.errors import UserError
from toolbox.words import cell, file_text, is_plain, sentence, shown


def test_what_a_terminal_would_obey_is_written_out():
    assert shown("\x1b[2Jkvasir[v2]\n\x07é\u202e") == "\\x1b[2Jkvasir[v2]\\n\\x07é\\u202e"
    assert shown("name \udcff.png") == "name \\udcff.png"
    assert is_plain("Naevus, β-cell (left)") and not is_plain("a\tb") and not is_plain("a\x9b2J")


def test_an_error_is_one_line_without_colours():
    error = UserError("cannot read \x1b[31ma.png\x1b[0m:\n  no such file\x1b]0;x\x07")
    assert str(error) == "cannot read a.png: no such file\\x1b]0;x\\x07"


@given(st.text())
def test_a_sentence_has_nothing_hidden(text):
    assert is_plain(sentence(text))
    assert is_plain(shown(text))


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-2", "@x", "\tx"])
def test_no_cell_is_a_formula(text):
    out = io.StringIO()
    csv.writer(out).writerow([cell(text), cell("plain")])
    read = next(csv.reader(io.StringIO(out.getvalue())))
    assert read[0] == f"'{shown(text)}" and read[1] == "plain"


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_names_of_files_can_be_read_back(name):
    text = file_text(os.fsdecode(name))
    text.encode("utf-8")
    whole, place = b"", 0
    while place < len(text):
        if text[place] != "\\":
            whole, place = whole + text[place].encode(), place + 1
        elif text[place + 1] == "\\":
            whole, place = whole + b"\\", place + 2
        else:
            whole, place = whole + bytes.fromhex(text[place + 2 : place + 4]), place + 4
    assert whole == name
