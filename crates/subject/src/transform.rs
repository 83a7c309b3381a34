//! The transformer: a member of a group that makes one record of each that it
//! processes, and has both take effect together with its position, in one
//! transaction, or, without transactions, one after the other. Knows nothing
//! of other members, nor of the one that took its place.
//!
//! With transactions it does what Kafka's documentation calls
//! consume-transform-produce: the position is handed to the transaction with
//! the group's metadata (KIP-447), so that the coordinator refuses it from a
//! member that is none any more, and the `transactional.id` fences the one
//! had it before.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use model::event::{CommitResult, Intent, TransactionOutcome};
use model::ids::{Micros, Offset, PartitionIndex, RecordId, Sequence, TransactionIx};
use model::record;
use model::scenario::CommitWhen;

use crate::SubjectError;
use crate::identity::Recognition;
use crate::log;
use crate::pace::Throttle;
use crate::protocol::{
    Bytes, Client, ClientError, ConsumerStart, ErrorClass, Outgoing, Position, ProducerStart,
    Received, Request, Start, VERSION, limits,
};
use crate::reporter::Reporter;
use crate::role::{ClientEvent, TransformRole};
use crate::session::{Rebalance, Rebalanced, Session, TURN, result_of};
use crate::stop::Stop;

/// What was made is committed when no record came for so long.
const IDLE: Duration = Duration::from_millis(250);
/// How long outcomes are waited for at a time.
const OUTCOMES: Duration = Duration::from_millis(1);

/// Processes records until stopped, or until another took its place.
pub(crate) fn transform(
    role: &TransformRole,
    client: Box<dyn Client>,
    stop: &Stop,
    reporter: Reporter,
) -> Result<(), SubjectError> {
    let mut session = Session::start(client, reporter, start(role))?;
    let mut transformer = Transformer {
        role,
        recognition: Recognition::new(role.run, &role.from, role.changes.as_ref()),
        window: Window::default(),
    };
    let worked = transformer
        .work(stop, &mut session)
        .and_then(|()| transformer.finish(&mut session));
    if worked.is_err() {
        session.finish_complaints();
    }
    worked?;
    // Leaves the group, and serves the last revocation on the way.
    session.close(&mut transformer)
}

/// The client that the role is for.
fn start(role: &TransformRole) -> Start {
    let set = |config: &mut BTreeMap<String, String>, key: &str, value: &str| {
        config.insert(key.to_owned(), value.to_owned());
    };
    let mut consumer = role.config.clone();
    set(&mut consumer, "bootstrap.servers", &role.bootstrap);
    set(&mut consumer, "group.id", &role.group);
    set(&mut consumer, "enable.auto.commit", "false");
    for (key, default) in [
        ("auto.offset.reset", "earliest"),
        ("isolation.level", "read_committed"),
    ] {
        let value = consumer.entry(key.to_owned());
        value.or_insert_with(|| default.to_owned());
    }
    let mut producer = role.producer_config.clone();
    set(&mut producer, "bootstrap.servers", &role.bootstrap);
    if let Some(id) = &role.transactional_id {
        set(&mut producer, "transactional.id", id);
    }
    Start {
        protocol: VERSION,
        check: false,
        producer: Some(ProducerStart { config: producer }),
        consumer: Some(ConsumerStart {
            config: consumer,
            topics: vec![role.from.clone()],
        }),
    }
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
    /// Whether the transaction has records of partitions that were taken
    /// without a chance to commit: then nothing of it may take effect.
    lost: bool,
    /// Why it cannot go on.
    over: Option<ClientError>,
}

/// From the first record processed up to the next one.
#[derive(Clone, Copy)]
struct Stretch {
    first: i64,
    next: i64,
}

/// Whether another took the client's place.
fn is_fenced(error: &ClientError) -> bool {
    error.class == ErrorClass::Fenced
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
    Over(ClientError),
}

/// Whether everything that was made was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Whole,
    Broken,
}

/// The member and what it has in hand.
struct Transformer<'r> {
    role: &'r TransformRole,
    recognition: Recognition,
    window: Window,
}

