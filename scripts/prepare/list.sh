#!/usr/bin/env bash
# python -m datasets.list with the project's environment; arguments as there (--help shows them), paths as seen from here.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/env.sh"
use_python requirements.txt
cd "$CALLER_DIR"
PYTHONPATH=$ROOT${PYTHONPATH:+:$PYTHONPATH} exec "$PYTHON" -m datasets.list "$@"
