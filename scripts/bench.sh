#!/bin/sh
# Speed of the stack, the suite, the checker and the imports, on this machine,
# for docs/BENCHMARKS.md.
# Needs a warm cache (`make fetch`) and an otherwise idle machine.
set -eu
ackproof=${ACKPROOF:-target/release/ackproof}
runs=${RUNS:-5}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

echo "machine: $(nproc) CPUs, $(awk '/MemTotal/ {printf "%.1f GiB", $2/1048576}' /proc/meminfo), $(uname -sr)"
"$ackproof" --version

echo
echo "stack start-up in ms, $runs runs each, warm cache (cargo run --example up):"
for what in "1" "1 cdc" "3"; do
    for _ in $(seq "$runs"); do
        # shellcheck disable=SC2086 # two words
        cargo run --quiet --release --package ackproof-stack --example up -- $what 2>/dev/null | awk '/^ready / {print $2}'
    done | sort -n | awk -v what="$what" '{a[NR]=$1} END {printf "  brokers %-6s  min %s  median %s  max %s\n", what, a[1], a[int((NR+1)/2)], a[NR]}'
done

echo
echo "suite delivery, wall time in ms, and the longest schedule of its own:"
for n in 1 2 3; do
    began=$(date +%s%3N)
    "$ackproof" run delivery --seed "$n" --out "$out/$n" >"$out/$n.txt" 2>/dev/null && code=0 || code=$?
    echo "  seed $n: $(( $(date +%s%3N) - began )) ms, exit $code"
done

echo
echo "the checker, a healthy history made as it is checked (cargo run --example throughput):"
for records in 1000000 10000000 100000000; do
    cargo run --quiet --release --package ackproof-checker --example throughput -- made "$records" 12
done

echo
echo "the checker, from files with jittered clocks, on one core (check) and on all (lanes):"
"$(dirname "$0")/bench-checker.sh"

echo
echo "a recording of Kafka's verifiable clients, beside the obvious Python:"
ACKPROOF="$ackproof" "$(dirname "$0")/bench-import.sh"

echo
echo "the fault proxy, beside Toxiproxy where Go can build it:"
ACKPROOF="$ackproof" "$(dirname "$0")/bench-proxy.sh"