impl Transformer<'_> {
    fn work(&mut self, stop: &Stop, session: &mut Session) -> Result<(), SubjectError> {
        if self.role.transactional_id.is_some() {
            self.take_over(stop, session)?;
        }
        let clock = session.reporter.clock();
        let mut throttle = Throttle::new(self.role.records_per_s);
        while !stop.asked() && self.window.over.is_none() {
            session.turn(Duration::ZERO)?;
            self.rewind(session)?;
            if self.window.lost || self.is_due(clock.now()) {
                self.settle(session)?;
                continue;
            }
            // Waits before it takes a record, never with one in hand.
            let wait_us = throttle.wait_us(clock.now());
            if wait_us > 0 {
                thread::sleep(TURN.min(Duration::from_micros(wait_us)));
                continue;
            }
            let polled = session.poll(1, TURN, self)?;
            if self.window.lost {
                self.settle(session)?;
            }
            for record in &polled.records {
                throttle.took(clock.now());
                self.process(record, session)?;
            }
            if polled.error.is_some() {
                self.window.over = polled.error;
            }
        }
        Ok(())
    }

    /// Fences the producer that had the `transactional.id` before, and aborts what it
    /// left open.
    fn take_over(&mut self, stop: &Stop, session: &mut Session) -> Result<(), SubjectError> {
        loop {
            match session.ask(Request::InitTransactions, self)? {
                Ok(()) => return Ok(()),
                Err(error) if error.class == ErrorClass::Retriable && !stop.asked() => {
                    log::line("RETRY", &error.to_string());
                }
                Err(source) => {
                    return Err(SubjectError::Client {
                        doing: "begin to use transactions",
                        source,
                    });
                }
            }
            session.reporter.check()?;
        }
    }

    fn is_due(&self, now: Micros) -> bool {
        let window = &self.window;
        let idle = u128::from(now.since(window.latest).as_millis()) >= IDLE.as_millis();
        window.records >= self.role.commit_every_records.max(1) || (window.records > 0 && idle)
    }

    fn process(&mut self, record: &Received, session: &mut Session) -> Result<(), SubjectError> {
        let (partition, offset) = (record.partition, record.offset);
        if self.window.over.is_some() || self.window.rewinds.contains_key(&partition) {
            // It is going to be read again, with what came before it.
            return Ok(());
        }
        if self.role.transactional_id.is_some() && self.window.open.is_none() {
            if let Err(error) = session.ask(Request::BeginTransaction, self)? {
                self.window.over = Some(error);
                return Ok(());
            }
            let transaction = TransactionIx::new(self.window.begun);
            self.window.begun += 1;
            self.window.open = Some(transaction);
            session
                .reporter
                .say(ClientEvent::TransactionBegun { transaction });
        }
        let (at, offset_read) = (PartitionIndex::new(partition), Offset::new(offset));
        session.reporter.say(ClientEvent::Processed {
            partition: at,
            offset: offset_read,
            content: self.recognition.content(record),
        });
        let sequence = Sequence::new(self.window.made);
        self.window.made += 1;
        session.reporter.say(ClientEvent::Derived {
            sequence,
            partition: at,
            offset: offset_read,
        });
        self.send(sequence, partition, session)?;
        self.window.records += 1;
        self.window.latest = session.reporter.clock().now();
        let stretch = self.window.stretches.entry(partition).or_insert(Stretch {
            first: offset,
            next: offset,
        });
        stretch.next = offset + 1;
        Ok(())
    }

    /// Reports the record as sent, then hands it over.
    fn send(
        &self,
        sequence: Sequence,
        from: i32,
        session: &mut Session,
    ) -> Result<(), SubjectError> {
        let role = self.role;
        let partition = from.rem_euclid(role.partitions.max(1));
        let identity = RecordId {
            producer: role.producer,
            sequence,
        };
        let bytes = usize::try_from(role.record_bytes).unwrap_or(usize::MAX);
        let value = record::encode(role.run, &role.to, identity, bytes);
        while !session.has_room() {
            session.turn(TURN)?;
        }
        session.reporter.say(ClientEvent::Sent {
            sequence,
            partition: PartitionIndex::new(partition),
        });
        session.send(Outgoing {
            id: sequence.get(),
            topic: role.to.clone(),
            partition: Some(partition),
            key: Some(Bytes(sequence.to_string().into_bytes())),
            value: Some(Bytes(value)),
            headers: Vec::new(),
        })
    }

    /// Ends the window: what was made takes effect together with the position,
    /// or nothing of it does.
    fn settle(&mut self, session: &mut Session) -> Result<(), SubjectError> {
        if self.window.stretches.is_empty() && self.window.open.is_none() {
            self.window.lost = false;
            return Ok(());
        }
        let delivery = match self.role.commit_when {
            CommitWhen::Acknowledged => await_outcomes(session)?,
            CommitWhen::Flushed => self.flush_once(session)?,
        };
        self.end(delivery, session)
    }

    /// Takes the client's word that nothing is on its way any more, as an
    /// application does that looks at no outcome.
    fn flush_once(&mut self, session: &mut Session) -> Result<Delivery, SubjectError> {
        let flushed = session.ask(Request::FlushOnce, self)?;
        flushed.map_err(|source| SubjectError::Client {
            doing: "flush",
            source,
        })?;
        Ok(delivery(session))
    }

    fn end(&mut self, delivery: Delivery, session: &mut Session) -> Result<(), SubjectError> {
        let stretches = std::mem::take(&mut self.window.stretches);
        self.window.records = 0;
        let lost = std::mem::take(&mut self.window.lost);
        let delivery = if lost { Delivery::Broken } else { delivery };
        let end = match self.window.open.take() {
            Some(transaction) => {
                self.end_transaction(transaction, &stretches, delivery, session)?
            }
            None => self.commit(&stretches, delivery, session)?,
        };
        match end {
            End::Committed => {}
            End::Kept => self.window.stretches = stretches,
            End::Over(error) => self.window.over = Some(error),
            End::Undone => {
                let firsts = stretches.iter();
                let firsts = firsts.map(|(partition, stretch)| (*partition, stretch.first));
                self.window.rewinds.extend(firsts);
            }
        }
        Ok(())
    }

    fn end_transaction(
        &mut self,
        transaction: TransactionIx,
        stretches: &BTreeMap<i32, Stretch>,
        delivery: Delivery,
        session: &mut Session,
    ) -> Result<End, SubjectError> {
        let ending = |session: &Session, intent| {
            session.reporter.say(ClientEvent::TransactionEnding {
                transaction,
                intent,
            });
        };
        let completed = |session: &Session, outcome| {
            session.reporter.say(ClientEvent::TransactionCompleted {
                transaction,
                outcome,
            });
        };
        if delivery == Delivery::Whole
            && self.hand_over_position(transaction, stretches, session)?
        {
            ending(session, Intent::Commit);
            match self.ask(&Request::CommitTransaction, session)? {
                Ok(()) => {
                    completed(session, TransactionOutcome::Committed);
                    return Ok(End::Committed);
                }
                Err(error) if error.class == ErrorClass::Abortable => {
                    session.reporter.note(format!("commit: {error}"));
                }
                Err(error) => {
                    completed(session, outcome_after(&error));
                    return Ok(End::Over(error));
                }
            }
        }
        ending(session, Intent::Abort);
        Ok(match self.ask(&Request::AbortTransaction, session)? {
            Ok(()) => {
                completed(session, TransactionOutcome::Aborted);
                End::Undone
            }
            Err(error) => {
                completed(session, outcome_after(&error));
                End::Over(error)
            }
        })
    }

    /// Hands the position to the transaction; whether it was taken.
    fn hand_over_position(
        &mut self,
        transaction: TransactionIx,
        stretches: &BTreeMap<i32, Stretch>,
        session: &mut Session,
    ) -> Result<bool, SubjectError> {
        for (partition, stretch) in stretches {
            session.reporter.say(ClientEvent::OffsetSent {
                transaction,
                partition: PartitionIndex::new(*partition),
                offset: Offset::new(stretch.next),
            });
        }
        let offsets = self.positions(stretches);
        let handed = self.ask(&Request::SendOffsets { offsets }, session)?;
        if let Err(error) = &handed {
            session.reporter.note(format!("offsets: {error}"));
        }
        Ok(handed.is_ok())
    }

    /// Asks until there is an answer.
    fn ask(
        &mut self,
        question: &Request,
        session: &mut Session,
    ) -> Result<Result<(), ClientError>, SubjectError> {
        loop {
            match session.ask(question.clone(), self)? {
                Err(error) if error.class == ErrorClass::Retriable => {
                    log::line("RETRY", &error.to_string());
                    session.turn(Duration::ZERO)?;
                }
                answer => return Ok(answer),
            }
        }
    }

    /// Without transactions: commits the position once everything that was
    /// made is acknowledged.
    fn commit(
        &mut self,
        stretches: &BTreeMap<i32, Stretch>,
        delivery: Delivery,
        session: &mut Session,
    ) -> Result<End, SubjectError> {
        if delivery == Delivery::Broken {
            return Ok(End::Undone);
        }
        let offsets = self.positions(stretches);
        let request = Request::Commit {
            offsets: offsets.clone(),
        };
        let answer = session.ask(request, self)?;
        let result = result_of(answer.as_ref().err());
        session.tell_commit(&offsets, result);
        Ok(match answer {
            _ if result == CommitResult::Accepted => End::Committed,
            Err(error) => {
                session.complain(&error);
                if is_fenced(&error) {
                    End::Over(error)
                } else {
                    End::Kept
                }
            }
            Ok(()) => End::Kept,
        })
    }

    fn positions(&self, stretches: &BTreeMap<i32, Stretch>) -> Vec<Position> {
        let stretches = stretches.iter();
        let positions =
            stretches.map(|(partition, stretch)| self.position(*partition, stretch.next));
        positions.collect()
    }

    fn position(&self, partition: i32, offset: i64) -> Position {
        Position {
            topic: self.role.from.clone(),
            partition,
            offset,
        }
    }

    /// Goes back to where what was undone began.
    fn rewind(&mut self, session: &mut Session) -> Result<(), SubjectError> {
        let rewinds = std::mem::take(&mut self.window.rewinds);
        for (partition, first) in rewinds {
            let to = self.position(partition, first);
            match session.ask(Request::Seek(to), self)? {
                Ok(()) => session.reporter.say(ClientEvent::Repositioned {
                    partition: PartitionIndex::new(partition),
                    next: Offset::new(first),
                }),
                // It would wait for ever for records that do not come again.
                Err(error) if session.cannot(limits::SEEK) => {
                    self.window.over = Some(error);
                }
                Err(error) => {
                    session
                        .reporter
                        .note(format!("cannot go back to {first}: {error}"));
                    self.window.rewinds.insert(partition, first);
                }
            }
        }
        Ok(())
    }

    /// Before it leaves: commits, or, where it cannot go on, undoes what is
    /// open, and says so where another took its place.
    fn finish(&mut self, session: &mut Session) -> Result<(), SubjectError> {
        let delivery = await_outcomes(session)?;
        match &self.window.over {
            None if !self.window.stretches.is_empty() => self.end(delivery, session)?,
            Some(_) if self.window.open.is_some() => self.end(Delivery::Broken, session)?,
            _ => {}
        }
        match self.window.over.take() {
            None => Ok(()),
            Some(over) if is_fenced(&over) => {
                session.reporter.say(ClientEvent::Fenced {
                    error: over.to_string(),
                });
                Ok(())
            }
            Some(source) => Err(SubjectError::Client {
                doing: "go on",
                source,
            }),
        }
    }

    /// Partitions are no longer its own.
    fn give_up(&mut self, partitions: Vec<PartitionIndex>, session: &Session) {
        let kept = |partition: &i32| !partitions.contains(&PartitionIndex::new(*partition));
        self.window.stretches.retain(|partition, _| kept(partition));
        self.window.rewinds.retain(|partition, _| kept(partition));
        session.reporter.say(ClientEvent::Revoked { partitions });
    }
}

