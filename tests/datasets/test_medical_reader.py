"""The one reader on Dassl: folders, few-shot, base and new, validation, safety of paths."""

import json
from collections import Counter

import pytest

from dassl.data import DataManager
from dassl.data.datasets import DATASET_REGISTRY, build_dataset
from datasets.facts import FACTS
from datasets.loader import ImageDataset
from datasets.readers import registry_name
from datasets.split import part_id, read_split
from tests.datasets.pictures import cells, picture, save
from toolbox.errors import UserError


def test_every_row_of_the_table_is_registered_and_reads_its_folder(cfg_for, tmp_path):
    for facts in FACTS.values():
        if facts.synthetic:
            continue
        base = tmp_path / facts.folder / facts.images
        for label in range(len(facts.classnames)):
            for part in ("train", "val", "test"):
                picture(base / "x" / f"{part}{label}.png", 8)
        content = {
            part: [[f"x/{part}{label}.png", label, name.upper()] for label, name in enumerate(facts.classnames)]
            for part in ("train", "val", "test")
        }
        (tmp_path / facts.folder / facts.split_file).write_text(json.dumps(content))
        for name in {facts.name, facts.dassl_name, facts.dassl_name.upper()}:
            data = build_dataset(cfg_for(registry_name(name)))
            assert tuple(data.classnames) == facts.classnames
            assert (data.name, data.modality) == (facts.name, facts.modality)
            assert data.num_classes == len(data.train_x) == len(data.val) == len(data.test) == len(facts.classnames)
            assert all("{}" in template for template in data.templates)


def test_split_data_set_by_folder_and_by_file(cfg_for, tmp_path):
    content = cells(tmp_path)
    data = build_dataset(cfg_for("split", FOLDER="cells", TEMPLATE="a smear with a {}.", MODALITY="microscopy"))
    assert data.name == "cells" and data.modality == "microscopy"
    assert data.templates == ["a smear with a {}.", "a photo of a {}."]
    assert [len(part) for part in (data.train_x, data.val, data.test)] == [24, 12, 12]
    assert data.split_id["test"] == part_id(read_split(tmp_path / "cells/cells.json").test)
    assert data.split_id["fewshot"] == ""
    (tmp_path / "cells/other.json").write_text(json.dumps({**content, "val": []}))
    other = build_dataset(cfg_for("split", FOLDER="cells", SPLIT="other.json"))
    assert other.split_path.endswith("other.json") and len(other.val) == 4 and len(other.train_x) == 20


def test_few_shot_then_base_and_new(cfg_for, tmp_path):
    cells(tmp_path)
    full = build_dataset(cfg_for("split", FOLDER="cells", NUM_SHOTS=2))
    base = build_dataset(cfg_for("split", FOLDER="cells", NUM_SHOTS=2, SUBSAMPLE_CLASSES="base"))
    new = build_dataset(cfg_for("split", FOLDER="cells", NUM_SHOTS=2, SUBSAMPLE_CLASSES="new"))
    assert Counter(item.label for item in full.train_x) == dict.fromkeys(range(4), 2)
    assert full.classnames == base.classnames + new.classnames
    assert [item.impath for item in full.train_x] == [item.impath for item in [*base.train_x, *new.train_x]]
    assert {item.label for item in new.test} == {0, 1} and len(new.test) == 6
    assert full.split_id["fewshot"] == base.split_id["fewshot"] == new.split_id["fewshot"] != ""
    assert len({full.split_id["train"], base.split_id["train"], new.split_id["train"]}) == 3
    assert (tmp_path / "cells/split_fewshot/shot_2-seed_1.json").is_file()


def test_same_draw_for_every_reader_of_the_split(cfg_for, tmp_path):
    cells(tmp_path)
    first = build_dataset(cfg_for("split", FOLDER="cells", NUM_SHOTS=2, seed=3))
    (tmp_path / "cells/split_fewshot/shot_2-seed_3.json").unlink()
    again = build_dataset(cfg_for("split", FOLDER="cells", NUM_SHOTS=2, seed=3))
    assert [i.impath for i in first.train_x] == [i.impath for i in again.train_x]
    assert first.split_id == again.split_id


@pytest.mark.parametrize("val", [None, [], "test", "train"])
def test_validation_is_cut_from_train_never_from_test(cfg_for, tmp_path, capsys, val):
    content = cells(tmp_path)
    content["val"] = content[val] if isinstance(val, str) else val
    save(tmp_path, content)
    data = build_dataset(cfg_for("split", FOLDER="cells"))
    assert "were cut for it (seed 1)" in capsys.readouterr().out
    train, held, test = ({item.impath for item in part} for part in (data.train_x, data.val, data.test))
    assert held and not held & train and not held & test and not train & test
    assert len(train) + len(held) == 24
    assert {item.label for item in data.train_x} == {0, 1, 2, 3}


def test_missing_images_are_counted_and_named(cfg_for, tmp_path):
    content = cells(tmp_path)
    for path, *_ in content["test"][:5]:
        (tmp_path / "cells" / path).unlink()
    with pytest.raises(
        UserError, match=r"5 of 48 images do not exist .*first: images/test_0_0.png, images/test_0_1.png"
    ):
        build_dataset(cfg_for("split", FOLDER="cells"))


