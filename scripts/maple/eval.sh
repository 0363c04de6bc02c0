#!/usr/bin/env bash
# MaPLe: test a trained run again (MODEL_DIR), beside zero-shot CLIP. Usage: eval.sh [DATA] [DATASET] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_beside eval MaPLe "$@"
