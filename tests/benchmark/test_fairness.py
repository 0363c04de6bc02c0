import re
import shutil

import pytest

from benchmark import report
from benchmark.fairness import require_fair, unfair
from benchmark.results import read_results
from tests.benchmark.runs_on_disk import write_run
from toolbox.errors import UserError

SPLIT = {"train": "t", "val": "v", "test": "test all", "fewshot": "few 1 all"}


def results_of(tmp_path, **changes):
    write_run(tmp_path / "CoOp", "CoOp", 0.6)
    write_run(tmp_path / "CILMP", "CILMP", 0.7, **changes)
    return read_results([tmp_path])


def test_same_everything_is_fair(tmp_path):
    assert unfair(results_of(tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"split": {**SPLIT, "test": "other"}}, "test splits differ on phantom"),
        ({"split": {**SPLIT, "fewshot": "other"}}, "training images differ on phantom"),
        ({"backbone_hash": "c" * 64}, "backbone weights differ"),
        ({"transform": "resize 96"}, "test transforms differ"),
        ({"shots": 8}, "shots differ on phantom"),
    ],
)
def test_what_differs_is_said(tmp_path, changes, reason):
    results = results_of(tmp_path, **changes)
    with pytest.raises(UserError, match=reason):
        require_fair(results, allow=False)
    assert any(problem.startswith(reason) for problem in require_fair(results, allow=True))


def test_each_draw_has_tables_of_its_own(tmp_path):
    for draw in ("coop", "realistic"):
        split = {**SPLIT, "fewshot": draw, "val": "v" if draw == "coop" else ""}
        own = {"DATASET.DRAW": draw, "DATASET.TEMPLATE": ""}
        for method in ("CoOp", "CILMP"):
            write_run(tmp_path / draw / method, method, draw=draw, split=split, fingerprint=own)
    assert unfair(read_results([tmp_path])) == []
    (reason,) = unfair(read_results([tmp_path / "coop/CoOp", tmp_path / "realistic/CILMP"]))
    assert reason == "shots differ on phantom (all): CoOp: 16, CILMP: 16_realistic"


OWN = {"TRAINER.COOP.N_CTX": "4", "DATASET.TEMPLATE": "", "images": "i"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"TRAINER.COOP.N_CTX": "16"}, r"TRAINER\.COOP\.N_CTX differ between runs of CoOp: 4 in .*/1 but 16 in .*/2"),
        ({"SEED": "2", "images": "j", "split (train)": "x"}, None),
        ({"a key of a later version": "1"}, None),
    ],
)
def test_seeds_of_a_row_have_the_same_settings(tmp_path, changed, reason):
    write_run(tmp_path / "1", fingerprint=OWN)
    write_run(tmp_path / "2", seed=2, fingerprint={**OWN, **changed})
    found = unfair(read_results([tmp_path]))
    assert found == [] if reason is None else re.match(reason, found[0])


def test_class_texts_are_those_of_the_side_and_one_for_all_seeds(tmp_path):
    long = "a large cell with a round nucleus, pale cytoplasm and no granules; "
    for subset in ("base", "new"):
        for seed in (1, 2):
            text = {**OWN, "DATASET.SUBSAMPLE_CLASSES": subset, "class texts": long * 3 + subset}
            write_run(tmp_path / subset / str(seed), subset=subset, seed=seed, fingerprint=text)
    assert unfair(read_results([tmp_path])) == []
    write_run(tmp_path / "new/2", subset="new", seed=2, fingerprint={**text, "class texts": long * 3 + "changed since"})
    (found,) = unfair(read_results([tmp_path]))
    assert re.match(
        r"class texts differ between runs of CoOp \(new\): \.\.\.\S.*; new in .* but \.\.\.\S.*; changed since in ",
        found,
    )
    assert len(found) < 200 + 2 * len(str(tmp_path))


def test_methods_share_the_settings_of_the_data_set_alone(tmp_path):
    write_run(tmp_path / "1", "CoOp", fingerprint=OWN)
    write_run(tmp_path / "2", "MaPLe", fingerprint={"TRAINER.MAPLE.N_CTX": "2", **OWN, "DATASET.TEMPLATE": "a {}"})
    (found,) = unfair(read_results([tmp_path]))
    assert found.startswith("DATASET.TEMPLATE differ on phantom (all):  in ")
    write_run(tmp_path / "MaPLe/small_clip-described/1", "MaPLe", fingerprint={**OWN, "DATASET.TEMPLATE": "a {}"})
    shutil.rmtree(tmp_path / "2")
    assert unfair(read_results([tmp_path])) == [], "a variant says in its name that it was run otherwise"


def test_runs_of_earlier_versions_prove_too_little(tmp_path):
    write_run(tmp_path / "1", "CoOp", fingerprint={})
    assert unfair(read_results([tmp_path]))[0].startswith("1 run(s) were made by an earlier version")


def test_two_runs_for_one_place(tmp_path):
    write_run(tmp_path / "few_shot/seed1", "CoOp")
    write_run(tmp_path / "eval/seed1", "CoOp")
    assert unfair(read_results([tmp_path]))[0].startswith("two runs of CoOp on phantom (all), seed 1")


def test_a_curve_with_a_hole_is_no_unfairness(tmp_path):
    for method, shots in (("CoOp", 1), ("CoOp", 16), ("CILMP", 16)):
        write_run(tmp_path / method / str(shots), method, shots=shots)
    assert unfair(read_results([tmp_path])) == []


def test_other_seeds_draw_other_training_images(tmp_path):
    write_run(tmp_path / "a", "CoOp", seed=1)
    write_run(tmp_path / "b", "CoOp", seed=2)
    assert unfair(read_results([tmp_path])) == []


def test_zero_shot_trains_on_nothing(tmp_path):
    write_run(tmp_path / "a", "CoOp")
    write_run(tmp_path / "b", "ZeroshotCLIP", shots=-1, split={**SPLIT, "fewshot": "none"})
    assert unfair(read_results([tmp_path])) == []


def test_a_bare_log_proves_nothing(tmp_path):
    folder = tmp_path / "dtd/shots_16/CoOp/vit_b16/seed1"
    write_run(folder, "CoOp", 0.5)
    (folder / "result.json").unlink()
    assert "log.txt" in unfair(read_results([tmp_path]))[0]


def test_command_refuses_and_allow_says_so_under_the_table(tmp_path, capsys):
    results_of(tmp_path, split={**SPLIT, "test": "other"})
    with pytest.raises(UserError, match="test splits differ"):
        report.main([str(tmp_path)])
    assert report.main([str(tmp_path), "--allow"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("70.00") < shown.index("NOT COMPARABLE (allowed by --allow): test splits differ")
