#!/usr/bin/env bash
# Any method, or several in quotes: train on the whole training set, test on all classes, beside zero-shot CLIP. Usage: full.sh METHOD [DATA] [DATASET] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/lib/run.sh"
METHOD_WORD="METHOD "
run_beside full "$@"
