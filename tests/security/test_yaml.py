"""YAML can name Python objects to make; ours is read as plain values only."""

import pytest

from benchmark.plan import read_plan
from llm.question import read_answers
from toolbox.errors import UserError
from train import run

CALLS = (
    '!!python/object/apply:os.mkdir ["{folder}"]',
    '!!python/object/new:os.mkdir ["{folder}"]',
    "!!python/name:os.system",
    "!!python/module:os",
)


@pytest.fixture(params=CALLS)
def call(request, trap) -> str:
    return request.param.format(folder=trap.folder)


@pytest.mark.parametrize("flag", ["--dataset-config-file", "--config-file"])
def test_configurations(tmp_path, world, call, flag):
    file = tmp_path / "hostile.yaml"
    file.write_text(f"DATASET:\n  NAME: {call}\n")
    with pytest.raises(UserError, match=r"hostile\.yaml is not yaml"):
        run(world.argv("CoOp", tmp_path / "out", flags=(flag, str(file))))


def test_plans(tmp_path, call):
    file = tmp_path / "plan.yaml"
    file.write_text(f"protocol: base2new\nmethods: {call}\n")
    with pytest.raises(UserError, match=r"plan\.yaml is not YAML"):
        read_plan(file)


def test_descriptions(tmp_path, call):
    file = tmp_path / "answers.yaml"
    file.write_text(f"classes:\n  normal: {call}\n")
    with pytest.raises(UserError, match=r"answers\.yaml"):
        read_answers(file)


@pytest.mark.parametrize("value", ["__import__('os').mkdir('{folder}')", "[].__class__", "open('{folder}', 'w')"])
def test_values_on_the_command_line_are_no_expressions(tmp_path, world, trap, value):
    argv = world.argv("CoOp", tmp_path / "out", "OPTIM.MAX_EPOCH", value.format(folder=trap.folder))
    with pytest.raises(UserError, match=r"command line: .*OPTIM\.MAX_EPOCH"):
        run(argv)
