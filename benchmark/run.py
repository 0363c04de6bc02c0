"""Run a sweep: python -m benchmark.run PLAN.yaml, or PROTOCOL with options; then its table is printed.

    python -m benchmark.run base2new --methods ZeroshotCLIP CoOp CILMP --datasets phantom --seeds 1 2 3
    python -m benchmark.run plan.yaml --engine ray --gpus 0.5

Runs that are finished are skipped, runs that were cut short resume from their checkpoints, a failed run does not stop
the others. A folder that holds a run with other settings stops the sweep; --again moves it aside. Exit code 0: all
there; 1: a run failed; 2: bad input.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmark import check, report
from benchmark.configs import ROOT, Configs
from benchmark.engines import ENGINES, EngineOptions
from benchmark.engines.share import threads_of, workers_of
from benchmark.execute import NEEDED, RUNNER, Outcome
from benchmark.jobs import AGAIN, Job, OtherRun, chains, check_needs, finished
from benchmark.plan import PROTOCOLS, Plan, override, read_plan
from benchmark.progress import Live
from benchmark.protocols import jobs_of, with_every_method
from benchmark.stopping import told_in_one_line
from benchmark.unfinished import PageAsRunsFinish
from benchmark.watching import Watch
from datasets.quotas import COOP, DRAWS
from toolbox.command import program, run_command
from toolbox.cores import usable_cores
from toolbox.errors import UserError
from toolbox.files import check_writable
from toolbox.parser import Parser
from toolbox.words import sentence


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    args = parser().parse_args(argv)
    plan = plan_of(args)
    jobs = jobs_of(plan, Configs(args.configs))
    if args.check:
        check.only_as_it_stands(args)
        return check.show(plan, check.check(plan, jobs, args.runner), Console())
    if args.again:
        jobs = [replace(job, argv=(AGAIN, *job.argv)) for job in jobs]
    if args.dry_run:
        program = "train.py" if Path.cwd() == ROOT else str(ROOT / "train.py")
        print("\n".join(shlex.join(["python", program, *job.argv]) for job in jobs))
        return 0
    check_root(plan)
    check_writable(plan.output, "give OUTPUT (--output) another folder")
    with told_in_one_line():
        return run_and_show(plan, jobs, args)


def run_and_show(plan: Plan, jobs: list[Job], args: argparse.Namespace) -> int:
    """Run what is not there, and print the table of what then is; returns the exit code."""
    console = Console(file=sys.stderr)  # this very stream: that of a run at work leads to its log
    folders = [job.output for job in jobs]
    pictures = report.pictures_of(args) if args.page or args.watch else None
    page = PageAsRunsFinish(folders) if args.watch else None
    outcomes: list[Outcome] = []
    made: set[str] = set()
    with closing(sweep(jobs, args, console)) as ending:
        for outcome in ending:
            outcomes.append(outcome)
            made |= {outcome.job.method} if outcome.state != "failed" else set()
            if page and made and outcome.state != "skipped" and len(outcomes) < len(jobs):
                page.write(report.settings_for(plan, made, pictures), outcomes, console)
            if _hopeless(outcomes):
                console.print(
                    "Two runs failed for the same bad input and none succeeded: the others are not tried.",
                    highlight=False,
                )
                break
    # A test whose training failed is no failure of its own: the reason is the training's.
    failures = [o for o in outcomes if o.state == "failed" and not o.message.startswith(NEEDED)]
    try:
        if made:
            report.show(report.settings_for(plan, made, pictures), list(filter(Path.exists, folders)))
    finally:
        _say_failures(failures, console)
    return (2 if all(o.user_error for o in failures) else 1) if failures else 0


def check_root(plan: Plan) -> None:
    """Refuse a data folder that is not there, also where results of all runs are; only a phantom is drawn into a new one.

    Raises:
        UserError: it is missing, or is no folder.
    """
    if plan.root.is_dir():
        return
    from datasets.facts import FACTS  # takes torch with it

    drawn = {name for name, facts in FACTS.items() if facts.synthetic}
    if plan.root.exists() or not set(plan.datasets) | set(plan.targets) <= drawn:
        raise UserError(f"data folder {plan.root} is missing: DATA (--root) is the folder that holds the data sets")


def plan_of(args: argparse.Namespace) -> Plan:
    """The plan file or protocol named first, with the command line's settings over it."""
    start = read_plan(Path(args.plan)) if Path(args.plan).suffix in {".yaml", ".yml"} else Plan(protocol=args.plan)
    names = (
        "methods",
        "datasets",
        "seeds",
        "shots",
        "draw",
        "backbone",
        "root",
        "output",
        "targets",
        "model_dir",
        "plugin",
        "plugin_config",
        "opts",
    )
    plan = override(start, {name: getattr(args, name) for name in names})
    if args.cfg:
        pairs = [(method, stem) if stem else ("*", method) for method, _, stem in (c.partition("=") for c in args.cfg)]
        plan = override(plan, {"cfg": {**plan.cfg, **dict(pairs)}})
    return with_every_method(plan, Configs(args.configs))


