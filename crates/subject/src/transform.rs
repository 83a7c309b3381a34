//! The transformer: a member of a group that makes one record of each that it
//! processes, and has both take effect together with its position, in one
//! transaction, or, without transactions, one after the other. Knows nothing
//! of other members, nor of the one that took its place.
//!
//! With transactions it does what Kafka's documentation calls
//! consume-transform-produce: the position is handed to the transaction with
//! the group's metadata (KIP-447), so that the coordinator refuses it from a
//! member that is none any more, and the `transactional.id` fences whoever
//! had it before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use model::event::{CommitResult, Intent, TransactionOutcome};
use model::ids::{Micros, Offset, PartitionIndex, RecordId, Sequence, TransactionIx};
use model::record;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};

use crate::SubjectError;
use crate::complaints::{self, Complaints};
use crate::config::{self, RoleKind};
use crate::consumer::partitions;
use crate::identity::Recognition;
use crate::log;
use crate::outcome::{is_fenced, is_retriable, result_of_commit, wants_abort};
use crate::pace::Throttle;
use crate::producer::{Outcomes, not_taken, token};
use crate::reporter::Reporter;
use crate::role::{ClientEvent, TransformRole};
use crate::stop::Stop;

/// The longest turn: how late a stop may be noticed.
const TURN: Duration = Duration::from_millis(20);
/// What was made is committed when no record came for so long.
const IDLE: Duration = Duration::from_millis(250);
/// How long the client may wait for an answer before it is asked again.
const ANSWER: Duration = Duration::from_secs(1);

/// Processes records until stopped, or until another took its place.
pub(crate) fn transform(
    role: &TransformRole,
    stop: &Stop,
    reporter: Reporter,
) -> Result<(), SubjectError> {
    let reporter = Arc::new(reporter);
    let consuming = consumer_config(role)?;
    let producing = producer_config(role)?;
    let sender = Sender {
        reporter: Arc::clone(&reporter),
        outcomes: Outcomes::default(),
        handed_over: AtomicU64::new(0),
        completed: AtomicU64::new(0),
        undelivered: AtomicU64::new(0),
        complaints: Complaints::default(),
    };
    let client_error = |doing: &'static str| move |source| SubjectError::Client { doing, source };
    let producer: BaseProducer<Sender> = producing
        .create_with_context(sender)
        .map_err(client_error("be made as a producer"))?;
    reporter.say(ready(&consuming, &producing)?);
    let context = Transformer {
        role: role.clone(),
        recognition: Recognition::new(role.run, &role.from, role.changes.as_ref()),
        reporter: Arc::clone(&reporter),
        producer,
        window: Mutex::default(),
        complaints: Complaints::default(),
    };
    if role.transactional_id.is_some() {
        context.take_over(stop)?;
    }
    let client: BaseConsumer<Transformer> = consuming
        .create_with_context(context)
        .map_err(client_error("be made as a consumer"))?;
    client
        .subscribe(&[&role.from])
        .map_err(client_error("subscribe"))?;
    let worked = work(stop, &client).and_then(|()| client.context().finish(&client));
    client.context().complaints.finish(&reporter);
    client
        .context()
        .producer
        .context()
        .complaints
        .finish(&reporter);
    worked?;
    // Leaves the group, and serves the last revocation on the way.
    drop(client);
    reporter.say(ClientEvent::Ended);
    reporter.check()
}

fn consumer_config(role: &TransformRole) -> Result<ClientConfig, SubjectError> {
    let mut config = config::client_config(RoleKind::Consumer, &role.config)?;
    config
        .set("bootstrap.servers", &role.bootstrap)
        .set("group.id", &role.group)
        .set("statistics.interval.ms", complaints::COUNT_INTERVAL_MS)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false");
    for (key, default) in [
        ("auto.offset.reset", "earliest"),
        ("isolation.level", "read_committed"),
    ] {
        if config.get(key).is_none() {
            config.set(key, default);
        }
    }
    Ok(config)
}

fn producer_config(role: &TransformRole) -> Result<ClientConfig, SubjectError> {
    let mut config = config::client_config(RoleKind::Producer, &role.producer_config)?;
    config
        .set("bootstrap.servers", &role.bootstrap)
        .set("statistics.interval.ms", complaints::COUNT_INTERVAL_MS);
    if let Some(id) = &role.transactional_id {
        config.set("transactional.id", id);
    }
    Ok(config)
}

