import random
from collections import Counter

import pytest
import torch
from PIL import Image

from dassl.data import DataManager, DatasetWrapper
from dassl.data.data_manager import build_data_loader
from dassl.data.datasets import DatasetBase, Datum, build_dataset
from dassl.data.samplers import build_sampler
from dassl.data.transforms import INTERPOLATION_MODES, build_transform
from dassl.data.transforms.transforms import AVAI_CHOICES
from toolbox.errors import UserError


def test_the_manager_gives_loaders_and_counts(make_cfg, capsys):
    manager = DataManager(make_cfg())
    assert (manager.num_classes, manager.lab2cname) == (3, {0: "colour 0", 1: "colour 1", 2: "colour 2"})
    assert [len(loader) for loader in (manager.train_loader_x, manager.train_loader_u, manager.test_loader)] == [
        2,
        1,
        1,
    ]
    batch = next(iter(manager.test_loader))
    assert batch["img"].shape == (10, 3, 12, 12)
    assert batch["label"].tolist() == [i % 3 for i in range(20, 30)]
    assert set(batch) == {"img", "label", "domain", "impath", "index"}
    assert "# train_x  20" in capsys.readouterr().out


def test_several_views_of_an_image(make_cfg):
    cfg = make_cfg("DATALOADER.RETURN_IMG0", True, "DATALOADER.K_TRANSFORMS", 2)
    items = build_dataset(cfg).train_x
    transform = build_transform(cfg)
    item = DatasetWrapper(cfg, items, transform=[transform, transform], is_train=True)[3]
    assert [view.shape for key in ("img", "img2") for view in item[key]] == [(3, 12, 12)] * 4
    assert not torch.equal(item["img"][0], item["img"][1])
    assert item["img0"].shape == (3, 12, 12)


@pytest.mark.parametrize(("content", "workers"), [(b"", 0), (b"no image at all", 1), (None, 0)])
def test_an_unreadable_image_is_named(make_cfg, tmp_path, content, workers):
    file = tmp_path / "broken.png"
    Image.effect_noise((64, 64), 90).save(file)
    file.write_bytes(file.read_bytes()[:900] if content is None else content)
    cfg = make_cfg("DATALOADER.NUM_WORKERS", workers)
    loader = build_data_loader(cfg, data_source=[Datum(str(file))], tfm=build_transform(cfg), is_train=False)
    with pytest.raises(UserError, match=r"^(cannot read the )?image .*broken\.png") as caught:
        next(iter(loader))
    assert "\n" not in str(caught.value)


def test_a_missing_image_is_named():
    with pytest.raises(UserError, match=r"image not found: nowhere/7\.png"):
        Datum("nowhere/7.png")


@pytest.mark.parametrize("name", AVAI_CHOICES)
def test_every_transform_gives_an_image_of_the_right_size(make_cfg, name):
    image = Image.effect_noise((20, 16), 90).convert("RGB")
    transform = build_transform(make_cfg("INPUT.TRANSFORMS", (name,)))
    for _ in range(20):
        made = transform(image)
        assert made.shape == (3, 12, 12)
        assert torch.isfinite(made).all()


def test_the_test_transform_is_resize_crop_normalise(make_cfg):
    cfg = make_cfg(
        "INPUT.PIXEL_MEAN", [0.5, 0.5, 0.5], "INPUT.PIXEL_STD", [0.5, 0.5, 0.5], "INPUT.INTERPOLATION", "bicubic"
    )
    grey = Image.new("RGB", (24, 12), (255, 255, 255))
    assert torch.equal(build_transform(cfg, is_train=False)(grey), torch.ones(3, 12, 12))
    assert set(INTERPOLATION_MODES) == {"bilinear", "bicubic", "nearest"}


def test_few_shot_draws(make_cfg):
    dataset = build_dataset(make_cfg())
    random.seed(3)
    drawn = dataset.generate_fewshot_dataset(dataset.train_x, num_shots=2)
    assert Counter(item.label for item in drawn) == {0: 2, 1: 2, 2: 2}
    random.seed(3)
    again = dataset.generate_fewshot_dataset(dataset.train_x, num_shots=2)
    assert [item.impath for item in again] == [item.impath for item in drawn]
    assert dataset.generate_fewshot_dataset(dataset.train_x, num_shots=-1) is dataset.train_x
    train, val = dataset.generate_fewshot_dataset(dataset.train_x, dataset.val, num_shots=2, repeat=True)
    assert (len(train), len(val)) == (6, 6)
    assert len(dataset.generate_fewshot_dataset(dataset.val, num_shots=9)) == 5  # small classes are taken whole


def test_the_random_order_follows_the_seed(make_cfg):
    items = build_dataset(make_cfg()).train_x
    orders = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        orders.append(list(build_sampler("RandomSampler", data_source=items)))
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(20))


@pytest.mark.parametrize("name", ["RandomDomainSampler", "SeqDomainSampler"])
def test_domain_batches_are_balanced(make_cfg, name):
    items = build_dataset(make_cfg()).train_x
    sampler = build_sampler(name, data_source=items, batch_size=4)
    order = list(sampler)
    assert len(order) == len(sampler) == len(set(order)) == 20
    for start in range(0, 20, 4):
        assert Counter(items[i].domain for i in order[start : start + 4]) == {0: 2, 1: 2}


def test_class_batches_are_balanced(make_cfg):
    items = build_dataset(make_cfg()).train_x
    order = list(build_sampler("RandomClassSampler", data_source=items, batch_size=4, n_ins=2))
    for start in range(0, len(order), 4):
        assert sorted(Counter(items[i].label for i in order[start : start + 4]).values()) == [2, 2]


def test_a_data_set_tells_its_classes(make_cfg):
    items = build_dataset(make_cfg()).train_x
    dataset = DatasetBase(train_x=items[:2], test=items[:1])
    assert (dataset.num_classes, dataset.classnames) == (2, ["colour 0", "colour 1"])
    assert dataset.val is None
