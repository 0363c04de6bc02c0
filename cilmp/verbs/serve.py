"""A run on one page: drop an image, see probabilities or a set, and a heat map. JSON for programs: POST /predict.

    curl --data-binary @cell.png http://127.0.0.1:8000/predict

Research use only. It listens on this machine alone unless --host says otherwise; there is no login, and no encryption. What
is sent is not kept. Needs the extra `serve` (pip install starlette uvicorn).
"""

from collections.abc import Sequence

from cilmp.forward import door
from toolbox.errors import UserError
from toolbox.parser import Parser

EXAMPLES = ("output/.../seed1", "output/.../seed1 --coverage 0.9 --port 8080")
HERE = "127.0.0.1"


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code when the server is stopped."""
    parser = Parser(prog=f"{door()} serve", description=__doc__, raw=True)
    add = parser.add_argument
    add("run", metavar="RUN", help="output folder of a finished training run, or hub:ORG/NAME")
    add("--coverage", type=float, help="sets that hold the true class so often; the run must be calibrated for it")
    add("--host", default=HERE, help=f"address to listen on (default: {HERE}, this machine alone)")
    add("--port", type=int, default=8000, help="port")
    add("--name", action="append", default=[], help="with --host: names that browsers may call this machine by")
    add("--plugin", action="append", default=[], help="Python file that registers the run's method")
    args = parser.parse_args(argv)
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UserError("serve needs two packages: pip install starlette uvicorn (the extra `serve`)") from error
    from cilmp.run import Run
    from cilmp.serving import application
    from trainers.life.plugins import load_plugins

    load_plugins(args.plugin)
    run = Run.open(args.run)
    run.check_coverage(args.coverage)
    hosts = (HERE, "localhost", args.host, *args.name)
    print(f"http://{args.host}:{args.port}  (research use only; Ctrl-C ends it)", flush=True)
    uvicorn.run(application(run, args.coverage, hosts), host=args.host, port=args.port, log_level="warning")
    return 0
