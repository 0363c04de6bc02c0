"""Trainers of others as `--plugin` takes them: a checkout of the family, unedited, beside the methods here."""

from pathlib import Path

import pytest

from benchmark.configs import Configs
from benchmark.plan import Plan, convert
from benchmark.protocols import jobs_of
from tests.trainers.small_world import result
from toolbox.errors import UserError
from trainers.life import plugins
from trainers.life.plugins import load_plugins
from trainers.life.saved import open_run

TRAINER = """
import torch
from torch import nn
from torch.nn import functional as F
from dassl.engine import TRAINER_REGISTRY, TrainerX
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import load_checkpoint
from clip import clip
from .words import FIRST
from trainers.shared import LAST

CUSTOM_TEMPLATES = {"OxfordPets": "a photo of a {}, a type of pet."}


def load_clip_to_cpu(cfg):
    path = clip._download(clip._MODELS[cfg.MODEL.BACKBONE.NAME])
    try:
        model, state = torch.jit.load(path, map_location="cpu").eval(), None
    except RuntimeError:
        state = torch.load(path, map_location="cpu")
    return clip.build_model(state or model.state_dict()).float()


class Model(nn.Module):
    def __init__(self, cfg, classnames):
        super().__init__()
        model = load_clip_to_cpu(cfg)
        assert clip.WHOSE == "theirs" and (FIRST, LAST) == ("first", "last")
        texts = clip.tokenize([CUSTOM_TEMPLATES[cfg.DATASET.NAME].format(name) for name in classnames])
        with torch.no_grad():
            self.texts = F.normalize(model.encode_text(texts), dim=-1)
        self.shift = nn.Parameter(torch.full((self.texts.shape[1],), cfg.TRAINER.COOP.SHIFT))
        self.visual = model.visual.requires_grad_(False)

    def forward(self, image):
        return 20 * F.normalize(self.visual(image) + self.shift, dim=-1) @ self.texts.t()


@TRAINER_REGISTRY.register()
class CoOp(TrainerX):
    def build_model(self):
        self.model = Model(self.cfg, self.dm.dataset.classnames).to(self.device)
        self.optim = build_optimizer(self.model, self.cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model("shifter", self.model, self.optim, self.sched)

    def forward_backward(self, batch):
        image, label = batch["img"].to(self.device), batch["label"].to(self.device)
        loss = F.cross_entropy(self.model(image), label)
        self.model_backward_and_update(loss)
        if self.batch_idx + 1 == self.num_batches:
            self.update_lr()
        return {"loss": loss.item()}
"""
TRAIN = """
import datasets.no_such_data_set
import trainers.coop


def extend_cfg(cfg):
    from yacs.config import CfgNode as CN

    cfg.TRAINER.COOP = CN()
    cfg.TRAINER.COOP.SHIFT = 0.0
    cfg.TRAINER.WEIGHT = 1.0
"""
CLIP = """
from pkg_resources import packaging
import toolbox.clip.clip as bundled
from toolbox.clip.clip import _download, build_model, load, tokenize
_MODELS = dict(bundled._MODELS)
WHOSE = "theirs" if packaging.version.parse("2.0") > packaging.version.parse("1.7") else ""
"""
BATCH = {"DATALOADER__TRAIN_X__BATCH_SIZE": 8, "OPTIM__LR": 0.5}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A checkout with a copy of CLIP of its own, a shared module, and a CoOp, whose name a method here has."""
    root = tmp_path_factory.mktemp("theirs")
    files = {
        "trainers/coop.py": TRAINER,
        "trainers/words.py": "FIRST = 'first'",
        "trainers/shared.py": "LAST = 'last'",
        "trainers/__init__.py": "raise ImportError('all methods at once')",
        "clip/__init__.py": "from .clip import *",
        "clip/clip.py": CLIP,
        "train.py": TRAIN,
        "configs/trainers/CoOp/vit_b16.yaml": "TRAINER: {COOP: {SHIFT: 0.5}, WEIGHT: 2.0}",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "trainers/__init__.py").write_text("")
    return root


@pytest.fixture(scope="module", autouse=True)
def as_before():
    """Whatever took a name of ours gives it back: other tests of this process want ours."""
    from dassl.engine import TRAINER_REGISTRY

    TRAINER_REGISTRY.registered_names()  # ours are there
    table = TRAINER_REGISTRY._objects if hasattr(TRAINER_REGISTRY, "_objects") else TRAINER_REGISTRY._obj_map
    before, loaded, configs = dict(table), dict(plugins._loaded), list(plugins._configs)
    yield
    table.clear()
    table.update(before)
    plugins._loaded.clear()
    plugins._loaded.update(loaded)
    plugins._configs[:] = configs


@pytest.fixture
def word(checkout) -> str:
    return f"{checkout / 'trainers/coop.py'}:TheirCoOp"


def test_it_trains_resumes_tests_and_is_skipped(world, word, capsys):
    # Theirs is not a section of ours: the whole of TRAINER.COOP is what extend_cfg of their train.py says.
    flags = ("--plugin", word)
    base = world.run("TheirCoOp", "theirs/base", *flags, DATASET__SUBSAMPLE_CLASSES="base", **BATCH)
    kept = result(base)
    assert (kept["method"], kept["subset"]) == ("TheirCoOp", "base")
    assert kept["metrics"]["accuracy"] > 0 and len(kept["metrics"]["confusion"]) == 2
    assert kept["trainable_params"] == 64 and "SHIFT: 0.0" in kept["config"]
    assert (base / "shifter/model.pth.tar-2").is_file()
    world.run("TheirCoOp", "theirs/base", *flags, DATASET__SUBSAMPLE_CLASSES="base", **BATCH)
    assert "nothing to do" in capsys.readouterr().out
    test = (*flags, "--eval-only", "--model-dir", str(base))
    new = world.run("TheirCoOp", "theirs/new", *test, DATASET__SUBSAMPLE_CLASSES="new", **BATCH)
    assert result(new)["weights"]["epoch"] is None and len(result(new)["weights"]["sha256"]) == 64
    assert "(epoch=2" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"OPTIM\.LR was"):
        world.run("TheirCoOp", "theirs/base", *flags, DATASET__SUBSAMPLE_CLASSES="base", OPTIM__LR=0.1)


def test_its_run_is_not_opened_for_single_images(world, checkout, word, monkeypatch):
    """Not as our method of that name either, which is another model."""
    from dassl.engine import TRAINER_REGISTRY

    table = TRAINER_REGISTRY._objects if hasattr(TRAINER_REGISTRY, "_objects") else TRAINER_REGISTRY._obj_map
    TRAINER_REGISTRY.registered_names()  # ours are there
    monkeypatch.setitem(table, "CoOp", table["CoOp"])
    monkeypatch.setattr(plugins, "_loaded", dict(plugins._loaded))
    as_ours = ("--plugin", f"{checkout / 'trainers/coop.py'}:CoOp")
    runs = [
        world.run("TheirCoOp", "theirs/single", "--plugin", word, OPTIM__MAX_EPOCH=1, **BATCH),
        world.run("CoOp", "theirs/as_ours", *as_ours, OPTIM__MAX_EPOCH=1, **BATCH),
    ]
    monkeypatch.undo()
    for folder in runs:
        with pytest.raises(UserError, match=r"can be tested .* but its model is not opened for single images"):
            open_run(folder)


def test_ours_of_that_name_is_what_it_was(world, word):
    folder = world.run("CoOp", "ours_beside_theirs", "--plugin", word, OPTIM__MAX_EPOCH=1)
    assert result(folder)["method"] == "CoOp" and (folder / "prompt_learner").is_dir()
    assert "N_CTX" in result(folder)["config"] and "SHIFT" not in result(folder)["config"]


def test_a_taken_name_is_said(checkout, capsys, monkeypatch):
    from dassl.engine import TRAINER_REGISTRY

    table = TRAINER_REGISTRY._objects if hasattr(TRAINER_REGISTRY, "_objects") else TRAINER_REGISTRY._obj_map
    monkeypatch.setitem(table, "CoOp", table["CoOp"])
    load_plugins([str(checkout / "trainers" / "coop.py")])
    assert "CoOp is that of" in capsys.readouterr().out and table["CoOp"].__module__.startswith(plugins.PREFIX)


def test_its_names_are_gone_from_ours():
    import clip
    import trainers
    from clip import clip as inner

    assert not hasattr(inner, "WHOSE") and not hasattr(clip, "WHOSE")
    assert Path(trainers.__file__).parent == Path(plugins.__file__).parents[1]


def test_keys_come_from_files_too(world, word, tmp_path):
    (tmp_path / "more.yaml").write_text("TRAINER: {MORE: {DEPTH: 3}}")
    flags = ("--plugin", word, "--plugin-config", str(tmp_path / "more.yaml"))
    folder = world.run("TheirCoOp", "theirs/keys", *flags, TRAINER__MORE__DEPTH=5, **BATCH)
    assert "DEPTH: 5" in result(folder)["config"]
    plugins._configs.clear()
    (tmp_path / "none.py").write_text("def setup(cfg): pass")
    with pytest.raises(UserError, match="no function extend_cfg"):
        world.run("TheirCoOp", "theirs/none", "--plugin", word, "--plugin-config", str(tmp_path / "none.py"))
    plugins._configs.clear()
    with pytest.raises(UserError, match="no configuration of a plugin at"):
        load_plugins([], [str(tmp_path / "nothing.yaml")])


def test_one_name_for_one_trainer(tmp_path):
    both = "from dassl.engine import TRAINER_REGISTRY, TrainerX\n"
    both += "".join(f"@TRAINER_REGISTRY.register()\nclass {name}(TrainerX):\n    pass\n" for name in ("One", "Two"))
    (tmp_path / "both.py").write_text(both)
    with pytest.raises(UserError, match="registers One, Two: none of them can be called Third"):
        load_plugins([f"{tmp_path / 'both.py'}:Third"])
    load_plugins([str(tmp_path)])
    assert plugins.knows("One") and plugins.knows("Two")
    with pytest.raises(UserError, match=r"write .*both.py:NAME"):
        convert({"methods": [str(tmp_path / "both.py")]}, "here")


def test_a_plan_has_files_that_every_run_imports_first(word):
    given = {"methods": ["MaPLe", word], "seeds": 1, "plugin": ["cpu.py", "my_data.py"], "plugin_config": ["keys.yaml"]}
    jobs = jobs_of(Plan(protocol="base2new", **convert(given, "here")), Configs())
    first = ("--plugin", "cpu.py", "--plugin", "my_data.py")
    assert {job.method: job.argv[4] for job in jobs} == {"MaPLe": "--root", "TheirCoOp": "--plugin"}
    assert all(job.argv[:4] == first for job in jobs)
    assert jobs[-1].argv[4:8] == ("--plugin", word, "--plugin-config", "keys.yaml")


def test_a_plan_takes_its_file_and_its_configuration(word, checkout):
    plan = Plan(protocol="base2new", **convert({"methods": ["MaPLe", word], "seeds": 1}, "here"))
    assert plan.methods == ("MaPLe", "TheirCoOp")
    jobs = [job for job in jobs_of(plan, Configs()) if job.method == "TheirCoOp"]
    assert [job.subset for job in jobs] == ["base", "new"] and jobs[1].after == jobs[0].output
    assert jobs[0].argv[:2] == ("--plugin", word)
    assert str(checkout / "configs/trainers/CoOp/vit_b16.yaml") in jobs[0].argv
    assert "vit_b16-smallclip" in str(jobs[0].output)
    own = Plan(protocol="base2new", **convert({"methods": [word], "seeds": 1, "cfg": {"TheirCoOp": "no"}}, "here"))
    with pytest.raises(UserError, match="has no configuration 'no'"):
        jobs_of(own, Configs())
