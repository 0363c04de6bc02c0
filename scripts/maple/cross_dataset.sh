#!/usr/bin/env bash
# MaPLe: train on one data set, test on others (TARGETS), beside zero-shot CLIP. Usage: cross_dataset.sh [DATA] [DATASET] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_beside cross_dataset MaPLe "$@"
