#!/usr/bin/env bash
# Class probabilities of images, installing what is missing first: bash scripts/predict.sh RUN IMAGE_OR_FOLDER ...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
use_python requirements.txt
cd "$CALLER_DIR" # paths on the command line are the caller's
PYTHONPATH=$ROOT${PYTHONPATH:+:$PYTHONPATH} exec "$PYTHON" -m cilmp predict "$@"
