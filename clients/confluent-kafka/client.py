"""confluent-kafka, librdkafka's client for Python, as a subject of ackproof."""

import threading
import time

import confluent_kafka
import librdkafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from subject import Refused, Subject, decode, encode, nearest, without_nones, without_secrets

# Java's names of what librdkafka calls otherwise. Its own names are passed on as they
# are: most of Java's are among them.
JAVA = {
    "buffer.memory": "queue.buffering.max.kbytes",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "max.request.size": "message.max.bytes",
    # librdkafka's own of this name is how long its cache is good.
    "metadata.max.age.ms": "topic.metadata.refresh.interval.ms",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
}
ASSIGNORS = {
    "org.apache.kafka.clients.consumer.RangeAssignor": "range",
    "org.apache.kafka.clients.consumer.RoundRobinAssignor": "roundrobin",
    "org.apache.kafka.clients.consumer.CooperativeStickyAssignor": "cooperative-sticky",
}
NEAREST = {
    "max.block.ms": "`queue.buffering.max.messages`: produce() raises BufferError at once",
    # Its own of this name is for share consumers.
    "max.poll.records": "the argument of consume()",
    "default.api.timeout.ms": "`socket.timeout.ms`",
}
# Told besides what was set, because they decide about delivery.
OF_INTEREST = {
    "producer": """acks retries retry.backoff.ms retry.backoff.max.ms enable.idempotence linger.ms
        max.in.flight.requests.per.connection delivery.timeout.ms request.timeout.ms batch.size
        socket.timeout.ms compression.type queue.buffering.max.kbytes queue.buffering.max.messages
        reconnect.backoff.max.ms partitioner message.max.bytes""".split(),
    "consumer": """group.protocol session.timeout.ms heartbeat.interval.ms max.poll.interval.ms
        enable.auto.commit enable.auto.offset.store auto.offset.reset isolation.level check.crcs
        partition.assignment.strategy socket.timeout.ms reconnect.backoff.max.ms""".split(),
}
KNOWN = {*JAVA, *OF_INTEREST["producer"], *OF_INTEREST["consumer"]}

STALE = {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.STALE_MEMBER_EPOCH,
         KafkaError._ASSIGNMENT_LOST}  # fmt: skip
REFUSED = {KafkaError.REBALANCE_IN_PROGRESS, KafkaError.GROUP_AUTHORIZATION_FAILED}
FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH,
          KafkaError.FENCED_INSTANCE_ID}  # fmt: skip
NOT_ALLOWED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
               KafkaError.CLUSTER_AUTHORIZATION_FAILED}  # fmt: skip
UNABLE = {KafkaError._NOT_IMPLEMENTED, KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG}


