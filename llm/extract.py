"""`python -m llm.extract`: ask a language model about the classes of a data set and keep its hidden states as rows."""

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

from llm.presets import ANSWERS, POOLINGS, preset_names
from llm.question import ClassList, described_classes, described_datasets, read_answers
from llm.store import DTYPES, class_key
from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.files import check_writable
from toolbox.names import check_name, safe_name
from toolbox.parser import Parser
from toolbox.plain import parse_json
from toolbox.seals import check_seal


def parser() -> argparse.ArgumentParser:
    """Command line of `python -m llm.extract`."""
    p = Parser(prog=program("python -m llm.extract"), description=__doc__.split(": ", 1)[1])
    p.add_argument("--model", default="minilm", help=f"hub name, folder, or preset: {', '.join(preset_names())}")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--dataset", nargs="+", metavar="NAME", help="data sets the project knows (kvasir, biomedcoop/busi)"
    )
    what.add_argument("--all", action="store_true", help="every data set the project knows")
    what.add_argument("--classes", help='class names: "a; b; c" (with --name)')
    what.add_argument("--split", type=Path, help="split file in CoOp's JSON, for its class names")
    p.add_argument("--name", help="name of the data set for --classes and --split")
    p.add_argument("--modality", help='put into the question: "In a {modality} image, ..." (default: the data set\'s)')
    p.add_argument("--question", help="question of your own with {class} in it, and {article} {modality} if you like")
    p.add_argument(
        "--answer",
        choices=ANSWERS,
        help="who answers: the model, the written descriptions, or nobody (default: as the model can)",
    )
    p.add_argument("--answers", type=Path, help="YAML file with `classes: {name: text}`: descriptions of your own")
    p.add_argument(
        "--pooling",
        choices=POOLINGS,
        help="last token (the paper's), mean over the answer's tokens, or all tokens (default: as suits the model)",
    )
    p.add_argument("--layers", default="all", help="layers to keep, from 1: all, or 1-8,16,-1 (the last)")
    p.add_argument("--max-new-tokens", type=int, default=256, help="longest answer the model may write")
    p.add_argument("--temperature", type=float, default=0.0, help="0: greedy; above: sampling, with --seed")
    p.add_argument("--seed", type=int, default=0, help="seed of answers that are sampled")
    p.add_argument("--batch-size", type=int, default=4, help="prompts at a time")
    p.add_argument("--dtype", default="auto", choices=["auto", *DTYPES], help="number type of the model")
    p.add_argument(
        "--quantize",
        default="",
        choices=["", "8bit", "4bit"],
        metavar="8bit|4bit",
        help="load smaller, by bitsandbytes",
    )
    p.add_argument("--device", default="auto", help="auto (all GPUs there are), cpu, cuda, cuda:1")
    p.add_argument("--revision", help="commit, branch or tag on the hub")
    p.add_argument(
        "--kind",
        default="",
        choices=["", "causal", "encoder"],
        metavar="causal|encoder",
        help="if the model does not say",
    )
    p.add_argument("--trust-remote-code", action="store_true", help="run Python code that comes with the model")
    p.add_argument(
        "--output", type=Path, help="file, or folder for several (default: output/llm/<model>/<name>.safetensors)"
    )
    p.add_argument("--store-dtype", default="float16", choices=DTYPES, help="number type of the rows in the file")
    p.add_argument("--overwrite", action="store_true", help="make a file again that is already there")
    p.add_argument(
        "--date",
        default=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        help="date to record (default: today)",
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Extract, one file a data set; returns the exit code."""
    args = parser().parse_args(argv)
    from llm.extract_file import run_one, settings_of  # only now: this takes seconds
    from llm.models import LoadOptions, load_language_model

    if args.batch_size < 1 or args.max_new_tokens < 1 or args.temperature < 0:
        raise UserError("--batch-size and --max-new-tokens are at least 1, --temperature at least 0")
    jobs = class_lists(args)
    outputs = [output_path(args, classes.name, len(jobs) > 1) for classes in jobs]
    for output in outputs:
        check_writable(output.parent, "give --output FILE or FOLDER")
    show_progress = sys.stderr.isatty()
    _quiet_transformers(show_progress)
    load = LoadOptions(args.dtype, args.quantize, args.device, args.revision, args.kind, args.trust_remote_code)
    lm = load_language_model(args.model, load)
    settings = settings_of(args, lm)
    for classes, output in zip(jobs, outputs, strict=True):
        run_one(lm, classes, settings, output, args, show_progress)
    return 0


def class_lists(args: argparse.Namespace) -> list[ClassList]:
    """What to ask about, from --dataset, --all, --classes or --split, with --modality and --answers put in."""
    if args.dataset or args.all:
        lists = [described_classes(name) for name in (described_datasets() if args.all else args.dataset)]
    else:
        names = split_classes(args.split) if args.split else [name.strip() for name in args.classes.split(";")]
        name = args.name or (args.split.stem if args.split else None)
        if not name:
            raise UserError("--classes needs --name NAME, the name of your data set")
        check_name(name, "--name", nested=True)
        known = described_classes(name) if name.lower() in described_datasets() else ClassList(name, [])
        lists = [ClassList(name, [class_key(classname) for classname in names], known.modality, known.answers)]
    for classes in lists:
        repeated = {name for name in classes.classnames if classes.classnames.count(name) > 1 or not name}
        if repeated:
            raise UserError(f"{classes.name}: class names empty or given twice: {sorted(repeated)}")
    answers = read_answers(args.answers)["classes"] if args.answers else {}
    if args.question and "{class}" not in args.question:
        raise UserError(f"--question {args.question!r}: needs {{class}} where the class name goes")
    return [
        ClassList(
            one.name,
            one.classnames,
            one.modality if args.modality is None else args.modality,
            {**one.answers, **answers},
            args.question or "",
        )
        for one in lists
    ]


def split_classes(path: Path) -> list[str]:
    """Class names in label order in a split file of CoOp's format. Raises UserError if it is not one, or is damaged."""
    try:
        split = parse_json(path.read_text(encoding="utf-8-sig"))
        check_seal(split, path, "restore it; if it is you who edited it, remove its key sha256")
        names = {int(label): str(name) for part in ("train", "val", "test") for _, label, name in split.get(part, [])}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not a split file ({error}); it maps train, val, test to [path, label, name]"
        ) from error
    if not names:
        raise UserError(f"{path}: holds no images, so no class names; give them by --classes")
    return [names[label] for label in sorted(names)]


def output_path(args: argparse.Namespace, dataset: str, several: bool) -> Path:
    """File for a data set: --output itself, or its place in that folder (or in the default one)."""
    if args.output and args.output.suffix == ".safetensors":
        if several:
            raise UserError(f"--output {args.output}: several data sets need a folder, not a file")
        return args.output
    return (args.output or Path("output/llm") / safe_name(Path(args.model).name.lower())) / f"{dataset}.safetensors"


def _quiet_transformers(show_progress: bool) -> None:
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    hub_logging.set_verbosity_error()
    logging.set_verbosity_error()
    if not show_progress:
        logging.disable_progress_bar()


if __name__ == "__main__":
    run_command(main)
