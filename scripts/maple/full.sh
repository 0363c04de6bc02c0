#!/usr/bin/env bash
# MaPLe: train on the whole training set, test on all classes, beside zero-shot CLIP. Usage: full.sh [DATA] [DATASET] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_beside full MaPLe "$@"
