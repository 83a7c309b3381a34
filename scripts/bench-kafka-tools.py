#!/usr/bin/env python3
"""How fast ackproof's subjects are beside Kafka's own ProducerPerformance and
ConsumerPerformance, on one broker with the same settings, and what the ledger costs: the
same client with every record reported and recorded, and without a report. Rounds are
interleaved, and their order is reversed each time.

    scripts/bench-kafka-tools.py [--rounds N] [--records N]

Needs `make fetch`, Java, and an idle machine."""

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ACKPROOF = os.environ.get("ACKPROOF", f"{ROOT}/target/release/ackproof")
CACHE = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
JARS = os.environ.get("KAFKA_JARS", f"{CACHE}/ackproof/parts/kafka-4.3.1")
BYTES = 512
# Java's defaults, written out for both.
CONFIG = {
    "acks": "all",
    "enable.idempotence": "true",
    "max.in.flight.requests.per.connection": "5",
    "linger.ms": "5",
    "batch.size": "16384",
    "compression.type": "none",
}
SCENARIO = """
name = "tools"
title = "As fast as it goes, every record reported"

[[topic]]
name = "orders"
partitions = 3
replication_factor = 1

[[producer]]
topic = "orders"
records = {records}
records_per_s = 4000000
record_bytes = {bytes}
config = {config}

[[group]]
name = "billing"
topic = "orders"
start = "after-producers"
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
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--records", type=int, default=300_000)
    options = options.parse_args()
    work = tempfile.mkdtemp()
    port = 29_092
    stack = subprocess.Popen([ACKPROOF, "stack", "up", "--port", str(port)],
                             stdout=subprocess.PIPE, text=True)
    try:
        stack.stdout.readline()
        bench = Bench(f"127.0.0.1:{port}", options.records, work)
        ways = [bench.tools, bench.subject, bench.silent]
        rounds = []
        for number in range(options.rounds):
            order = ways if number % 2 == 0 else ways[::-1]
            figures = {}
            for way in order:
                figures.update(way(number))
            rounds.append(figures)
            print(f"round {number + 1}: {figures}", file=sys.stderr)
        show(rounds)
    finally:
        stack.terminate()
        stack.wait()
        shutil.rmtree(work)


class Bench:
    def __init__(self, bootstrap, records, work):
        self.bootstrap, self.records, self.work = bootstrap, records, work
        pairs = ", ".join(f'"{key}" = "{value}"' for key, value in CONFIG.items())
        self.file = f"{work}/tools.toml"
        with open(self.file, "w") as file:
            file.write(SCENARIO.format(records=records, bytes=BYTES, config=f"{{ {pairs} }}"))

    def java(self, main, *args):
        command = ["java", "-cp", f"{JARS}/*", main, *args]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{main}: {done.stdout}{done.stderr}")
        return done.stdout

    def create(self, topic):
        self.java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap,
                  "--create", "--topic", topic, "--partitions", "3", "--replication-factor", "1")

    def tools(self, number):
        """Kafka's own, a topic for each round. Its JVM warms up over a tenth of the records."""
        topic = f"perf-{number}"
        self.create(topic)
        props = [f"bootstrap.servers={self.bootstrap}"]
        props += [f"{key}={value}" for key, value in CONFIG.items()]
        said = self.java("org.apache.kafka.tools.ProducerPerformance", "--topic", topic,
                         "--num-records", str(self.records), "--record-size", str(BYTES),
                         "--throughput", "-1", "--warmup-records", str(self.records // 10),
                         "--producer-props", *props)
        sent = float(re.findall(r"([\d.,]+) records/sec", said)[-1].replace(",", ""))
        said = self.java("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server",
                         self.bootstrap, "--topic", topic, "--messages", str(self.records))
        head, line = [it for it in said.splitlines() if it.count(",") > 5][:2]
        cells = dict(zip((it.strip() for it in head.split(",")), line.split(",")))
        return {"tools sent": sent, "tools read": float(cells["fetch.nMsg.sec"])}

    def subject(self, number):
        """ackproof's producer and consumer, every record reported, recorded and checked."""
        out = f"{self.work}/run-{number}"
        run = [ACKPROOF, "run", self.file, "--bootstrap", self.bootstrap, "--out", out,
               "--seed", str(number + 1)]
        done = subprocess.run(run, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"ackproof: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        invoked, acknowledged, processed = times(f"{out}/tools/history.ackproof")
        shutil.rmtree(out)
        took_us = max(acknowledged) - min(invoked)
        return {"ledger sent": per_second(acknowledged), "ledger read": per_second(processed),
                "ledger sent, connecting included": len(acknowledged) * 1_000_000 / took_us}

    def silent(self, number):
        """The same producer without a report of its records."""
        topic = f"silent-{number}"
        self.create(topic)
        role = {
            "role": "producer", "clock": time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000,
            "bootstrap": self.bootstrap, "run": "000000000000feed", "producer": 0,
            "topics": [{"name": topic, "partitions": 3}], "partition_seed": number,
            "records": self.records, "pace": {"records_per_s": 4_000_000},
            "record_bytes": BYTES, "config": CONFIG, "is_silent": True,
        }
        driver = subprocess.Popen([ACKPROOF, "drive-client"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        driver.stdin.write(json.dumps(role) + "\n")
        driver.stdin.flush()
        lines = [json.loads(line) for line in driver.stdout]
        driver.stdin.close()
        if driver.wait() != 0:
            sys.exit(f"drive-client: {lines}")
        at = {line["event"]: line["at"] for line in lines}
        return {"silent sent": self.records * 1_000_000 / (at["ended"] - at["ready"])}


def times(history):
    """When records were sent, acknowledged and processed, in microseconds."""
    export = subprocess.Popen([ACKPROOF, "history", "export", history, "--format", "jsonl"],
                              stdout=subprocess.PIPE, text=True)
    invoked, acknowledged, processed = [], [], []
    for line in export.stdout:
        if '"event":"send-invoked"' in line:
            invoked.append(json.loads(line)["at_us"])
        elif '"event":"send-completed"' in line:
            acknowledged.append(json.loads(line)["at_us"])
        elif '"event":"processed"' in line:
            processed.append(json.loads(line)["at_us"])
    if export.wait() != 0:
        sys.exit(f"{history}: cannot be exported")
    return invoked, acknowledged, processed


def per_second(at_us):
    return len(at_us) * 1_000_000 / (max(at_us) - min(at_us))


def show(rounds):
    print("| | records/s: median (least to most) |\n| --- | --- |")
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        print(f"| {name} | {statistics.median(values):,.0f} "
              f"({min(values):,.0f} to {max(values):,.0f}) |")
    print("\n| ratio | geometric mean (least to most of the rounds) |\n| --- | --- |")
    for name, above, below in [
        ("produce: with the ledger / ProducerPerformance", "ledger sent", "tools sent"),
        ("consume: with the ledger / ConsumerPerformance", "ledger read", "tools read"),
        ("produce: ledger on / off", "ledger sent, connecting included", "silent sent"),
        ("produce: ledger off / ProducerPerformance", "silent sent", "tools sent"),
    ]:
        ratios = [figures[above] / figures[below] for figures in rounds]
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        print(f"| {name} | {mean:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")


main()
