#!/usr/bin/env python3
"""The alert rules of `ackproof alerts init`, evaluated by Prometheus's own promtool.

    scripts/test-alerts.py

For each exporter and each situation, exactly the alerts that it names fire. promtool comes
through Go's module proxy, into the target folder; without Go the test is skipped, and that is
told. ACKPROOF names the binary (target/release/ackproof), PROMTOOL a promtool that is there.
"""
import os, shutil, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROMETHEUS = "v0.313.5"
# Samples come every 4 minutes: below the 5 after which Prometheus takes a series for gone.
INTERVAL_M = 4
DAY = 24 * 60 // INTERVAL_M

# The names of each exporter: lag by topic, lag by partition, position, start and end of the
# log, what tells of members (with a member, and without), and what tells that it works.
KMINION = {
    "topic_lag": 'kminion_kafka_consumer_group_topic_lag{group_id="g",topic_name="t"}',
    "lag": 'kminion_kafka_consumer_group_topic_partition_lag{group_id="g",topic_name="t",partition_id="0"}',
    "position": 'kminion_kafka_consumer_group_topic_offset_sum{group_id="g",topic_name="t"}',
    "start": 'kminion_kafka_topic_partition_low_water_mark{topic_name="t",partition_id="0"}',
    "end": 'kminion_kafka_topic_partition_high_water_mark{topic_name="t",partition_id="0"}',
    "members": 'kminion_kafka_consumer_group_members{group_id="g"}',
    "up": 'kminion_exporter_up{version="v2"}',
}
KAFKA_EXPORTER = {
    "lag": 'kafka_consumergroup_lag{consumergroup="g",topic="t",partition="0"}',
    "position": 'kafka_consumergroup_current_offset{consumergroup="g",topic="t",partition="0"}',
    "start": 'kafka_topic_partition_oldest_offset{topic="t",partition="0"}',
    "end": 'kafka_topic_partition_current_offset{topic="t",partition="0"}',
    "members": 'kafka_consumergroup_members{consumergroup="g"}',
    "up": "kafka_brokers",
}
KLAG = 'cluster_name="c",group="g",topic="t",partition="0",member_host="h",consumer_id="i",client_id="j"'
KLAG_EXPORTER = {
    "topic_lag": 'kafka_consumergroup_group_topic_sum_lag{cluster_name="c",group="g",topic="t"}',
    "lag": f"kafka_consumergroup_group_lag{{{KLAG}}}",
    "position": f"kafka_consumergroup_group_offset{{{KLAG}}}",
    "start": 'kafka_partition_earliest_offset{cluster_name="c",topic="t",partition="0"}',
    "end": 'kafka_partition_latest_offset{cluster_name="c",topic="t",partition="0"}',
    "members": 'kafka_consumergroup_group_state{cluster_name="c",group="g"}',
    "up": "kafka_lag_exporter_up",
    "age": 'kafka_consumergroup_group_max_lag_seconds{cluster_name="c",group="g"}',
    "lost": f"kafka_consumergroup_group_messages_lost{{{KLAG}}}",
}
# The value of "members" with one and without.
EXPORTERS = {
    "kminion": (KMINION, 1, 0),
    "kafka-exporter": (KAFKA_EXPORTER, 1, 0),
    "klag-exporter": (KLAG_EXPORTER, 3, 5),
}


def situations(present, gone):
    """What happens, the values of each series that differ from the healthy ones, when to
    look, and the alerts that fire then."""
    healthy = dict(
        topic_lag="5", lag="5", position="1000+10", start="0", end="1005+10",
        members=str(present), up="1", age="2", lost="0",
    )
    hours = lambda of: of * 60

    def but(**changed):
        return {**healthy, **changed}

    still = dict(position="1000", end="1005")
    yield "healthy", healthy, hours(2), []
    yield "a lag that moves", but(topic_lag="20000", lag="20000", end="21000+10"), hours(2), ["KafkaConsumerLag"]
    yield "an old record", but(age="400"), hours(2), ["KafkaConsumerLagAge"]
    yield "stalled", but(**still), hours(2), ["KafkaConsumerStalled"]
    yield "gone", but(members=str(gone), **still), hours(2), ["KafkaConsumerGone", "KafkaConsumerStalled"]
    idle = but(topic_lag="0", lag="0", position="1000", end="1000", members=str(gone))
    yield "gone, and nothing unread", idle, hours(2), []
    yield "gone for six days", idle, hours(6 * 24), ["KafkaConsumerOffsetsExpire"]
    ended = {name: (value, hours(2)) for name, value in healthy.items()}
    ended.update(up="1", start="0", end="1005")
    yield "vanished", ended, hours(2) + 40, ["KafkaConsumerGroupVanished"]
    full = but(topic_lag="90", lag="90", start="900+10", end="1000+10")
    yield "retention at its heels", full, hours(2), ["KafkaRetentionOvertakesConsumer"]
    full = but(topic_lag="90", lag="90", start="900", end="1000")
    yield "everything unread, and nothing deleted", full, hours(2), []
    lost = but(topic_lag="150", lag="150", start="900+10", end="1000+10", lost="50")
    yield "deleted unread", lost, hours(2), ["KafkaRecordsDeletedUnread", "KafkaRetentionOvertakesConsumer"]
    yield "no exporter", {}, hours(2), ["KafkaLagExporterDown"]


