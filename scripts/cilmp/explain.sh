#!/usr/bin/env bash
# Heat maps of what a trained run looked at: bash scripts/cilmp/explain.sh RUN_FOLDER IMAGE ... (see explain.py --help)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib/env.sh"
use_python requirements.txt
cd "$CALLER_DIR"
[ $# -ge 2 ] || { echo "usage: bash $0 RUN_FOLDER IMAGE ..." >&2; exit 2; }
run=$1
shift
exec "$PYTHON" "$ROOT/explain.py" --run "$run" "$@"
