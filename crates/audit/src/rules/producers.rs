//! What producers risk.

use super::Confidence::{Certain, Possible};
use super::Severity::{Error, Note, Warning};
use super::{Rule, duration_ms, signed};
use crate::component::Component;
use crate::contract::RETRIES_FEW;
use crate::landscape::{Effective, is_all, is_open};
use crate::product::Product;

const IN_FLIGHT: &str = "max.in.flight.requests.per.connection";

/// Whether requests of a producer may overtake each other.
fn overtakes(producer: &Component) -> bool {
    producer
        .value(IN_FLIGHT)
        .is_some_and(|it| it.number().is_some_and(|it| it > 1))
        && producer
            .value("retries")
            .is_some_and(|it| it.number() != Some(0))
}

fn is_off(producer: &Component) -> bool {
    producer.idempotence().is_some_and(|(on, _)| !on)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "acks-none",
        severity: Error,
        confidence: Certain,
        title: "sends are never acknowledged",
        consequence: "A record is sent once and counts as done: a broker that is down or refuses it \
                      loses it without an error.",
        fix: "`acks=all`",
        source: "Kafka documentation, producer configuration `acks`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers() {
                if let Some(acks) = it.value("acks").filter(|acks| acks.is("0")) {
                    hits.at(it, &acks);
                }
            }
        },
    },
    Rule {
        id: "acks-leader-only",
        severity: Error,
        confidence: Certain,
        title: "only the leader acknowledges",
        consequence: "A leader that dies after it acknowledged takes the records with it that no follower \
                      has read yet.",
        fix: "`acks=all`, and `min.insync.replicas=2` on the topic",
        source: "Kafka documentation, producer configuration `acks`; KIP-679",
        shown_by: &["acks-1-leader-kill", "acks-all-leader-kill"],
        check: |of, hits| {
            for it in of.producers() {
                if let Some(acks) = it.value("acks").filter(|acks| acks.is("1")) {
                    hits.at(it, &acks);
                }
            }
        },
    },
    Rule {
        id: "idempotence-off",
        severity: Warning,
        confidence: Certain,
        title: "a lost response writes the record twice",
        consequence: "A response that gets lost makes the producer send again what the broker has already \
                      written.",
        fix: "`enable.idempotence=true`",
        source: "KIP-98; Kafka documentation, producer configuration `enable.idempotence`",
        shown_by: &["answer-lost-no-idempotence", "answer-lost-idempotence"],
        check: |of, hits| {
            for it in of.producers() {
                let none = it.value("acks").is_some_and(|acks| acks.is("0"));
                let other = it.withdraws_idempotence().is_some() || it.lacks_default_idempotence();
                if let Some((false, value)) = it.idempotence()
                    && !none
                    && !other
                {
                    hits.at(it, &value);
                }
            }
        },
    },
    Rule {
        id: "retries-reorder",
        severity: Error,
        confidence: Certain,
        title: "a retried batch is overtaken",
        consequence: "With several requests in flight and no idempotence, a batch that is sent again lands \
                      behind later ones: the order of a key is lost.",
        fix: "`enable.idempotence=true`, which keeps the order of up to 5 requests in flight",
        source: "Kafka documentation, producer configuration `max.in.flight.requests.per.connection`",
        shown_by: &["in-flight-5-no-idempotence", "in-flight-5-idempotence"],
        check: |of, hits| {
            for it in of.producers() {
                if is_off(it)
                    && overtakes(it)
                    && it.withdraws_idempotence().is_none()
                    && let Some(in_flight) = it.value(IN_FLIGHT)
                    && let Some((_, idempotence)) = it.idempotence()
                {
                    hits.at(it, &in_flight).and(idempotence.words());
                }
            }
        },
    },
    Rule {
        id: "in-flight-1-is-not-order",
        severity: Warning,
        confidence: Certain,
        title: "one request in flight does not keep the order here",
        consequence: "A request that times out is sent again while its first copy is still on its way: \
                      librdkafka (seen with 2.12.1) and sarama before 1.60 reorder records even so.",
        fix: "`enable.idempotence=true`",
        source: "docs/findings/clients.md; IBM/sarama#2619, IBM/sarama#2860",
        shown_by: &["in-flight-1-no-idempotence"],
        check: |of, hits| {
            for it in of.producers() {
                let old =
                    it.is(Product::Sarama) && it.version().is_some_and(|it| !it.is_from("1.60.0"));
                if (it.is(Product::Librdkafka) || old)
                    && is_off(it)
                    && let Some(one) = it.value(IN_FLIGHT).filter(|it| it.number() == Some(1))
                {
                    hits.at(it, &one);
                }
            }
        },
    },
    Rule {
        id: "idempotence-withdrawn",
        severity: Error,
        confidence: Certain,
        title: "a setting silently takes the default idempotence away",
        consequence: "`enable.idempotence` is not set, and another setting conflicts with it: the client \
                      drops the default without an error, and duplicates and reordering are back.",
        fix: "set `enable.idempotence=true`: then the client refuses the conflict",
        source: "Kafka documentation, producer configuration `enable.idempotence`; KAFKA-13673",
        shown_by: &["answer-lost-no-idempotence", "answer-lost-idempotence"],
        check: |of, hits| {
            for it in of
                .producers()
                .filter(|it| it.set("transactional.id").is_none())
            {
                if let Some(conflict) = it.withdraws_idempotence() {
                    let hit = hits.at(it, &conflict);
                    hit.and("enable.idempotence is not set, and its default is withdrawn");
                    // Before 3.0 there is no default to withdraw.
                    hit.is_assumed = it.version().is_none();
                }
            }
        },
    },
    Rule {
        id: "version-lacks-its-default",
        severity: Error,
        confidence: Certain,
        title: "this version lacks the idempotence that it documents",
        consequence: "kafka-clients 3.0.0 and 3.1.0 document `enable.idempotence=true` as their default and \
                      do not enable it: a lost response writes the record twice.",
        fix: "3.0.1, 3.1.1, 3.2.0 or later, or `enable.idempotence=true`",
        source: "KAFKA-13598; Kafka documentation, notable changes in 3.0.1, 3.1.1 and 3.2.0",
        shown_by: &["kafka-13598", "kafka-13598-fixed"],
        check: |of, hits| {
            for it in of.producers().filter(|it| it.lacks_default_idempotence()) {
                let is_told =
                    it.set("enable.idempotence").is_some() || it.set("transactional.id").is_some();
                if !is_told
                    && it.withdraws_idempotence().is_none()
                    && let Some(value) = it.value("enable.idempotence")
                {
                    hits.at(it, &value).and("and it is not in force");
                }
            }
        },
    },
    Rule {
        id: "idempotence-refused",
        severity: Error,
        confidence: Certain,
        title: "the producer refuses to start",
        consequence: "`enable.idempotence=true` needs `acks=all`, retries, and at most 5 requests in flight.",
        fix: "remove the conflicting setting",
        source: "Kafka documentation, producer configuration `enable.idempotence`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers() {
                let on = it
                    .set("enable.idempotence")
                    .is_some_and(|it| it.value.trim() == "true");
                if !on {
                    continue;
                }
                let acks = it
                    .value("acks")
                    .filter(|it| it.is_set() && !is_all(&it.value));
                let retries = it
                    .value("retries")
                    .filter(|it| it.is_set() && it.number() == Some(0));
                let many = it.value(IN_FLIGHT);
                let many = many.filter(|it| it.is_set() && it.number().is_some_and(|it| it > 5));
                if let Some(conflict) = acks.or(retries).or(many) {
                    hits.at(it, &conflict).and("enable.idempotence=true");
                }
            }
        },
    },
    Rule {
        id: "transactions-without-idempotence",
        severity: Error,
        confidence: Certain,
        title: "transactions need idempotence",
        consequence: "A producer with a `transactional.id` and without idempotence refuses to start.",
        fix: "remove `enable.idempotence=false`",
        source: "Kafka documentation, producer configuration `transactional.id`",
        shown_by: &[],
        check: |of, hits| {
            for it in of
                .producers()
                .filter(|it| it.set("transactional.id").is_some())
            {
                if let Some(off) = it
                    .value("enable.idempotence")
                    .filter(|it| it.is("false") && it.is_set())
                {
                    hits.at(it, &off).and("transactional.id is set");
                }
            }
        },
    },
    Rule {
        id: "retries-few",
        severity: Warning,
        confidence: Certain,
        title: "few retries end before a leader change does",
        consequence: "A leader change takes seconds; when the retries are used up the send fails, and the \
                      record is lost unless the application sends it again.",
        fix: "leave `retries` at its maximum and bound it by `delivery.timeout.ms`",
        source: "Kafka documentation, producer configuration `retries`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers() {
                if let Some(few) = it
                    .value("retries")
                    .filter(|it| it.number().is_some_and(|it| it < RETRIES_FEW))
                {
                    hits.at(it, &few);
                }
            }
        },
    },
    Rule {
        id: "delivery-timeout-bounds-retries",
        severity: Warning,
        confidence: Certain,
        title: "retries do not go on for ever",
        consequence: "However large `retries` is, a record is given up when its delivery timeout is over; its \
                      outcome is then unknown.",
        fix: "set `delivery.timeout.ms` to the longest outage that sends have to survive",
        source: "KIP-91; Kafka documentation, producer configuration `delivery.timeout.ms`",
        shown_by: &[
            "outage-beyond-delivery-timeout",
            "outage-within-delivery-timeout",
        ],
        check: |of, hits| {
            for it in of.producers() {
                let huge = it
                    .value("retries")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it > 1_000_000));
                if let Some(retries) = huge
                    && let Some(timeout) = it.value("delivery.timeout.ms").filter(|it| !it.is_set())
                {
                    hits.at(it, &retries).and(timeout.words());
                }
            }
        },
    },
    Rule {
        id: "outage-beyond-delivery-timeout",
        severity: Error,
        confidence: Certain,
        title: "sends do not survive the promised outage",
        consequence: "Records that are sent early in an outage of the promised length are given up before it ends.",
        fix: "`delivery.timeout.ms` above the promised outage",
        source: "KIP-91; Kafka documentation, producer configuration `delivery.timeout.ms`",
        shown_by: &[
            "outage-beyond-delivery-timeout",
            "outage-within-delivery-timeout",
        ],
        check: |of, hits| {
            let Some(outage) = of.promise.outage_s.map(|it| signed(it) * 1000) else {
                return;
            };
            for it in of.producers() {
                if let Some(timeout) = it
                    .value("delivery.timeout.ms")
                    .filter(|it| it.number().is_some_and(|it| it > 0 && it <= outage))
                {
                    hits.at(it, &timeout)
                        .and(format!("promised: {}", duration_ms(outage)));
                }
            }
        },
    },
    Rule {
        id: "delivery-timeout-too-small",
        severity: Error,
        confidence: Certain,
        title: "the producer refuses to start",
        consequence: "`delivery.timeout.ms` has to be at least `linger.ms` and `request.timeout.ms` together.",
        fix: "raise `delivery.timeout.ms`",
        source: "Kafka documentation, producer configuration `delivery.timeout.ms`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers().filter(|it| it.is_java()) {
                if let Some(timeout) = it.value("delivery.timeout.ms").filter(Effective::is_set)
                    && let (Some(linger), Some(request)) =
                        (it.value("linger.ms"), it.value("request.timeout.ms"))
                    && let (Some(total), Some(a), Some(b)) =
                        (timeout.number(), linger.number(), request.number())
                    && total < a.saturating_add(b)
                {
                    hits.at(it, &timeout)
                        .and(linger.words())
                        .and(request.words());
                }
            }
        },
    },
    Rule {
        id: "buffer-smaller-than-outage",
        severity: Warning,
        confidence: Certain,
        title: "the buffer is full before the promised outage ends",
        consequence: "`send` blocks, and then fails in the application, when what it buffers exceeds the memory.",
        fix: "size the buffer for the rate and the outage, or slow the source down",
        source: "Kafka documentation, producer configuration `buffer.memory` and `max.block.ms`",
        shown_by: &["buffer-full-in-outage", "buffer-outlasts-outage"],
        check: |of, hits| {
            let (Some(rate), Some(outage)) = (of.promise.bytes_per_s, of.promise.outage_s) else {
                return;
            };
            let needed = signed(rate.saturating_mul(outage));
            for it in of.producers() {
                let own = it.value("buffer.memory");
                let buffer = own.map(|it| (it.number(), it)).or_else(|| {
                    let it = it.value("queue.buffering.max.kbytes")?;
                    Some((it.number().map(|it| it.saturating_mul(1024)), it))
                });
                if let Some((Some(bytes), value)) = buffer
                    && bytes < needed
                {
                    hits.at(it, &value)
                        .and(format!("{needed} bytes come in the promised outage"));
                }
            }
        },
    },
    Rule {
        id: "max-block-short",
        severity: Warning,
        confidence: Certain,
        title: "sends throw during a leader change",
        consequence: "`send` waits for metadata and memory for `max.block.ms` only; a failover of a broker takes \
                      about ten seconds.",
        fix: "`max.block.ms` of 30000 or more",
        source: "Kafka documentation, producer configuration `max.block.ms`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers() {
                if let Some(short) = it
                    .value("max.block.ms")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it < 10_000))
                {
                    hits.at(it, &short);
                }
            }
        },
    },
    Rule {
        id: "request-timeout-within-replica-lag",
        severity: Note,
        confidence: Certain,
        title: "the client resends before a slow follower is dropped",
        consequence: "A follower that hangs holds an `acks=all` request up for `replica.lag.time.max.ms`; a client \
                      that waits no longer sends again, which is a duplicate without idempotence.",
        fix: "`request.timeout.ms` above the brokers' `replica.lag.time.max.ms`",
        source: "Kafka documentation, producer configuration `request.timeout.ms`",
        shown_by: &[],
        check: |of, hits| {
            let lag = of
                .cluster("replica.lag.time.max.ms")
                .and_then(|(_, it)| it.number())
                .unwrap_or(30_000);
            for it in of.producers().filter(|it| is_off(it)) {
                if let Some(timeout) = it
                    .value("request.timeout.ms")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it <= lag))
                {
                    hits.at(it, &timeout)
                        .and(format!("replica.lag.time.max.ms is {lag}"));
                }
            }
        },
    },
    Rule {
        id: "record-larger-than-topic",
        severity: Error,
        confidence: Certain,
        title: "the producer accepts records that the topic refuses",
        consequence: "A record that is between the two limits, and stays so when it is compressed, fails with \
                      `RecordTooLargeException` at run time, again and again.",
        fix: "`max.request.size` not above `max.message.bytes`",
        source: "Kafka documentation, producer configuration `max.request.size`, topic configuration `max.message.bytes`",
        shown_by: &["record-over-size-limit", "record-at-size-limit"],
        check: |of, hits| {
            let broker = of
                .cluster("message.max.bytes")
                .and_then(|(_, it)| it.number());
            let topics = of.topics().filter_map(|it| {
                it.value("max.message.bytes")
                    .filter(Effective::is_set)?
                    .number()
            });
            let Some(limit) = topics.clone().chain(broker).min() else {
                return;
            };
            // Nothing tells which topics a producer writes to.
            let is_one_of_several = topics.count() > 0
                && of.topics().count() > 1
                && broker.is_none_or(|broker| limit < broker);
            for it in of.producers() {
                let key = if it.is(Product::Librdkafka) {
                    "message.max.bytes"
                } else {
                    "max.request.size"
                };
                if let Some(size) = it
                    .value(key)
                    .filter(|it| it.number().is_some_and(|it| it > limit))
                {
                    hits.at(it, &size)
                        .and(format!(
                            "the smallest limit of brokers and topics is {limit}"
                        ))
                        .is_assumed |= is_one_of_several;
                }
            }
        },
    },
    Rule {
        id: "transactional-id-random",
        severity: Error,
        confidence: Certain,
        title: "a transactional id that is new at each start fences no zombie",
        consequence: "A zombie of the instance before goes on writing, and its open transaction holds readers of \
                      committed records up until `transaction.timeout.ms`.",
        fix: "an id that an instance keeps when it starts again",
        source: "KIP-98; Kafka documentation, producer configuration `transactional.id`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers() {
                let random = |text: &str| {
                    let text = text.to_ascii_lowercase();
                    ["random", "uuid", "timestamp", "currenttimemillis", "$(date"]
                        .iter()
                        .any(|it| text.contains(it))
                };
                if let Some(id) = it.set("transactional.id").filter(|it| random(&it.value)) {
                    hits.on(it, &id.path, format!("transactional.id={}", id.value))
                        .origin = Some(id.origin.clone());
                }
            }
        },
    },
    Rule {
        id: "transactional-id-shared",
        severity: Error,
        confidence: Certain,
        title: "instances share one transactional id",
        consequence: "Each instance that starts fences the one before: they end each other for ever.",
        fix: "an id for each instance",
        source: "KIP-98; Kafka documentation, producer configuration `transactional.id`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers() {
                let many = crate::read::replicas(it).filter(|it| *it > 1);
                // Spring makes ids of a prefix, one for each instance of a pool.
                if let (Some(many), Some(id)) = (many, it.set("transactional.id"))
                    && !is_open(&id.value)
                {
                    hits.on(
                        it,
                        &id.path,
                        format!("transactional.id={}; {many} replicas", id.value),
                    )
                    .origin = Some(id.origin.clone());
                }
            }
        },
    },
    Rule {
        id: "transaction-timeout-refused",
        severity: Error,
        confidence: Certain,
        title: "the brokers refuse this transaction timeout",
        consequence: "A `transaction.timeout.ms` above the brokers' `transaction.max.timeout.ms` fails when the \
                      producer starts.",
        fix: "lower it, or raise the brokers' limit",
        source: "Kafka documentation, producer configuration `transaction.timeout.ms`",
        shown_by: &[],
        check: |of, hits| {
            let own = of
                .cluster("transaction.max.timeout.ms")
                .and_then(|(_, it)| it.number());
            let limit = own.unwrap_or(900_000);
            for it in of.producers() {
                if let Some(timeout) = it
                    .value("transaction.timeout.ms")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it > limit))
                {
                    hits.at(it, &timeout)
                        .and(format!("transaction.max.timeout.ms is {limit}"));
                }
            }
        },
    },
    Rule {
        id: "delivery-reports-of-errors-only",
        severity: Note,
        confidence: Certain,
        title: "the application does not see which records were stored",
        consequence: "`delivery.report.only.error=true` leaves an application without the acknowledgements that \
                      say what is safe.",
        fix: "`delivery.report.only.error=false`",
        source: "librdkafka, CONFIGURATION.md",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers() {
                if let Some(only) = it
                    .value("delivery.report.only.error")
                    .filter(|it| it.is("true"))
                {
                    hits.at(it, &only);
                }
            }
        },
    },
    Rule {
        id: "gapless-is-experimental",
        severity: Note,
        confidence: Certain,
        title: "a guarantee that is experimental",
        consequence: "librdkafka calls `enable.gapless.guarantee` experimental and subject to change.",
        fix: "do not rely on it",
        source: "librdkafka, CONFIGURATION.md",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers() {
                if let Some(on) = it
                    .value("enable.gapless.guarantee")
                    .filter(|it| it.is("true"))
                {
                    hits.at(it, &on);
                }
            }
        },
    },
    Rule {
        id: "socket-failures-ignored",
        severity: Warning,
        confidence: Certain,
        title: "client and broker get out of step",
        consequence: "With `socket.max.fails=0` librdkafka keeps a connection on which a request has timed out; its \
                      documentation recommends the default.",
        fix: "leave `socket.max.fails` at 1",
        source: "librdkafka, CONFIGURATION.md",
        shown_by: &[],
        check: |of, hits| {
            for it in of.producers().chain(of.consumers()) {
                if let Some(zero) = it.value("socket.max.fails").filter(|it| it.is("0")) {
                    hits.at(it, &zero);
                }
            }
        },
    },
    Rule {
        id: "positions-outside-transactions",
        severity: Error,
        confidence: Possible,
        title: "positions are committed outside of the transactions",
        consequence: "A producer with a `transactional.id` whose application commits its positions on its own is \
                      not exactly once: the two do not end together.",
        fix: "send the positions with the transaction, and `enable.auto.commit=false`",
        source: "KIP-98; KIP-447",
        shown_by: &["exactly-once", "at-least-once"],
        check: |of, hits| {
            for it in of
                .producers()
                .filter(|it| it.set("transactional.id").is_some())
            {
                let reader = of
                    .consumers()
                    .find(|reader| reader.file == it.file && reader.name == it.name);
                if let Some(reader) = reader
                    && let Some(auto) = reader
                        .value("enable.auto.commit")
                        .filter(|it| it.is("true"))
                {
                    hits.at(reader, &auto).and("transactional.id is set");
                }
            }
        },
    },
];
