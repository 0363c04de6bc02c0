#!/usr/bin/env bash
# VPT: train on base classes, test on base and new classes, beside zero-shot CLIP. Usage: base2new.sh [DATA] [DATASET] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_beside base2new VPT "$@"
