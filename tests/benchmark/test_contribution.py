"""What the rows contribute: which runs are controls, the differences, their intervals, and what is said of them."""

import numpy as np
import pytest

from benchmark.compose import compose
from benchmark.contribution import contributions
from benchmark.page import write_page
from benchmark.results import read_results
from benchmark.tables import labels
from tests.benchmark.runs_on_disk import write_run
from toolbox.errors import UserError

N = 24
NAMES = [f"class {i}" for i in range(N)]


def write(root, variant, accuracies, method="CILMP", seed=1, subset="new", kind="real", **changes):
    """A run whose classes have these accuracies in percent."""
    folder = root / subset / method / ("small_clip" + (f"-{variant}" if variant else "")) / f"seed{seed}"
    result = write_run(folder, method, 0.5, seed=seed, subset=subset)
    metrics = {
        **result["metrics"],
        "per_class": dict(zip(NAMES, map(float, accuracies), strict=True)),
        "confusion": None,
    }
    rows = {"kind": kind, "file": changes.pop("file", "rows.safetensors")} if method == "CILMP" else None
    (folder / "predictions.npz").unlink()  # of other classes; differences over classes need none
    changes |= {"metrics": metrics, "rows": rows, "classnames": NAMES, "seed": seed, "subset": subset}
    write_run(folder, method, 0.5, predictions=False, **changes)


@pytest.fixture
def runs(tmp_path):
    """Two seeds; shuffled rows 30 points below on every class, bags of words equal on average."""
    rng = np.random.default_rng(0)
    for seed in (1, 2):
        own = rng.uniform(40, 60, N)
        write(tmp_path, "", own, seed=seed)
        write(tmp_path, "shuffled_rows", own - 30, seed=seed, kind="shuffled")
        write(tmp_path, "bag_of_words", own + np.resize([10, -10], N), seed=seed, kind="bag_of_words")
        write(tmp_path, "description", own + 20, "CoOp", seed=seed, class_text="description")
        write(tmp_path, "", own + 40, "CoOp", seed=seed)
        write(tmp_path, "paraphrased", own - 5, seed=seed, file="other.safetensors")
    return tmp_path


def test_differences_intervals_and_what_they_say(runs):
    found = {c.kind: c for c in contributions(read_results([runs]))}
    assert list(found) == ["shuffled", "bag_of_words", "description", "other file"]
    shuffled = found["shuffled"]
    assert (shuffled.value, shuffled.low, shuffled.high) == pytest.approx((30, 30, 30))
    assert (shuffled.better, shuffled.worse, shuffled.classes, shuffled.seeds) == (N, 0, N, 2)
    assert shuffled.sentence() == (
        "phantom, new classes, never trained on: CILMP - CILMP (shuffled rows) = +30.0 points (95 % interval +30.0 to +30.0 "
        "over 24 classes and 2 seeds; 24 better, 0 worse): what the rows say of a class is used"
    )
    words = found["bag_of_words"]
    assert words.value == pytest.approx(0, abs=1e-9) and words.low < -2 and words.high > 2
    assert words.sentence().endswith("not shown that the language model adds to the words that it read")
    assert found["description"].sentence().endswith("the same text as class name does better")


def test_the_interval_is_over_classes_and_seeds(tmp_path):
    """Where seeds disagree, the interval of two seeds is wider than that over the classes of one."""
    for seed, lead in ((1, 10), (2, 50)):
        write(tmp_path, "", np.full(N, 60), seed=seed)
        write(tmp_path, "shuffled_rows", np.full(N, 60 - lead), seed=seed, kind="shuffled")
    (both,) = contributions(read_results([tmp_path]))
    assert (both.value, both.low, both.high) == pytest.approx((30, 10, 50))


def test_nothing_is_said_without_the_subject_or_without_controls(runs, tmp_path):
    write(tmp_path / "alone", "", np.full(N, 50))
    assert contributions(read_results([tmp_path / "alone"])) == []
    assert contributions([r for r in read_results([runs]) if r.method == "CoOp"]) == []


def test_page_section_with_chance_figure_and_table(runs, tmp_path):
    report = compose(read_results([runs]))
    (table,) = report.rows
    assert table in report.tables
    assert table.columns == ["New", "New: low", "New: high"]
    assert [round(c.value, 6) for c in dict(table.rows)["CILMP - CILMP (shuffled rows)"]] == [30, 30, 30]
    assert "phantom, new classes: chance is 4.2 %" in report.notes
    page = write_page(report, tmp_path / "page").read_text()
    section = page.split("<h2>What the rows contribute</h2>")[1].split("<h2>")[0]
    assert section.count("<li>") == len(report.contributions) + 1 and "data:image/png" in section
    assert page.count(table.title) == 1
    assert (tmp_path / "page/rows_phantom_new.png").stat().st_size > 5000


def test_one_row_of_a_table_never_mixes_kinds_of_rows_or_class_texts(tmp_path):
    write(tmp_path, "", np.full(N, 50), seed=1)
    write(tmp_path, "", np.full(N, 50), seed=2, kind="shuffled")
    with pytest.raises(UserError, match="rows or class texts differ among runs of CILMP, small_clip, on phantom"):
        compose(read_results([tmp_path]))


def test_labels_say_the_variant_in_words(runs):
    assert "CILMP (shuffled rows)" in labels(read_results([runs]))
