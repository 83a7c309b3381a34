#!/bin/sh
# Installs what is missing on Debian and Ubuntu, or says what to install
# elsewhere. Does nothing, and needs nobody's rights, when all is there.
set -eu

missing=""
need() { # command, Debian package
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need cc build-essential
need c++ build-essential
need make build-essential
need mvn maven
# Maven needs a whole JDK's worth of Java; the brokers run on the best found.
if ! command -v java >/dev/null 2>&1 && [ -z "${JAVA_HOME:-}" ] && ! ls /usr/lib/jvm/*/bin/java >/dev/null 2>&1; then
    missing="$missing default-jre-headless"
fi

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: missing:$missing (Debian's names)." >&2
        echo "setup: install a C and C++ compiler, make, Maven and Java 17 or newer (25 starts fastest)." >&2
        exit 4
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "setup: missing:$missing. As root: apt-get install$missing" >&2
            exit 4
        fi
        as_root="sudo"
    fi
    echo "setup: installing$missing" >&2
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "setup: cargo is in ~/.cargo/bin, which is not on PATH: run '. ~/.cargo/env' and try again" >&2
    else
        echo "setup: Rust is missing: install rustup; it takes the version from rust-toolchain.toml" >&2
    fi
    exit 4
fi