def values(of, until_m):
    """In promtool's notation: `a+bxn`."""
    if isinstance(of, tuple):
        of, until_m = of
    start, _, step = of.partition("+")
    return f"{start}+{step or 0}x{until_m // INTERVAL_M}"


def test_file(exporter, rules):
    names, present, gone = EXPORTERS[exporter]
    lines = [f"rule_files: [{rules}]", "evaluation_interval: 1m", "tests:"]
    tested = set()
    for name, series, at_m, alerts in situations(present, gone):
        if "KafkaConsumerLagAge" in alerts and "age" not in names:
            continue
        tested.update(alerts)
        lines += [f"  - name: {name}", f"    interval: {INTERVAL_M}m", "    input_series:"]
        series = {names[it]: of for it, of in series.items() if it in names}
        # promtool takes no test without a series.
        for metric, of in (series or {"other": "1"}).items():
            lines += [f"      - series: '{metric}'", f"        values: '{values(of, at_m)}'"]
        lines += [
            "    promql_expr_test:",
            "      - expr: count by (alertname) (ALERTS{alertstate=\"firing\"})",
            f"        eval_time: {at_m}m",
            "        exp_samples:" + ("" if alerts else " []"),
        ]
        for alert in alerts:
            lines += [f"          - labels: '{{alertname=\"{alert}\"}}'", "            value: 1"]
    return "\n".join(lines) + "\n", tested


def promtool(target):
    """promtool, or why there is none."""
    there = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if there:
        return there, None
    go = shutil.which("go")
    if not go:
        return None, "Go is not installed"
    tool = f"{target}/tools/bin/promtool-{PROMETHEUS}"
    if not os.path.exists(tool):
        print(f"building promtool {PROMETHEUS}, once", flush=True)
        # Its own module has a replacement, with which `go install` takes no module.
        with tempfile.TemporaryDirectory() as module:
            package = "github.com/prometheus/prometheus/cmd/promtool"
            for command in (
                ["mod", "init", "promtool"],
                ["get", f"github.com/prometheus/prometheus/cmd/promtool@{PROMETHEUS}"],
                ["build", "-o", tool, package],
            ):
                done = subprocess.run([go, *command], cwd=module, capture_output=True, text=True)
                if done.returncode != 0:
                    return None, f"go {command[0]}: {done.stderr.strip()[-300:]}"
    return tool, None


def main():
    target = os.environ.get("CARGO_TARGET_DIR", f"{ROOT}/target")
    ackproof = os.path.abspath(os.environ.get("ACKPROOF", f"{target}/release/ackproof"))
    tool, reason = promtool(os.path.abspath(target))
    if tool is None:
        print(f"SKIPPED: {reason}")
        return 0
    failed = 0
    for exporter in EXPORTERS:
        with tempfile.TemporaryDirectory() as folder:
            rules = f"{folder}/rules.yml"
            init = [ackproof, "alerts", "init", "--exporter", exporter, rules]
            subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
            text, tested = test_file(exporter, rules)
            with open(f"{folder}/test.yml", "w") as file:
                file.write(text)
            with open(rules) as file:
                alerts = {it.split(": ")[1].strip() for it in file if "- alert: " in it}
            assert alerts == tested, f"not tested: {alerts ^ tested}"
            for command in (["check", "rules", rules], ["test", "rules", f"{folder}/test.yml"]):
                done = subprocess.run([tool, *command], capture_output=True, text=True)
                if done.returncode != 0:
                    failed += 1
                    print(f"{exporter}: promtool {command[0]} rules\n{done.stdout}{done.stderr}")
            print(f"{exporter}: {len(alerts)} rules")
    return 1 if failed else 0


sys.exit(main())
