#!/bin/sh
# Installs what is missing on Debian and Ubuntu, or says what to install
# elsewhere. Does nothing, and needs nobody's rights, when all is there.
set -eu

# Kafka 4 needs it (Kafka documentation, "Java Version").
java_oldest=17

# Whether a Java is there that runs the brokers; ackproof looks in the same
# places and takes the best.
has_java() {
    for java in "${JAVA_HOME:-}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        [ -x "$java" ] || continue
        # 17.0.15, 25-ea, 1.8.0_292
        version=$("$java" -version 2>&1 | sed -n 's/.* version "\(1\.\)\{0,1\}\([0-9][0-9]*\).*/\2/p')
        [ "${version:-0}" -ge "$java_oldest" ] && return 0
    done
    return 1
}

# The newest of Debian's that will do; Maven brings a Java of its own choice.
java_package() {
    for major in 25 21 17; do
        # A name that only other packages mention is known and cannot be had.
        if [ -n "$(apt-cache madison "openjdk-$major-jre-headless" 2>/dev/null)" ]; then
            echo "openjdk-$major-jre-headless"
            return
        fi
    done
    echo default-jre-headless
}

missing=""
need() { # command, Debian package
    command -v "$1" >/dev/null 2>&1 && return
    case " $missing " in *" $2 "*) ;; *) missing="$missing $2" ;; esac
}
need cc build-essential
need c++ build-essential
need make build-essential
need mvn maven
has_java || missing="$missing java"

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: missing:$missing (Debian's names)." >&2
        echo "setup: install a C and C++ compiler, make, Maven and Java $java_oldest or newer (25 starts fastest)." >&2
        exit 4
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "setup: missing:$missing. As root: scripts/setup.sh" >&2
            exit 4
        fi
        as_root="sudo"
    fi
    $as_root apt-get update -qq
    packages=""
    for package in $missing; do
        [ "$package" != java ] || package=$(java_package)
        packages="$packages $package"
    done
    echo "setup: installing$packages" >&2
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null
    if ! has_java; then
        echo "setup: this system has no package of Java $java_oldest or newer: install one and set JAVA_HOME" >&2
        exit 4
    fi
fi

if ! command -v cargo >/dev/null 2>&1; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "setup: cargo is in ~/.cargo/bin, which is not on PATH: run '. ~/.cargo/env' and try again" >&2
    else
        echo "setup: Rust is missing: install rustup; it takes the version from rust-toolchain.toml" >&2
    fi
    exit 4
fi
