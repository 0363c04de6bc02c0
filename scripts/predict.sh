#!/usr/bin/env bash
# Class probabilities of images, installing what is missing first: bash scripts/predict.sh --run output/.../seed1 IMAGE_OR_FOLDER
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
use_python requirements.txt
cd "$CALLER_DIR" # paths on the command line are the caller's
exec "$PYTHON" "$ROOT/predict.py" "$@"
