"""The lock files follow the requirements."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pins(file: str) -> dict[str, str]:
    """Package to version, of lines such as `name==1.2.3 \\`."""
    lines = (ROOT / file).read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", line) for line in lines)
    return {re.sub(r"[._-]+", "-", m[1]).lower(): m[2].partition("+")[0] for m in found if m}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-cpu.lock"])
@pytest.mark.parametrize("file", ["requirements.txt", "requirements-test.txt"])
def test_every_pin_is_in_the_lock(file, lock):
    assert pins(file).items() <= pins(lock).items()


def test_the_bill_of_materials_is_of_the_lock():
    content = json.loads((ROOT / "docs/sbom.cdx.json").read_text())
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")
    components = {re.sub(r"[._-]+", "-", part["name"]).lower(): part for part in content["components"]}
    assert components.pop("pip")
    found = {name: part["version"].partition("+")[0] for name, part in components.items()}
    assert found == pins("requirements-cpu.lock")
    assert all(part["purl"].startswith("pkg:pypi/") for part in components.values())


def test_every_locked_package_has_a_licence_in_the_docs():
    lines = (ROOT / "docs/licences.md").read_text().partition("## Weights")[0].splitlines()
    cells = [line.strip("| ").split(" | ")[1] for line in lines if line.startswith("| ") and line.count(" | ") == 1]
    named = [name.strip("* ") for cell in cells for name in cell.split(",")]
    assert len(named) == len(set(named))
    assert set(pins("requirements-cpu.lock")) <= set(named)


@pytest.mark.parametrize("file", ["requirements-docs.txt", "requirements-engines.txt"])
def test_what_is_installed_apart_has_a_licence_in_the_docs_too(file):
    text = (ROOT / "docs/licences.md").read_text().partition("## Weights")[0]
    assert pins(file) and all(f" {name} (" in text.replace("\n", " ") for name in pins(file))
