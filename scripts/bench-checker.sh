#!/bin/sh
# Speed of the checker on a history in our own format, written to a file with
# clocks that jitter, and checked from it on one core and on all, for
# docs/BENCHMARKS.md: SIZES are numbers of records, of five events each. Needs
# 2.5 GB for the largest file, which is gone afterwards.
set -eu
sizes=${SIZES:-1000000 10000000 100000000}
cargo build --quiet --release --package ackproof-checker --example throughput
throughput=${CARGO_TARGET_DIR:-target}/release/examples/throughput
dir=$(mktemp -d "${TMPDIR:-/tmp}/bench-checker.XXXXXX")
trap 'rm -rf "$dir"' EXIT
for records in $sizes; do
    file=$dir/$records
    "$throughput" write "$file" "$records" 12 >/dev/null
    echo "$records records, $(($(stat -c %s "$file") / 1048576)) MiB; load $(cut -d' ' -f1-3 /proc/loadavg)"
    for how in check lanes; do
        "$throughput" "$how" "$file" | sed "s/^/  $how: /"
    done
    rm "$file"
done
