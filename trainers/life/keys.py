"""What values of the configuration are allowed: Dassl's keys that people set, the data sets' and each method's."""

from collections.abc import Iterator, Mapping
from typing import Any

from yacs.config import CfgNode

from datasets.config import KEYS as DATASET_KEYS
from toolbox.errors import UserError
from toolbox.options import Option
from trainers.life.passes import CHOICES as GRAPHS
from trainers.life.precision import CHOICES

PREC = Option(
    "auto", "numbers to compute in; auto is bf16 on a GPU that has it, else fp16, and fp32 on a CPU", choices=CHOICES
)

SEED_MOST = 2**32 - 1  # NumPy's
BATCH_MOST = 1_000_000

KEYS: dict[str, Option] = {
    "SEED": Option(None, "seed of every draw; a negative one fixes nothing", -(2**31), SEED_MOST),
    "DATASET.NUM_SHOTS": Option(None, "training images a class; -1 or 0 takes all", -1, BATCH_MOST),
    "DATASET.VAL_PERCENT": Option(None, "share of training images cut for validation where a split has none", 0.0, 0.9),
    "DATALOADER.NUM_WORKERS": Option(None, "processes that load images", 0, 1024),
    "DATALOADER.TRAIN_X.BATCH_SIZE": Option(None, "images a training step", 1, BATCH_MOST),
    "DATALOADER.TEST.BATCH_SIZE": Option(None, "images at a time when testing", 1, BATCH_MOST),
    "INPUT.SIZE": Option(None, "height and width of the model's input in pixels", 1, 16_384),
    "MODEL.BACKBONE.IMAGE_SIZE": Option(None, "pixels a side if not the backbone's own; 0 is its own", 0, 16_384),
    "OPTIM.LR": Option(None, "learning rate", 0.0, 1e6),
    "OPTIM.WEIGHT_DECAY": Option(None, "weight decay", 0.0, 1e6),
    "OPTIM.MOMENTUM": Option(None, "momentum of SGD", 0.0, 1.0),
    "OPTIM.MAX_EPOCH": Option(None, "epochs of training", 1, 1_000_000),
    "OPTIM.WARMUP_EPOCH": Option(None, "epochs of warm-up; -1 is none", -1, 1_000_000),
    "OPTIM.WARMUP_CONS_LR": Option(None, "learning rate of a constant warm-up", 0.0, 1e6),
    "TRAIN.PRINT_FREQ": Option(None, "steps between lines of the log; 0 prints the last of an epoch alone", 0),
    "TRAIN.CHECKPOINT_FREQ": Option(None, "epochs between checkpoints that are kept; 0 keeps the last alone", 0),
    "TRAIN.CUDA_GRAPH": Option(None, "record the training step once and replay it on a GPU", choices=GRAPHS),
    "TEST.FINAL_MODEL": Option(None, "which epoch's weights are tested", choices=("last_step", "best_val")),
    "TEST.SPLIT": Option(None, "which images are tested", choices=("test", "val")),
}


def declared(section: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Option]]:
    """Full name and declaration of a method's keys; those declared by their default alone are left out."""
    for name, value in {"PREC": PREC, **options}.items():
        if isinstance(value, Option):
            yield f"TRAINER.{section}.{name}", value


def check_values(cfg: CfgNode, section: str, options: Mapping[str, Any]) -> None:
    """Check every declared value of a run's configuration: common keys, data sets' keys, and a method's in `section`.

    Raises:
        UserError: a value is not allowed; the message says what is.
    """
    own = declared(section, options) if section else []
    for key, option in [*KEYS.items(), *DATASET_KEYS.items(), *own]:
        option.check(key, _value(cfg, key))


def _value(cfg: CfgNode, key: str) -> Any:
    node: Any = cfg
    for part in key.split("."):
        if part not in node:
            raise UserError(f"the configuration lacks {key}")
        node = node[part]
    return node
