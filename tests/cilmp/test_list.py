"""`list`: one line each, of all there is."""

import pytest

from benchmark.configs import Configs
from cilmp.__main__ import main
from cilmp.verbs.list import KINDS
from datasets.facts import FACTS
from llm.presets import preset_names
from toolbox.errors import UserError
from vlm.loading.presets import presets

NAMES = {"methods": Configs().methods, "backbones": presets, "datasets": FACTS.keys, "llms": preset_names}


def listed(capsys, *words: str) -> list[str]:
    assert main(["list", *words]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("what", NAMES)
def test_a_line_each(what, capsys):
    assert [line.partition("  ")[0].rstrip() for line in listed(capsys, what)] == list(NAMES[what]())


def test_every_kind_has_lines_with_two_columns(capsys):
    for what in KINDS:
        lines = listed(capsys, what)
        assert lines and all("  " in line for line in lines)


def test_configurations_of_one_method(capsys):
    lines = listed(capsys, "configs", "CoOp")
    assert len(lines) == len(Configs().stems("CoOp")) and all(line.startswith("CoOp/") for line in lines)
    with pytest.raises(UserError, match="unknown method 'CoOpp'; nearest: CoOp"):
        main(["list", "configs", "CoOpp"])