/// What is known of a transaction that this client cannot end any more: it is
/// another's now, or the client is over for some other reason.
fn outcome_after(error: &ClientError) -> TransactionOutcome {
    if is_fenced(error) {
        return TransactionOutcome::Fenced;
    }
    TransactionOutcome::Unknown {
        error: error.to_string(),
    }
}

impl Rebalanced for Transformer<'_> {
    fn rebalanced(
        &mut self,
        session: &mut Session,
        rebalance: Rebalance,
    ) -> Result<(), SubjectError> {
        match rebalance {
            Rebalance::Assigned(partitions) => {
                session.reporter.say(ClientEvent::Assigned { partitions });
            }
            Rebalance::Revoked(partitions) => {
                self.settle(session)?;
                self.give_up(partitions, session);
            }
            // The client is in the middle of something: what was made of them
            // is undone once it is done with that.
            Rebalance::Lost(partitions) => {
                let of_lost = |it: &PartitionIndex| self.window.stretches.contains_key(&it.get());
                self.window.lost |= self.window.open.is_some() && partitions.iter().any(of_lost);
                self.give_up(partitions, session);
            }
        }
        Ok(())
    }
}

/// Waits until everything that was handed over has its outcome. Nothing of
/// the sort is asked of the client, as an application's own thread waits.
fn await_outcomes(session: &mut Session) -> Result<Delivery, SubjectError> {
    while session.outstanding() > 0 {
        session.turn(OUTCOMES)?;
    }
    Ok(delivery(session))
}

/// Whether every outcome since the last time was an acknowledgement.
fn delivery(session: &mut Session) -> Delivery {
    match session.take_undelivered() {
        0 => Delivery::Whole,
        _ => Delivery::Broken,
    }
}
