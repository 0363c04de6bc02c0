# Sourced by the scripts: `run_beside PROTOCOL METHOD "$@"` runs methods beside zero-shot CLIP, `run_protocol PROTOCOL METHODS "$@"` runs these alone; a plan
# (.yaml) has methods and seeds of its own. docs/benchmark.md has the arguments.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

METHOD_WORD="" # "METHOD " in scripts that take it as their first argument

usage() {
    local shots=""
    [ "$1" = few_shot ] && shots=" [SHOTS]"
    cat <<EOF
usage: bash $0 $METHOD_WORD[DATA] [DATASET]$shots [BACKBONE]
${METHOD_WORD:+
  METHOD    one or, in quotes, several, run beside zero-shot CLIP; all: every one that can be (python -m trainers.list)}
  DATA      the data folder             (default: ./data; the phantom is drawn into it when it is not there)
  DATASET   one or, in quotes, several  (default: phantom)
  BACKBONE  the CLIP, or its file       (default: small_clip)

From the environment: SEEDS="1 2 3" or 1..20  SHOTS=16 (phantom: 4)  CFG=<file of configs/trainers/METHOD>  OUTPUT=output  METHODS="..."
  DRAW=realistic (or standard, relaxed: docs/realistic.md)  TARGETS="..." (cross_dataset)  MODEL_DIR=... (eval)  OPTS="KEY VALUE ..." (any configuration key)
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

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

names() { # NAME TEXT: the words of TEXT into the array `list`; none may be an option, and `*` stands for itself
    local word
    read -r -d '' -a list <<<"$2" || true
    for word in ${list[@]+"${list[@]}"}; do
        case $1,$word in
            SEEDS,-[0-9]* | SHOTS,-[0-9]*) ;;
            *,-*) fail "$1 holds $word, which is an option and no value; options of benchmark.run go into BENCHMARK" ;;
        esac
    done
}

run_beside() { # PROTOCOL METHOD [DATA] ...: beside zero-shot CLIP; CILMP on the phantom's new classes beside its control too
    local protocol=$1 methods=${2:-} control=""
    case $methods in -h | --help) usage "$protocol"; exit 0 ;; esac
    if [ -z "$methods" ]; then
        echo "error: no method" >&2
        usage "$protocol" >&2
        exit 2
    fi
    shift 2
    case "$protocol,${2:-phantom}, $methods " in base2new,phantom,*" CILMP "*) control=CILMP:shuffled_rows ;; esac
    case " $methods " in *" ZeroshotCLIP "* | " all ") ;; *) methods="ZeroshotCLIP $methods" ;; esac
    case " $methods " in *" $control "* | " all ") control="" ;; esac
    run_protocol "$protocol" "$methods $control" "$@"
}

run_protocol() {
    local protocol=$1 methods=$2
    shift 2
    case ${1:-} in -h | --help) usage "$protocol"; exit 0 ;; esac
    local data=data output=output dataset=${2:-phantom} shots=${SHOTS:-} backbone most=3 list=()
    # Python runs where the caller stands. Elsewhere than at the root, the repository's own folders have long names.
    [ "$CALLER_DIR" = "$ROOT" ] || data=$ROOT/data output=$ROOT/output
    [ -n "${1:-}" ] && data=$(absolute "$1")
    [ -n "${OUTPUT:-}" ] && output=$OUTPUT
    if [ "$protocol" = few_shot ]; then
        shots=${3:-$shots} backbone=${4:-small_clip} most=4
    else
        backbone=${3:-small_clip}
    fi
    if [ $# -gt $most ]; then
        echo "error: too many arguments: $*" >&2
        usage "$protocol" >&2
        exit 2
    fi
    case $protocol in
        *.yaml) # the repository's own plans, in which paths start from its root
            [ -f "$CALLER_DIR/$backbone" ] && backbone=$(absolute "$backbone")
            [ "$CALLER_DIR" = "$ROOT" ] || output=$(absolute "$output")
            CALLER_DIR=$ROOT
            ;;
    esac
    local words=("$protocol" --root="$data" --output="$output" --backbone="$backbone")
    add() { # FLAG NAME TEXT: the words of TEXT behind FLAG, if there are any
        names "$2" "$3"
        [ ${#list[@]} -eq 0 ] || words+=("$1" "${list[@]}")
    }
    add --datasets DATASET "$dataset"
    add --methods METHODS "$methods"
    case $protocol in
        *.yaml) add --seeds SEEDS "${SEEDS:-}" ;; # else the plan's own
        *) add --seeds SEEDS "${SEEDS:-1 2 3}" ;;
    esac
    add --shots SHOTS "$shots"
    add --draw DRAW "${DRAW:-}"
    add --cfg CFG "${CFG:-}"
    add --targets TARGETS "${TARGETS:-}"
    [ -n "${MODEL_DIR:-}" ] && words+=(--model-dir="$MODEL_DIR")
    read -r -d '' -a list <<<"${BENCHMARK:-}" || true
    words+=(${list[@]+"${list[@]}"})
    read -r -d '' -a list <<<"${OPTS:-}" || true
    [ ${#list[@]} -eq 0 ] || words+=(--opts "${list[@]}") # whatever comes after it is KEY VALUE
    use_python requirements.txt
    in_caller_dir benchmark.run "${words[@]}"
}
