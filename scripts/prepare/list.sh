#!/usr/bin/env bash
# python -m datasets.list with the project's environment; arguments as there (--help shows them), paths as seen from here.
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/../lib/env.sh"
use_python requirements.txt
in_caller_dir datasets.list "$@"