/// The consumer's configuration in force, and the producer's with a prefix.
fn ready(consuming: &ClientConfig, producing: &ClientConfig) -> Result<ClientEvent, SubjectError> {
    let consuming = config::ready(RoleKind::Consumer, consuming)?;
    let producing = config::ready(RoleKind::Producer, producing)?;
    Ok(match (consuming, producing) {
        (ClientEvent::Ready { client, mut config }, ClientEvent::Ready { config: more, .. }) => {
            let more = more.into_iter();
            config.extend(more.map(|(key, value)| (format!("producer.{key}"), value)));
            ClientEvent::Ready { client, config }
        }
        (other, _) => other,
    })
}

fn work(stop: &Stop, client: &BaseConsumer<Transformer>) -> Result<(), SubjectError> {
    let member = client.context();
    let clock = member.reporter.clock();
    let mut throttle = Throttle::new(member.role.records_per_s);
    while !stop.asked() && member.window().over.is_none() {
        member.reporter.check()?;
        member.producer.poll(Duration::ZERO);
        member.rewind(client);
        if member.is_due(clock.now()) {
            member.settle(client);
            continue;
        }
        // Waits before it takes a record, never with one in hand.
        let wait_us = throttle.wait_us(clock.now());
        if wait_us > 0 {
            thread::sleep(TURN.min(Duration::from_micros(wait_us)));
            continue;
        }
        match client.poll(TURN) {
            Some(Ok(message)) => {
                throttle.took(clock.now());
                member.process(&message);
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                let code = code_of(&error, client.client().fatal_error());
                member.window().over = Some(Over { error, code });
            }
            // Heard by the client's context, with more words.
            Some(Err(_)) | None => {}
        }
    }
    Ok(())
}

/// What was processed and made since the last commit.
#[derive(Default)]
struct Window {
    /// The transaction that is open.
    open: Option<TransactionIx>,
    /// How many were begun.
    begun: u64,
    /// How many records were made, over all windows.
    made: u64,
    /// Records processed in this one.
    records: u64,
    latest: Micros,
    /// What was processed in this one of each partition.
    stretches: BTreeMap<i32, Stretch>,
    /// From where partitions are going to be read again.
    rewinds: BTreeMap<i32, i64>,
    /// Why it cannot go on.
    over: Option<Over>,
}

/// From the first record processed up to the next one.
#[derive(Clone, Copy)]
struct Stretch {
    first: i64,
    next: i64,
}

/// What ended the client for good.
struct Over {
    error: KafkaError,
    code: Option<RDKafkaErrorCode>,
}

impl Over {
    /// Whether another took its place.
    fn is_fenced(&self) -> bool {
        self.code.is_some_and(is_fenced)
    }
}

/// What an error says. Of a client that is over, it may only say that it is:
/// what ended it is then told apart.
fn code_of(
    error: &KafkaError,
    fatal: Option<(RDKafkaErrorCode, String)>,
) -> Option<RDKafkaErrorCode> {
    match error.rdkafka_error_code() {
        None | Some(RDKafkaErrorCode::Fatal) => fatal.map(|(code, _)| code),
        code => code,
    }
}

/// How a window ended.
enum End {
    /// Its records and its position took effect.
    Committed,
    /// Nothing of it did: it is read again.
    Undone,
    /// Its position may not have taken effect: it stays in the next window.
    Kept,
    /// The client cannot go on.
    Over(Over),
}

/// Whether everything that was made was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Whole,
    Broken,
}

/// What the client calls back while it is polled, and what it works with.
struct Transformer {
    role: TransformRole,
    recognition: Recognition,
    reporter: Arc<Reporter>,
    producer: BaseProducer<Sender>,
    window: Mutex<Window>,
    complaints: Complaints,
}

impl Transformer {
    /// Fences whoever had the `transactional.id` before, and aborts what he
    /// left open.
    fn take_over(&self, stop: &Stop) -> Result<(), SubjectError> {
        loop {
            match self.producer.init_transactions(ANSWER) {
                Ok(()) => return Ok(()),
                Err(error) if is_retriable(&error) && !stop.asked() => {
                    self.producer.poll(Duration::ZERO);
                }
                Err(source) => {
                    return Err(SubjectError::Client {
                        doing: "begin to use transactions",
                        source,
                    });
                }
            }
            self.reporter.check()?;
        }
    }

