#!/usr/bin/env bash
# All methods (or METHODS="CoOp CILMP"): train on base classes, test on base and new classes; table, plots and page. Usage: base2new.sh [DATA] [DATASETS] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
BENCHMARK="--page ${BENCHMARK:-}"
run_protocol base2new "${METHODS:-all}" "$@"
