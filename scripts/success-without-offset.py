#!/usr/bin/env python3
"""Which versions of librdkafka report success of a record that is stored nowhere.

    scripts/success-without-offset.py [--runs N] [VERSION ...]

A VERSION is one of confluent-kafka, whose wheels carry the librdkafka of the same
number; without any, those of docs/findings/success-without-offset.md. Wheels are
fetched with pip, and librdkafka is loaded from them as it is, so that wheels for
other versions of Python do as well (Linux, x86-64).

It starts a Kafka and a fault proxy (ackproof stack up, ackproof proxy). In each run
an idempotent producer sends 120 records to a new topic through the proxy, which
answers the first Produce with NOT_LEADER_OR_FOLLOWER and delays everything by 200 ms.
When the faults are healed a reader, of one version for all, reads the topic to its end.
Both write what they
saw as Kafka's verifiable clients do, and `ackproof check --from kafkatest` judges it.

ACKPROOF names the binary (target/release/ackproof). Recordings stay in --keep DIR.
"""
import argparse, ctypes as c, glob, json, os, re, signal, socket, struct, subprocess, sys
import tempfile, time, urllib.request, zipfile

VERSIONS = ["1.5.0", "1.9.2", "2.0.2", "2.12.1", "2.16.0"]
READER = "2.16.0"
RECORDS, PER_S = 120, 100
# Much longer than an idle machine takes.
OUTCOMES_MS, READ_MS = 120_000, 60_000


class Message(c.Structure):
    """rd_kafka_message_t"""
    _fields_ = [("err", c.c_int), ("topic", c.c_void_p), ("partition", c.c_int32),
                ("payload", c.c_void_p), ("len", c.c_size_t), ("key", c.c_void_p),
                ("key_len", c.c_size_t), ("offset", c.c_int64), ("private", c.c_void_p)]

    def value(self):
        return c.string_at(self.payload, self.len).decode()


DELIVERED = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(Message), c.c_void_p)


class Library:
    """A librdkafka, by its C interface."""

    def __init__(self, path):
        # Those that it needs lie beside it.
        needed = [it for it in glob.glob(os.path.join(os.path.dirname(path), "*.so*")) if it != path]
        for _ in needed:
            for beside in needed:
                try:
                    c.CDLL(beside, c.RTLD_GLOBAL)
                except OSError:
                    pass  # it needs one that comes later
        self.lib = c.CDLL(path)
        for name, result, *arguments in [
            ("rd_kafka_version_str", c.c_char_p),
            ("rd_kafka_err2name", c.c_char_p, c.c_int),
            ("rd_kafka_conf_new", c.c_void_p),
            ("rd_kafka_conf_set", c.c_int, c.c_void_p, c.c_char_p, c.c_char_p, c.c_char_p, c.c_size_t),
            ("rd_kafka_conf_set_dr_msg_cb", None, c.c_void_p, DELIVERED),
            ("rd_kafka_new", c.c_void_p, c.c_int, c.c_void_p, c.c_char_p, c.c_size_t),
            ("rd_kafka_topic_new", c.c_void_p, c.c_void_p, c.c_char_p, c.c_void_p),
            ("rd_kafka_produce", c.c_int, c.c_void_p, c.c_int32, c.c_int, c.c_char_p, c.c_size_t,
             c.c_char_p, c.c_size_t, c.c_void_p),
            ("rd_kafka_poll", c.c_int, c.c_void_p, c.c_int),
            ("rd_kafka_flush", c.c_int, c.c_void_p, c.c_int),
            ("rd_kafka_message_status", c.c_int, c.POINTER(Message)),
            ("rd_kafka_consume_start", c.c_int, c.c_void_p, c.c_int32, c.c_int64),
            ("rd_kafka_consume", c.POINTER(Message), c.c_void_p, c.c_int32, c.c_int),
            ("rd_kafka_message_destroy", None, c.POINTER(Message)),
        ]:
            function = getattr(self.lib, name)
            function.restype, function.argtypes = result, arguments

    def version(self):
        return self.lib.rd_kafka_version_str().decode()

    def client(self, kind, config, delivered=None):
        error = c.create_string_buffer(512)
        conf = self.lib.rd_kafka_conf_new()
        for key, value in config.items():
            if self.lib.rd_kafka_conf_set(conf, key.encode(), value.encode(), error, 512):
                raise SystemExit(error.value.decode())
        if delivered:
            self.lib.rd_kafka_conf_set_dr_msg_cb(conf, delivered)
        client = self.lib.rd_kafka_new(kind, conf, error, 512)
        if not client:
            raise SystemExit(error.value.decode())
        return client


