"""YAML can name Python objects to make; ours is read as plain values only."""

import pytest

from benchmark.plan import read_plan
from llm.hidden import parse_layers
from llm.question import read_answers
from toolbox.errors import UserError
from train import run
from vlm.loading.presets import Preset

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


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize("text", [BOMB, "[" * 20_000, "n: " + "9" * 20_000], ids=["aliases", "nesting", "digits"])
def test_every_reader_of_yaml_refuses_bombs(tmp_path, world, text):
    file = tmp_path / "bomb.yaml"
    file.write_text(text)
    for read in (
        lambda: run(world.argv("CoOp", tmp_path / "out", flags=("--config-file", str(file)))),
        lambda: read_plan(file),
        lambda: read_answers(file),
        lambda: Preset.read(file),
    ):
        with pytest.raises(UserError, match=r"bomb\.yaml"):
            read()


@pytest.mark.parametrize("text", ["1-999999999999", "999999999999", "-999999999999-3", "1,2-99999999999,3", "9" * 5000])
def test_ranges_of_layers(text):
    with pytest.raises(UserError, match="--layers"):
        parse_layers(text, 12)


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000, "(" * 200, "1e400", "{" * 300, "-" * 5000 + "1"])
def test_values_on_the_command_line_are_bounded(tmp_path, world, value):
    with pytest.raises(UserError):
        run(world.argv("CoOp", tmp_path / "out", "OPTIM.LR", value))
