"""Makes `torchvision`, `dassl` and `clip` importable on a current torch, whichever of them the user has.

Import this package before any of the three:

- torchvision from PyPI is mended beside a CPU torch (`toolbox.mend.mend_torchvision`), and the old names of mixed precision
  lead to the current ones (`toolbox.mend.mend_amp`);
- `dassl` is stock Dassl where it can be found (environment variable DASSL_HOME, or already importable), mended at run
  time for current versions (`toolbox.mend.mend_dassl`); otherwise it is `toolbox/dassl`, with the same public interface;
- `clip` is the user's own where it can be imported; otherwise it is `toolbox/clip`.
"""

import sys

from toolbox.errors import UserError
from toolbox.mend import find_host
from toolbox.mend.mend_amp import mend_amp
from toolbox.mend.mend_torchvision import mend_torchvision

mend_torchvision()
mend_amp()
try:
    _clip = find_host.find_clip()
    _dassl = find_host.find_dassl()
except UserError as error:  # a command imports this package before it can catch anything
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


def host() -> str:
    """One line for a run's header: which Dassl and which CLIP are in use."""
    return f"dassl: {_describe(_dassl)}; clip: {_describe(_clip)}"


def _describe(module: find_host.ModuleType | None) -> str:
    if module is None:
        return "bundled toolbox"
    version = getattr(module, "__version__", "")
    return f"stock {version} at {module.__path__[0]}".replace("  ", " ")