class Recording:
    """Lines as kafkatest's clients print them."""

    def __init__(self, path):
        self.file = open(path, "w")

    def say(self, name, **what):
        now = int(time.time() * 1000)
        print(json.dumps({"timestamp": now, "name": name, **what}), file=self.file, flush=True)


def produce(lib, bootstrap, topic, path):
    """Sends the records. Ends when each is reported; tells how many had no offset."""
    out, told = Recording(path), {"acked": 0, "without_offset": 0, "status": set()}

    def delivered(_client, message, _opaque):
        m = message.contents
        if m.err:
            error = lib.lib.rd_kafka_err2name(m.err).decode()
            out.say("producer_send_error", topic=topic, key=None, value=m.value(), exception=error)
            return
        told["acked"] += 1
        if m.offset < 0:
            told["without_offset"] += 1
            told["status"].add(lib.lib.rd_kafka_message_status(message))
        out.say("producer_send_success", topic=topic, key=None, value=m.value(),
                partition=m.partition, offset=m.offset if m.offset >= 0 else None)

    callback = DELIVERED(delivered)
    client = lib.client(0, {
        "bootstrap.servers": bootstrap, "enable.idempotence": "true",
        "queue.buffering.max.ms": "0", "batch.num.messages": "1",
        # Old versions may never send a record again: it fails then.
        "message.timeout.ms": str(OUTCOMES_MS // 2)}, callback)
    handle = lib.lib.rd_kafka_topic_new(client, topic.encode(), None)
    out.say("startup_complete")
    for number in range(RECORDS):
        value = b"0.%d" % number
        if lib.lib.rd_kafka_produce(handle, 0, 2, value, len(value), None, 0, None):
            raise SystemExit("librdkafka did not take a record")
        lib.lib.rd_kafka_poll(client, 0)
        time.sleep(1 / PER_S)
    if lib.lib.rd_kafka_flush(client, OUTCOMES_MS):
        raise SystemExit(f"records have no outcome after {OUTCOMES_MS} ms")
    out.say("shutdown_complete")
    out.say("tool_data", sent=RECORDS, acked=told["acked"], target_throughput=PER_S,
            avg_throughput=PER_S)
    return told


def consume(lib, bootstrap, topic, path):
    """Reads the topic to its end."""
    out, count = Recording(path), 0
    client = lib.client(1, {"bootstrap.servers": bootstrap, "enable.partition.eof": "true",
                            "group.id": "reader"})
    handle = lib.lib.rd_kafka_topic_new(client, topic.encode(), None)
    lib.lib.rd_kafka_consume_start(handle, 0, -2)
    out.say("startup_complete")
    out.say("partitions_assigned", partitions=[{"topic": topic, "partition": 0}])
    while True:
        message = lib.lib.rd_kafka_consume(handle, 0, READ_MS)
        if not message:
            raise SystemExit(f"the topic could not be read to its end: nothing came for {READ_MS} ms")
        m, error = message.contents, message.contents.err
        if not error:
            count += 1
            out.say("record_data", topic=topic, key=None, value=m.value(),
                    partition=m.partition, offset=m.offset)
        lib.lib.rd_kafka_message_destroy(message)
        if error == -191:  # RD_KAFKA_RESP_ERR__PARTITION_EOF
            break
    out.say("shutdown_complete")
    return count


def create_topic(bootstrap, topic):
    """CreateTopics, version 2, of the Kafka protocol."""
    text = lambda s: struct.pack(">h", len(s)) + s.encode()
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">ihii", 1, 1, 0, 0)
    body += struct.pack(">i?", 10_000, False)
    request = struct.pack(">hhi", 19, 2, 1) + text("create") + body
    host, port = bootstrap.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        answer = answer.read(struct.unpack(">i", answer.read(4))[0])
    error, = struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(topic))
    if error:
        raise SystemExit(f"the topic {topic} was not created: error {error}")


def call(api, method, path, body=None):
    data = json.dumps(body).encode() if body else None
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{api}{path}", data, head, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def library(version, folder):
    """The librdkafka in a wheel of that version."""
    into = os.path.join(folder, version)
    for python in ["", "3.8", "3.7"]:
        other = ["--python-version", python] if python else []
        fetched = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", into,
             "--only-binary=:all:", *other, f"confluent-kafka=={version}"], capture_output=True)
        if fetched.returncode == 0:
            break
    wheels = glob.glob(f"{into}/*.whl")
    if not wheels:
        return None
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(into)
    for where, _, files in os.walk(into):
        for name in files:
            if name.startswith("librdkafka") and ".so" in name:
                return os.path.join(where, name)
    return None


