#!/usr/bin/env python3
"""The subjects in clients/, each driven through the protocol against a real broker.

    scripts/test-clients.py [CLIENT ...]

A client whose toolchain or packages are not to be had is skipped, and the reason told.
ACKPROOF names the binary (target/release/ackproof).
"""
import base64, json, os, queue, socket, struct, subprocess, sys, threading, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLIENTS = ["confluent-kafka", "franz-go", "kafka-python", "kafkajs", "sarama"]
# Each answer of a subject comes within this, a rebalance included.
LIMIT_S = 60
PARTITIONS = 4
COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"

# What each client cannot do, by its own word.
NO_REVOKE = {"kafkajs"}  # it tells of a rebalance when it is on its way
NO_COOPERATIVE = {"kafkajs"}
NO_SEEK = {"sarama"}
COMMITS_ALL = {"franz-go"}  # a transaction takes all positions that were polled


class Subject:
    def __init__(self, client, **start):
        self.process = subprocess.Popen(
            [f"{ROOT}/clients/{client}/run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.ask("start", protocol=1, **start)
        self.started = self.event()

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def ask(self, op, **fields):
        self.process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")
        self.process.stdin.flush()

    def event(self):
        event = self.events.get(timeout=LIMIT_S)
        assert event is not None, "the subject ended"
        return event

    def until(self, name, on_revoked=lambda _: None):
        """The events up to the one of this name; lets go of what is revoked."""
        seen = []
        while not seen or seen[-1]["event"] != name:
            seen.append(self.event())
            if seen[-1]["event"] == "revoked":
                on_revoked(seen[-1]["partitions"])
                self.ask("continue")
        return seen

    def do(self, op, **fields):
        """The answer to a request, and the events before it."""
        self.ask(op, **fields)
        *before, done = self.until("done")
        assert done["op"] == op, done
        return done, before

    def well(self, op, **fields):
        """The events before a success: what may be made again as it is, is."""
        until = time.monotonic() + LIMIT_S
        done, before = self.do(op, **fields)
        while done.get("error", {}).get("class") == "retriable" and time.monotonic() < until:
            done, again = self.do(op, **fields)
            before += again
        assert "error" not in done, done
        return before

    def poll(self, wait_ms=100, most=100, **kinds):
        self.ask("poll", max=most, wait_ms=wait_ms)
        *before, polled = self.until("polled", **kinds)
        assert "error" not in polled and len(polled["records"]) <= most, polled
        return polled["records"], before

    def poll_for(self, count):
        records, until = [], time.monotonic() + LIMIT_S
        while len(records) < count:
            assert time.monotonic() < until, f"{len(records)} records of {count}"
            records += self.poll()[0]
        assert len(records) == count, f"{len(records)} records, {count} were there"
        return records

    def close(self):
        self.ask("close")
        seen = self.until("done")
        assert self.process.wait(LIMIT_S) == 0, "exit code"
        assert self.events.get(timeout=LIMIT_S) is None, "a line after the last"
        return seen


class Test:
    def __init__(self, client, address):
        self.client, self.address = client, address

    def name(self, of):
        return f"{of}-{self.client}-{time.time_ns()}"

    def start(self, producer=None, consumer=None, topics=None, check=False):
        start = {"check": check}
        servers = {"bootstrap.servers": self.address}
        if producer is not None:
            start["producer"] = {"config": {**servers, **producer}}
        if consumer is not None:
            own = {"auto.offset.reset": "earliest", "enable.auto.commit": "false"}
            start["consumer"] = {"config": {**servers, **own, **consumer}, "topics": topics or []}
        return Subject(self.client, **start)

    def filled(self, count, **config):
        """A topic with so many records, each acknowledged with its place."""
        topic = self.name("topic")
        create_topic(self.address, topic)
        subject = self.start(producer={"acks": "all", **config})
        send(subject, topic, range(count), "v")
        outcomes = {it["id"]: it for it in subject.well("flush")}
        assert len(outcomes) == count, f"{len(outcomes)} outcomes of {count} records"
        for id, outcome in outcomes.items():
            assert outcome["event"] == "acknowledged", outcome
            place = (id % PARTITIONS, id // PARTITIONS)
            assert (outcome["partition"], outcome["offset"]) == place, outcome
        subject.close()
        return topic

    # Each of the following is a test.

    def refuses_what_it_lacks(self):
        subject = self.start(producer={"acks": "all"}, check=True)
        assert subject.started["event"] == "ready", subject.started
        assert subject.started["set"] and subject.started["version"], subject.started
        subject.close()
        subject = self.start(producer={"key.serializer": "org.apache.kafka.None"}, check=True)
        assert subject.started["event"] == "refused", subject.started
        assert subject.started["key"] == "key.serializer", subject.started
        assert subject.process.wait(LIMIT_S) == 2, "exit code"

    def gives_what_it_was_given(self):
        topic = self.filled(400)
        subject = self.start(consumer={"group.id": topic}, topics=[topic])
        assert subject.started["event"] == "ready", subject.started
        for it in subject.poll_for(400):
            id = it["offset"] * PARTITIONS + it["partition"]
            assert base64.b64decode(it["value"]) == b"v%d" % id, it
            assert it["headers"] == [{"key": "h", "value": encode("x")}], it
        unknown, _ = subject.do("no-such-request")
        assert "error" in unknown, unknown
        subject.close()

    def continues_where_it_committed(self):
        topic = self.filled(40)
        subject = self.start(consumer={"group.id": topic}, topics=[topic])
        subject.poll_for(40)
        if self.client in NO_SEEK:
            assert "error" in subject.do("seek", topic=topic, partition=2, offset=7)[0]
        else:
            subject.well("seek", topic=topic, partition=2, offset=7)
            assert [it["offset"] for it in subject.poll_for(3)] == [7, 8, 9]
        subject.well("commit", offsets=positions(topic, range(PARTITIONS), 6))
        subject.close()
        subject = self.start(consumer={"group.id": topic}, topics=[topic])
        assert {it["offset"] for it in subject.poll_for(16)} == {6, 7, 8, 9}
        subject.close()

    def shares_by_eager_rebalances(self):
        self.shares({})

    def shares_by_cooperative_rebalances(self):
        if self.client not in NO_COOPERATIVE:
            self.shares({"partition.assignment.strategy": COOPERATIVE})

    def shares(self, config):
        topic = self.filled(40)
        config = {"group.id": topic, **config}
        first = self.start(consumer=config, topics=[topic])
        first.poll_for(40)
        second = self.start(consumer=config, topics=[topic])
        revoked, got = [], []

        def on_revoked(partitions):  # what is processed is committed while there is time
            revoked.extend(it["partition"] for it in partitions)
            first.well("commit", offsets=positions(topic, revoked[-len(partitions) :], 8))

        until = time.monotonic() + LIMIT_S
        assigned = []
        while len(assigned) < PARTITIONS / 2 or not got:
            assert time.monotonic() < until, f"the second member has {assigned}"
            first.poll(on_revoked=on_revoked)
            records, before = second.poll()
            got += records
            for it in before:
                assigned += [it["partition"] for it in it.get("partitions", [])]
        if self.client in NO_REVOKE:
            assert not revoked, revoked
        else:
            assert set(assigned) <= set(revoked), (assigned, revoked)
            assert min(it["offset"] for it in got) == 8, got
        second.close()
        first.close()

    def commits_and_aborts_transactions(self):
        source, sink = self.filled(40), self.name("sink")
        create_topic(self.address, sink)
        producer = {"transactional.id": sink, "acks": "all"}
        at = 10 if self.client in COMMITS_ALL else 5
        subject = self.start(producer, {"group.id": sink}, [source])
        subject.poll_for(40)
        subject.well("init-transactions")
        for end, text in (("commit-transaction", "c"), ("abort-transaction", "a")):
            subject.well("begin-transaction")
            send(subject, sink, range(8), text)
            seen = []
            if at <= 10:  # there are no more to be polled
                seen = subject.well("send-offsets", offsets=positions(source, range(PARTITIONS), at))
            outcomes = [it for it in seen + subject.well(end) if "id" in it]
            assert end == "abort-transaction" or len(outcomes) == 8, outcomes
            at += 1
        # The other one takes its place.
        subject.well("begin-transaction")
        other = self.start(producer)
        other.well("init-transactions")
        send(subject, sink, [8], "f")
        done, before = subject.do("commit-transaction")
        classes = [it["error"]["class"] for it in [*before, done] if "error" in it]
        assert "fenced" in classes, [*before, done]
        other.close()
        subject.close()
        reader = self.start(consumer={"group.id": self.name("r"), "isolation.level": "read_committed"}, topics=[sink])  # fmt: skip
        values = {base64.b64decode(it["value"]) for it in reader.poll_for(8)}
        assert values == {b"c%d" % id for id in range(8)}, values
        assert not [it for _ in range(5) for it in reader.poll()[0]], "more than was committed"
        reader.close()
        rest = self.start(consumer={"group.id": sink}, topics=[source])
        left = 0 if self.client in COMMITS_ALL else 20
        rest.poll_for(left)
        rest.close()

    def ends_with_its_input_alone(self):
        subject = self.start(producer={"acks": "all"})
        subject.process.terminate()
        subject.process.send_signal(2)
        subject.well("flush")
        subject.process.stdin.close()
        subject.process.wait(LIMIT_S)


def encode(text):
    return base64.b64encode(text.encode()).decode()


def send(subject, topic, ids, text):
    for id in ids:
        fields = {"id": id, "topic": topic, "partition": id % PARTITIONS}
        fields |= {"key": encode("k"), "value": encode(f"{text}{id}")}
        subject.ask("send", headers=[{"key": "h", "value": encode("x")}], **fields)


def positions(topic, partitions, offset):
    return [{"topic": topic, "partition": it, "offset": offset} for it in partitions]


def create_topic(address, name):
    """CreateTopics, version 2: no client has to be trusted with it."""

    def text(it):
        return struct.pack(">h", len(it)) + it.encode()

    body = struct.pack(">hhi", 19, 2, 0) + text("test") + struct.pack(">i", 1) + text(name)
    body += struct.pack(">ihiiib", PARTITIONS, 1, 0, 0, 30_000, 0)
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), LIMIT_S) as broker:
        broker.sendall(struct.pack(">i", len(body)) + body)
        answer = broker.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        answer = answer.read(size)
    # Correlation, throttling, one topic: its name, its error.
    error = struct.unpack_from(">h", answer, 14 + len(name))[0]
    assert error == 0, f"topic {name}: error {error}"


def missing(client):
    """Why a client cannot be set up here."""
    run = [f"{ROOT}/clients/{client}/run", "--setup"]
    setup = subprocess.run(run, capture_output=True, text=True)
    if setup.returncode:
        return (setup.stderr.strip() or "it says nothing").splitlines()[-1]


def main():
    clients = sys.argv[1:] or CLIENTS
    ackproof = os.environ.get("ACKPROOF", f"{ROOT}/target/release/ackproof")
    stack = subprocess.Popen([ackproof, "stack", "up"], stdout=subprocess.PIPE, text=True)
    passed = failed = skipped = 0
    try:
        address = next(
            (it.split()[1] for it in stack.stdout if it.startswith("bootstrap.servers")), None
        )
        assert address, "no broker"
        tests = [it for it, what in vars(Test).items() if callable(what) and it not in OWN]
        for client in clients:
            if reason := missing(client):
                print(f"{client}: skipped: {reason}", flush=True)
                skipped += len(tests)
                continue
            for test in tests:
                since = time.monotonic()
                try:
                    getattr(Test(client, address), test)()
                    passed += 1
                    verdict = f"ok, {time.monotonic() - since:.1f} s"
                except (AssertionError, queue.Empty, OSError) as error:
                    failed += 1
                    verdict = f"FAILED: {error or type(error).__name__}"
                print(f"{client}: {test.replace('_', ' ')}: {verdict}", flush=True)
    finally:
        stack.terminate()
        stack.wait()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)


OWN = {"__init__", "name", "start", "filled", "shares"}
main()
