# Sourced by the scripts of a method: `run_protocol PROTOCOL METHODS "$@"`; a plan (.yaml) has methods and seeds of its own. docs/benchmark.md has the arguments.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

ALL_METHODS="ZeroshotCLIP CoOp CoCoOp MaPLe KgCoOp PromptSRC CILMP"

usage() {
    local shots=""
    [ "$1" = few_shot ] && shots=" [SHOTS]"
    cat <<EOF
usage: bash $0 [DATA] [DATASET]$shots [BACKBONE]

  DATA      the data folder             (default: ./data; the phantom is drawn into it when it is not there)
  DATASET   one or, in quotes, several  (default: phantom)
  BACKBONE  the CLIP, or its file       (default: small_clip)

From the environment: SEEDS="1 2 3"  SHOTS=16 (phantom: 4)  CFG=<file of configs/trainers/METHOD>  OUTPUT=output  METHODS="..."
  TARGETS="..." (cross_dataset)  MODEL_DIR=... (eval)  OPTS="KEY VALUE ..." (any configuration key)
  BENCHMARK="--engine ray ..." (options of python -m benchmark.run)
A folder that holds a run with other settings stops the script: BENCHMARK="--again" moves it aside, another OUTPUT keeps both.
EOF
}

absolute() { # a path the caller gave, seen from the folder the caller is in
    case $1 in
        /*) printf '%s' "$1" ;;
        *) printf '%s/%s' "$CALLER_DIR" "$1" ;;
    esac
}

run_protocol() {
    local protocol=$1 methods=$2
    shift 2
    case ${1:-} in -h | --help) usage "$protocol"; exit 0 ;; esac
    local data=data dataset=${2:-phantom} shots=${SHOTS:-} backbone most=3
    [ -n "${1:-}" ] && data=$(absolute "$1")
    if [ "$protocol" = few_shot ]; then
        shots=${3:-$shots} backbone=${4:-small_clip} most=4
    else
        backbone=${3:-small_clip}
    fi
    [ -f "$CALLER_DIR/$backbone" ] && backbone=$CALLER_DIR/$backbone
    if [ $# -gt $most ]; then
        echo "error: too many arguments: $*" >&2
        usage "$protocol" >&2
        exit 2
    fi
    local words=("$protocol" --root "$data" --datasets $dataset --backbone "$backbone")
    [ -n "$methods" ] && words+=(--methods $methods)
    case $protocol in
        *.yaml) [ -n "${SEEDS:-}" ] && words+=(--seeds $SEEDS) ;;
        *) words+=(--seeds ${SEEDS:-1 2 3}) ;;
    esac
    [ -n "$shots" ] && words+=(--shots $shots)
    [ -n "${CFG:-}" ] && words+=(--cfg $CFG)
    [ -n "${OUTPUT:-}" ] && words+=(--output "$(absolute "$OUTPUT")")
    [ -n "${TARGETS:-}" ] && words+=(--targets $TARGETS)
    [ -n "${MODEL_DIR:-}" ] && words+=(--model-dir "$(absolute "$MODEL_DIR")")
    words+=(${BENCHMARK:-})
    [ -n "${OPTS:-}" ] && words+=(--opts $OPTS)
    use_python requirements.txt
    exec "$PYTHON" -m benchmark.run "${words[@]}"
}
