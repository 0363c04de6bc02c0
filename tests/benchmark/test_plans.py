from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.configs import Configs
from benchmark.jobs import chains, finished
from benchmark.plan import Plan, override, read_plan
from benchmark.protocols import jobs_of
from tests.benchmark import runs_on_disk
from toolbox.errors import UserError

RUNNER = "tests.benchmark.runs_on_disk:run"


def words(job, flag):
    return job.argv[job.argv.index(flag) + 1]


def test_base_to_new_folders_and_arguments(configs):
    plan = Plan("base2new", methods=("ZeroshotCLIP", "CILMP"), seeds=(1,))
    jobs = jobs_of(plan, Configs(configs))
    base, new = (job for job in jobs if job.method == "CILMP")
    assert base.output == Path("output/base2new/train_base/phantom/shots_16/CILMP/small_clip/seed1")
    assert new.output == Path("output/base2new/test_new/phantom/shots_16/CILMP/small_clip/seed1")
    assert "--eval-only" not in base.argv
    assert words(new, "--model-dir") == str(base.output)
    assert words(base, "DATASET.SUBSAMPLE_CLASSES") == "base"
    assert words(new, "DATASET.SUBSAMPLE_CLASSES") == "new"
    assert words(base, "--config-file") == str(configs / "trainers/CILMP/small_clip.yaml")
    zero_shot = [job for job in jobs if job.method == "ZeroshotCLIP"]
    assert all("--eval-only" in job.argv and "--model-dir" not in job.argv for job in zero_shot)


def test_a_test_stands_behind_its_training(configs):
    jobs = jobs_of(Plan("base2new", seeds=(1, 2), methods=("CoOp",)), Configs(configs))
    found = chains(jobs)
    assert [[job.subset for job in chain] for chain in found] == [["base", "new"], ["base", "new"]]
    assert found[0][1].after == found[0][0].output


def test_other_protocols(configs):
    made = {
        "few_shot": "output/few_shot/phantom/shots_4/CoOp/small_clip/seed1",
        "full": "output/full/phantom/CoOp/small_clip/seed1",
    }
    for protocol, folder in made.items():
        (job,) = jobs_of(Plan(protocol, methods=("CoOp",), seeds=(1,), shots=(4,)), Configs(configs))
        assert job.output == Path(folder)
    assert words(job, "DATASET.NUM_SHOTS") == "-1"


def test_cross_dataset_names_the_source(configs):
    plan = Plan("cross_dataset", methods=("CoOp",), seeds=(1,), targets=("kvasir", "phantom"))
    trained, tested = jobs_of(plan, Configs(configs))
    assert trained.output == Path("output/evaluation/CoOp/small_clip_16shots/phantom/seed1")
    assert tested.output == Path("output/evaluation/CoOp/small_clip_16shots/phantom-to-kvasir/seed1")
    assert words(tested, "--model-dir") == str(trained.output)


