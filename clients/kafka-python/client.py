"""kafka-python, the client written in Python, as a subject of ackproof."""

import sys

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition, errors
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.structs import OffsetAndMetadata
from subject import Refused, Subject, decode, encode, nearest, without_nones, without_secrets

ASSIGNORS = {
    "RangeAssignor": RangePartitionAssignor,
    "RoundRobinAssignor": RoundRobinPartitionAssignor,
    "StickyAssignor": StickyPartitionAssignor,
    "CooperativeStickyAssignor": CooperativeStickyAssignor,
}
NEAREST = {
    "buffer.memory": "none: its buffer has no limit",
    "max.poll.records": "the argument of poll()",
    "default.api.timeout.ms": "`request_timeout_ms`",
    "sasl.jaas.config": "`sasl_plain_username` and `sasl_plain_password`",
    "ssl.truststore.location": "`ssl_cafile`, in PEM",
    "ssl.endpoint.identification.algorithm": "`ssl_check_hostname`",
}
OBJECTS = {"key_serializer", "value_serializer", "key_deserializer", "value_deserializer",
           "ssl_context", "sasl_oauth_token_provider"}  # fmt: skip
CLASSES = {
    "fenced": (errors.ProducerFencedError, errors.InvalidProducerEpochError,
               errors.FencedInstanceIdError),
    "abortable": (errors.TransactionAbortableError, errors.TransactionAbortedError),
    "stale": (errors.CommitFailedError, errors.UnknownMemberIdError,
              errors.IllegalGenerationError),
    "refused": (errors.RebalanceInProgressError, errors.GroupAuthorizationFailedError),
    "retriable": (errors.RetriableError,),
}  # fmt: skip


def translate(config, defaults):
    """kafka-python's names are Java's with `_`, and its values have types."""
    native = {}
    for key, value in config.items():
        name = key.replace(".", "_")
        if key in NEAREST:
            raise Refused(key, f"kafka-python has no `{key}`; the nearest is {NEAREST[key]}")
        if name not in defaults:
            raise Refused(key, f"kafka-python has no `{name}`{nearest(name, defaults)}")
        try:
            native[name] = convert(name, value, defaults[name])
        except (KeyError, ValueError) as error:
            raise Refused(key, f"`{value}` cannot be a value of `{name}`") from error
    return native


def convert(name, value, default):
    if name == "partition_assignment_strategy":
        return [ASSIGNORS[it.rsplit(".", 1)[-1]] for it in value.split(",")]
    if name == "acks":
        return "all" if value == "all" else int(value)
    if name == "compression_type":
        return None if value == "none" else value
    if isinstance(default, bool):
        return {"true": True, "false": False}[value]
    if isinstance(default, (int, float)) or name.endswith("_bytes"):
        return int(value)
    if name in OBJECTS or default is not None and not isinstance(default, str):
        raise ValueError("it takes an object")
    return value


def in_force(client):
    """What the client tells of itself, as far as it is text and numbers."""
    config = {key: it for key, it in client.config.items() if isinstance(it, (str, int, float))}
    if "partition_assignment_strategy" in client.config:
        assignors = client.config["partition_assignment_strategy"]
        config["partition_assignment_strategy"] = ",".join(it.name for it in assignors)
    return {key: text.lower() if text in ("True", "False") else text
            for key, text in without_secrets(config).items()}  # fmt: skip


