#!/usr/bin/env bash
# What a GPU makes of this program, in one go of a few minutes: speed/gpu.json and speed/gpu.md in the folder given by --out.
#     bash speed/gpu.sh [--out FOLDER] [--device cuda] [--toy] [--reference FILE:NAME CONFIG KEY VALUE ...]
# --toy tries the script itself: small sizes, which a CPU does in a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-python}" speed/gpu.py "$@"
