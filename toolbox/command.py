"""How every command of the project ends: errors a user can mend are one line and exit code 2."""

import sys
from collections.abc import Callable
from typing import NoReturn

from toolbox.errors import UserError


def run_command(main: Callable[[], int | None]) -> NoReturn:
    """Run `main` and exit with what it returns (None means 0), 2 on UserError, 130 on an interrupt from the keyboard."""
    try:
        code = main() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)