def sweep(jobs: list[Job], args: argparse.Namespace, console: Console) -> Iterator[Outcome]:
    """Run what is not finished yet on the chosen engine; outcomes of all jobs, in the order they finished."""
    # One chain may hold finished and unfinished jobs; dropping the finished ones here spares starting an engine at all.
    skipped = _finished(jobs, args.runner)
    pending = [job for job in jobs if job not in set(skipped)]
    yield from (Outcome(job, "skipped") for job in skipped)
    if not pending:
        console.print(f"All {len(jobs)} results exist; nothing to run.", highlight=False)
        return
    check_needs(pending, args.runner)
    console.print(f"{len(pending)} of {len(jobs)} runs to do (engine: {args.engine}).", highlight=False)
    if args.cpus is None:
        args.cpus = threads_of(len(chains(jobs)), args.engine)
    if args.engine == "local" and args.cpus > usable_cores():
        console.print(
            f"--cpus {args.cpus:g}: a run takes {usable_cores()} here, which is all there are.", highlight=False
        )
    options = EngineOptions(
        workers=args.workers or workers_of(len(chains(pending)), max(1, round(args.cpus)), args.engine),
        address=args.address,
        gpus=args.gpus,
        cpus=args.cpus,
        retries=args.retries,
        folder=args.slurm_folder,
        cluster=args.cluster,
        partition=args.partition,
        minutes=args.minutes,
        memory_gb=args.memory,
    )
    live = Live(Watch(jobs, pending, options.workers), len(pending), console)
    with closing(ENGINES[args.engine](chains(pending), args.runner, options)) as made:
        yield from live.follow(made)


def _finished(jobs: list[Job], runner: str) -> list[Job]:
    """The jobs whose runs are there. UserError where folders hold other runs: the first, and how many more there are."""
    found, other, pending = [], [], set()
    for job in jobs:
        try:
            # What tests a run that is still to be made is looked at when that one is there.
            if job.after not in pending and finished(job, runner):
                found.append(job)
            else:
                pending.add(job.output)
        except OtherRun as error:
            other.append(str(error))
    if other:
        more = f" (and so do {len(other) - 1} more of {len(jobs)} folders)" if len(other) > 1 else ""
        raise UserError(
            f"{other[0]}{more}; give --again to move such folders to NAME.before-N and run anew (for the scripts: "
            'BENCHMARK="--again"), or another OUTPUT (--output)'
        )
    return found


def _hopeless(outcomes: list[Outcome]) -> bool:
    """Whether the input is wrong for all runs, as far as can be seen: a wrong data folder need not be told 84 times."""
    reasons = [o.message for o in outcomes if o.user_error]
    return len(reasons) == len(outcomes) > len(set(reasons))


