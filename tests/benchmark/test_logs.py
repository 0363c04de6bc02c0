"""Runs of other repositories by their logs: those that are finished, wherever the family's scripts put them."""

import pytest

from benchmark.logs import parse_log
from benchmark.results import read_results

RESULT = "=> result\n* total: 8,100\n* correct: 6,345\n* accuracy: 78.3%\n* error: 21.7%\n* macro_f1: 77.9%\n"
EPOCH = "epoch [1/5] batch [1/10] time 0.1 (0.1) loss 2.0 lr 1e-3 eta 0:00:01\n"
TRAINED = f"{EPOCH}Finish training\n{RESULT}Elapsed: 0:00:09\n"
HEADER = """***************
** Arguments **
***************
backbone:{space}
config_file: configs/trainers/CoOp/vit_b16_ep50.yaml
dataset_config_file: configs/datasets/eurosat.yaml
eval_only: {eval_only}
no_train: False
opts: ['DATASET.NUM_SHOTS', '16']
seed: 2
trainer: MultiModalAdapter
************
** Config **
************
DATASET:
  NAME: EuroSAT
  NUM_SHOTS: 16
  SUBSAMPLE_CLASSES: new
TRAINER:
  COOP:
    NAME: 4
Collecting env info ...
"""


def write(folder, text):
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text(text)


@pytest.mark.parametrize(
    "place, dataset, method, cfg, subset, shots, seed",
    [
        ("base2new/test_new/eurosat/shots_16/CoOp/vit_b16_ep50/seed2", "eurosat", "CoOp", "vit_b16_ep50", "new", 16, 2),
        (
            "base2new/train_base/dtd/shots_4/CoOp/nctx4_cscFalse_ctpend/seed1",
            "dtd",
            "CoOp",
            "nctx4_cscFalse_ctpend",
            "base",
            4,
            1,
        ),
        (
            "base2new/train_base/dtd/shots_16_8.0/KgCoOp/vit_b16_ep100_ctxv1/seed1",
            "dtd",
            "KgCoOp",
            "vit_b16_ep100_ctxv1",
            "base",
            16,
            1,
        ),
        (
            "output/caltech101/CoOp/rn50_ep50_8shots/nctx16_ctpend/seed3",
            "caltech101",
            "CoOp",
            "rn50_ep50",
            "all",
            8,
            3,
        ),
        ("output/imagenet/MaPLe/vit_b16_c2_ep5_16shots/seed_1", "imagenet", "MaPLe", "vit_b16_c2_ep5", "all", 16, 1),
        ("evaluation/MaPLe/vit_b16_c2_ep5_16shots/sun397/seed3", "sun397", "MaPLe", "vit_b16_c2_ep5", "all", 16, 3),
    ],
)
def test_layouts_of_the_family(tmp_path, place, dataset, method, cfg, subset, shots, seed):
    write(tmp_path / place, TRAINED)
    (found,) = read_results([tmp_path])
    assert (found.dataset, found.method, found.cfg) == (dataset, method, cfg)
    assert (found.subset, found.shots, found.seed) == (subset, shots, seed)
    assert found.metrics == {"accuracy": 78.3, "macro_f1": 77.9}


def test_what_the_header_says_goes_before_the_folder(tmp_path):
    write(tmp_path / "mine/run7", HEADER.format(space=" ", eval_only="True") + RESULT)
    (found,) = read_results([tmp_path])
    assert (found.dataset, found.method, found.cfg) == ("eurosat", "MultiModalAdapter", "vit_b16_ep50")
    assert (found.subset, found.shots, found.seed) == ("new", 16, 2)


@pytest.mark.parametrize(
    "text",
    [
        EPOCH + RESULT,  # best_val tests after each epoch
        HEADER.format(space=" ", eval_only="False") + RESULT + EPOCH,
        EPOCH + "Finish training\n",
        "* accuracy: 5.0%\n",
    ],
)
def test_an_unfinished_run_is_no_result(tmp_path, text, capsys):
    write(tmp_path / "base2new/train_base/dtd/shots_16/CoOp/vit_b16/seed1", text)
    assert read_results([tmp_path]) == []
    assert capsys.readouterr().err == ""


def test_finished_training_is_what_older_ones_say(tmp_path):
    write(tmp_path / "dtd/shots_16/CoOp/vit_b16/seed1", TRAINED.replace("Finish training", "Finished training"))
    assert len(read_results([tmp_path])) == 1


def test_a_folder_that_is_not_understood_is_named(tmp_path, capsys):
    write(tmp_path / "somewhere/else", TRAINED)
    assert read_results([tmp_path]) == []
    assert f"note: {tmp_path / 'somewhere/else'} was not understood" in capsys.readouterr().err


def test_the_last_block_counts():
    assert parse_log(RESULT.replace("78.3", "11.1") + RESULT)["accuracy"] == 78.3
    assert parse_log(EPOCH + "* accuracy: 5.0%\n") == {}
