#!/usr/bin/env bash
# What the rows contribute: CILMP, its controls and all methods on base and new classes; table, plots and page. Usage: controls.sh [DATA] [DATASET] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
PLAN=benchmark/plans/controls-${2:-phantom}.yaml
[ -f "$ROOT/$PLAN" ] || PLAN=benchmark/plans/controls.yaml
BENCHMARK="--page ${BENCHMARK:-}" run_protocol "$PLAN" "${METHODS:-}" "$@"
