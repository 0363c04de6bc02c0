"""cilmp explain: pictures of what a run looked at, and words for what it learned."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from cilmp.heat_map import visible_part
from cilmp.verbs.explain import main
from tests.trainers.small_world import SmallWorld
from toolbox.errors import UserError


@pytest.fixture(scope="session")
def trained(world: SmallWorld) -> Path:
    return world.run("CILMP", "explained", DATASET__SUBSAMPLE_CLASSES="base", OPTIM__MAX_EPOCH=1)


def test_pictures_go_into_the_run_and_never_beside_the_image(world, trained, tmp_path, capsys):
    image = Path(shutil.copy(world.root / "cells/test_0_0.png", tmp_path / "cell.png"))
    assert main([str(trained), str(image), "--class", "sickle_cell"]) == 0
    assert (trained / "explanations/cell_sickle_cell.png").stat().st_size > 5000
    assert [path.name for path in tmp_path.iterdir()] == ["cell.png"]
    assert "sickle_cell: " in capsys.readouterr().out


def test_a_folder_a_bad_file_and_a_long_strip(trained, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (20000, 20), (90, 30, 60)).save(folder / "strip.png")
    (folder / "broken.png").write_bytes(b"no image")
    assert main([str(trained), str(folder), "--out", str(tmp_path / "maps")]) == 1
    (picture,) = (tmp_path / "maps").iterdir()
    assert picture.name.startswith("strip_")
    assert "left out: image" in capsys.readouterr().err


def test_files_of_one_name_do_not_replace_each_other(world, trained, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(world.root / "cells/test_0_0.png", tmp_path / name / "cell.png")
    assert main([str(trained), str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "maps")]) == 0
    assert len(list((tmp_path / "maps").iterdir())) == 2


def test_the_visible_part_is_the_centre_of_the_shorter_side():
    image = Image.new("RGB", (100, 20))
    image.paste((255, 0, 0), (40, 0, 60, 20))
    seen = visible_part(image, 4)
    assert seen.size == (32, 32) and seen.getpixel((0, 0)) == seen.getpixel((31, 31)) == (255, 0, 0)


def test_words_nearest_to_a_context_that_was_hardly_trained(world, trained, capsys):
    assert main([str(trained), "--words", str(world.root / "cells")]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in table if row and row[0] in "1234" and len(row) > 4] == ["a", "photo", "of", "a"]
    moved = next(row for row in table if row and row[0] == "discocyte")
    assert 0 < float(moved[1]) < 10 and 0 < float(moved[2]) < 10


@pytest.mark.parametrize(
    "words, said",
    [
        (["{run}", "{image}", "--class", "polyp"], "no class 'polyp'"),
        (["{run}", "nowhere.png"], "no image or folder at nowhere.png"),
        (["{run}", "{image}", "--out", "{image}/maps"], r"cannot be written .*; give --out FOLDER"),
        (["{empty}", "{image}"], "give the output folder of a finished training run"),
    ],
)
def test_bad_input_is_one_sentence(world, trained, tmp_path, words, said):
    places = {"{run}": trained, "{image}": world.root / "cells/test_0_0.png", "{empty}": tmp_path}
    filled = words
    for place, path in places.items():
        filled = [word.replace(place, str(path)) for word in filled]
    with pytest.raises(UserError, match=said):
        main(filled)
