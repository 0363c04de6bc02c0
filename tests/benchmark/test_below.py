"""Draws in reports: their metric, their curves, and where methods fall below zero-shot CLIP."""

import pytest

from benchmark import report
from benchmark.below import Lead, equal_draws, lead_tables, leads, sentences
from benchmark.compose import compose
from benchmark.plots import figures
from benchmark.results import read_results
from tests.benchmark.runs_on_disk import write_run

BALANCED = {  # of two draws, by method, shots and seed
    ("CoOp", 1): (30.0, 34.0, 32.0),
    ("CoOp", 4): (60.0, 62.0, 64.0),
    ("SSText", 1): (39.0, 45.0, 30.0),
    ("SSText", 4): (45.0, 50.0, 55.0),
}


@pytest.fixture
def drawn(tmp_path):
    def write(method: str, shots: int, seed: int, draw: str, balanced: float) -> None:
        folder = tmp_path / draw / f"{method}-{shots}-{seed}"
        split = {"train": "", "val": "", "test": "t", "fewshot": f"{shots} {seed} {draw}"}
        found = write_run(folder, method, 0.5, shots=shots, seed=seed, draw=draw, split=split)
        write_run(
            folder,
            method,
            0.5,
            shots=shots,
            seed=seed,
            draw=draw,
            split=split,
            metrics={**found["metrics"], "balanced_accuracy": balanced},
        )

    for (method, shots), values in BALANCED.items():
        for seed, value in enumerate(values, start=1):
            write(method, shots, seed, "realistic", value)
            write(method, shots, seed, "standard", value + 20)
    for shots in (1, 4):
        write("ZeroshotCLIP", shots, 1, "realistic", 40.0)
        write("ZeroshotCLIP", shots, 1, "standard", 40.0)
    return tmp_path


def test_leads_over_zero_shot_are_seed_by_seed(drawn):
    found = {(lead.draw, lead.method, lead.shots): lead for lead in leads(read_results([drawn]))}
    coop = found["realistic", "CoOp", 1]
    assert coop.value == pytest.approx(-8) and coop.half == pytest.approx(4.303 * 2 / 3**0.5, rel=1e-3)
    assert coop.said() == "1 by 8.0 ± 5.0"
    assert found["realistic", "SSText", 1].said() == "1 by 2.0 ± 18.8 (may be chance)"
    assert found["standard", "CoOp", 1].value == pytest.approx(12) and len(found) == 8


def test_seeds_that_are_one_run_have_no_interval():
    assert Lead("phantom", "realistic", "CoOp", 16, -3.0, 0.0, 40.0).said() == "16 by 3.0 for every seed"
    assert Lead("phantom", "realistic", "CoOp", 1, -3.0, None, 40.0).said() == "1 by 3.0 (one seed)"


def test_a_sentence_a_draw(drawn):
    realistic, standard, _ = sentences(leads(read_results([drawn])))
    assert realistic == (
        "phantom, realistic draw, Balanced acc.: zero-shot CLIP has 40.0 without images; below it, in points: "
        "CoOp at K = 1 by 8.0 ± 5.0; SSText at K = 1 by 2.0 ± 18.8 (may be chance)"
    )
    assert standard.endswith("without images; below it, in points: no method")
    only = [lead for lead in leads(read_results([drawn])) if (lead.method, lead.shots) != ("SSText", 1)]
    assert sentences(only)[0].endswith("below it, in points: CoOp at K = 1 by 8.0 ± 5.0; never: SSText")
    assert [table.columns for table in lead_tables(leads(read_results([drawn])))] == [["1", "4"]] * 2


def test_balanced_data_are_said_to_give_one_draw(tmp_path):
    for draw in ("standard", "realistic"):
        for seed in (1, 2):
            split = {"train": "", "val": "", "test": "t", "fewshot": f"few {seed}"}
            write_run(tmp_path / draw / str(seed), draw=draw, seed=seed, split=split)
    results = read_results([tmp_path])
    said = "phantom has a balanced training part: the draws realistic, standard are the same images."
    assert equal_draws(results) == [said] and said in compose(results).notes
    assert equal_draws(results[:3]) == [said]
    assert equal_draws([r for r in results if r.draw == "standard"]) == []


def test_without_zero_shot_there_is_nothing_to_fall_below(drawn):
    assert equal_draws(read_results([drawn])) == []
    assert leads([r for r in read_results([drawn]) if r.method != "ZeroshotCLIP"]) == []


def test_balanced_accuracy_is_what_is_printed_and_seeds_are_said(drawn, capsys):
    assert report.main([str(drawn), "--page", "--out", str(drawn / "out")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "phantom, realistic draw: Balanced acc. by shots" in out and "phantom, standard draw: Balanced acc." in out
    assert "Accuracy by shots" not in out and "3 seeds (ZeroshotCLIP: 1)" in out
    assert "zero-shot CLIP has 40.0 without images; below it" in out
    page = (drawn / "out/report.html").read_text()
    assert "<h2>Below zero-shot</h2>" in page and "minus zero-shot&#39;s 40.00" in page
    assert page.index("realistic draw: Balanced acc. by shots") < page.index("Below zero-shot")
    assert {path.name for path in (drawn / "out").glob("*.png")} == {
        "shots_phantom_realistic.png",
        "shots_phantom_standard.png",
    }


def test_curves_have_bands_and_zero_shot_is_a_line_through(drawn):
    made = dict(figures(compose(read_results([drawn]))))
    (axes,) = made["shots_phantom_realistic"].axes
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines["ZeroshotCLIP"].get_ydata()) == {40.0} and set(lines["ZeroshotCLIP"].get_xdata()) == {0, 1}
    assert list(lines["CoOp"].get_ydata()) == pytest.approx([32, 62]) and len(axes.collections) == 2
    assert axes.get_ylabel() == "Balanced acc."
