#!/usr/bin/env bash
# Heat maps of what a trained run looked at: bash scripts/cilmp/explain.sh RUN IMAGE_OR_FOLDER ...
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib/env.sh"
use_python requirements.txt
in_caller_dir cilmp explain "$@"
