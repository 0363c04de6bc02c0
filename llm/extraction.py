"""From a language model and a list of classes to rows: batch by batch, taking up where an earlier try stopped."""

import glob
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llm.answers import Generation, answer_passage, generate_answers
from llm.hidden import hidden_rows, parse_layers
from llm.models import LanguageModel
from llm.question import ClassList
from llm.store import RowStore, read_store, save_rows
from toolbox.errors import UserError, nearest


@dataclass(frozen=True)
class Settings:
    """What is asked and what is kept: see `python -m llm.extract --help` for each."""

    answer: str = "model"  # model | written | none
    pooling: str = "last"  # last | mean | tokens
    layers: str = "all"
    batch_size: int = 4
    generation: Generation = field(default_factory=Generation)


@dataclass(frozen=True)
class ClassRows:
    """Rows `(layers, hidden)` float32 of a class and the answer they were read from."""

    rows: Tensor
    answer: str
    cut: bool = False  # generation stopped at its limit, not at the end of the answer


def extract(
    lm: LanguageModel, classes: ClassList, settings: Settings, parts: Path, progress: Callable[[int], None]
) -> RowStore:
    """Rows of every class and the metadata that says how they came about.

    Finished classes are kept in the folder `parts`, so that a run that was stopped goes on where it was. A batch is
    either taken from there as a whole or made as a whole: the numbers do not depend on where a run was stopped.
    `progress` is called with the number of classes done so far. Raises UserError for classes without a written answer.
    """
    _check_written(lm, classes, settings)
    recipe = describe(lm, classes, settings)
    done: dict[str, ClassRows] = {}
    for start in range(0, len(classes.classnames), settings.batch_size):
        batch = classes.classnames[start : start + settings.batch_size]
        kept = [_read_part(parts, recipe, name) for name in batch]
        if not all(kept):
            seeded = replace(settings.generation, seed=settings.generation.seed + start)
            kept = _run_batch(lm, classes, batch, replace(settings, generation=seeded))
            for name, result in zip(batch, kept, strict=True):
                _write_part(parts, recipe, name, result)
        done.update(zip(batch, kept, strict=True))
        progress(len(done))
    answers = {name: result.answer for name, result in done.items()}
    cut = [name for name, result in done.items() if result.cut]
    return RowStore({name: result.rows for name, result in done.items()}, {**recipe, "answers": answers, "cut": cut})


def describe(lm: LanguageModel, classes: ClassList, settings: Settings) -> dict[str, Any]:
    """All that determines the rows, as JSON values, with a digest of it under `recipe`.

    The batch size is not in it: it changes rows by rounding alone, and may be lowered to go on after memory ran out.
    """
    written = {name: classes.answers[name] for name in classes.classnames} if settings.answer == "written" else None
    facts = {
        "model": lm.name,
        "revision": lm.revision,
        "kind": lm.kind,
        "dtype": lm.dtype,
        "dataset": classes.name,
        "modality": classes.modality,
        "question": classes.open_question,
        "answer": settings.answer,
        "pooling": settings.pooling,
        "layers": parse_layers(settings.layers, lm.depth),
        "generation": asdict(settings.generation) if settings.answer == "model" else None,
    }
    text = json.dumps([facts, classes.classnames, written], sort_keys=True)
    return {**facts, "recipe": hashlib.sha256(text.encode()).hexdigest()}


def parts_folder(output: Path) -> Path:
    """Folder beside an output file that holds the classes finished so far."""
    return output.with_name(f"{output.name}.parts")


def clear_parts(output: Path) -> None:
    """Remove what `extract` kept for `output`, and what a killed run left half written, once `output` is there."""
    shutil.rmtree(parts_folder(output), ignore_errors=True)
    for leftover in output.parent.glob(f".{glob.escape(output.name)}.*.part"):
        leftover.unlink(missing_ok=True)


def _run_batch(lm: LanguageModel, classes: ClassList, batch: list[str], settings: Settings) -> list[ClassRows]:
    questions = [classes.question(name) for name in batch]
    answers: list[Any] = [None] * len(batch)
    if settings.answer == "written":
        answers = [classes.answers[name] for name in batch]
    elif settings.answer == "model":
        answers = generate_answers(lm, questions, settings.generation)
    passages = [answer_passage(lm, asked, answer) for asked, answer in zip(questions, answers, strict=True)]
    layers = parse_layers(settings.layers, lm.depth)
    rows = hidden_rows(lm.model, passages, settings.pooling, layers, lm.kind == "causal", lm.pad_id)
    return [_class_rows(lm, tensor, answer, settings) for tensor, answer in zip(rows, answers, strict=True)]


def _class_rows(lm: LanguageModel, rows: Tensor, answer: str | list[int] | None, settings: Settings) -> ClassRows:
    if isinstance(answer, list):
        text = lm.tokenizer.decode(answer, skip_special_tokens=True).strip()
        return ClassRows(rows, text, len(answer) == settings.generation.max_new_tokens)
    return ClassRows(rows, answer or "")


def _check_written(lm: LanguageModel, classes: ClassList, settings: Settings) -> None:
    """Refuse an encoder that is to write, and written answers that are not there."""
    if lm.kind == "encoder" and settings.answer == "model":
        raise UserError(f"{lm.name} is an encoder and writes no answers: --answer written (or --answers FILE), or none")
    missing = [name for name in classes.classnames if name not in classes.answers]
    if settings.answer == "written" and missing:
        hint = f" ({nearest(missing[0], classes.answers)})" if classes.answers else ""
        raise UserError(
            f"no written description of '{missing[0]}'{hint}: give a YAML file with `classes: {{name: text}}` "
            f"by --answers FILE, let a decoder answer (--answer model), or use the question alone (--answer none)"
        )


def _part_path(parts: Path, recipe: dict[str, Any], classname: str) -> Path:
    digest = hashlib.sha256(f"{recipe['recipe']}\n{classname}".encode()).hexdigest()
    return parts / f"{digest[:32]}.safetensors"


def _write_part(parts: Path, recipe: dict[str, Any], classname: str, result: ClassRows) -> None:
    meta = {"answer": result.answer, "cut": result.cut}
    save_rows(_part_path(parts, recipe, classname), {classname: result.rows}, meta)


def _read_part(parts: Path, recipe: dict[str, Any], classname: str) -> ClassRows | None:
    """A finished class, or None if there is none or it is damaged and has to be made again."""
    try:
        store = read_store(_part_path(parts, recipe, classname))
    except UserError:
        return None
    return ClassRows(next(iter(store.rows.values())).to(torch.float32), store.meta["answer"], store.meta["cut"])
