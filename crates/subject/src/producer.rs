//! The producer: hands records to the client at their moments, and reports
//! what the client says became of each. Knows nothing of faults: it neither
//! expects nor hides them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::ids::{Offset, PartitionIndex, RecordId, Sequence};
use model::record;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::statistics::Statistics;

use crate::SubjectError;
use crate::config::{self, RoleKind};
use crate::log;
use crate::outcome::{SendFate, Stage, fate_of_send};
use crate::pace::Schedule;
use crate::protocol::{Happening, ProducerRole};
use crate::reporter::Reporter;
use crate::stop::Stop;

/// Overdue records are handed over at once, but no more than so many before
/// the client is polled again, so that outcomes are not reported late.
const BURST_MAX: u64 = 100;

/// The longest turn: how late a stop may be noticed.
const TURN: Duration = Duration::from_millis(20);

/// How long to wait for the client's last count of itself.
const LAST_COUNT: Duration = Duration::from_secs(2);

/// Sends all records of the role and waits for every outcome; on a stop, for
/// the outcomes of those already sent. What bounds the wait is the client's
/// own `message.timeout.ms`.
pub(crate) fn produce(
    role: &ProducerRole,
    stop: &Stop,
    reporter: Reporter,
) -> Result<(), SubjectError> {
    let config = client_config(role)?;
    let context = Context {
        reporter: Arc::new(reporter),
        handed_over: AtomicU64::new(0),
        completed: AtomicU64::new(0),
        resent: AtomicU64::new(0),
        counts: AtomicU64::new(0),
    };
    let reporter = Arc::clone(&context.reporter);
    let client: BaseProducer<Context> =
        config
            .create_with_context(context)
            .map_err(|source| SubjectError::Client {
                doing: "be made as a producer",
                source,
            })?;
    let max_block_ms = config::max_block_ms(&role.config);
    let mut ready = config::ready(RoleKind::Producer, &config)?;
    if let Happening::Ready { config, .. } = &mut ready {
        // The subject's own, and in force as much as the client's.
        config.insert("max.block.ms".to_owned(), max_block_ms.to_string());
    }
    reporter.say(ready);
    let run = Run {
        role,
        stop,
        reporter: &reporter,
        client: &client,
        max_block_ms,
    };
    run.send_all()?;
    run.await_outcomes()?;
    run.await_last_count()?;
    reporter.say(Happening::Ended);
    reporter.check()
}

/// The configuration of the role's client.
fn client_config(role: &ProducerRole) -> Result<ClientConfig, SubjectError> {
    let mut config = config::client_config(RoleKind::Producer, &role.config)?;
    config.set("bootstrap.servers", &role.bootstrap);
    // Only what is needed to count; see [`resent`].
    config.set("statistics.interval.ms", "250");
    Ok(config)
}

struct Run<'r> {
    role: &'r ProducerRole,
    stop: &'r Stop,
    reporter: &'r Reporter,
    client: &'r BaseProducer<Context>,
    max_block_ms: u64,
}

impl Run<'_> {
    fn send_all(&self) -> Result<(), SubjectError> {
        let clock = self.reporter.clock();
        let schedule = Schedule::new(clock.now(), self.role.records_per_s, self.role.records);
        let mut next = 0;
        while next < self.role.records && !self.stop.asked() {
            let due = schedule.due_by(clock.now()).min(next + BURST_MAX);
            while next < due && !self.stop.asked() {
                self.send(Sequence::new(next))?;
                next += 1;
            }
            let until_next_us = schedule.due_at(next).since(clock.now()).get();
            self.turn(TURN.min(Duration::from_micros(until_next_us)))?;
        }
        Ok(())
    }

    /// Reports the record as sent, then hands it over. Where the client's
    /// buffer is full, waits for room, as the Java client's `send()` does, and
    /// no longer than it would (`max.block.ms`): then the record was never
    /// handed over, and the application goes on with the next one.
    fn send(&self, sequence: Sequence) -> Result<(), SubjectError> {
        let role = self.role;
        let partition = role.partition_of(sequence);
        let key = role.key_of(sequence);
        let identity = RecordId {
            producer: role.producer,
            sequence,
        };
        let bytes = usize::try_from(role.bytes_of(sequence)).unwrap_or(usize::MAX);
        let value = record::encode(role.run, &role.topic, identity, bytes);
        let mut record = BaseRecord::with_opaque_to(&role.topic, token(sequence))
            .partition(partition.get())
            .key(key.as_str())
            .payload(value.as_slice());

        self.reporter.say(Happening::Sent {
            sequence,
            partition,
        });
        self.reporter.check()?;
        let clock = self.reporter.clock();
        let mut full_since = None;
        loop {
            let (error, refused) = match self.client.send(record) {
                Ok(()) => {
                    self.client
                        .context()
                        .handed_over
                        .fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(refusal) => refusal,
            };
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || self.stop.asked() {
                self.reporter
                    .say(not_acknowledged(Stage::Handover, sequence, &error));
                return self.reporter.check();
            }
            let now = clock.now();
            let since = *full_since.get_or_insert_with(|| {
                self.reporter
                    .note(format!("the client's buffer is full at record {sequence}"));
                now
            });
            if now.since(since).as_millis() >= self.max_block_ms {
                self.reporter.say(Happening::Failed {
                    sequence,
                    error: format!(
                        "the client's buffer (buffer.memory) was full for {} ms (max.block.ms)",
                        self.max_block_ms
                    ),
                });
                return self.reporter.check();
            }
            record = refused;
            self.turn(TURN)?;
        }
    }

    fn await_outcomes(&self) -> Result<(), SubjectError> {
        let context = self.client.context();
        while context.completed.load(Ordering::Relaxed)
            < context.handed_over.load(Ordering::Relaxed)
        {
            self.turn(TURN)?;
        }
        Ok(())
    }

    /// Waits for one count that was made after the last outcome, so that the
    /// total is whole.
    fn await_last_count(&self) -> Result<(), SubjectError> {
        let context = self.client.context();
        let before = context.counts.load(Ordering::Relaxed);
        let clock = self.reporter.clock();
        let start = clock.now();
        while context.counts.load(Ordering::Relaxed) == before {
            if u128::from(clock.now().since(start).as_millis()) > LAST_COUNT.as_millis() {
                self.reporter
                    .note("the client gave no last count: retries may be too low");
                break;
            }
            self.turn(TURN)?;
        }
        self.reporter.say(Happening::Counted {
            retries: context.resent.load(Ordering::Relaxed),
        });
        Ok(())
    }

    /// Lets the client call back for that long.
    fn turn(&self, length: Duration) -> Result<(), SubjectError> {
        self.client.poll(length);
        self.reporter.check()
    }
}