    fn is_due(&self, now: Micros) -> bool {
        let window = self.window();
        let idle = u128::from(now.since(window.latest).as_millis()) >= IDLE.as_millis();
        window.records >= self.role.commit_every_records.max(1) || (window.records > 0 && idle)
    }

    fn process(&self, message: &BorrowedMessage<'_>) {
        let mut window = self.window();
        let (partition, offset) = (message.partition(), message.offset());
        if window.rewinds.contains_key(&partition) {
            // It is going to be read again, with what came before it.
            return;
        }
        if self.role.transactional_id.is_some() && window.open.is_none() {
            if let Err(error) = self.producer.begin_transaction() {
                window.over = Some(self.over(error));
                return;
            }
            let transaction = TransactionIx::new(window.begun);
            window.begun += 1;
            window.open = Some(transaction);
            self.reporter
                .say(ClientEvent::TransactionBegun { transaction });
        }
        let (at, offset_read) = (PartitionIndex::new(partition), Offset::new(offset));
        self.reporter.say(ClientEvent::Processed {
            partition: at,
            offset: offset_read,
            content: self.recognition.content(message),
        });
        let sequence = Sequence::new(window.made);
        window.made += 1;
        self.reporter.say(ClientEvent::Derived {
            sequence,
            partition: at,
            offset: offset_read,
        });
        self.send(sequence, partition);
        window.records += 1;
        window.latest = self.reporter.clock().now();
        let stretch = window.stretches.entry(partition).or_insert(Stretch {
            first: offset,
            next: offset,
        });
        stretch.next = offset + 1;
    }

    /// Reports the record as sent, then hands it over.
    fn send(&self, sequence: Sequence, from: i32) {
        let role = &self.role;
        let partition = from.rem_euclid(role.partitions.max(1));
        let key = sequence.to_string();
        let identity = RecordId {
            producer: role.producer,
            sequence,
        };
        let bytes = usize::try_from(role.record_bytes).unwrap_or(usize::MAX);
        let value = record::encode(role.run, &role.to, identity, bytes);
        let mut record = BaseRecord::with_opaque_to(&role.to, token(sequence))
            .partition(partition)
            .key(key.as_str())
            .payload(value.as_slice());
        self.reporter.say(ClientEvent::Sent {
            sequence,
            partition: PartitionIndex::new(partition),
        });
        let sender = self.producer.context();
        loop {
            let (error, refused) = match self.producer.send(record) {
                Ok(()) => {
                    sender.handed_over.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(refusal) => refusal,
            };
            if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) {
                record = refused;
                self.producer.poll(TURN);
                continue;
            }
            sender.undelivered.fetch_add(1, Ordering::Relaxed);
            self.reporter.say(not_taken(sequence, &error));
            return;
        }
    }

    /// Ends the window: what was made takes effect together with the position,
    /// or nothing of it does.
    fn settle(&self, client: &BaseConsumer<Self>) {
        let mut window = self.window();
        if window.stretches.is_empty() && window.open.is_none() {
            return;
        }
        let delivery = self.await_outcomes();
        self.end(client, &mut window, delivery);
    }

    fn end(&self, client: &BaseConsumer<Self>, window: &mut Window, delivery: Delivery) {
        let stretches = std::mem::take(&mut window.stretches);
        window.records = 0;
        let end = match window.open.take() {
            Some(transaction) => self.end_transaction(client, transaction, &stretches, delivery),
            None => self.commit(client, &stretches, delivery),
        };
        match end {
            End::Committed => {}
            End::Kept => window.stretches = stretches,
            End::Over(over) => window.over = Some(over),
            End::Undone => {
                let firsts = stretches.iter();
                let firsts = firsts.map(|(partition, stretch)| (*partition, stretch.first));
                window.rewinds.extend(firsts);
            }
        }
    }

