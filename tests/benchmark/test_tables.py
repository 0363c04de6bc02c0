import csv
import io
import math

import pytest

from benchmark import render, report, tables
from benchmark.compose import compose
from benchmark.results import read_results
from benchmark.statistics import sample_std
from tests.benchmark.runs_on_disk import write_run
from toolbox.errors import UserError


def cells_of(table, label):
    return dict(zip(table.columns, dict(table.rows)[label], strict=True))


def test_base_to_new_on_one_data_set(base2new):
    table = tables.base_to_new(read_results([base2new]), "phantom", "accuracy", sample_std)
    coop = cells_of(table, "CoOp")
    assert coop["Base"].value == pytest.approx(70)
    assert coop["New"].value == pytest.approx(50)
    assert coop["Base"].spread == pytest.approx(math.sqrt(200))
    per_seed = [2 * 80 * 40 / 120, 2 * 60 * 60 / 120]
    assert coop["Harmonic mean"].value == pytest.approx(sum(per_seed) / 2)
    assert coop["HM of means"].value == pytest.approx(2 * 70 * 50 / 120)
    assert [cell.best for cell in dict(table.rows)["CILMP"]] == [True] * 4
    assert not any(cell.best for cell in dict(table.rows)["CoOp"])


def test_each_number_of_shots_has_a_table_of_its_own(tmp_path):
    for shots, accuracy in ((1, 0.4), (16, 0.8)):
        for subset in ("base", "new"):
            write_run(tmp_path / f"{subset}{shots}", "CoOp", accuracy, shots=shots, subset=subset)
    made = compose(read_results([tmp_path])).by_metric["accuracy"]
    assert [(t.title, cells_of(t, "CoOp")["Base"].value) for t in made] == [
        ("phantom: Accuracy, base-to-new, 1 shot", 40.0),
        ("phantom: Accuracy, base-to-new, 16 shots", 80.0),
    ]


def test_mean_over_data_sets_keeps_both_harmonic_means_apart(tmp_path):
    known = {"a": (90, 10), "b": (50, 50)}
    for dataset, sides in known.items():
        for subset, percent in zip(("base", "new"), sides, strict=True):
            write_run(tmp_path / dataset / subset, "CoOp", percent / 100, dataset=dataset, subset=subset)
    results = read_results([tmp_path])
    made = [tables.base_to_new(results, dataset, "accuracy", sample_std) for dataset in known]
    mean = cells_of(tables.mean_of_base_to_new(made, "accuracy"), "CoOp")
    assert mean["Mean of HMs"].value == pytest.approx((18 + 50) / 2)
    assert mean["HM of means"].value == pytest.approx(2 * 70 * 30 / 100)


def test_best_of_a_calibration_error_is_the_least(tmp_path):
    write_run(tmp_path / "a", "CoOp", 0.5)
    write_run(tmp_path / "b", "CILMP", 0.8)
    table = tables.by_metric(read_results([tmp_path]), "phantom", sample_std)
    assert cells_of(table, "CILMP")["ECE"].best
    assert cells_of(table, "CILMP")["Accuracy"].best
    assert not cells_of(table, "CoOp")["ECE"].best


def test_base_and_new_of_an_error_and_of_kappa(tmp_path):
    for method, accuracy in (("CoOp", 0.5), ("CILMP", 0.8)):
        for subset in ("base", "new"):
            write_run(tmp_path / method / subset, method, accuracy, subset=subset)
    made = compose(read_results([tmp_path])).by_metric
    for metric in ("ece", "kappa", "auc"):  # a harmonic mean of these says nothing
        assert made[metric][0].columns == ["Base", "New"]
    assert [cell.best for cell in dict(made["ece"][0].rows)["CILMP"]] == [True, True]
    assert [cell.value for cell in dict(made["ece"][0].rows)["CILMP"]] == pytest.approx([20, 20])
    assert made["macro_f1"][0].columns == tables.BASE2NEW


def test_what_means_nothing_is_a_dash_with_its_reason(tmp_path):
    reason = "all 40 test images are of one class (a)"
    for method in ("CoOp", "CILMP"):
        write_run(tmp_path / method, method, 0.5, metrics={"accuracy": 50.0, "auc": None, "undefined": {"auc": reason}})
    table = tables.by_metric(read_results([tmp_path]), "phantom", sample_std)
    assert cells_of(table, "CoOp")["AUC"].value is None
    text = render.markdown(table)
    assert "**50.00** |     - |" in text
    assert f"AUC is not defined on phantom: {reason}." in text


def test_by_shots_leaves_a_hole_where_nothing_was_run(tmp_path):
    for method, shots, accuracy in (("CoOp", 1, 0.3), ("CoOp", 16, 0.6), ("CILMP", 16, 0.7)):
        write_run(tmp_path / method / str(shots), method, accuracy, shots=shots)
    table = tables.by_shots(read_results([tmp_path]), "phantom", "accuracy", sample_std)
    assert table.columns == ["1", "16"]
    assert [cell.value for cell in dict(table.rows)["CoOp"]] == [30.0, 60.0]
    assert dict(table.rows)["CILMP"][0].value is None


