#!/usr/bin/env bash
# CILMP: train on SHOTS images a class, test on all classes, beside zero-shot CLIP. Usage: few_shot.sh [DATA] [DATASET] [SHOTS] [BACKBONE]
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_protocol few_shot "ZeroshotCLIP CILMP" "$@"
