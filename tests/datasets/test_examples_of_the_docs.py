"""The plugin shown in docs/add-a-dataset.md works as it stands there."""

import re
import sys
import textwrap
from pathlib import Path

from dassl.data.datasets import build_dataset
from datasets.readers import registry_name
from tests.datasets.pictures import cells

PAGE = Path(__file__).parents[2] / "docs/add-a-dataset.md"


def test_plugin_of_the_docs(cfg_for, tmp_path, monkeypatch):
    blocks = re.findall(r"(?:^    .*\n|^\n)+", PAGE.read_text(), re.M)
    code = next(textwrap.dedent(block) for block in blocks if "DATASET_REGISTRY" in block)
    (tmp_path / "my_data.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    __import__("my_data")
    monkeypatch.delitem(sys.modules, "my_data")
    cells(tmp_path, classes=("sick", "well"), name="scans")
    data = build_dataset(cfg_for(registry_name("MyScans")))
    assert (data.name, data.classnames, data.templates[0]) == ("my_scans", ["sick", "well"], "a CT scan, {}.")
