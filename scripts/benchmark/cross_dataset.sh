#!/usr/bin/env bash
# All methods (or METHODS="CoOp CILMP"): train on one data set, test on others (TARGETS); table, plots and page. Usage: cross_dataset.sh [DATA] [DATASETS] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
BENCHMARK="--page ${BENCHMARK:-}"
run_protocol cross_dataset "${METHODS:-all}" "$@"
