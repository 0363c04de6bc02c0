#!/usr/bin/env bash
# Any method, or several in quotes: train on one data set, test on others (TARGETS), beside zero-shot CLIP. Usage: cross_dataset.sh METHOD [DATA] [DATASET] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/lib/run.sh"
METHOD_WORD="METHOD "
run_beside cross_dataset "$@"
