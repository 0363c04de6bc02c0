#!/usr/bin/env bash
# CILMP: train on SHOTS images a class, test on all classes, beside zero-shot CLIP. Usage: few_shot.sh [DATA] [DATASET] [SHOTS] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_beside few_shot CILMP "$@"
