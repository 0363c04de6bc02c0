"""Check a plan, all of it: settings, configurations, data, rows. Says what would run, and runs nothing."""

from collections import Counter
from collections.abc import Sequence

from cilmp.forward import door
from toolbox.errors import UserError

EXAMPLES = ("plan.yaml", "base2new --methods CoOp CILMP --datasets kvasir --root DATA")


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code. What follows the plan is as for `run`."""
    if list(argv[:1]) in ([], ["-h"], ["--help"]):
        print(f"usage: {door()} validate PLAN.yaml|PROTOCOL [options of {door()} run]\n\n{__doc__}")
        return 0
    from benchmark.configs import Configs
    from benchmark.execute import RUNNER
    from benchmark.jobs import check_needs, finished
    from benchmark.protocols import jobs_of
    from benchmark.run import check_root, parser, plan_of

    args = parser().parse_args(argv)
    plan = plan_of(args)
    jobs = jobs_of(plan, Configs(args.configs))
    check_root(plan)
    check_needs(jobs, RUNNER)
    there = 0
    for job in jobs:
        try:
            there += job.after is None and finished(job, RUNNER)
        except UserError as error:
            raise UserError(f"{error}; give --again, or another --output") from error
    print(f"{plan.protocol}: {len(jobs)} runs into {plan.output}, {there} of them there already")
    for (method, dataset), n in Counter((job.named, job.dataset) for job in jobs).items():
        print(f"  {method} on {dataset}: {n}")
    return 0
