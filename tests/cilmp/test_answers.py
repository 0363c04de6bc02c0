"""predict --coverage, --refuse-below, --prevalence: sets, no answer, other shares; and what is refused."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from benchmark.calibrate import main as calibrate
from cilmp.verbs import predict
from tests.trainers.held_out import held_out
from tests.trainers.small_world import CLASSES, SmallWorld
from toolbox.errors import UserError


@pytest.fixture
def run(world: SmallWorld, tmp_path) -> Path:
    """A copy of a run of SSText, calibrated on 40 images."""
    made = Path(shutil.copytree(world.run("SSText", "for-sets"), tmp_path / "run"))
    calibrate([str(made), "--images", str(held_out(tmp_path / "calibration")), "--coverage", "0.9", "0.5"])
    return made


@pytest.fixture
def predicted(run, tmp_path, capsys):
    """Predicts 12 new images; returns the table, the tree, and what was printed to standard output and error."""
    images = held_out(tmp_path / "images", 3, first=500)

    def call(*words: str) -> tuple[list[dict], dict, str, str]:
        capsys.readouterr()
        assert predict.main([str(run), str(images), *words, "--out", str(tmp_path / "found"), "--overwrite"]) == 0
        with (tmp_path / "found.csv").open(newline="") as file:
            table = list(csv.DictReader(file))
        out, error = capsys.readouterr()
        return table, json.loads((tmp_path / "found.json").read_text()), out, error

    return call


def test_sets_are_printed_and_written(predicted):
    table, tree, out, error = predicted("--coverage", "0.9")
    assert tree["coverage"] == {"wanted": "0.9", "by_class": False, "score": "lac", "images": 40}
    for row, image in zip(table, tree["images"], strict=True):
        assert row["set"] == "; ".join(image["set"]) and f": {{{row['set']}}} (" in out
        inside = sorted(image["probabilities"][name] for name in image["set"])
        outside = [p for name, p in image["probabilities"].items() if name not in image["set"]]
        assert not inside or not outside or inside[0] >= max(outside)
    assert "at least 90 % of images like the 40 that the run was calibrated on" in error
    smaller, *_ = predicted("--coverage", "0.5")
    assert sum(len(row["set"]) for row in smaller) < sum(len(row["set"]) for row in table)


def test_sets_by_class(predicted):
    _, tree, _, error = predicted("--coverage", "0.9", "--by-class")
    assert tree["coverage"]["by_class"] and "90 % of images of each class like the 40" in error


def test_without_coverage_nothing_is_new(predicted):
    table, tree, out, _ = predicted()
    assert "set" not in table[0] and "{" not in out and "coverage" not in tree


def test_the_least_certain_are_refused(predicted):
    table, tree, out, _ = predicted("--refuse-below", "0.6")
    refused = [max(float(row[name]) for name in CLASSES) < 0.6 for row in table]
    assert [row["predicted"] == "" for row in table] == [i["predicted"] is None for i in tree["images"]] == refused
    assert out.count("no answer (") == sum(refused)


def test_other_shares_of_the_classes(predicted, tmp_path):
    before, *_ = predicted()
    shares = {CLASSES[0]: 97, CLASSES[1]: 1, CLASSES[2]: 1, CLASSES[3]: 1}
    (tmp_path / "shares.yaml").write_text("\n".join(f"{name}: {share}" for name, share in shares.items()))
    after, _, _, error = predicted("--prevalence", str(tmp_path / "shares.yaml"))
    for old, new in zip(before, after, strict=True):
        raised = [float(old[name]) * share for name, share in shares.items()]
        for name, value in zip(CLASSES, raised, strict=True):
            assert float(new[name]) == pytest.approx(value / sum(raised), abs=2e-5)
    assert "only if each class looks as it did in training" in error


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--coverage", "0.8"],
            r"calibrated for a coverage of 0\.9, 0\.5, not 0\.8: run `python -m cilmp calibrate",
        ),
        (["--coverage", "0.9", "--classes", "a; b"], "--coverage with --classes: the run was calibrated without"),
        (["--coverage", "0.9", "--load-epoch", "1"], "was calibrated at its last or best epoch"),
        (["--by-class"], "give --coverage too"),
        (["--refuse-below", "1.5"], "--refuse-below 1.5: give a probability"),
        (["--prevalence", "{nowhere}"], "cannot be read"),
        (["--prevalence", "{few}"], "give each class of the run and its share"),
        (["--coverage", "0.9", "--prevalence", "{few}"], "--coverage with --prevalence"),
    ],
)
def test_what_contradicts_itself_is_refused(predicted, tmp_path, words, message):
    (tmp_path / "few.yaml").write_text(f"{CLASSES[0]}: 1\n")
    given = {"nowhere": tmp_path / "nowhere.yaml", "few": tmp_path / "few.yaml"}
    with pytest.raises(UserError, match=message):
        predicted(*(word.format(**given) for word in words))


def test_a_run_that_is_not_calibrated_gives_no_sets(world, predicted, run):
    (run / "conformal.json").unlink()
    with pytest.raises(UserError, match=r"no conformal\.json in .* says nothing of coverage until you calibrate"):
        predicted("--coverage", "0.9")
