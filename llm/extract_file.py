"""One file of rows by a language model: made unless it is there, gone on with where it was stopped."""

import argparse
import importlib.metadata
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from llm.answers import Generation
from llm.extraction import Settings, clear_parts, describe, extract, parts_folder
from llm.models import LanguageModel
from llm.presets import find_preset
from llm.question import ClassList
from llm.store import RowStore, read_store, rows_digest, save_rows
from toolbox.errors import UserError

PACKAGES = ("torch", "transformers", "tokenizers")


def run_one(
    lm: LanguageModel, classes: ClassList, settings: Settings, output: Path, args: argparse.Namespace, show: bool
) -> None:
    """Make one file, unless it is there already, and say what happened."""
    if output.exists() and not args.overwrite:
        if read_store(output).meta.get("recipe") != describe(lm, classes, settings)["recipe"]:
            raise UserError(f"{output}: is there, made with other settings; --overwrite to replace it")
        print(f"{output}: already there")
        return
    columns = [TextColumn(classes.name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bar:
        task = bar.add_task(classes.name, total=len(classes.classnames))
        try:
            made = extract(lm, classes, settings, parts_folder(output), lambda done: bar.update(task, completed=done))
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"{classes.name}: out of memory with --batch-size {settings.batch_size}; give a smaller one or --quantize "
                f"4bit; with the same model the classes done so far are kept"
            ) from error
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    rows, meta = (
        narrow(made.rows, getattr(torch, args.store_dtype)),
        {**made.meta, "date": args.date, "versions": versions},
    )
    if output.exists() and _same(output, RowStore(rows, meta)):
        print(f"{output}: made again, nothing changed")
    else:
        save_rows(output, rows, meta)
        shape = tuple(next(iter(rows.values())).shape)
        print(f"{output}: {len(rows)} classes, rows {shape}, {output.stat().st_size / 1024:.0f} KiB, {lm.name}")
    if made.meta["cut"]:
        print(f"  cut off at --max-new-tokens {args.max_new_tokens}: {', '.join(made.meta['cut'])}")
    clear_parts(output)


def narrow(rows: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Rows in a smaller number type, or as they are if that could not hold them (massive activations, float16)."""
    largest = max(float(tensor.abs().max()) for tensor in rows.values())
    if largest > torch.finfo(dtype).max:
        print(f"  values up to {largest:.3g} do not fit {dtype}: kept in float32")
        return rows
    return {name: tensor.to(dtype) for name, tensor in rows.items()}


def _same(output: Path, new: RowStore) -> bool:
    """Whether a file already holds these rows, made the same way: then its bytes, and its date, stay as they are."""
    try:
        old = read_store(output)
    except UserError:
        return False
    return old.meta["sha256"] == rows_digest(new.rows) and old.meta.get("recipe") == new.meta["recipe"]


def settings_of(args: argparse.Namespace, lm: LanguageModel) -> Settings:
    """Settings from the command line, then the preset, then what suits the kind of model."""
    preset = find_preset(args.model)
    answer, pooling = ("model", "last") if lm.kind == "causal" else ("written", "mean")
    if preset:
        answer, pooling = preset.answer, preset.pooling
    return Settings(
        answer=args.answer or ("written" if args.answers else answer),
        pooling=args.pooling or pooling,
        layers=args.layers,
        batch_size=args.batch_size,
        generation=Generation(args.max_new_tokens, args.temperature, args.seed),
    )
