#!/usr/bin/env bash
# Prints the settings that there are, one a line, from their own sources:
#   scripts/settings.sh kafka JARS   Kafka's definitions, out of the jars in that folder (needs a JDK)
#   scripts/settings.sh librdkafka   librdkafka's table, out of the library that is built in
# `make settings` writes the tables that ackproof is built with.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1-}" in
kafka)
    java -XX:TieredStopAtLevel=1 -cp "$2/*" scripts/KafkaSettings.java
    ;;
librdkafka)
    manifest=$("${CARGO:-cargo}" metadata --format-version 1 --locked |
        grep -o '"[^"]*rdkafka-sys[^"]*/Cargo.toml"' | head -1 | tr -d '"')
    # Name, whose it is (P, C or *), type, the values it takes, its default, what it is another
    # name of.
    awk -F'|' '
        function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }
        NF > 5 && $1 !~ /^(Property|---)/ {
            type = $NF
            if (!sub(/.*\*Type: /, "", type)) next
            sub(/\*.*/, "", type)
            other = $0
            if (!sub(/.*\| Alias for `/, "", other)) other = ""
            sub(/`.*/, "", other)
            print trim($1) "\t" trim($2) "\t" type "\t" trim($3) "\t" trim($4) "\t" other
        }' "$(dirname "$manifest")/librdkafka/CONFIGURATION.md" | LC_ALL=C sort -u
    ;;
*)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
