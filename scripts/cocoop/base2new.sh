#!/usr/bin/env bash
# CoCoOp: train on base classes, test on base and new classes, beside zero-shot CLIP. Usage: base2new.sh [DATA] [DATASET] [BACKBONE]
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_protocol base2new "ZeroshotCLIP CoCoOp" "$@"
