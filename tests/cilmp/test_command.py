"""The one command: verbs, help, errors."""

import pytest

from cilmp import __version__
from cilmp.__main__ import VERBS, main
from toolbox.errors import UserError


def test_help_names_every_verb(capsys):
    assert main(["--help"]) == main([]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"cilmp {__version__}\n"


def test_an_unknown_verb_offers_the_nearest():
    with pytest.raises(UserError, match="no verb 'perdict'; nearest: predict"):
        main(["perdict"])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_two_examples(verb, capsys):
    try:
        code = main([verb, "--help"])
    except SystemExit as left:  # argparse ends so
        code = left.code
    assert code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: python -m cilmp {verb} ")
    assert out.count(f"    python -m cilmp {verb} ") >= 2
