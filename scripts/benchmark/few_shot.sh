#!/usr/bin/env bash
# All methods (or METHODS="CoOp CILMP"): train on SHOTS images a class, test on all classes; table, plots and page. Usage: few_shot.sh [DATA] [DATASETS] [SHOTS] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
BENCHMARK="--page ${BENCHMARK:-}"
run_protocol few_shot "${METHODS:-all}" "$@"
