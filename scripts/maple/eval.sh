#!/usr/bin/env bash
# MaPLe: test a trained run again (MODEL_DIR), beside zero-shot CLIP. Usage: eval.sh [DATA] [DATASET] [BACKBONE]
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_protocol eval "ZeroshotCLIP MaPLe" "$@"
