"""Modules under other names, in the texts that import them."""

import pytest

from toolbox.renaming import renamed, with_names

FILES = renamed(["trainers/base.py"])


def test_the_new_name_stands_beside_the_old():
    assert FILES == {"trainers/base.py": "trainers/cilmp_base.py"}


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("llm/x.py", "from trainers.base import A, B\n", "from trainers.cilmp_base import A, B\n"),
        ("trainers/x.py", "from .base import (\n    A,\n)\nx = 1\n", "from .cilmp_base import A\nx = 1\n"),
        ("trainers/life/x.py", "from ..base import A\n", "from ..cilmp_base import A\n"),
        ("trainers/x.py", "from trainers import base, coop\n", "from trainers import cilmp_base as base, coop\n"),
        ("trainers/x.py", "from . import base as b\n", "from . import cilmp_base as b\n"),
        ("llm/x.py", "def f():\n    import trainers.base\n", "def f():\n    import trainers.cilmp_base\n"),
        ("llm/x.py", "from vlm.base import A\n", "from vlm.base import A\n"),
        ("llm/x.py", "x = 'trainers.baseline'\n", "x = 'trainers.baseline'\n"),
    ],
)
def test_imports_follow(file, before, after):
    assert with_names(file, before, FILES) == after
