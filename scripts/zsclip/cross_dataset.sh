#!/usr/bin/env bash
# ZeroshotCLIP: test on others (TARGETS). Usage: cross_dataset.sh [DATA] [DATASET] [BACKBONE]
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_protocol cross_dataset "ZeroshotCLIP" "$@"
