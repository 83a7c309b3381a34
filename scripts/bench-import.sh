#!/bin/sh
# Speed of `ackproof check --from kafkatest` beside the obvious Python, on the
# same files in the same run, for docs/BENCHMARKS.md. Needs `make build`,
# Python 3 and 1.3 GB for the files; LINES of them, one half acknowledged
# records, one half the same records as a group of two consumers read them.
set -eu
ackproof=${ACKPROOF:-target/release/ackproof}
lines=${LINES:-10000000}
runs=${RUNS:-3}
here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/bench-import.XXXXXX")
trap 'rm -rf "$dir"' EXIT

python3 "$here/bench-import/generate.py" "$lines" "$dir"
echo "files: $(cat "$dir"/*.jsonl | wc -l) lines, $(du -ch --apparent-size "$dir"/*.jsonl | awk 'END {print $1}')"

timed() { # name, expected exit code, command
    name=$1 wanted=$2
    shift 2
    best=
    for _ in $(seq "$runs"); do
        began=$(date +%s%N)
        code=0
        "$@" >"$dir/out" || code=$?
        ms=$((($(date +%s%N) - began) / 1000000))
        if [ "$code" -ne "$wanted" ]; then
            echo "$name ended with $code:" >&2
            cat "$dir/out" >&2
            exit 1
        fi
        if [ -z "$best" ] || [ "$ms" -lt "$best" ]; then best=$ms; fi
    done
    echo "  $name: $best ms (best of $runs)"
}

timed "the obvious Python" 0 python3 "$here/bench-import/obvious.py" "$dir"/*.jsonl
python_ms=$best
timed "ackproof" 0 "$ackproof" check --from kafkatest "$dir"/*.jsonl
awk -v p="$python_ms" -v a="$best" -v n="$lines" \
    'BEGIN {printf "  ackproof is %.1f times as fast: %.2f million lines/s\n", p / a, n / a / 1000}'
