"""The Python interface, as docs/python.md shows it, on drawn cells."""

import numpy as np
import pytest
from PIL import Image

import cilmp
from toolbox.errors import UserError


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return tmp_path_factory.mktemp("interface")


@pytest.fixture(scope="module")
def run(here):
    return cilmp.fit("SSText", data="phantom16", root=here / "data", shots=2, output=here / "runs/one")


def cells(here, n: int) -> list:
    return sorted((here / "data/phantom16/images").rglob("*.png"))[:n]


def test_fit_opens_what_is_there_and_refuses_another_run(run, here):
    before = (run.folder / "result.json").stat().st_mtime_ns
    again = cilmp.fit("SSText", data="phantom16", root=here / "data", shots=2, output=here / "runs/one")
    assert again.metrics == run.metrics and (run.folder / "result.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="holds another run"):
        cilmp.fit("SSText", data="phantom16", root=here / "data", shots=4, output=here / "runs/one")


def test_predictions_are_those_of_the_command(run, here):
    folder = cells(here, 1)[0].parent
    found = run.predict(folder)
    files = sorted(folder.iterdir())
    assert [p.image for p in found] == list(map(str, files))
    assert all(p.probability == max(p.probabilities.values()) and p.members is None for p in found)
    assert all(abs(sum(p.probabilities.values()) - 1) < 1e-9 for p in found)
    pictures = [Image.open(file) for file in files[:3]]
    assert np.allclose(run.logits(pictures), run.logits(files[:3]), atol=1e-5)
    assert str(found[0]).startswith(f"{files[0]}: {found[0].label} ")


def test_sets_need_a_calibration(run, here):
    with pytest.raises(UserError, match=r"no conformal\.json in"):
        run.predict(cells(here, 1), coverage=0.9)
    run.calibrate("val")
    for p in run.predict(cells(here, 5), coverage=0.9):
        assert p.members is not None and set(p.members) <= set(run.classnames)
        assert [p.probabilities[name] for name in p.members] == sorted(
            (p.probabilities[name] for name in p.members), reverse=True
        )
    with pytest.raises(UserError, match=r"is calibrated for a coverage of 0\.9, not 0\.5"):
        run.predict(cells(here, 1), coverage=0.5)


def test_a_calibration_is_for_the_weights_it_was_made_with(run, here):
    run.calibrate("val")
    with pytest.raises(UserError, match="was calibrated at its last or best epoch"):
        cilmp.open(run.folder, epoch=1).predict(cells(here, 1), coverage=0.9)


def test_pictures(run, here):
    confusion = run.plot_confusion()
    counts = np.array(run.result["metrics"]["confusion"])
    assert confusion._repr_png_().startswith(b"\x89PNG")
    drawn = [text.get_text() for text in confusion.axes[0].texts]
    assert drawn == [str(n) for n in counts.flatten()]
    explained = run.explain(cells(here, 1)[0], label=run.classnames[3])
    assert run.classnames[3] in explained.get_suptitle() and len(explained.axes) == 2
    with pytest.raises(UserError, match="no class 'cat' in this run"):
        run.explain(cells(here, 1)[0], label="cat")


def test_images_and_labels(here, run):
    files = [file for file in cells(here, 10_000) if file.parent.name in ("basophil", "platelet")]
    own = cilmp.fit("SSText", images=files, labels=[f.parent.name for f in files], shots=2, output=here / "runs/own")
    assert own.classnames == ["basophil", "platelet"] and own.metrics["accuracy"] > 60
    with pytest.raises(UserError, match="1 images and 2 labels"):
        cilmp.fit("SSText", images=files[:1], labels=["a", "b"], output=here / "runs/none")
    with pytest.raises(UserError, match="give data, or images with labels"):
        cilmp.fit("SSText", images=files, output=here / "runs/none")
    assert not (here / "runs/none").exists()


def test_open_and_compare(run, here):
    assert cilmp.open(run.folder).metrics == run.metrics
    table = cilmp.compare(
        ["ZeroshotCLIP", "SSText"],
        data="phantom16",
        root=here / "data",
        shots=[1, 2],
        seeds=2,
        output=here / "runs/all",
    )
    rows = table.rows()
    assert [(r["method"], r["shots"], r["seed"]) for r in rows if r["method"] == "SSText"] == [
        ("SSText", 1, 1),
        ("SSText", 1, 2),
        ("SSText", 2, 1),
        ("SSText", 2, 2),
    ]
    of_one = next(r for r in rows if (r["method"], r["shots"], r["seed"]) == ("SSText", 2, 1))
    assert of_one["accuracy"] == run.metrics["accuracy"]  # the very same run
    assert "| SSText " in table.to_markdown() and "SSText" in table._repr_markdown_()


def test_a_failed_run_is_an_error(here, run):
    with pytest.raises(UserError, match="unknown method 'SSTexd'; nearest: SSText"):
        cilmp.compare(["SSTexd"], data="phantom16", root=here / "data", output=here / "runs/none")


def test_load(here, run):
    clip = cilmp.load("small_clip")
    files = cells(here, 3)
    by_file, by_batch = clip.encode_image(files), clip.encode_image([Image.open(f) for f in files])
    assert by_file.shape == (3, clip.backbone.embed_dim) and np.allclose(by_file, by_batch, atol=1e-6)
    assert np.allclose(by_file.norm(dim=1), 1, atol=1e-5)
    assert np.allclose(clip.encode_text("a cell"), clip.encode_text(["a cell", "a dog"])[:1], atol=1e-6)
    assert clip.preprocess(Image.open(files[0])).shape == (3, clip.backbone.image_size, clip.backbone.image_size)


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        cilmp.fitt  # noqa: B018