def test_cross_dataset_averages_the_targets_only(tmp_path):
    folder = tmp_path / "evaluation/CoOp/small_clip_16shots"
    write_run(folder / "phantom/seed1", accuracy=0.9)
    write_run(folder / "phantom-to-bccd/seed1", accuracy=0.5, dataset="bccd")
    write_run(folder / "phantom-to-kvasir/seed1", accuracy=0.3, dataset="kvasir")
    table = tables.cross_dataset(read_results([tmp_path]), "phantom", "accuracy", sample_std)
    assert table.columns == ["phantom (source)", "bccd", "kvasir", "Mean of targets"]
    assert [cell.value for cell in dict(table.rows)["CoOp"]] == pytest.approx([90, 50, 30, 40])


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        ({"depth4": "depth4", "depth9": "depth9"}, ["CILMP (depth4)", "CILMP (depth9)"]),
        ({"depth4": "depth4", "depth4-shuffled": "depth4"}, ["CILMP", "CILMP (shuffled)"]),
        ({"depth4_16shots": "depth4"}, ["CILMP"]),
    ],
)
def test_one_method_with_several_configurations_or_variants_has_a_row_each(tmp_path, folders, labels):
    for folder, cfg in folders.items():
        write_run(tmp_path / "CILMP" / folder / "seed1", "CILMP", cfg=cfg)
    assert list(tables.labels(read_results([tmp_path]))) == labels


def test_forms(base2new):
    table = compose(read_results([base2new])).tables[0]
    assert "| CILMP    | **90.00 ± 0.00** |" in render.markdown(table)
    assert r"CILMP & \textbf{90.00 $\pm$ 0.00} & " in render.latex(table)
    rows = list(csv.DictReader(io.StringIO(render.as_csv([table]))))
    harmonic = next(r for r in rows if (r["method"], r["column"]) == ("CoOp", "Harmonic mean"))
    assert float(harmonic["mean"]) == pytest.approx((2 * 80 * 40 / 120 + 60) / 2, abs=1e-12)
    assert harmonic["n"] == "2"


def test_cost_counts_parameters_in_whole_numbers(base2new):
    (table,) = compose(read_results([base2new])).by_metric["cost"]
    assert "| CILMP    |        2,048 |       12.50 |" in render.markdown(table)


def test_rows_begin_with_zero_shot_and_end_with_cilmp(tmp_path):
    for method in ("CILMP", "MyOwn", "CoOp", "ZeroshotCLIP"):
        write_run(tmp_path / method, method)
    table = compose(read_results([tmp_path])).tables[0]
    assert [label for label, _ in table.rows] == ["ZeroshotCLIP", "CoOp", "MyOwn", "CILMP"]


def test_latex_escapes():
    assert render.escape("a_b & 5 % ±") == r"a\_b \& 5 \% $\pm$"


def test_notes_name_the_missing_seed_and_the_synthetic_images(base2new):
    for side in ("train_base", "test_new"):
        (base2new / side / "phantom/shots_16/CoOp/small_clip/seed2/result.json").unlink()
        (base2new / side / "phantom/shots_16/CoOp/small_clip/seed2/log.txt").unlink()
    legend = compose(read_results([base2new])).notes[0]
    assert "over 2 seeds (CoOp: 1)" in legend
    assert "Synthetic images" in legend


def test_interval_instead_of_deviation(base2new, capsys):
    report.main([str(base2new), "--ci95", "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    base = next(r for r in rows if (r["method"], r["column"]) == ("CoOp", "Base"))
    assert float(base["spread"]) == pytest.approx(12.706 * math.sqrt(200) / math.sqrt(2), rel=1e-3)


def test_comparison_with_the_best_baseline(base2new):
    found = {c.what: c for c in compose(read_results([base2new]), subject="CILMP").comparisons}
    assert set(found) == {"base accuracy", "new accuracy", "harmonic mean"}
    assert found["base accuracy"].difference.value == pytest.approx(20)
    assert found["harmonic mean"].difference.value == pytest.approx(2 * 90 * 75 / 165 - 2 * 70 * 50 / 120)
    assert "(chance 25.0): CILMP 90.00 - CoOp 70.00" in found["base accuracy"].sentence()
    assert "on other test images with these 2 seeds" in found["base accuracy"].sentence()
    assert "40 test images" in found["base accuracy"].sentence()


def test_comparison_with_a_control(tmp_path):
    for method, folder, accuracy in (("CoOp", "c", 0.5), ("CILMP", "c", 0.9), ("CILMP", "c-shuffled", 0.8)):
        write_run(tmp_path / method / folder / "seed1", method, accuracy, cfg="c")
    found = compose(read_results([tmp_path])).comparisons
    assert [(c.other, c.role) for c in found] == [("CILMP (shuffled)", "variant"), ("CoOp", "best baseline")]
    assert [c.difference.value for c in found] == pytest.approx([10, 40])
    assert found[1].verdict() == "the lead holds for this seed; of others nothing is known"


def test_unknown_subject(base2new):
    with pytest.raises(UserError, match="MaPLe"):
        report.main([str(base2new), "--subject", "MaPLe"])


def test_files_and_page(base2new, tmp_path, capsys):
    assert report.main([str(base2new), "--page", "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr().out
    page = (tmp_path / "report/report.html").read_text()
    assert "90.00 ± 0.00" in page
    assert page.count("data:image/png;base64,") == len(list((tmp_path / "report").glob("*.png"))) >= 5
    assert 'src="http' not in page
    assert str(tmp_path / "report/tables.csv") in shown
    assert {p.name for p in (tmp_path / "report").glob("tables.*")} == {"tables.md", "tables.tex", "tables.csv"}


def test_nothing_to_show(tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        report.main([str(tmp_path)])