def test_cross_dataset_finds_targets_in_the_data_folder(configs, tmp_path):
    for name in ("phantom", "kvasir", "cells"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data/cells/cells.json").write_text("{}")
    (tmp_path / "data/thumbnails").mkdir()
    plan = Plan("cross_dataset", methods=("ZeroshotCLIP",), seeds=(1,), root=tmp_path / "data")
    assert [job.dataset for job in jobs_of(plan, Configs(configs))] == ["phantom", "cells", "kvasir"]
    with pytest.raises(UserError, match="TARGETS"):
        jobs_of(override(plan, {"root": str(tmp_path / "empty")}), Configs(configs))


def test_eval_takes_the_full_run_before_the_few_shot_run(configs, tmp_path):
    plan = Plan("eval", methods=("CoOp",), seeds=(1,), output=tmp_path)
    with pytest.raises(UserError, match="no trained run"):
        jobs_of(plan, Configs(configs))
    for folder in ("few_shot/phantom/shots_16/CoOp/small_clip", "full/phantom/CoOp/small_clip"):
        (tmp_path / folder).mkdir(parents=True)
        (job,) = jobs_of(plan, Configs(configs))
        assert words(job, "--model-dir") == str(tmp_path / folder / "seed1")


def test_configuration_of_the_backbone(configs):
    (job,) = jobs_of(Plan("full", methods=("CoOp",), seeds=(1,), backbone="ViT-B/16"), Configs(configs))
    assert job.cfg == "vit_b16"
    plan = Plan("full", methods=("CoOp",), seeds=(1,), backbone="ViT-L/14", cfg={"CoOp": "vit_b16"})
    (job,) = jobs_of(plan, Configs(configs))
    assert job.output.parts[-2] == "vit_b16-vitl14"  # another backbone never shares a folder
    with pytest.raises(UserError, match="CFG"):
        jobs_of(Plan("full", methods=("CoOp",), backbone="ViT-L/14"), Configs(configs))


def test_published_configuration_of_a_protocol(configs):
    for stem in ("vit_b16_ep5", "vit_b16_ep50_few_shot"):
        (configs / f"trainers/CoOp/{stem}.yaml").touch()
    (configs / "defaults.yaml").write_text("CoOp: {ViT-B/16: vit_b16_ep5, ViT-B/16 few_shot: vit_b16_ep50_few_shot}")
    found = Configs(configs)
    assert found.choose("CoOp", "ViT-B/16", "full", None) == "vit_b16_ep5"
    assert found.choose("CoOp", "ViT-B/16", "few_shot", None) == "vit_b16_ep50_few_shot"
    assert found.choose("CoOp", "ViT-B/16", "few_shot", "vit_b16") == "vit_b16"
    assert found.choose("CoOp", "small_clip", "few_shot", None) == "small_clip"


def test_shots_where_nobody_says_how_many(configs):
    (configs / "shots.yaml").write_text("phantom: 4\n")
    plan = Plan("base2new", methods=("CoOp",), datasets=("phantom", "kvasir"), seeds=(1,))
    assert [job.shots for job in jobs_of(plan, Configs(configs))] == [4, 4, 16, 16]
    plan = Plan("base2new", methods=("CoOp",), datasets=("phantom", "kvasir"), seeds=(1,), shots=(2,))
    assert {job.shots for job in jobs_of(plan, Configs(configs))} == {2}
    assert Configs().shots("phantom") == 4 and Configs().shots("kvasir") == 16


def test_controls_need_no_plan_of_ones_own(configs):
    plan = Plan("base2new", methods=("CILMP:shuffled_rows", "CoOp:description"), seeds=(1,))
    shuffled, _, described, _ = jobs_of(plan, Configs(configs))
    assert shuffled.argv[-2:] == ("TRAINER.CILMP.ROWS", "shuffled")
    assert described.argv[-2:] == ("DATASET.CLASS_TEXT", "description")


def test_published_configurations_exist():
    configs = Configs()
    for method, files in configs.defaults.items():
        if method == "shots":
            continue
        for backbone in files:
            name, _, protocol = backbone.partition(" ")
            assert configs.choose(method, name, protocol, None) == files[backbone]


@pytest.mark.parametrize("protocol", ["base2new", "cross_dataset"])
def test_methods_bound_to_their_classes_are_not_tested_on_others(configs, protocol):
    with pytest.raises(UserError, match="LinearProbe learns weights of the very classes"):
        jobs_of(Plan(protocol, methods=("CoOp", "LinearProbe")), Configs(configs))


def test_folder_with_a_split_needs_no_configuration(configs, tmp_path):
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells/split.json").write_text("{}")
    (job,) = jobs_of(Plan("full", methods=("CoOp",), datasets=("cells",), seeds=(1,), root=tmp_path), Configs(configs))
    assert words(job, "--dataset-config-file").endswith("datasets/split.yaml")
    assert words(job, "DATASET.FOLDER") == "cells"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": ("kvsir",)}, "nearest: kvasir"),
        ({"methods": ("CoOpp",)}, "nearest: .*CoOp"),
        ({"cfg": {"CILMP": "vit_b15"}}, "nearest: vit_b16"),
    ],
)
def test_names_that_do_not_exist(configs, changes, message):
    with pytest.raises(UserError, match=message):
        jobs_of(override(Plan("full"), changes), Configs(configs))


def test_variant_has_its_own_folder_and_options(configs):
    plan = Plan(
        "base2new",
        methods=("CILMP", "CILMP:shuffled"),
        seeds=(1,),
        variants={"shuffled": ("TRAINER.CILMP.ROWS", "shuffled")},
        opts=("OPTIM.MAX_EPOCH", "2"),
    )
    plain, _, base, new = jobs_of(plan, Configs(configs))
    assert base.output == Path("output/base2new/train_base/phantom/shots_16/CILMP/small_clip-shuffled/seed1")
    assert base.argv[-4:] == ("TRAINER.CILMP.ROWS", "shuffled", "OPTIM.MAX_EPOCH", "2")
    assert new.after == base.output
    assert "TRAINER.CILMP.ROWS" not in plain.argv
    assert base.title == "CILMP:shuffled phantom base seed 1"
    with pytest.raises(UserError, match="no variant 'shufled'; nearest: shuffled"):
        jobs_of(override(plan, {"methods": ["CILMP:shufled"]}), Configs(configs))


