#!/bin/sh
# Speed of `ackproof check --from kafkatest` beside the obvious Python, on the
# same files in the same run, for docs/BENCHMARKS.md. Needs `make build`,
# Python 3 and 1.3 GB for the files; LINES of them, one half acknowledged
# records, one half the same records as a group of two consumers read them.
# The two run by turns, so that whatever else the machine does meets both.
set -eu
ackproof=${ACKPROOF:-target/release/ackproof}
lines=${LINES:-10000000}
runs=${RUNS:-3}
here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/bench-import.XXXXXX")
trap 'rm -rf "$dir"' EXIT

python3 "$here/bench-import/generate.py" "$lines" "$dir"
echo "files: $(cat "$dir"/*.jsonl | wc -l) lines, $(du -ch --apparent-size "$dir"/*.jsonl | awk 'END {print $1}'); load $(cut -d' ' -f1-3 /proc/loadavg)"
python3 "$here/bench-import/race.py" "$runs" "$ackproof" "$dir"/*.jsonl