    /// Waits until everything that was handed over has its outcome.
    fn await_outcomes(&self) -> Delivery {
        let sender = self.producer.context();
        let outstanding = || {
            let completed = sender.completed.load(Ordering::Relaxed);
            completed < sender.handed_over.load(Ordering::Relaxed)
        };
        while outstanding() {
            self.producer.poll(Duration::from_millis(1));
        }
        match sender.undelivered.swap(0, Ordering::Relaxed) {
            0 => Delivery::Whole,
            _ => Delivery::Broken,
        }
    }

    fn end_transaction(
        &self,
        client: &BaseConsumer<Self>,
        transaction: TransactionIx,
        stretches: &BTreeMap<i32, Stretch>,
        delivery: Delivery,
    ) -> End {
        if delivery == Delivery::Whole && self.hand_over_position(client, transaction, stretches) {
            self.ending(transaction, Intent::Commit);
            match self.ask(|| self.producer.commit_transaction(ANSWER)) {
                Ok(()) => {
                    self.completed(transaction, TransactionOutcome::Committed);
                    return End::Committed;
                }
                Err(error) if wants_abort(&error) => self.reporter.note(format!("commit: {error}")),
                Err(error) => return self.refused(transaction, error),
            }
        }
        self.ending(transaction, Intent::Abort);
        match self.ask(|| self.producer.abort_transaction(ANSWER)) {
            Ok(()) => {
                self.completed(transaction, TransactionOutcome::Aborted);
                End::Undone
            }
            Err(error) => self.refused(transaction, error),
        }
    }

    /// The transaction cannot be ended by this client any more, because it is
    /// another's now, or because the client is over for some other reason.
    fn refused(&self, transaction: TransactionIx, error: KafkaError) -> End {
        let over = self.over(error);
        let outcome = if over.is_fenced() {
            TransactionOutcome::Fenced
        } else {
            TransactionOutcome::Unknown {
                error: over.error.to_string(),
            }
        };
        self.completed(transaction, outcome);
        End::Over(over)
    }

    /// The producing client is over.
    fn over(&self, error: KafkaError) -> Over {
        let code = code_of(&error, self.producer.client().fatal_error());
        Over { error, code }
    }

    fn ending(&self, transaction: TransactionIx, intent: Intent) {
        self.reporter.say(ClientEvent::TransactionEnding {
            transaction,
            intent,
        });
    }

    fn completed(&self, transaction: TransactionIx, outcome: TransactionOutcome) {
        self.reporter.say(ClientEvent::TransactionCompleted {
            transaction,
            outcome,
        });
    }

    /// Hands the position to the transaction; whether it was taken.
    fn hand_over_position(
        &self,
        client: &BaseConsumer<Self>,
        transaction: TransactionIx,
        stretches: &BTreeMap<i32, Stretch>,
    ) -> bool {
        for (partition, stretch) in stretches {
            self.reporter.say(ClientEvent::OffsetSent {
                transaction,
                partition: PartitionIndex::new(*partition),
                offset: Offset::new(stretch.next),
            });
        }
        let Some(metadata) = client.group_metadata() else {
            self.reporter
                .note("the client has no metadata of its group");
            return false;
        };
        let handed = self.list(stretches).and_then(|list| {
            self.ask(|| {
                self.producer
                    .send_offsets_to_transaction(&list, &metadata, ANSWER)
            })
        });
        if let Err(error) = &handed {
            self.reporter.note(format!("offsets: {error}"));
        }
        handed.is_ok()
    }

    /// Asks until there is an answer.
    fn ask(&self, question: impl Fn() -> KafkaResult<()>) -> KafkaResult<()> {
        loop {
            let answer = question();
            self.producer.poll(Duration::ZERO);
            match answer {
                Err(error) if is_retriable(&error) => log::line("RETRY", &error.to_string()),
                answer => return answer,
            }
        }
    }

    /// Without transactions: commits the position once everything that was
    /// made is acknowledged.
    fn commit(
        &self,
        client: &BaseConsumer<Self>,
        stretches: &BTreeMap<i32, Stretch>,
        delivery: Delivery,
    ) -> End {
        if delivery == Delivery::Broken {
            return End::Undone;
        }
        let answer = self
            .list(stretches)
            .and_then(|list| client.commit(&list, CommitMode::Sync));
        let result = result_of_commit(&answer);
        for (partition, stretch) in stretches {
            self.reporter.say(ClientEvent::Committed {
                partition: PartitionIndex::new(*partition),
                offset: Offset::new(stretch.next),
                result,
            });
        }
        match answer {
            _ if result == CommitResult::Accepted => End::Committed,
            Err(error) => {
                self.complaints.hear(&self.reporter, &error, "commit");
                let code = code_of(&error, client.client().fatal_error());
                let over = Over { error, code };
                if over.is_fenced() {
                    End::Over(over)
                } else {
                    End::Kept
                }
            }
            Ok(()) => End::Kept,
        }
    }

