# Sourced by every script: goes to the repository's root and sets PYTHON to an interpreter that has the requirements.
# Usage: . scripts/lib/env.sh; use_python requirements.txt [more files]
CALLER_DIR=$PWD
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"

use_python() {
    local first
    first=$(command -v python3 || command -v python) || {
        echo "error: no Python found; install Python 3.11 or newer" >&2
        exit 2
    }
    PYTHON=$("$first" scripts/lib/environment.py "$@") || exit $?
    export PYTHON
}