/// What the client calls back while it is polled.
struct Context {
    reporter: Arc<Reporter>,
    handed_over: AtomicU64,
    completed: AtomicU64,
    resent: AtomicU64,
    counts: AtomicU64,
}

impl ClientContext for Context {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, text: &str) {
        log::line(facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::line("ERROR", &format!("{error}: {reason}"));
    }

    fn stats(&self, statistics: Statistics) {
        let now = resent(&statistics, self.handed_over.load(Ordering::Relaxed));
        let before = self.resent.fetch_max(now, Ordering::Relaxed);
        if now > before {
            self.reporter.say(Happening::Counted { retries: now });
        }
        self.counts.fetch_add(1, Ordering::Relaxed);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, token: usize) {
        let sequence = Sequence::new(token as u64);
        self.reporter.say(match result {
            Ok(message) => acknowledged(sequence, message.partition(), message.offset()),
            Err((error, _)) => not_acknowledged(Stage::Report, sequence, error),
        });
        self.completed.fetch_add(1, Ordering::Relaxed);
    }
}

/// What travels through the client with a record. No machine that runs Kafka
/// has an address smaller than a sequence.
pub(crate) fn token(sequence: Sequence) -> usize {
    usize::try_from(sequence.get()).unwrap_or(usize::MAX)
}

/// The client reports success. Without an offset nobody acknowledged the
/// record: with `acks=0` success means that it was put into a socket, and an
/// idempotent producer whose answer was lost learns that the record is a
/// duplicate, but not of what.
pub(crate) fn acknowledged(sequence: Sequence, partition: i32, offset: i64) -> Happening {
    if offset < 0 {
        return Happening::Unknown {
            sequence,
            error: "the client reports success without an offset".to_owned(),
        };
    }
    Happening::Acknowledged {
        sequence,
        partition: PartitionIndex::new(partition),
        offset: Offset::new(offset),
    }
}

pub(crate) fn not_acknowledged(stage: Stage, sequence: Sequence, error: &KafkaError) -> Happening {
    let fate = match error.rdkafka_error_code() {
        Some(code) => fate_of_send(stage, code),
        // The binding refused the arguments and did not call the client.
        None => SendFate::Failed,
    };
    let error = error.to_string();
    match fate {
        SendFate::Failed => Happening::Failed { sequence, error },
        SendFate::Unknown => Happening::Unknown { sequence, error },
    }
}

/// How many times a record was put into a request again, at least.
///
/// librdkafka's `txretries` counts requests of other kinds: when a produce
/// request fails, its records go back to their partition's queue and into a
/// new request, which counts as a first one. `txmsgs` counts a record each
/// time, so what exceeds the records handed over was sent again. Exact at the
/// end, unless a record expired before it was ever sent.
fn resent(statistics: &Statistics, handed_over: u64) -> u64 {
    let sent: u64 = statistics
        .topics
        .values()
        .flat_map(|topic| topic.partitions.values())
        .map(|partition| partition.txmsgs)
        .sum();
    sent.saturating_sub(handed_over)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEQUENCE: Sequence = Sequence::new(7);

    #[test]
    fn success_without_an_offset_is_unknown() {
        assert!(matches!(
            acknowledged(SEQUENCE, 0, -1),
            Happening::Unknown { .. }
        ));
        assert!(matches!(
            acknowledged(SEQUENCE, 0, 0),
            Happening::Acknowledged { .. }
        ));
    }

    #[test]
    fn a_record_in_a_second_request_counts_as_resent() {
        let statistics: Statistics = {
            let mut statistics = Statistics::default();
            let mut topic = rdkafka::statistics::Topic::default();
            for (partition, txmsgs) in [(0, 4), (1, 3)] {
                let of_partition = rdkafka::statistics::Partition {
                    txmsgs,
                    ..Default::default()
                };
                topic.partitions.insert(partition, of_partition);
            }
            statistics.topics.insert("t".to_owned(), topic);
            statistics
        };
        assert_eq!(resent(&statistics, 5), 2);
        assert_eq!(resent(&statistics, 9), 0);
    }
}
