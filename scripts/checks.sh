#!/bin/sh
# The checks that no build needs: spelling, unused dependencies, licences and sources
# of dependencies, the fuzzing targets. Each tool is installed once, into the target folder.
set -eu
tools=${CARGO_TARGET_DIR:-target}/tools

tool() { # crate, version, command
    [ -x "$tools/bin/$3" ] && return
    echo "checks: installing $1 $2" >&2
    cargo install --quiet --locked --root "$tools" "$1@$2"
}

# A wheel with the binary takes seconds, and a build of it minutes.
if ! [ -x "$tools/bin/typos" ]; then
    python3 -m venv "$tools/python" 2>/dev/null &&
        "$tools/python/bin/pip" install --quiet typos==1.52.0 &&
        mkdir -p "$tools/bin" && ln -sf ../python/bin/typos "$tools/bin/typos" ||
        tool typos-cli 1.52.0 typos
fi
"$tools/bin/typos"

tool cargo-machete 0.9.2 cargo-machete
"$tools/bin/cargo-machete"

tool cargo-deny 0.20.2 cargo-deny
"$tools/bin/cargo-deny" --offline check bans licenses sources
# Advisories need their database, which is not part of the registry.
if "$tools/bin/cargo-deny" fetch db 2>/dev/null; then
    "$tools/bin/cargo-deny" check advisories
else
    echo "checks: advisories were not checked: their database cannot be reached" >&2
fi

# What only `cargo fuzz` can link is compiled all the same.
cargo check --quiet --locked --package ackproof-fuzz --features libfuzzer --bins
