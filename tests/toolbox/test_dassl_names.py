"""The bundled Dassl has the public names of stock Dassl 0.6.3, module by module, but for what is listed here."""

import importlib
import json
import os
import re
from pathlib import Path

import pytest

import toolbox
from tests.toolbox.dassl_names import RECORD, modules

STOCK = "stock" in toolbox.host().partition(";")[0]

LEFT_OUT = {  # a pattern of modules, or of module.name: why
    r"data\.datasets\.(da|dg|ssl)(\..*)?": "data sets of natural images from other fields, each a download",
    r"engine\.(da|dg|ssl)(\..*)?": "trainers of other fields; a repository that uses them brings stock Dassl",
    r"modeling\.backbone\.(alexnet|vgg|resnet|efficientnet|wide_resnet|preact_resnet18|cnn_|resnet_dynamic).*": (
        "networks of other fields; torchvision's own stand under backbone names"
    ),
    r"modeling\.backbone\.\w+_?(efdmix|ms)_\w+": "ResNets with mixing layers built in",
    r"modeling\.network\.(ddaig_fcn.*|fcn_\w+)": "networks that perturb images, of the trainer DDAIG alone",
    r"([\w.]+\.build|data\.datasets\.base_dataset)\.(check_availability|check_isfile)": "helpers, at dassl.utils",
    r"data\.transforms\.randaugment\.(Lighting|SamplePairing|CutoutDefault)": "operations that no transform uses",
    r"data\.data_manager\.INTERPOLATION_MODES": "at dassl.data.transforms",
    r"utils\.(logger|torchtools)\.mkdir_if_missing": "at dassl.utils",
    r"optim\.optimizer\.RAdam": "at dassl.optim.radam",
    r"engine\.trainer\.(build_backbone|build_head)": "at dassl.modeling",
    r"engine\.trainer\.(mkdir_if_missing|tolist_if_not|load_checkpoint|resume_from_checkpoint|save_checkpoint)": (
        "helpers of another module, at dassl.utils"
    ),
}


def missing() -> list[str]:
    """Modules and names of stock Dassl that the bundled one lacks."""
    lacking = []
    for module, names in json.loads(RECORD.read_text()).items():
        try:
            found = importlib.import_module(module)
        except ImportError:
            lacking.append(module)
            continue
        lacking += [f"{module}.{name}" for name in names if not hasattr(found, name)]
    return [name.removeprefix("dassl.") for name in lacking]


@pytest.mark.skipif(STOCK, reason="stock Dassl is in use")
def test_what_is_missing_is_left_out_for_a_reason():
    lacking = missing()
    assert [name for name in lacking if not any(re.fullmatch(pattern, name) for pattern in LEFT_OUT)] == []
    assert [pattern for pattern in LEFT_OUT if not any(re.fullmatch(pattern, name) for name in lacking)] == []


@pytest.mark.skipif(not STOCK, reason="stock Dassl is not in use")
def test_the_record_is_that_of_stock_dassl():
    assert json.loads(RECORD.read_text()) == modules(Path(os.environ["DASSL_HOME"]))