def translate(config):
    native = {}
    for key, value in config.items():
        if key in NEAREST:
            raise Refused(key, f"librdkafka has no `{key}`; the nearest is {NEAREST[key]}")
        if key == "buffer.memory":
            value = str(int(value) // 1024)
        elif key == "partition.assignment.strategy":
            value = ",".join(ASSIGNORS.get(it, it) for it in value.split(","))
        elif key == "auto.offset.reset" and value == "none":
            value = "error"
        elif key == "request.timeout.ms":
            # In Java both how long the client waits for an answer and how long the broker
            # waits for its replicas; librdkafka has a setting for each.
            native["socket.timeout.ms"] = value
        native[JAVA.get(key, key)] = value
    return native


def check(kind, config):
    """The configuration in force, or `Refused` with librdkafka's words."""
    configuration = librdkafka.Configuration()
    for key, value in config.items():
        # Where it is not connected to anything it needs no address.
        if key != "bootstrap.servers" and (problem := configuration.set(key, value)):
            reason, unknown = problem
            raise Refused(key, reason + (nearest(key, KNOWN) if unknown else ""))
    kinds = {"producer": librdkafka.PRODUCER, "consumer": librdkafka.CONSUMER}
    try:
        return without_secrets(configuration.in_force(kinds[kind], [*OF_INTEREST[kind], *config]))
    except ValueError as error:
        raise Refused(None, str(error)) from error


class ConfluentKafka(Subject):
    producer = consumer = None

    def start(self, request):
        ready = {"client": "confluent-kafka", "config": {}, "set": []}
        ready["version"] = f"{confluent_kafka.version()} (librdkafka {confluent_kafka.libversion()[0]})"
        consumer, producer = request.get("consumer"), request.get("producer")
        for kind, wanted in (("consumer", consumer), ("producer", producer)):
            if not wanted:
                continue
            config = translate(wanted["config"])
            in_force = check(kind, config)
            make = confluent_kafka.Consumer if kind == "consumer" else confluent_kafka.Producer
            callbacks = {"error_cb": self.on_error}
            if in_force.get("enable.auto.commit") == "true":
                callbacks["on_commit"] = self.on_commit
            setattr(self, kind, make({**config, **callbacks}))
            prefix = "producer." if kind == "producer" and consumer else ""
            ready["config"] |= {prefix + key: it for key, it in in_force.items()}
            ready["set"] += [prefix + key for key in config if key in in_force]
        if consumer and not request.get("check"):
            self.consumer.subscribe(
                consumer["topics"],
                on_assign=self.on_assign,
                on_revoke=self.on_revoke,
                on_lost=lambda _, them: self.tell("lost", partitions=partitions(them)),
            )
        if producer:
            # The outcomes of records come in poll(), which the application has to call.
            threading.Thread(target=self.poll_producer, daemon=True).start()
        return ready

    def error(self, exception):
        error = exception.args[0] if isinstance(exception, KafkaException) else exception
        if not isinstance(error, KafkaError):  # BufferError: the queue is full, for now
            kind = "retriable" if isinstance(exception, BufferError) else "other"
            return super().error(exception) | {"class": kind}
        code, kind = error.code(), "other"
        if code in FENCED:
            kind = "fenced"
        elif error.fatal():
            kind = "fatal"
        elif error.txn_requires_abort():
            kind = "abortable"
        elif error.retriable():
            kind = "retriable"
        elif code in STALE:
            kind = "stale"
        elif code in REFUSED:
            kind = "refused"
        cause = "not-allowed" if code in NOT_ALLOWED else "unable" if code in UNABLE else None
        return without_nones(
            {"name": error.name(), "message": error.str(), "class": kind, "cause": cause}
        )

    def on_error(self, error):
        error = self.error(error)
        self.tell("error", cause=error.pop("cause", None), error=error)

    # Producing

    def poll_producer(self):
        while True:
            try:
                self.producer.poll(1)
            except KafkaException as error:  # a fatal one is raised here, once
                self.on_error(error)

    def send(self, request):
        def on_delivery(error, message):
            if error is None:
                offset = message.offset()
                self.tell("acknowledged", id=request["id"], partition=message.partition(),
                          offset=offset if offset is not None and offset >= 0 else None)  # fmt: skip
            else:
                # librdkafka gives up a record in its queue and one in a request alike, and
                # does not say here which it was: it may have been written.
                self.tell("unknown", id=request["id"], error=self.error(error))

        self.producer.produce(
            request["topic"],
            value=decode(request.get("value")),
            key=decode(request.get("key")),
            partition=request.get("partition", -1),
            headers=[(it["key"], decode(it.get("value"))) for it in request.get("headers", [])],
            on_delivery=on_delivery,
        )

    def flush(self, _):
        while self.producer.flush(1):
            pass

    # Consuming

    def poll(self, request):
        # consume() would wait for `max` records: the first is waited for, the rest are taken.
        records, until = [], time.monotonic() + request["wait_ms"] / 1000
        message = self.consumer.poll(max(0, until - time.monotonic()))
        messages = [message] if message is not None else []
        if messages and request["max"] > 1:
            messages += self.consumer.consume(request["max"] - 1, 0)
        for message in messages:
            if message.error():
                if message.error().fatal() and not records:
                    raise KafkaException(message.error())
                self.on_error(message.error())
                continue
            records.append(record(message))
        return records

    def on_commit(self, error, them):
        offsets = [{**it, "offset": at.offset} for it, at in zip(partitions(them), them)]
        self.tell("committed", offsets=offsets, error=self.error(error) if error else None)

    def on_assign(self, _, them):
        if them:  # a cooperative rebalance may bring none
            self.tell("assigned", partitions=partitions(them))

    def on_revoke(self, _, them):
        self.tell("revoked", partitions=partitions(them))
        self.serve(until="continue")

    def commit(self, request):
        for position in self.consumer.commit(offsets=positions(request), asynchronous=False):
            if position.error:
                raise KafkaException(position.error)

    def seek(self, request):
        self.consumer.seek(
            TopicPartition(request["topic"], request["partition"], request["offset"])
        )

    # Transactions

    def init_transactions(self, _):
        self.producer.init_transactions()

    def begin_transaction(self, _):
        self.producer.begin_transaction()

    def send_offsets(self, request):
        group = self.consumer.consumer_group_metadata()
        self.producer.send_offsets_to_transaction(positions(request), group)

    def commit_transaction(self, _):
        self.producer.commit_transaction()

    def abort_transaction(self, _):
        self.producer.abort_transaction()

    def close(self, request):
        if self.producer:
            self.flush(request)
        if self.consumer:
            self.consumer.close()


def partitions(them):
    return [{"topic": it.topic, "partition": it.partition} for it in them]


def positions(request):
    return [TopicPartition(it["topic"], it["partition"], it["offset"]) for it in request["offsets"]]


def record(message):
    headers = message.headers() or []
    return without_nones({
        "topic": message.topic(), "partition": message.partition(), "offset": message.offset(),
        "key": encode(message.key()), "value": encode(message.value()),
        "headers": [without_nones({"key": key, "value": encode(it)}) for key, it in headers] or None,
    })  # fmt: skip


ConfluentKafka().run()
