"""Values that a configuration may not have are refused before anything is loaded or written."""

import pytest

import train
import trainers  # noqa: F401  registers the methods
from toolbox.errors import UserError
from trainers.life.config import setup_cfg


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("DATALOADER.TRAIN_X.BATCH_SIZE", "0", "images a training step; give 1 to"),
        ("DATALOADER.TRAIN_X.BATCH_SIZE", str(10**30), "give 1 to 1,000,000"),
        ("DATALOADER.TEST.BATCH_SIZE", "-1", "give 1 to"),
        ("DATALOADER.NUM_WORKERS", "-1", "give 0 to"),
        ("SEED", str(2**32), "give -2,147,483,648 to 4,294,967,295"),
        ("INPUT.SIZE", "None", "give 1 to 16,384"),
        ("OPTIM.MAX_EPOCH", "0", "epochs of training; give 1 to"),
        ("OPTIM.LR", "float('nan')", "OPTIM.LR"),
        ("DATASET.NUM_SHOTS", "-5", "training images a class; -1 or 0 takes all"),
        ("DATASET.SUBSAMPLE_CLASSES", "bse", "give all, base or new"),
        ("TEST.FINAL_MODEL", "x", "give last_step or best_val"),
        ("TRAINER.COOP.N_CTX", str(10**9), "TRAINER.COOP.N_CTX is 1000000000: context vectors; give 1 to 245"),
        ("TRAINER.COOP.PREC", "fp8", "give auto, fp32, fp16, bf16 or amp"),
        ("TRAINER.COOP.CLASS_TOKEN_POSITION", "left", "give end, middle or front"),
    ],
)
def test_one_sentence_names_key_and_range(world, key, value, said):
    words = ["--trainer", "CoOp", "--backbone", str(world.clip), "--root", str(world.root), key, value]
    with pytest.raises(UserError, match=f"{key}.*{said}" if key not in said else said):
        setup_cfg(train.parse(words))


def test_values_of_another_method_do_not_matter(world):
    words = ["--trainer", "CoOp", "--backbone", str(world.clip), "TRAINER.COCOOP.N_CTX", "0"]
    assert setup_cfg(train.parse(words)).TRAINER.COCOOP.N_CTX == 0
