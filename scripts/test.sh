#!/usr/bin/env bash
# Run the tests, installing what is missing first: bash scripts/test.sh [pytest's arguments]
# DASSL_HOME=/path/to/Dassl.pytorch runs them on that Dassl instead of the bundled toolbox.
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
if [ -n "${DASSL_HOME:-}" ]; then
    case $DASSL_HOME in /*) ;; *) DASSL_HOME=$CALLER_DIR/$DASSL_HOME ;; esac
    if [ ! -f "$DASSL_HOME/dassl/__init__.py" ]; then
        echo "error: DASSL_HOME=$DASSL_HOME holds no dassl package; name a clone of Dassl.pytorch" >&2
        exit 2
    fi
    export PYTHONPATH=$DASSL_HOME${PYTHONPATH:+:$PYTHONPATH}
fi
use_python requirements.txt requirements-test.txt
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # two workers with many threads each would only hinder each other
exec "$PYTHON" -m pytest -n 2 "${@:-tests}"
