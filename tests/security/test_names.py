"""No name that comes from data, plans or options becomes a path unasked."""

import ast
from collections.abc import Iterator

import pytest

from benchmark.configs import Configs
from benchmark.plan import Plan, read_plan
from benchmark.protocols import jobs_of
from cilmp.verbs import predict
from datasets.prepare.__main__ import main as prepare
from llm.extract import main as extract
from llm.import_reference import main as import_reference
from tests.security.test_sources import sources
from toolbox.errors import UserError

HOSTILE = [
    "..",
    "../x",
    "a/../../x",
    "/etc",
    "",
    ".hidden",
    "a\0b",
    "a\nb",
    "x" * 300,
    "con",
    "\x1b[2J",
    "a\\..\\b",
    "a b ",
]
NAMES = {"dataset", "classname", "variant", "stem", "source", "target", "label", "title", "text"}
"""Words for names from data in the code; where one stands in an f-string behind a `/`, it must have gone through a check."""
SAFE = {"safe_name", "check_name", "names.name", "used.name"}
CHECKED = {  # names that were checked where they came in, or that are no names from data
    "benchmark/protocols.py",
    "datasets/fewshot.py",  # shots and seed, numbers
    "llm/question.py",  # only data sets whose file is there
    "llm/sentences/__init__.py",  # as above
    "llm/import_reference.py",  # as below
    "llm/extract.py",  # --name is checked where it is read
}


def paths_of_names() -> Iterator[str]:
    """Places where code puts a name into a path: `folder / f"...{name}..."`."""
    for file, tree in sources():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
                continue
            for value in (v for v in ast.walk(node.right) if isinstance(v, ast.FormattedValue)):
                words = {
                    n.id if isinstance(n, ast.Name) else n.attr
                    for n in ast.walk(value)
                    if isinstance(n, ast.Name | ast.Attribute)
                }
                calls = {ast.unparse(n.func) for n in ast.walk(value) if isinstance(n, ast.Call)}
                if words & NAMES and not calls & SAFE:
                    yield f"{file}:{node.lineno} {ast.unparse(node)}"


def test_the_code_has_no_other_place_where_a_name_becomes_a_path():
    assert [place for place in paths_of_names() if place.partition(":")[0] not in CHECKED] == []


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", ["methods", "datasets", "targets", "variants"])
def test_plans(key, name):
    value = {name: ()} if key == "variants" else (name,)
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        Plan("cross_dataset", **{key: value})


def test_variants_of_methods():
    with pytest.raises(UserError, match=r"variant '\.\./x' cannot be the name"):
        Plan("full", methods=("CoOp:../x",))


def test_names_that_people_use_are_theirs(tmp_path):
    plan = Plan("full", methods=("CoOp",), datasets=("biomedcoop/busi",), seeds=(1,), output=tmp_path)
    (job,) = jobs_of(plan, Configs())
    assert job.output.is_relative_to(tmp_path / "full/biomedcoop/busi/CoOp")
    assert Plan("full", datasets=("kvasir[v2]", "my data", "Приклад")).datasets[0] == "kvasir[v2]"


@pytest.mark.parametrize("name", [name for name in HOSTILE if name and "\0" not in name])
def test_options(name, tmp_path, capsys):
    raw = tmp_path / "raw"
    raw.mkdir()
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        prepare(["folders", "--raw", str(raw), "--root", str(tmp_path / "data"), "--folder", name])
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        extract(["--classes", "a; b", "--name", name])
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        import_reference([str(raw), "--dataset", name, "--classes", "a"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


@pytest.mark.parametrize("out", [".", "..", "/", "a/.."])
def test_predictions_are_no_folder(out):
    with pytest.raises(UserError, match="is a folder: give the name of the files"):
        predict.main(["run", "image.png", "--out", out])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seeds: 2001-13-45", "month must be in"),
        ("seeds: [1, 2, 1]", "seeds name 1 twice"),
        ("seeds: .inf", "seeds cannot be inf"),
        ("seeds: 1.5", "seeds cannot be 1.5"),
        ("seeds: yes", "seeds cannot be True"),
        ("seeds: 4294967296", "give whole numbers from -1"),
        ("shots: -5", "give whole numbers from -1"),
        ("shots: .nan", "shots cannot be nan"),
        ("seeds: {a: 1}", "seeds cannot be"),
        ("methods: [[CoOp]]", "methods cannot be"),
        ("methods: [CoOp, CoOp]", "methods name CoOp twice"),
        ("root: [a]", "root cannot be"),
        ("backbone:", "backbone cannot be None"),
        ("seeds: 1\nseeds: 2", "the key 'seeds' is there twice"),
        ("variants: {a: 3}", "variants cannot be"),
    ],
)
def test_plans_with_values_that_are_none(text, says, tmp_path):
    (tmp_path / "plan.yaml").write_text(f"protocol: full\n{text}\n")
    with pytest.raises(UserError, match=says):
        read_plan(tmp_path / "plan.yaml")