def _say_failures(failures: list[Outcome], console: Console) -> None:
    """One line a reason, with the runs it stopped and where their logs are."""
    reasons: dict[str, list[Outcome]] = {}
    for outcome in failures:
        reasons.setdefault(outcome.message, []).append(outcome)
    for message, outcomes in reasons.items():
        runs = outcomes[0].job.title + (f" and {len(outcomes) - 1} more" if len(outcomes) > 1 else "")
        logs = [str(o.log) for o in outcomes if o.log]
        where = f"; log: {logs[0]}" if logs else ""
        console.print(sentence(f"error: {message} ({runs}{where})"), highlight=False, markup=False, soft_wrap=True)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(prog=program("python -m benchmark.run"), description=__doc__, raw=True)
    add = p.add_argument
    add("plan", help=f"a plan file (.yaml), or a protocol: {', '.join(PROTOCOLS)}")
    add(
        "--methods",
        nargs="+",
        help="names of configs/trainers, METHOD:VARIANT of a plan, PATH:NAME of others; all: every one that can be run "
        f"(default: {' '.join(Plan.methods)})",
    )
    add("--plugin", nargs="+", help="files that every run imports first, as train.py's --plugin: data sets, a shim")
    add("--plugin-config", nargs="+", help="files with configuration keys of others' trainers")
    add(
        "--datasets",
        nargs="+",
        help="names of configs/datasets, or folders of the data folder with <name>/<name>.json "
        f"(default: {' '.join(Plan.datasets)})",
    )
    add("--seeds", nargs="+", help=f"numbers, or a range such as 1..20 (default: {' '.join(map(str, Plan.seeds))})")
    add("--shots", nargs="+", type=int, help="images a class (default: 16, of the phantom 4)")
    add("--draw", nargs="+", help=f"few-shot draws: {', '.join(DRAWS)} (docs/realistic.md; default: {COOP})")
    add("--backbone", help=f"the CLIP (default: {Plan.backbone})")
    add("--root", type=Path, help=f"the data folder (default: {Plan.root})")
    add("--output", type=Path, help=f"where runs are written (default: {Plan.output})")
    add(
        "--cfg",
        nargs="+",
        help="stem of the methods' configuration file, or METHOD=STEM for one of them (default: as the backbone asks)",
    )
    add("--targets", nargs="+", help="cross_dataset: the data sets to test on (default: all others that are there)")
    add(
        "--model-dir",
        type=Path,
        help="eval: folder of the trained run, the one that holds seed1, ... (default: that of few_shot or full)",
    )
    add("--opts", nargs=argparse.REMAINDER, help="KEY VALUE ... for every run; must come last")
    add(
        "--configs",
        type=Path,
        default=Configs().folder,
        help="another folder of configurations (default: the project's)",
    )
    add("--runner", default=RUNNER, help=argparse.SUPPRESS)
    add(
        "--check",
        action="store_true",
        help="run nothing: compare finished runs with the figures that the plan states; exit code 0 only if all are met",
    )
    add("--dry-run", action="store_true", help="print the commands and stop")
    add("--again", action="store_true", help="move folders that hold other runs aside (NAME.before-1) and run anew")
    report.add_page(add)
    add("--watch", action="store_true", help="write the HTML page as runs finish; a browser that shows it follows")
    engine = p.add_argument_group("where runs are made")
    add = engine.add_argument
    add("--engine", choices=sorted(ENGINES), default="local", help="this machine, a Ray cluster or Slurm")
    add(
        "--workers",
        type=_count,
        help="runs at a time (local: processes; slurm: array elements); default: as this machine can",
    )
    add("--gpus", type=float, default=0.0, help="GPUs a run; with Ray a fraction lets runs share one")
    add(
        "--cpus",
        type=_positive,
        help="cores, and so threads, a run; default: 1, or OMP_NUM_THREADS, or a share of a local plan's",
    )
    add("--address", help="ray: address of a running cluster (default: start one here)")
    add("--retries", type=int, default=2, help="ray: how often a run is started again when its worker is lost")
    add("--cluster", choices=["slurm", "local", "debug"], help="slurm: submitit's executor")
    add("--slurm-folder", type=Path, default=Path("output/slurm"), help="slurm: where submitit keeps its files")
    add("--partition", help="slurm: partition")
    add("--minutes", type=int, default=720, help="slurm: time limit of an array element")
    add("--memory", type=float, default=8.0, help="slurm: memory of an array element in GB")
    return p


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


if __name__ == "__main__":
    run_command(main)
