"""A verb's help does not wait for torch: nothing heavy is imported before there is work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cilmp.__main__ import VERBS
from cilmp.verbs.data import COMMANDS as DATA
from cilmp.verbs.llm import COMMANDS as LLM

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torchvision", "transformers", "sklearn", "scipy", "matplotlib", "dassl", "open_clip")
LOOK = """
import sys
from cilmp.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(sorted({*sys.modules} & {*HEAVY}))
"""


@pytest.mark.parametrize(
    "words",
    [*((verb,) for verb in VERBS), *(("data", name) for name in DATA), *(("llm", name) for name in LLM)],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(words):
    command = [sys.executable, "-c", LOOK.replace("HEAVY", str(HEAVY)), *words, "--help"]
    out = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True
    ).stdout
    assert out.startswith(f"usage: python -m cilmp {' '.join(words)} ")
    assert out.splitlines()[-1] == "[]"