    fn list(&self, stretches: &BTreeMap<i32, Stretch>) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(stretches.len());
        for (partition, stretch) in stretches {
            let next = NativeOffset::Offset(stretch.next);
            list.add_partition_offset(&self.role.from, *partition, next)?;
        }
        Ok(list)
    }

    /// Goes back to where what was undone began.
    fn rewind(&self, client: &BaseConsumer<Self>) {
        let mut window = self.window();
        let rewinds = std::mem::take(&mut window.rewinds);
        for (partition, first) in rewinds {
            let to = NativeOffset::Offset(first);
            match client.seek(&self.role.from, partition, to, ANSWER) {
                Ok(()) => self.reporter.say(ClientEvent::Repositioned {
                    partition: PartitionIndex::new(partition),
                    next: Offset::new(first),
                }),
                Err(error) => {
                    self.reporter
                        .note(format!("cannot go back to {first}: {error}"));
                    window.rewinds.insert(partition, first);
                }
            }
        }
    }

    /// Before it leaves: commits, or, where it cannot go on, undoes what is
    /// open, and says so where another took its place.
    fn finish(&self, client: &BaseConsumer<Self>) -> Result<(), SubjectError> {
        let mut window = self.window();
        let delivery = self.await_outcomes();
        match &window.over {
            None if !window.stretches.is_empty() => self.end(client, &mut window, delivery),
            Some(_) if window.open.is_some() => self.end(client, &mut window, Delivery::Broken),
            _ => {}
        }
        let (to, partitions) = (&self.role.to, self.role.partitions);
        let outcomes = &self.producer.context().outcomes;
        outcomes.await_arrival(&self.producer, to, partitions, &self.reporter)?;
        match window.over.take() {
            None => Ok(()),
            Some(over) if over.is_fenced() => {
                self.reporter.say(ClientEvent::Fenced {
                    error: over.error.to_string(),
                });
                Ok(())
            }
            Some(over) => Err(SubjectError::Client {
                doing: "go on",
                source: over.error,
            }),
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Transformer {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, text: &str) {
        log::line(facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.hear(&self.reporter, &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        complaints::tell_throttling(&self.reporter, &statistics);
    }
}

impl ConsumerContext for Transformer {
    /// Runs before the client takes note of the rebalance, so partitions are
    /// still its own while it commits them.
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.reporter.say(ClientEvent::Assigned {
                partitions: partitions(list),
            }),
            Rebalance::Revoke(list) => {
                self.settle(client);
                let revoked = partitions(list);
                let kept = |partition: &i32| !revoked.contains(&PartitionIndex::new(*partition));
                let mut window = self.window();
                window.stretches.retain(|partition, _| kept(partition));
                window.rewinds.retain(|partition, _| kept(partition));
                drop(window);
                self.reporter.say(ClientEvent::Revoked {
                    partitions: revoked,
                });
            }
            Rebalance::Error(error) => self.reporter.note(format!("rebalance: {error}")),
        }
    }
}

/// What the producing client calls back while it is polled.
struct Sender {
    reporter: Arc<Reporter>,
    outcomes: Outcomes,
    handed_over: AtomicU64,
    completed: AtomicU64,
    /// Records without an acknowledgement, since they were asked for last.
    undelivered: AtomicU64,
    complaints: Complaints,
}

impl ClientContext for Sender {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, text: &str) {
        log::line(facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.hear(&self.reporter, &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        complaints::tell_throttling(&self.reporter, &statistics);
    }
}

impl ProducerContext for Sender {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, token: usize) {
        let sequence = Sequence::new(token as u64);
        if result.is_err() {
            self.undelivered.fetch_add(1, Ordering::Relaxed);
        }
        self.reporter.say(self.outcomes.tell(sequence, result));
        self.completed.fetch_add(1, Ordering::Relaxed);
    }
}
