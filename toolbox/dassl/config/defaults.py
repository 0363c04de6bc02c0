"""Every configuration key with its default: the same keys and values as Dassl 0.6.3."""

from yacs.config import CfgNode as Node


def defaults() -> Node:
    """The whole tree."""
    return Node(
        {
            "VERSION": 1,
            "OUTPUT_DIR": "./output",
            "RESUME": "",  # folder of an earlier run to go on from
            "SEED": -1,  # negative: not seeded
            "USE_CUDA": True,
            "VERBOSE": True,  # print what is built
            "INPUT": _input(),
            "DATASET": _dataset(),
            "DATALOADER": _dataloader(),
            "MODEL": _model(),
            "OPTIM": _optim(),
            "TRAIN": {
                "CHECKPOINT_FREQ": 0,  # epochs; 0: only the last epoch is saved
                "PRINT_FREQ": 10,  # batches
                "COUNT_ITER": "train_x",  # whose length is an epoch: train_x, train_u or smaller_one
            },
            "TEST": {
                "EVALUATOR": "Classification",
                "PER_CLASS_RESULT": False,
                "COMPUTE_CMAT": False,  # confusion matrix to OUTPUT_DIR/cmat.pt
                "NO_TEST": False,
                "SPLIT": "test",  # split of the final evaluation: test or val
                "FINAL_MODEL": "last_step",  # or best_val, which evaluates on val after every epoch
            },
            "TRAINER": {"NAME": "", **_trainers()},
        }
    )


def _input() -> dict:
    return {
        "SIZE": (224, 224),  # height, width in pixels
        "INTERPOLATION": "bilinear",
        "TRANSFORMS": (),  # names listed in dassl.data.transforms
        "NO_TRANSFORM": False,
        "PIXEL_MEAN": [0.485, 0.456, 0.406],
        "PIXEL_STD": [0.229, 0.224, 0.225],
        "CROP_PADDING": 4,
        "RRCROP_SCALE": (0.08, 1.0),
        "CUTOUT_N": 1,
        "CUTOUT_LEN": 16,
        "GN_MEAN": 0.0,  # Gaussian noise
        "GN_STD": 0.15,
        "RANDAUGMENT_N": 2,
        "RANDAUGMENT_M": 10,
        "COLORJITTER_B": 0.4,
        "COLORJITTER_C": 0.4,
        "COLORJITTER_S": 0.4,
        "COLORJITTER_H": 0.1,
        "RGS_P": 0.2,  # probability of greyscale
        "GB_P": 0.5,  # Gaussian blur: probability and (odd) kernel size
        "GB_K": 21,
    }


def _dataset() -> dict:
    return {
        "ROOT": "",
        "NAME": "",
        "SOURCE_DOMAINS": (),
        "TARGET_DOMAINS": (),
        "NUM_LABELED": -1,  # semi-supervised: labelled images in total
        "NUM_SHOTS": -1,  # images a class; -1: all
        "VAL_PERCENT": 0.1,
        "STL10_FOLD": -1,
        "CIFAR_C_TYPE": "",
        "CIFAR_C_LEVEL": 1,
        "ALL_AS_UNLABELED": False,
    }


def _dataloader() -> dict:
    sampled = {
        "SAMPLER": "RandomSampler",
        "BATCH_SIZE": 32,
        "N_DOMAIN": 0,  # RandomDomainSampler: domains a batch; 0: all
        "N_INS": 16,  # RandomClassSampler: images a class in a batch
    }
    return {
        "NUM_WORKERS": 4,
        "K_TRANSFORMS": 1,  # augmented copies of an image in training
        "RETURN_IMG0": False,  # also give the image without augmentation
        "TRAIN_X": dict(sampled),
        "TRAIN_U": {"SAME_AS_X": True, **sampled},
        "TEST": {"SAMPLER": "SequentialSampler", "BATCH_SIZE": 32},
    }


def _model() -> dict:
    return {
        "INIT_WEIGHTS": "",  # checkpoint to start from
        "BACKBONE": {"NAME": "", "PRETRAINED": True},
        "HEAD": {"NAME": "", "HIDDEN_LAYERS": (), "ACTIVATION": "relu", "BN": True, "DROPOUT": 0.0},
    }


def _optim() -> dict:
    return {
        "NAME": "adam",
        "LR": 0.0003,
        "WEIGHT_DECAY": 5e-4,
        "MOMENTUM": 0.9,
        "SGD_DAMPNING": 0,
        "SGD_NESTEROV": False,
        "RMSPROP_ALPHA": 0.99,
        "ADAM_BETA1": 0.9,
        "ADAM_BETA2": 0.999,
        "STAGED_LR": False,  # NEW_LAYERS learn at LR, all others at LR * BASE_LR_MULT
        "NEW_LAYERS": (),
        "BASE_LR_MULT": 0.1,
        "LR_SCHEDULER": "single_step",
        "STEPSIZE": (-1,),  # -1 or 0: MAX_EPOCH
        "GAMMA": 0.1,
        "MAX_EPOCH": 10,
        "WARMUP_EPOCH": -1,  # more than 0 switches the warm-up on
        "WARMUP_TYPE": "linear",  # or constant
        "WARMUP_CONS_LR": 1e-5,
        "WARMUP_MIN_LR": 1e-5,
        "WARMUP_RECOUNT": True,  # the schedule after the warm-up counts its epochs from 0
    }


def _trainers() -> dict:
    """Sections of the methods that ship with Dassl, so that yaml files written for them merge."""
    return {
        # domain adaptation
        "MCD": {"N_STEP_F": 4},
        "MME": {"LMDA": 0.1},
        "CDAC": {
            "CLASS_LR_MULTI": 10,
            "RAMPUP_COEF": 30,
            "RAMPUP_ITRS": 1000,
            "TOPK_MATCH": 5,
            "P_THRESH": 0.95,
            "STRONG_TRANSFORMS": (),
        },
        "SE": {"EMA_ALPHA": 0.999, "CONF_THRE": 0.95, "RAMPUP": 300},
        "M3SDA": {"LMDA": 0.5, "N_STEP_F": 4},
        "DAEL": {"WEIGHT_U": 0.5, "CONF_THRE": 0.95, "STRONG_TRANSFORMS": ()},
        # domain generalisation
        "CROSSGRAD": {"EPS_F": 1.0, "EPS_D": 1.0, "ALPHA_F": 0.5, "ALPHA_D": 0.5},
        "DDAIG": {
            "G_ARCH": "",
            "LMDA": 0.3,
            "CLAMP": False,
            "CLAMP_MIN": -1.0,
            "CLAMP_MAX": 1.0,
            "WARMUP": 0,
            "ALPHA": 0.5,
        },
        "DAELDG": {"WEIGHT_U": 0.5, "CONF_THRE": 0.95, "STRONG_TRANSFORMS": ()},
        "DOMAINMIX": {"TYPE": "crossdomain", "ALPHA": 1.0, "BETA": 1.0},
        # semi-supervised learning
        "ENTMIN": {"LMDA": 1e-3},
        "MEANTEACHER": {"WEIGHT_U": 1.0, "EMA_ALPHA": 0.999, "RAMPUP": 5},
        "MIXMATCH": {"WEIGHT_U": 100.0, "TEMP": 2.0, "MIXUP_BETA": 0.75, "RAMPUP": 20000},
        "FIXMATCH": {"WEIGHT_U": 1.0, "CONF_THRE": 0.95, "STRONG_TRANSFORMS": ()},
    }
