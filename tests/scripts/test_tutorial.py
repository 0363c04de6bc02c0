"""docs/tutorial.md, command by command, on drawn cells in the place of somebody's images."""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datasets.phantom.generate import ensure_phantom

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"


@pytest.fixture
def here(tmp_path):
    """A folder with `my_images`, a folder a class, and `new_images`."""
    drawn = ensure_phantom(tmp_path / "drawn", "phantom16") / "images"
    (tmp_path / "new_images").mkdir()
    for name in ("basophil", "platelet", "target_cell"):
        files = sorted((drawn / name).iterdir())
        (tmp_path / "my_images" / name).mkdir(parents=True)
        for file in files[:40]:
            shutil.copyfile(file, tmp_path / "my_images" / name / file.name)
        shutil.copyfile(files[40], tmp_path / "new_images" / f"{name}.png")
    return tmp_path


def test_every_command_of_the_page_works(here, monkeypatch):
    commands = [
        line for block in re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S) for line in block.splitlines()
    ]
    assert len(commands) >= 10 and all(command.startswith("cilmp ") for command in commands)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for command in commands:
        words = [sys.executable, "-m", *shlex.split(command)]
        ended = subprocess.run(words, cwd=here, capture_output=True, text=True)
        assert ended.returncode == 0, f"{command}\n{ended.stderr}"
    assert (here / "guesses.csv").is_file() and len(list((here / "maps").glob("*.png"))) == 3
    with (here / "sets.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and all("set" in row for row in rows)
    assert (here / "handed_on" / "model.pt").is_file() and (here / "handed_on" / "README.md").is_file()
    assert list((here / "output").rglob("report.html"))