def started(command, wanted, log):
    """A process, once it has printed the lines that are wanted, and what they say."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open(log, "w"), text=True)
    said = {}
    for line in process.stdout:
        for name, pattern in wanted.items():
            if match := re.search(pattern, line):
                said[name] = match[1]
        if len(said) == len(wanted):
            return process, said
    raise SystemExit(f"{' '.join(command)} ended too soon")


def one_version(path, reader_path, runs, ackproof, folder, cluster, proxy):
    """One line of the table. In a process of its own: one librdkafka each."""
    lib = Library(path)
    shown = violated = records = 0
    status = set()
    for run in range(runs):
        topic = f"fresh-{lib.version()}-{run}-{os.getpid()}"
        into = os.path.join(folder, topic)
        os.makedirs(into)
        create_topic(cluster, topic)
        for effect in [{"kind": "latency", "latency_ms": 200},
                       {"kind": "error", "code": "NOT_LEADER_OR_FOLLOWER", "when": "before",
                        "on": {"api": "Produce", "pick": {"first": 1}}}]:
            call(proxy["faults"], "POST", "/faults", {"effect": effect})
        producer = os.path.join(into, "producer-1.jsonl")
        reader = os.path.join(into, "consumer-reader-1.jsonl")
        told = produce(lib, proxy["bootstrap"], topic, producer)
        call(proxy["faults"], "DELETE", "/faults")
        read = subprocess.run([sys.executable, __file__, "--read", reader_path, cluster, topic, reader],
                              capture_output=True, text=True, timeout=60)
        if read.returncode:
            raise SystemExit(read.stderr.strip())
        stored = int(read.stdout)
        judged = subprocess.run([ackproof, "check", "--from", "kafkatest", producer, reader],
                                capture_output=True, text=True)
        with open(os.path.join(into, "verdict.txt"), "w") as out:
            out.write(judged.stdout + judged.stderr)
        lost = told["acked"] - stored
        shown += told["without_offset"] > 0 and lost > 0
        violated += judged.returncode == 1 and "lost-write" in judged.stdout
        records += lost
        status |= told["status"]
    names = {0: "not persisted", 1: "possibly persisted", 2: "persisted"}
    says = ", ".join(names[it] for it in sorted(status)) or "-"
    print(f"| {lib.version()} | {shown} of {runs} | {violated} of {runs} | {records} | {says} |",
          flush=True)
    os._exit(0)  # without taking the clients down


def main():
    if sys.argv[1:2] == ["--read"]:
        path, cluster, topic, recording = sys.argv[2:]
        print(consume(Library(path), cluster, topic, recording), flush=True)
        os._exit(0)
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION")
    asked.add_argument("--runs", type=int, default=5)
    asked.add_argument("--keep", metavar="DIR")
    asked = asked.parse_args()
    ackproof = os.environ.get("ACKPROOF", "target/release/ackproof")
    folder = asked.keep or tempfile.mkdtemp(prefix="success-without-offset-")
    os.makedirs(folder, exist_ok=True)
    running = []
    try:
        stack, kafka = started([ackproof, "stack", "up"], {"at": r"(127\.0\.0\.1:\d+)"},
                               os.path.join(folder, "stack.log"))
        running.append(stack)
        process, proxy = started(
            [ackproof, "proxy", "--bootstrap", kafka["at"]],
            {"bootstrap": r"bootstrap\.servers\s+(\S+)", "faults": r"faults\s+(http\S+)"},
            os.path.join(folder, "proxy.log"))
        running.append(process)
        print("| librdkafka | shown | VIOLATED | records told success and stored nowhere "
              "| of those the client says |\n| --- | --- | --- | --- | --- |", flush=True)
        reader_path = library(READER, folder)
        if reader_path is None:
            raise SystemExit(f"confluent-kafka {READER}, which reads, cannot be had")
        for version in asked.versions:
            path = library(version, folder)
            if path is None:
                print(f"| {version} | cannot be had | | | |", flush=True)
                continue
            child = os.fork()
            if child == 0:
                try:
                    one_version(path, reader_path, asked.runs, ackproof, folder, kafka["at"], proxy)
                except BaseException as error:
                    print(f"{version}: {error}", file=sys.stderr, flush=True)
                    os._exit(1)  # the stack is its parent's
            if os.waitpid(child, 0)[1]:
                print(f"| {version} | did not run | | | |", flush=True)
                call(proxy["faults"], "DELETE", "/faults")
        print(f"recordings and verdicts: {folder}", file=sys.stderr)
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGINT)
            process.wait(60)


if __name__ == "__main__":
    main()
