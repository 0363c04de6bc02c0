"""Compare with numbers recorded from reference programs: `python -m trainers.golden FILE.npz ...`.

What lies in such a file is said in `trainers/life/recording.py`. Every column that a method, or another program, here gives
for it (`replay`) is compared; columns that nothing here gives or reads are named. A file that cannot be compared is named
too, and the others are compared all the same. The exit code is 0 if all are within tolerance, 1 if one is not, 2 if a file
could not be compared.
"""

import sys
from collections.abc import Sequence

from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.parser import Parser

WITHIN, DIFFERENT, NOT_COMPARED = range(3)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(prog=program("python -m trainers.golden"), description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE.npz", help="recordings")
    files = parser.parse_args(argv).files
    from trainers.golden.compare import by_recorded_name  # only now: methods take seconds
    from trainers.golden.programs import PROGRAMS
    from trainers.life.config import methods

    known = by_recorded_name([*methods(), *PROGRAMS])
    results = [_compared(file, known) for file in files]
    print(f"{results.count(WITHIN)} of {len(files)} recordings within tolerance")
    return max(results)


def _compared(file: str, known: dict[str, type]) -> int:
    from trainers.golden.compare import compare

    try:
        return WITHIN if compare(file, known) else DIFFERENT
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_COMPARED


if __name__ == "__main__":
    sys.exit(run_command(main))