def test_finished_is_what_result_json_says(configs, tmp_path):
    (job,) = jobs_of(Plan("full", methods=("CoOp",), seeds=(1,), output=tmp_path), Configs(configs))
    assert not finished(job, RUNNER)
    runs_on_disk.run(list(job.argv))
    assert finished(job, RUNNER)
    runs_on_disk.edit(job.output, shots=16)
    with pytest.raises(UserError, match="holds another run: shots was 16 and is -1"):
        finished(job, RUNNER)
    runs_on_disk.edit(job.output, status="running")
    with pytest.raises(UserError, match="is not a result of this project"):
        finished(job, RUNNER)
    assert not finished(replace(job, argv=("--again", *job.argv)), RUNNER)


def test_draws_have_folders_of_their_own_and_coop_s_keep_theirs(configs):
    plan = Plan("few_shot", methods=("CoOp",), seeds=(1,), shots=(4,), draw=("coop", "realistic"))
    own, drawn = jobs_of(plan, Configs(configs))
    assert own.output == Path("output/few_shot/phantom/shots_4/CoOp/small_clip/seed1")
    assert drawn.output == Path("output/few_shot/phantom/shots_4_realistic/CoOp/small_clip/seed1")
    assert "DATASET.DRAW" not in own.argv and words(drawn, "DATASET.DRAW") == "realistic"
    assert (own.title, drawn.title) == ("CoOp phantom seed 1", "CoOp phantom realistic 4 seed 1")
    plan = Plan("cross_dataset", methods=("CoOp",), seeds=(1,), targets=("kvasir",), draw=("relaxed",))
    trained, tested = jobs_of(plan, Configs(configs))
    assert trained.output.parts[3] == tested.output.parts[3] == "small_clip_16shots_relaxed"
    assert words(tested, "DATASET.DRAW") == "relaxed"


def test_a_costly_method_has_only_some_of_the_seeds(configs, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(
        "protocol: few_shot\nmethods: [CILMP, CoOp]\nseeds: [1..4, 9]\nshots: [1, 2]\ndraw: [relaxed, realistic]\n"
        "only:\n  CoOp: {first_seeds: 2, draw: realistic}\n"
    )
    plan = read_plan(path)
    assert plan.seeds == (1, 2, 3, 4, 9)
    jobs = jobs_of(plan, Configs(configs))
    assert [(j.method, j.shots, j.draw, j.seed) for j in jobs if j.method == "CoOp"] == [
        ("CoOp", shots, "realistic", seed) for shots in (1, 2) for seed in (1, 2)
    ]
    assert sum(job.method == "CILMP" for job in jobs) == 5 * 2 * 2
    chosen = override(plan, {"methods": ["CILMP"], "seeds": ["7..8"]})  # METHODS and SEEDS of the scripts
    assert not chosen.only and chosen.seeds == (7, 8)
    assert override(Plan("full", opts=("A", "1")), {"opts": ["A", "2"]}).opts == ("A", "1", "A", "2")
    assert {j.seed for j in jobs_of(override(plan, {"seeds": [7, 8, 9]}), Configs(configs)) if j.method == "CoOp"} == {
        7,
        8,
    }


def test_plan_file(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("protocol: few_shot\nmethods: [CoOp, CILMP]\nshots: [1, 16]\ndatasets: phantom\nroot: images\n")
    plan = read_plan(path)
    assert plan.methods == ("CoOp", "CILMP")
    assert plan.datasets == ("phantom",)
    assert (plan.shots, plan.root) == ((1, 16), Path("images"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protocol: few", "unknown protocol"),
        ("protocol: full\nmethod: CoOp", "nearest: methods"),
        ("protocol: full\nseeds: [one]", "seeds cannot be"),
        ("protocol: full\nseeds: []", "seeds are empty"),
        ("protocol: full\nseeds: 9..3", "seeds cannot be '9..3'"),
        ("protocol: full\nseeds: 1..x", "seeds cannot be '1..x'"),
        ("protocol: full\nseeds: 1..99999999999", "seeds cannot be"),
        ("protocol: few_shot\nseeds: [1..3, 2]", "name 2 twice"),
        ("protocol: few_shot\ndraw: real", "draw names 'real'; nearest: realistic"),
        ("protocol: full\ndraw: relaxed", "full trains on all images; draw relaxed is of few"),
        ("protocol: few_shot\nonly: {CoCoOp: {first_seeds: 1}}", "only names CoCoOp, which is not among its methods"),
        ("protocol: few_shot\nonly: {CILMP: {epochs: 1}}", "only: unknown key 'epochs' of CILMP"),
        ("protocol: few_shot\nonly: {CILMP: 3}", "only cannot be"),
        ("protocol: full\nopts: [OPTIM.LR]", "KEY VALUE"),
        ("protocol: full\nvariants: {a: [OPTIM.LR]}", "KEY VALUE"),
        ("protocol: full\nvariants: [a]", "variants cannot be"),
        ("[1, 2]", "protocol"),
        ("a: [", "not YAML"),
        ("protocol: !!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_bad_plan_files(tmp_path, text, message):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_plan(path)