class KafkaPython(Subject):
    producer = consumer = None

    def start(self, request):
        ready = {"client": "kafka-python", "version": kafka.__version__, "config": {}, "set": []}
        ready["cannot"] = {"header-without-value": "kafka-python has no header without a value"}
        consumer, producer = request.get("consumer"), request.get("producer")
        for kind, wanted in (("consumer", consumer), ("producer", producer)):
            if not wanted:
                continue
            make = KafkaConsumer if kind == "consumer" else KafkaProducer
            config = translate(wanted["config"], make.DEFAULT_CONFIG)
            # It waits for a broker, to ask for its version, unless it is told one.
            own = {"api_version": (4, 0)} if request.get("check") else {}
            if kind == "consumer":
                own["default_offset_commit_callback"] = self.on_auto_commit
            try:
                client = make(**config, **own)
            except (errors.KafkaConfigurationError, ValueError, AssertionError) as error:
                raise Refused(None, str(error)) from error
            setattr(self, kind, client)
            prefix = "producer." if kind == "producer" and consumer else ""
            config_in_force = in_force(client)
            ready["config"] |= {prefix + key: it for key, it in config_in_force.items()}
            ready["set"] += [prefix + key for key in config if key in config_in_force]
        if consumer and not request.get("check"):
            self.consumer.subscribe(consumer["topics"], listener=Listener(self))
        return ready

    def error(self, exception):
        kinds = (kind for kind, types in CLASSES.items() if isinstance(exception, types))
        kind = next(kinds, "other")
        if isinstance(exception, errors.AuthorizationError):
            return super().error(exception) | {"class": kind, "cause": "not-allowed"}
        if isinstance(exception, errors.UnsupportedCodecError):
            return super().error(exception) | {"class": kind, "cause": "unable"}
        return super().error(exception) | {"class": kind}

    # Producing

    def send(self, request):
        def on_success(metadata):
            # With acks=0 it has one that no broker gave.
            offset = metadata.offset if self.producer.config["acks"] != 0 else None
            self.tell("acknowledged", id=request["id"], partition=metadata.partition, offset=offset)

        def on_error(error):
            # The client does not say whether an earlier attempt may have been written.
            self.tell("unknown", id=request["id"], error=self.error(error))

        # What this call itself throws was not queued: `failed`.
        future = self.producer.send(
            request["topic"],
            value=decode(request.get("value")),
            key=decode(request.get("key")),
            partition=request.get("partition"),
            headers=[(it["key"], decode(it.get("value"))) for it in request.get("headers", [])],
        )
        future.add_callback(on_success)
        future.add_errback(on_error)

    def flush(self, _):
        while True:
            try:
                return self.producer.flush()
            except errors.UnknownError as error:
                # 3.0.12, where it made two batches of one that a broker found too large.
                print(f"flush: {error}", file=sys.stderr)

    # Consuming

    def poll(self, request):
        # 3.0.12 may wait for its partitions for ever where a poll ends while it is joining the
        # group: until it has some, a poll takes as long as in most applications.
        wait_ms = request["wait_ms"] if self.consumer.assignment() else 1000
        found = self.consumer.poll(timeout_ms=wait_ms, max_records=request["max"])
        return [record(it) for records in found.values() for it in records]

    def on_auto_commit(self, offsets, response):
        offsets = [{"topic": it.topic, "partition": it.partition, "offset": at.offset}
                   for it, at in offsets.items()]  # fmt: skip
        error = self.error(response) if isinstance(response, Exception) else None
        self.tell("committed", offsets=offsets, error=error)

    def commit(self, request):
        self.consumer.commit(positions(request))

    def seek(self, request):
        partition = TopicPartition(request["topic"], request["partition"])
        self.consumer.seek(partition, request["offset"])

    # Transactions

    def init_transactions(self, _):
        self.producer.init_transactions()

    def begin_transaction(self, _):
        self.producer.begin_transaction()

    def send_offsets(self, request):
        group = self.consumer.group_metadata()
        self.producer.send_offsets_to_transaction(positions(request), group)

    def commit_transaction(self, _):
        self.producer.commit_transaction()

    def abort_transaction(self, _):
        self.producer.abort_transaction()

    def close(self, _):
        if self.producer:
            self.producer.close()
        if self.consumer:
            self.consumer.close(autocommit=True)


class Listener(AsyncConsumerRebalanceListener):
    """The callbacks run on the client's own event loop, in a thread of its own, while
    the main thread waits in poll(): a commit there must be awaited, not waited for."""

    def __init__(self, subject):
        self.subject = subject

    async def on_partitions_revoked(self, revoked):
        if not revoked:
            return
        subject = self.subject
        subject.tell("revoked", partitions=partitions(revoked))
        while (request := subject.next())["op"] != "continue":
            if request["op"] != "commit":
                subject.handle(request)
                continue
            error = None
            try:
                await subject.consumer.commit_async(positions(request))
            except Exception as exception:
                error = subject.error(exception)
            subject.tell("done", op="commit", error=error)

    async def on_partitions_assigned(self, assigned):
        if assigned:
            self.subject.tell("assigned", partitions=partitions(assigned))

    async def on_partitions_lost(self, lost):
        self.subject.tell("lost", partitions=partitions(lost))


def partitions(them):
    return [{"topic": it.topic, "partition": it.partition} for it in sorted(them)]


def positions(request):
    return {
        TopicPartition(it["topic"], it["partition"]): OffsetAndMetadata(it["offset"], "", -1)
        for it in request["offsets"]
    }


def record(it):
    headers = [without_nones({"key": key, "value": encode(value)}) for key, value in it.headers]
    return without_nones({
        "topic": it.topic, "partition": it.partition, "offset": it.offset,
        "key": encode(it.key), "value": encode(it.value), "headers": headers or None,
    })  # fmt: skip


KafkaPython().run()
