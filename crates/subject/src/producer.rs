//! The producer: hands records to the client at their moments, and reports
//! what the client says became of each. Knows nothing of faults: it neither
//! expects nor hides them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use crate::complaints::{self, Complaints};
use crate::config::{self, RoleKind};
use crate::log;
use crate::outcome::{Persistence, Refusal, refusal};
use crate::pace::Schedule;
use crate::reporter::Reporter;
use crate::role::{ClientEvent, ProducerRole};
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
        outcomes: Outcomes::default(),
        attempts: Mutex::default(),
        handed_over: AtomicU64::new(0),
        completed: AtomicU64::new(0),
        resent: AtomicU64::new(0),
        counts: AtomicU64::new(0),
        complaints: Complaints::default(),
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
    if let ClientEvent::Ready { config, .. } = &mut ready {
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
    let outcomes = &client.context().outcomes;
    outcomes.await_arrival(&client, &role.topic, role.partitions, &reporter)?;
    run.await_last_count()?;
    client.context().complaints.finish(&reporter);
    reporter.say(ClientEvent::Ended);
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

        self.reporter.say(ClientEvent::Sent {
            sequence,
            partition,
        });
        self.reporter.check()?;
        let clock = self.reporter.clock();
        let mut full_since = None;
        loop {
            let (error, refused) = match self.client.send(record) {
                Ok(()) => {
                    let context = self.client.context();
                    context.handed_over.fetch_add(1, Ordering::Relaxed);
                    context.attempts().handed_over(partition.get());
                    return Ok(());
                }
                Err(refused) => refused,
            };
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || self.stop.asked() {
                self.reporter.say(not_taken(sequence, &error));
                return self.reporter.check();
            }
            let now = clock.now();
            let since = *full_since.get_or_insert_with(|| {
                self.reporter
                    .note(format!("the client's buffer is full at record {sequence}"));
                now
            });
            if now.since(since).as_millis() >= self.max_block_ms {
                self.reporter.say(ClientEvent::Failed {
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
    /// total is whole. Where something is proved by it, for another one: the
    /// client may have begun to make the first before the last outcome.
    fn await_last_count(&self) -> Result<(), SubjectError> {
        let context = self.client.context();
        let counts = if context.attempts().is_idle() { 1 } else { 2 };
        let wanted = context.counts.load(Ordering::Relaxed) + counts;
        let clock = self.reporter.clock();
        let start = clock.now();
        while context.counts.load(Ordering::Relaxed) < wanted {
            if u128::from(clock.now().since(start).as_millis()) > LAST_COUNT.as_millis() {
                self.reporter
                    .note("the client gave no last count: retries may be too low");
                context.attempts().give_up();
                break;
            }
            self.turn(TURN)?;
        }
        for (sequence, error) in context.attempts().certain() {
            self.reporter.say(ClientEvent::Failed { sequence, error });
        }
        self.reporter.say(ClientEvent::Counted {
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
    outcomes: Outcomes,
    attempts: Mutex<Attempts>,
    handed_over: AtomicU64,
    completed: AtomicU64,
    resent: AtomicU64,
    counts: AtomicU64,
    complaints: Complaints,
}

impl Context {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, text: &str) {
        log::line(facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.hear(&self.reporter, &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        complaints::tell_throttling(&self.reporter, &statistics);
        let now = resent(&statistics, self.handed_over.load(Ordering::Relaxed));
        self.attempts().count(&statistics);
        let before = self.resent.fetch_max(now, Ordering::Relaxed);
        if now > before {
            self.reporter.say(ClientEvent::Counted { retries: now });
        }
        self.counts.fetch_add(1, Ordering::Relaxed);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, token: usize) {
        let sequence = Sequence::new(token as u64);
        if let Err((error, message)) = result {
            let refusal = refusal(error.rdkafka_error_code(), Persistence::of(message));
            let mut attempts = self.attempts();
            attempts.undelivered(message.partition(), sequence, refusal, error);
        }
        self.reporter.say(self.outcomes.tell(sequence, result));
        self.completed.fetch_add(1, Ordering::Relaxed);
    }
}

/// What travels through the client with a record. No machine that runs Kafka
/// has an address smaller than a sequence.
pub(crate) fn token(sequence: Sequence) -> usize {
    usize::try_from(sequence.get()).unwrap_or(usize::MAX)
}

/// The client did not take the record: what it never had it cannot have sent.
pub(crate) fn not_taken(sequence: Sequence, error: &KafkaError) -> ClientEvent {
    ClientEvent::Failed {
        sequence,
        error: error.to_string(),
    }
}

/// How long brokers may take to answer that nothing is on its way any more.
const ARRIVAL: Duration = Duration::from_mins(1);
/// The same, for one question.
const ARRIVAL_ANSWER: Duration = Duration::from_secs(5);

/// What the client's delivery reports say became of records.
#[derive(Default)]
pub(crate) struct Outcomes {
    offsets: Mutex<Offsets>,
    /// Whether success was told of a record that no broker answers for.
    unanswered: AtomicBool,
}

impl Outcomes {
    /// What a report says became of its record. That it was not delivered never
    /// says by itself that no attempt was stored.
    pub(crate) fn tell(&self, sequence: Sequence, report: &DeliveryResult<'_>) -> ClientEvent {
        let message = match report {
            Ok(message) => message,
            Err((error, _)) => {
                let error = error.to_string();
                return ClientEvent::Unknown { sequence, error };
            }
        };
        let partition = message.partition();
        let persistence = Persistence::of(message);
        if persistence != Persistence::Yes {
            self.unanswered.store(true, Ordering::Relaxed);
        }
        let mut offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        ClientEvent::Acknowledged {
            sequence,
            partition: PartitionIndex::new(partition),
            offset: offsets.given(persistence, partition, message.offset()),
        }
    }

    /// With `acks=0` every outcome is told while records are still on their
    /// way, and who read the log then would miss them. A broker handles what
    /// comes on a connection in its order: once it has answered a question of
    /// each partition, nothing is on the way to it any more.
    pub(crate) fn await_arrival<C: ProducerContext>(
        &self,
        client: &BaseProducer<C>,
        topic: &str,
        partitions: i32,
        reporter: &Reporter,
    ) -> Result<(), SubjectError> {
        if !self.unanswered.load(Ordering::Relaxed) {
            return Ok(());
        }
        let clock = reporter.clock();
        let start = clock.now();
        for partition in 0..partitions {
            let ask = || (client.client()).fetch_watermarks(topic, partition, ARRIVAL_ANSWER);
            while let Err(error) = ask() {
                if u128::from(clock.now().since(start).as_millis()) > ARRIVAL.as_millis() {
                    reporter.note(format!(
                        "no answer of {topic}-{partition} ({error}): records may still be on their way"
                    ));
                    return reporter.check();
                }
                client.poll(TURN);
                reporter.check()?;
            }
        }
        reporter.check()
    }
}

/// How often the records of each partition were sent: where each of them was
/// sent once, a refusal of the last attempt is one of the only attempt.
#[derive(Debug, Default)]
struct Attempts {
    partitions: BTreeMap<i32, Sent>,
    refused: usize,
}

/// Records of a partition that the client took.
#[derive(Debug, Default)]
struct Sent {
    handed_over: u64,
    /// Put into requests, each time counted; by the client's last count.
    in_requests: u64,
    /// Whether one of them may never have been put into a request, so that
    /// another could have been put into two.
    unsent: bool,
    refused: Vec<(Sequence, String)>,
}

/// Refusals that are held until the end, at most. Others stay unknown.
const REFUSED_MAX: usize = 100_000;

impl Attempts {
    fn handed_over(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().handed_over += 1;
    }

    fn undelivered(&mut self, of: i32, sequence: Sequence, refusal: Refusal, error: &KafkaError) {
        let partition = self.partitions.entry(of).or_default();
        match refusal {
            Refusal::OfLastAttempt if self.refused < REFUSED_MAX => {
                self.refused += 1;
                partition.refused.push((sequence, error.to_string()));
            }
            Refusal::OfLastAttempt | Refusal::Other => {}
            Refusal::Unsent => partition.unsent = true,
        }
    }

    /// Takes over the client's count.
    fn count(&mut self, statistics: &Statistics) {
        for (of, sent) in &mut self.partitions {
            let topics = statistics.topics.values();
            let partitions = topics.filter_map(|topic| topic.partitions.get(of));
            sent.in_requests = partitions.map(|partition| partition.txmsgs).sum();
        }
    }

    /// Whether nothing was refused.
    const fn is_idle(&self) -> bool {
        self.refused == 0
    }

    /// Nothing is proved.
    fn give_up(&mut self) {
        self.partitions.clear();
    }

    /// Records that are certainly not written; after the last count.
    fn certain(&mut self) -> Vec<(Sequence, String)> {
        let partitions = std::mem::take(&mut self.partitions).into_values();
        let once = |sent: &Sent| !sent.unsent && sent.in_requests == sent.handed_over;
        let refused = partitions.filter(once).flat_map(|sent| sent.refused);
        let mut certain: Vec<(Sequence, String)> = refused.collect();
        certain.sort_by_key(|(sequence, _)| *sequence);
        certain
    }
}

/// Tells the offsets that a broker gave from those that librdkafka makes up.
///
/// It gives the records of a batch the offset that the broker named for the
/// first one, and counts on. Where the broker named none, it counts on from a
/// negative number, so that the later records of a larger batch have numbers
/// that look like offsets. With `acks=0`, where nobody answers, it is so for
/// every batch; of such records it says that they are possibly persisted.
#[derive(Debug, Default)]
struct Offsets {
    /// By partition: the last that no broker gave.
    made_up: BTreeMap<i32, i64>,
}

impl Offsets {
    /// The offset of a record that the client reports as delivered, if a broker
    /// gave it. Reports of a partition come in the order of its batches.
    fn given(&mut self, persistence: Persistence, partition: i32, offset: i64) -> Option<Offset> {
        let last = self.made_up.get(&partition).copied();
        let counted_on = last.and_then(|last| last.checked_add(1)) == Some(offset);
        if persistence == Persistence::Yes && offset >= 0 && !counted_on {
            self.made_up.remove(&partition);
            return Some(Offset::new(offset));
        }
        self.made_up.insert(partition, offset);
        None
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

    /// What is certain when so many records of a partition were handed over and
    /// put into requests, and one was refused.
    fn certain(handed_over: u64, in_requests: u64, beside: Option<Refusal>) -> Vec<u64> {
        let mut attempts = Attempts::default();
        assert!(attempts.is_idle());
        for _ in 0..handed_over {
            attempts.handed_over(0);
        }
        let error = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
        let mut undelivered =
            |sequence, refusal| attempts.undelivered(0, Sequence::new(sequence), refusal, &error);
        undelivered(3, Refusal::OfLastAttempt);
        if let Some(beside) = beside {
            undelivered(4, beside);
        }
        attempts.count(&statistics([(0, in_requests), (1, 100)]));
        assert!(!attempts.is_idle());
        let certain = attempts.certain().into_iter();
        certain.map(|(sequence, _)| sequence.get()).collect()
    }

    #[test]
    fn a_refusal_is_certain_where_each_record_was_sent_once() {
        assert_eq!(certain(10, 10, None), [3]);
        assert!(certain(10, 11, None).is_empty());
        assert!(certain(10, 9, None).is_empty());
        assert_eq!(certain(10, 10, Some(Refusal::Other)), [3]);
        // One may have been sent twice, and another not at all.
        assert!(certain(10, 10, Some(Refusal::Unsent)).is_empty());
        assert_eq!(certain(10, 10, Some(Refusal::OfLastAttempt)), [3, 4]);
    }

    #[test]
    fn without_a_last_count_nothing_is_certain() {
        let mut attempts = Attempts::default();
        attempts.handed_over(0);
        let error = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
        attempts.undelivered(0, Sequence::new(0), Refusal::OfLastAttempt, &error);
        attempts.count(&statistics([(0, 1), (1, 0)]));
        attempts.give_up();
        assert!(attempts.certain().is_empty());
    }

    fn statistics(partitions: [(i32, u64); 2]) -> Statistics {
        let mut statistics = Statistics::default();
        let mut topic = rdkafka::statistics::Topic::default();
        for (partition, txmsgs) in partitions {
            let of_partition = rdkafka::statistics::Partition {
                txmsgs,
                ..Default::default()
            };
            topic.partitions.insert(partition, of_partition);
        }
        statistics.topics.insert("t".to_owned(), topic);
        statistics
    }

    /// What is told of offsets that the client names in one partition.
    fn told(persistence: Persistence, named: &[i64]) -> Vec<Option<i64>> {
        let mut offsets = Offsets::default();
        let given = |offset: &i64| offsets.given(persistence, 0, *offset).map(Offset::get);
        named.iter().map(given).collect()
    }

    #[test]
    fn an_offset_is_what_a_broker_gave() {
        let all = told(Persistence::Yes, &[0, 1, 2]);
        assert_eq!(all, [Some(0), Some(1), Some(2)]);
        // As a success is reported that was only concluded.
        assert_eq!(told(Persistence::Yes, &[-1001, 0]), [None, Some(0)]);
        assert_eq!(told(Persistence::Yes, &[-1, 7]), [None, Some(7)]);
    }

    #[test]
    fn an_offset_that_is_counted_on_from_none_is_none() {
        let batch = told(Persistence::Yes, &[-1, 0, 1, 5, 6]);
        assert_eq!(batch, [None, None, None, Some(5), Some(6)]);
    }

    #[test]
    fn without_an_answer_no_broker_gave_one() {
        assert_eq!(told(Persistence::Possible, &[-1001, 0, 17]), [None; 3]);
    }

    #[test]
    fn offsets_of_one_partition_say_nothing_of_another() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.given(Persistence::Yes, 0, -1), None);
        let other = offsets.given(Persistence::Yes, 1, 0);
        assert_eq!(other, Some(Offset::new(0)));
    }

    #[test]
    fn a_record_in_a_second_request_counts_as_resent() {
        let statistics = statistics([(0, 4), (1, 3)]);
        assert_eq!(resent(&statistics, 5), 2);
        assert_eq!(resent(&statistics, 9), 0);
    }
}
