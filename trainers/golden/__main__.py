"""Compare with numbers recorded from reference programs: `python -m trainers.golden FILE.npz ...`.

What lies in such a file is said in `trainers/life/recording.py`. Every column that a method, or another program, here gives
for it (`replay`) is compared; columns that nothing here gives or reads are named. The exit code is 0 if all that is
compared is within tolerance.
"""

import argparse
import sys

from toolbox.command import run_command
from trainers.golden.compare import by_recorded_name, compare
from trainers.golden.programs import PROGRAMS
from trainers.life.config import methods


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trainers.golden", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE.npz")
    files = parser.parse_args().files
    known = by_recorded_name([*methods(), *PROGRAMS])
    results = [compare(file, known) for file in files]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
