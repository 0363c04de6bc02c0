#!/usr/bin/env bash
# All methods (or METHODS="CoOp CILMP"): train on the whole training set, test on all classes; table, plots and page. Usage: full.sh [DATA] [DATASETS] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
BENCHMARK="--page ${BENCHMARK:-}"
run_protocol full "${METHODS:-all}" "$@"
