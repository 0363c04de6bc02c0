#!/usr/bin/env bash
# ZeroshotCLIP: test on all classes. Usage: full.sh [DATA] [DATASET] [BACKBONE]
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_protocol full "ZeroshotCLIP" "$@"
