"""Links and commands in the pages lead to files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_scripts_and_modules_named_exist(page):
    text = page.read_text(encoding="utf-8")
    scripts = re.findall(r"bash (scripts/[\w/]+\.sh)", text)
    modules = [
        m.replace(".", "/")
        for m in re.findall(r"python -m ((?:benchmark|cilmp|datasets|llm|trainers|vlm)[\w.]*)", text)
    ]
    assert not [path for path in scripts if not (ROOT / path).is_file()]
    assert not [m for m in modules if not (ROOT / f"{m}.py").is_file() and not (ROOT / m / "__main__.py").is_file()]
