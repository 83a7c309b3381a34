#!/bin/sh
# What the proxy costs, on this machine, for docs/BENCHMARKS.md: Kafka's own
# performance tools, 512-byte records, lz4, acks=all, one broker; direct and
# through the proxy in turns, so that both meet the same moods of the machine.
# Beside it Toxiproxy, where Go can build it, before a broker that has to be
# told to advertise it. Needs a warm cache (`make fetch`), `make build`, and an
# otherwise idle machine.
set -eu
ackproof=${ACKPROOF:-target/release/ackproof}
runs=${RUNS:-5}
records=${RECORDS:-1000000}
toxiproxy=${TOXIPROXY:-}
out=$(mktemp -d)
mkfifo "$out/site-in" "$out/toxi-in"
pids=
trap 'exec 8>&- 9>&-; for pid in $pids; do kill "$pid" 2>/dev/null || :; done; wait; rm -rf "$out"' EXIT

cargo build --quiet --release --package ackproof-proxy --example site

until_there() { # FILE PATTERN
    for _ in $(seq 600); do
        grep -qs "$2" "$1" && return
        sleep 0.1
    done
    echo "never there: $2" >&2
    cat "$1" >&2
    exit 1
}

tool() { # CLASS ARGS...
    class=$1
    shift
    "$java" -Xmx1g -cp "$classpath" "org.apache.kafka.tools.$class" "$@" 2>/dev/null
}

# MB/s of one run each.
produce() { # BOOTSTRAP TOPIC
    tool ProducerPerformance --topic "$2" --num-records "$records" --record-size 512 --throughput -1 \
        --bootstrap-server "$1" --command-property acks=all compression.type=lz4 linger.ms=5 batch.size=65536 |
        tail -1 | sed -n 's/.*(\([0-9.]*\) MB\/sec).*/\1/p'
}

consume() { # BOOTSTRAP TOPIC
    tool ConsumerPerformance --bootstrap-server "$1" --topic "$2" --num-records "$records" --timeout 60000 |
        tail -1 | awk -F', ' '{print $9}'
}

median() { # FILE
    sort -n "$1" | awk '{a[NR]=$1} END {printf "%s", a[int((NR+1)/2)]}'
}

# Both ways in turns; the order changes from run to run.
pair() { # NAME DIRECT PROXIED
    for run in $(seq 0 "$runs"); do
        ways="direct $1"
        [ $((run % 2)) = 0 ] || ways="$1 direct"
        for way in $ways; do
            [ "$way" = direct ] && to=$2 || to=$3
            topic="$way-$1-$run"
            tool TopicCommand --bootstrap-server "$to" --create --topic "$topic" --partitions 3 >"$out/created"
            p=$(produce "$to" "$topic")
            c=$(consume "$to" "$topic")
            # The first run warms everything up.
            [ "$run" = 0 ] && continue
            echo "$p" >>"$out/$1.$way.produce"
            echo "$c" >>"$out/$1.$way.consume"
        done
    done
    for what in produce consume; do
        direct=$(median "$out/$1.direct.$what")
        proxied=$(median "$out/$1.$1.$what")
        echo "  $what: direct $direct MB/s, $1 $proxied MB/s, $(awk -v a="$proxied" -v b="$direct" 'BEGIN {printf "%.1f", 100*a/b}') %;" \
            "direct: $(tr '\n' ' ' <"$out/$1.direct.$what")$1: $(tr '\n' ' ' <"$out/$1.$1.$what")"
    done
}

echo "machine: $(nproc) CPUs, $(uname -sr); $runs runs of $records records each, medians"

target/release/examples/site <"$out/site-in" >"$out/site" &
pids="$pids $!"
exec 9>"$out/site-in"
until_there "$out/site" ready
broker=$(sed -n 's/^broker=//p' "$out/site")
java=$(sed -n 's/^java=//p' "$out/site")
classpath=$(sed -n 's/^classpath=//p' "$out/site")
"$ackproof" proxy --bootstrap "$broker" >"$out/proxy" 2>"$out/proxy-notes" &
pids="$pids $!"
until_there "$out/proxy" bootstrap.servers
proxied=$(awk '/^bootstrap.servers/ {print $2}' "$out/proxy")
echo "ackproof proxy:"
pair ackproof "$broker" "$proxied"
exec 9>&-

if [ -n "$toxiproxy" ]; then
    # Where the broker is to be found is where Toxiproxy will listen.
    listens=127.0.0.1:19192
    target/release/examples/site "$listens" <"$out/toxi-in" >"$out/site2" &
    pids="$pids $!"
    exec 8>"$out/toxi-in"
    until_there "$out/site2" ready
    broker=$(sed -n 's/^broker=//p' "$out/site2")
    direct=$(sed -n 's/^direct=//p' "$out/site2")
    echo "[{\"name\": \"kafka\", \"listen\": \"$listens\", \"upstream\": \"$broker\", \"enabled\": true}]" >"$out/toxi.json"
    "$toxiproxy" -config "$out/toxi.json" -port 18474 >"$out/toxi" 2>&1 &
    pids="$pids $!"
    sleep 1
    echo "toxiproxy (direct: the same broker's other listener):"
    pair toxiproxy "$direct" "$listens"
fi
