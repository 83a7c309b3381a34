#!/bin/sh
# What the proxy costs, on this machine, for docs/BENCHMARKS.md: one broker, the
# same slices of work direct, through `ackproof proxy` and through Toxiproxy, in
# turns; then as many connections as can be held. Needs a warm cache (`make
# fetch`). TOXIPROXY names a Toxiproxy server; without it, and with Go, one is
# built; without Go it is left out.
set -eu
ackproof=${ACKPROOF:-target/release/ackproof}
rounds=${ROUNDS:-30}
records=${RECORDS:-200000}
toxiproxy=${TOXIPROXY:-}

# The broker's log in memory where that is possible: a disk that writes back what
# the slice before left is no part of what is compared.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm

if [ -z "$toxiproxy" ] && command -v go >/dev/null; then
    bin="$PWD/target/toxiproxy"
    [ -x "$bin/server" ] || GOBIN="$bin" go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0 || :
    [ -x "$bin/server" ] && toxiproxy="$bin/server"
fi

echo "machine: $(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg), $(uname -sr)"
echo "$rounds rounds of $records records of 512 bytes, lz4, acks=all; medians (quartiles):"
cargo run --quiet --release --locked --package ackproof-proxy --example bench -- \
    "$rounds" "$records" "$ackproof" ${toxiproxy:+"$toxiproxy"}