@pytest.mark.parametrize(
    "path", ["../outside.png", "/etc/hostname", "images/../../outside.png", "link.png", "linked/x.png"]
)
def test_paths_that_lead_out_are_refused_unless_allowed(cfg_for, tmp_path, path):
    content = cells(tmp_path)
    picture(tmp_path / "outside.png")
    picture(tmp_path / "elsewhere/x.png")
    (tmp_path / "cells/link.png").symlink_to(tmp_path / "outside.png")
    (tmp_path / "cells/linked").symlink_to(tmp_path / "elsewhere")
    content["train"][0][0] = path
    save(tmp_path, content)
    with pytest.raises(UserError, match="leads out of"):
        build_dataset(cfg_for("split", FOLDER="cells"))
    if not path.startswith("/"):
        assert len(build_dataset(cfg_for("split", FOLDER="cells", ALLOW_OUTSIDE=True)).train_x) == 24


@pytest.mark.parametrize("path", ["x" * 5000, "images", "images/train_0_0.png/x", "~/x.png"])
def test_names_that_no_image_can_have_are_missing(cfg_for, tmp_path, path):
    content = cells(tmp_path)
    content["train"][0][0] = path
    save(tmp_path, content)
    with pytest.raises(UserError, match="1 of 48 images do not exist"):
        build_dataset(cfg_for("split", FOLDER="cells"))


def test_data_set_folder_may_itself_be_a_link(cfg_for, tmp_path):
    cells(tmp_path / "disk")
    (tmp_path / "cells").symlink_to(tmp_path / "disk/cells")
    assert len(build_dataset(cfg_for("split", FOLDER="cells")).train_x) == 24


def test_missing_root_folder_and_split(cfg_for, tmp_path):
    cfg = cfg_for("KVASIR")
    with pytest.raises(UserError, match=r"kvasir: folder .*kvasir is missing; download it from https://.*data prepare"):
        build_dataset(cfg)
    (tmp_path / "kvasir").mkdir()
    with pytest.raises(UserError, match=r"kvasir\.json is missing"):
        build_dataset(cfg)
    for root, message in (("", "no data root"), (str(tmp_path / "none"), "data root .*none is missing")):
        cfg.DATASET.ROOT = root
        with pytest.raises(UserError, match=message):
            build_dataset(cfg)
    with pytest.raises(UserError, match="name it with DATASET"):
        build_dataset(cfg_for("split", FOLDER="none"))


def test_the_other_collections_folder_is_offered(cfg_for, tmp_path):
    (tmp_path / "BUSI").mkdir()
    (tmp_path / "BUSI/split_BUSI.json").write_text("{}")
    with pytest.raises(UserError, match="did you mean biomedcoop/busi"):
        build_dataset(cfg_for("BUSI"))


def test_wrong_number_of_classes_is_refused(cfg_for, tmp_path):
    cells(tmp_path, name="kvasir")
    with pytest.raises(UserError, match=r"its split has 4 classes .*, the table of data sets 8"):
        build_dataset(cfg_for("kvasir"))


def test_unknown_names_get_the_nearest():
    with pytest.raises(UserError, match=r"unknown data set 'kvasi'; nearest: .*kvasir"):
        registry_name("kvasi")
    assert registry_name("Btmri") == "BiomedCoOp_BTMRI"
    assert registry_name("SPLIT") == "split" and registry_name("Phantom") == "phantom"
    assert {registry_name(name) for name in FACTS} <= set(DATASET_REGISTRY.registered_names())


def test_three_classes_refuse_base_to_new_before_anything_is_written(cfg_for, tmp_path):
    cells(tmp_path, classes=("a", "b", "c"))
    with pytest.raises(UserError, match="needs 4 classes or more"):
        build_dataset(cfg_for("split", FOLDER="cells", NUM_SHOTS=2, SUBSAMPLE_CLASSES="base"))
    assert not (tmp_path / "cells/split_fewshot").exists()


@pytest.mark.parametrize("cache", [False, True])
def test_data_manager_gives_batches(cfg_for, tmp_path, cache):
    cells(tmp_path)
    cfg = cfg_for("split", FOLDER="cells")
    cfg.DATALOADER.TRAIN_X.BATCH_SIZE, cfg.DATALOADER.CACHE = 6, cache
    cfg.INPUT.TRANSFORMS = ("random_flip", "normalize")
    manager = DataManager(cfg, dataset_wrapper=ImageDataset)
    batch = next(iter(manager.train_loader_x))
    assert batch["img"].shape == (6, 3, 16, 16) and batch["label"].shape == (6,)
    assert (tmp_path / "image_cache").exists() == cache


def test_broken_image_is_named_while_loading(cfg_for, tmp_path):
    content = cells(tmp_path)
    (tmp_path / "cells" / content["test"][0][0]).write_bytes(b"junk")
    cfg = cfg_for("split", FOLDER="cells")
    manager = DataManager(cfg, dataset_wrapper=ImageDataset)
    with pytest.raises(UserError, match=r"test_0_0.png cannot be read \(no known image format\)"):
        list(manager.test_loader)


def test_split_file_that_is_not_named_is_looked_for(cfg_for, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="mine has no split file; make one with"):
        build_dataset(cfg_for("split", FOLDER="mine"))
    content = cells(tmp_path)
    (tmp_path / "cells/cells.json").rename(tmp_path / "cells/only.json")
    assert len(build_dataset(cfg_for("split", FOLDER="cells")).test) == 12
    (tmp_path / "cells/second.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"has 2 JSON files; name the split with DATASET\.SPLIT"):
        build_dataset(cfg_for("split", FOLDER="cells"))
