"""Read damaged and invented files and settings: `python tests/fuzz/run.py --n 2000` tries so many of each kind.

Whatever is read, only UserError may come out, and soon. Exit code 1 if anything else did.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402

import toolbox  # noqa: E402, F401  mends torchvision before anything imports it
from tests.fuzz.more_targets import ALL  # noqa: E402
from tests.fuzz.targets import only_user_errors  # noqa: E402


def fuzz(name: str, n: int, number: int = 0) -> int:
    """Try `n` inputs of a kind, the same for the same `number`; returns how many were tried.

    Raises whatever is no UserError, with the smallest input that causes it.
    """
    target, tried = ALL[name](), 0

    @seed(number)
    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def attempt(content: object) -> None:
        nonlocal tried
        tried += 1
        with only_user_errors():
            target.read(content)

    attempt()
    return tried


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=ALL, nargs="+")
    args = parser.parse_args()
    failed, total = False, 0
    for name in args.only or ALL:
        began = time.monotonic()
        try:
            tried = fuzz(name, args.n, args.seed)
        except Exception as error:
            failed, notes = True, "\n".join(getattr(error, "__notes__", []))
            print(f"{name:22} FAILED: {type(error).__name__}: {error}\n{notes}")
            continue
        total += tried
        print(f"{name:22} {tried:6} inputs tried, only UserErrors, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{'all':22} {total:6} inputs tried")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
