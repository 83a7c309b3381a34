#!/usr/bin/env python3
"""How many records a second each client carries as a subject, every record reported and
checked, and the latency at a rate that all of them keep: one broker, one producer, one
consumer, 512-byte records, acks=all, for docs/BENCHMARKS.md.

    scripts/bench-clients.py [--rounds N] [CLIENT...]

CLIENT is a name as `--client` takes it, or a folder of clients/. Clients take turns, so
that a busy moment meets all of them. Needs `make fetch` and an idle machine."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ACKPROOF = os.environ.get("ACKPROOF", f"{ROOT}/target/release/ackproof")
CLIENTS = ["librdkafka", "librdkafka:1.8.2", "java", "java:3.1.0"]
OTHERS = ["franz-go", "sarama", "confluent-kafka", "kafka-python", "kafkajs"]
PACED_PER_S = 2000
LOADS = {  # records, offered records a second
    "free": (200_000, 4_000_000),
    "paced": (20_000, PACED_PER_S),
}
SCENARIO = """
name = "{name}"
title = "Records of one client, {name}"

[[topic]]
name = "orders"
partitions = 3
replication_factor = 1

[[producer]]
topic = "orders"
records = {records}
records_per_s = {rate}
record_bytes = 512
config = {{ acks = "all" }}

[[group]]
name = "billing"
topic = "orders"
start = "{start}"
records_per_s = 4000000
commit_every_records = 5000
max_poll_records = 500
config = {{ "auto.offset.reset" = "earliest" }}

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "group-complete"
"""


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("clients", nargs="*", default=CLIENTS + OTHERS)
    options = options.parse_args()
    rows = {client: [] for client in options.clients}
    with tempfile.TemporaryDirectory() as work:
        for name, (records, rate) in LOADS.items():
            with open(f"{work}/{name}.toml", "w") as file:
                start = "after-producers" if name == "free" else "before-producers"
                file.write(SCENARIO.format(name=name, records=records, rate=rate, start=start))
        for number in range(options.rounds):
            for client in options.clients:
                rows[client].append(measure(client, work, number))
    print("| client | sent, records/s | processed, records/s | latency at "
          f"{PACED_PER_S}/s: p50, ms | p99, ms |")
    print("| --- | --- | --- | --- | --- |")
    for client, rounds in rows.items():
        cells = " | ".join(spread(values) for values in zip(*rounds))
        print(f"| `{client}` | {cells} |")


def measure(client, work, number):
    """Rates of sending and of processing, and two latencies in ms."""
    command = f"command:{ROOT}/clients/{client}/run" if client in OTHERS else client
    out = f"{work}/{client.replace(':', '-').replace('/', '-')}-{number}"
    run = [ACKPROOF, "run", f"{work}/free.toml", f"{work}/paced.toml", "--jobs", "1",
           "--client", command, "--out", out, "--seed", str(number + 1)]
    done = subprocess.run(run, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{client}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    verdict = json.load(open(f"{out}/verdict.json"))
    paced = next(it for it in verdict["scenarios"] if it["name"] == "paced")
    latency = paced["measurements"]["latency_before"]
    acknowledged, processed = times(f"{out}/free/history.ackproof")
    print(f"{client}: round {number + 1}", file=sys.stderr)
    return (per_second(acknowledged), per_second(processed),
            latency["p50_us"] / 1000, latency["p99_us"] / 1000)


def times(history):
    """When records were acknowledged, and when they were processed, in microseconds."""
    export = subprocess.Popen([ACKPROOF, "history", "export", history, "--format", "jsonl"],
                              stdout=subprocess.PIPE, text=True)
    acknowledged, processed = [], []
    for line in export.stdout:
        if '"event":"send-completed"' in line:
            acknowledged.append(json.loads(line)["at_us"])
        elif '"event":"processed"' in line:
            processed.append(json.loads(line)["at_us"])
    if export.wait() != 0:
        sys.exit(f"{history}: cannot be exported")
    return acknowledged, processed


def per_second(at_us):
    return len(at_us) * 1_000_000 / (max(at_us) - min(at_us))


def spread(values):
    """The median, and the least and the most."""
    def text(value):
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    least, most = text(min(values)), text(max(values))
    return f"{text(statistics.median(values))} ({least} to {most})"


main()
