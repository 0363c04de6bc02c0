"""What is fuzzed: for each kind of file, inputs near valid ones and a reader that may only succeed or raise UserError."""

import contextlib
import io
import json
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import datasets  # noqa: F401  registers the data sets
import trainers  # noqa: F401  registers the methods
from benchmark.compose import compose
from benchmark.results import read_results
from dassl.data.datasets import Datum
from datasets.fewshot import draw
from datasets.pickles import read_coop_pickle
from datasets.split import PARTS, read_split, split_id
from llm.store import load_rows
from tests.benchmark.runs_on_disk import CLASSES as CLASSES_ON_DISK
from tests.benchmark.runs_on_disk import write_run
from tests.faults.world import CLASSES, World, build
from toolbox.errors import UserError
from toolbox.run_files import read_predictions
from toolbox.seals import seal
from train import parse
from trainers.life.config import setup_cfg
from trainers.life.recording import Recording

SECONDS = 20  # an input that takes longer counts as a hang

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True)
class Target:
    """Inputs of one kind and what is done with each."""

    inputs: SearchStrategy
    read: Callable[[Any], None]


@cache
def world() -> World:
    """The world whose valid files are the seeds; made once a process."""
    return build(Path(tempfile.mkdtemp(prefix="fuzz-")))


@contextlib.contextmanager
def only_user_errors() -> Iterator[None]:
    """Let a UserError pass; any other exception, and a hang, goes through to the caller."""

    def hang(*_: Any) -> None:
        raise TimeoutError(f"no end after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(UserError):
            yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@st.composite
def damaged(draw_: Callable, valid: bytes) -> bytes:
    """`valid` with some bytes replaced, removed or put in; or any bytes."""
    content = bytearray(valid)
    for _ in range(draw_(st.integers(0, 4))):
        place = draw_(st.integers(0, len(content)))
        length = draw_(st.integers(0, 8))
        content[place : place + length] = draw_(st.binary(max_size=8))
    return bytes(content)


@st.composite
def changed(draw_: Callable, valid: Any) -> Any:
    """A JSON value with some of its parts, wherever they lie, replaced by others."""
    if draw_(st.integers(0, 6)) == 0:
        return draw_(JSON)
    if isinstance(valid, dict) and valid:
        key = draw_(st.sampled_from(sorted(valid)))
        return {**valid, key: draw_(changed(valid[key]))}
    if isinstance(valid, list) and valid:
        place = draw_(st.integers(0, len(valid) - 1))
        return [*valid[:place], draw_(changed(valid[place])), *valid[place + 1 :]]
    return draw_(JSON | st.just(valid))


def splits() -> Target:
    valid = json.loads(world().split.read_text())
    unsealed = {part: valid[part][:3] for part in PARTS}
    path = world().root / "fuzzed.json"

    def read(content: Any) -> None:
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode(errors="replace"))
        split = read_split(path)
        split_id(split)
        with tempfile.TemporaryDirectory() as folder:
            draw(split, 2, 1, folder)

    return Target(changed(unsealed) | changed(valid) | damaged(world().split.read_bytes()), read)


def few_shot_pickles() -> Target:
    split = read_split(world().split)
    base = world().split.parent
    datums = [Datum(str(base / item.path), item.label, 0, item.classname) for item in split.train[:6]]
    path = world().root / "shot_2-seed_1.pkl"

    def read(content: Any) -> None:
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
        read_coop_pickle(path, split)

    plain = JSON | st.fixed_dictionaries({"train": JSON, "val": JSON})
    valid = [pickle.dumps({"train": datums, "val": []}, protocol) for protocol in range(5)]
    return Target(st.one_of(plain, *map(damaged, valid)), read)


def row_files() -> Target:
    path = world().root / "fuzzed.safetensors"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        load_rows(path, CLASSES)

    return Target(damaged(world().rows.read_bytes()), read)


def recordings() -> Target:
    case = {"method": "CoOp", "clip": {}, "clip_seed": 1, "classnames": ["a"], "trainable": ["ctx"]}
    arrays = {"images": np.zeros((1, 3, 4, 4)), "labels": np.zeros(1), "logits": np.zeros((1, 1)), "loss": np.zeros(())}
    file = io.BytesIO()
    np.savez(file, **arrays, **{"param/ctx": np.zeros(2)})
    path = world().root / "fuzzed.npz"

    def read(content: tuple[Any, bytes]) -> None:
        path.with_suffix(".json").write_text(json.dumps(content[0]), encoding="utf-8", errors="replace")
        path.write_bytes(content[1])
        Recording.read(path)

    return Target(st.tuples(changed(case) | st.just(case), damaged(file.getvalue())), read)


def config_overrides() -> Target:
    usual = parse(world().argv("CoOp", world().root / "out"))
    cfg = setup_cfg(usual)
    keys = [f"{section}.{key}" for section in ("DATASET", "OPTIM", "INPUT", "TEST", "TRAIN") for key in cfg[section]]
    keys += [f"TRAINER.COOP.{key}" for key in cfg.TRAINER.COOP] + ["SEED", "TRAINER", "OPTIM", "MODEL.BACKBONE"]
    words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
    values = words | st.sampled_from(["1", "-1", "1e400", "None", "[1", "(1,)", "{'a': 1}", "a.b", "1_0", "lambda: 1"])

    def read(pairs: list[tuple[str, str]]) -> None:
        flat = [word for pair in pairs for word in pair]
        # What starts with a dash is a flag to argparse, whose own message and exit code 2 are not ours to judge.
        usual.opts = flat
        setup_cfg(usual)

    return Target(st.lists(st.tuples(st.sampled_from(keys) | words, values), min_size=1, max_size=3), read)


def configuration_files() -> Target:
    usual = parse(world().argv("CoOp", world().root / "out"))
    usual.config_file = str(world().root / "fuzzed.yaml")
    valid = b"OPTIM:\n  NAME: sgd\n  LR: 0.002\nTRAINER:\n  COOP:\n    N_CTX: 4\nINPUT:\n  TRANSFORMS: ['normalize']\n"

    def read(content: bytes) -> None:
        Path(usual.config_file).write_bytes(content)
        setup_cfg(usual)

    return Target(damaged(valid), read)


def results() -> Target:
    folder = world().root / "fuzzed-run"
    valid = write_run(folder, "CoOp", 0.5)

    def read(content: Any) -> None:
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / "result.json").write_bytes(text)
        compose(read_results([folder]), allow=True)

    sealed = changed(valid).map(lambda value: seal(value) if isinstance(value, dict) else value)
    return Target(sealed | damaged(json.dumps(seal(valid)).encode()), read)


def predictions() -> Target:
    folder = world().root / "fuzzed-predictions"
    write_run(folder, "CoOp", 0.5)
    valid = (folder / "predictions.npz").read_bytes()

    def read(content: bytes) -> None:
        (folder / "predictions.npz").write_bytes(content)
        kept = read_predictions(folder, CLASSES_ON_DISK)
        assert kept is None or np.isfinite(kept.probabilities).all()

    return Target(damaged(valid), read)


TARGETS = {
    "results": results,
    "predictions": predictions,
    "split JSON": splits,
    "few-shot pickles": few_shot_pickles,
    "row files": row_files,
    "recordings": recordings,
    "config overrides": config_overrides,
    "configuration files": configuration_files,
}
