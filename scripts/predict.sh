#!/usr/bin/env bash
# Class probabilities of images, installing what is missing first: bash scripts/predict.sh RUN IMAGE_OR_FOLDER ...
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
use_python requirements.txt
in_caller_dir cilmp predict "$@"
