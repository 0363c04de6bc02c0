#!/usr/bin/env bash
# ZeroshotCLIP: test on all classes. Usage: few_shot.sh [DATA] [DATASET] [SHOTS] [BACKBONE]
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_protocol few_shot "ZeroshotCLIP" "$@"
