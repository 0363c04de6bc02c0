#!/usr/bin/env bash
# Three few-shot draws that clinics have, 1 to 16 images a class on average: where methods fall below zero-shot CLIP; tables, plots and page. Usage: realistic.sh [DATA] [DATASETS] [BACKBONE]
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/run.sh"
BENCHMARK="--page ${BENCHMARK:-}" run_protocol benchmark/plans/realistic.yaml "${METHODS:-}" "$@"
