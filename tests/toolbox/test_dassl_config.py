from dassl.config import clean_cfg, get_cfg_default

YAML = """
DATALOADER: {TRAIN_X: {BATCH_SIZE: 1}, TEST: {BATCH_SIZE: 100}, NUM_WORKERS: 8}
INPUT: {SIZE: "(224, 224)", INTERPOLATION: bicubic, TRANSFORMS: [random_resized_crop, random_flip, normalize]}
OPTIM: {NAME: sgd, LR: 0.002, LR_SCHEDULER: cosine, WARMUP_EPOCH: 1, WARMUP_TYPE: constant, WARMUP_CONS_LR: 1e-5}
TRAINER: {FIXMATCH: {STRONG_TRANSFORMS: [randaugment_fixmatch]}}
"""


def test_other_peoples_yaml_merges(tmp_path):
    (tmp_path / "method.yaml").write_text(YAML)
    cfg = get_cfg_default()
    cfg.merge_from_file(str(tmp_path / "method.yaml"))
    assert cfg.INPUT.SIZE == (224, 224)
    assert cfg.OPTIM.WARMUP_CONS_LR == 1e-5
    assert cfg.DATALOADER.TRAIN_U.BATCH_SIZE == 32


def test_each_call_gives_a_copy_of_its_own():
    cfg = get_cfg_default()
    cfg.OPTIM.LR = 9.0
    cfg.INPUT.PIXEL_MEAN[0] = 9.0
    assert get_cfg_default().OPTIM.LR == 0.0003
    assert get_cfg_default().INPUT.PIXEL_MEAN[0] == 0.485


def test_sections_of_other_trainers_can_be_dropped():
    cfg = get_cfg_default()
    clean_cfg(cfg, "FixMatch")
    assert set(cfg.TRAINER) == {"NAME", "FIXMATCH"}
