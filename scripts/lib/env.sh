# Sourced by every script: goes to the repository's root and sets PYTHON to an interpreter that has the requirements.
# Usage: . scripts/lib/env.sh; use_python requirements.txt [more files]
CALLER_DIR=$PWD
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"

in_caller_dir() { # python -m "$@" where the caller stands, so that the paths it takes and prints are the caller's
    cd "$CALLER_DIR"
    # -P: modules of the same name that lie there are not ours
    PYTHONPATH=$ROOT${PYTHONPATH:+:$PYTHONPATH} exec "$PYTHON" -P -m "$@"
}

use_python() {
    local first
    first=$(command -v python3 || command -v python) || {
        echo "error: no Python found; install Python 3.11 or newer" >&2
        exit 2
    }
    PYTHON=$("$first" scripts/lib/environment.py "$@") || exit $?
    export PYTHON
}
