#!/usr/bin/env bash
# ZeroshotCLIP: test on base and new classes. Usage: base2new.sh [DATA] [DATASET] [BACKBONE]
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
run_protocol base2new "ZeroshotCLIP" "$@"
