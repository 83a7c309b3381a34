//! Converts Jepsen's operations to events, one process at a time. Knows nothing of how
//! operations are written.

use std::collections::{BTreeSet, HashSet};

use model::event::{Body, Content, Event, Intent, Isolation, Outcome, TransactionOutcome};
use model::ids::{
    GroupIx, Micros as Moment, Offset, PartitionRef, RecordId, TopicIx, TransactionRef,
};

use super::JepsenSettings;
use super::edn::Cursor;
use super::error::{JepsenFlaw, Located};
use super::foresight::{Foreseen, Lookout, Sending};
use super::forms::Tail;
use super::identities::{Found, Identities, KEYS_MAX, Partition};
use super::operation::{Begin, Kind, Micros, Operation, Phase, Read, Scalar, What};
use super::process::{Invoked, Open, Process, Step};
use super::summary::{JepsenNote, JepsenSummary, text};

/// Jepsen's name, and that of the topic and the group.
const JEPSEN: &str = "jepsen";
const TOPIC: TopicIx = TopicIx::new(0);
pub(super) const GROUP: GroupIx = GroupIx::new(0);
/// As much of an error as is kept.
const ERROR_BYTES_MAX: usize = 256;
/// The time from a transaction's invocation to its request for a commit.
const COMMIT_DELAY_US: u64 = 1;
/// The offset of an acknowledgement that names none.
const NO_OFFSET: Offset = Offset::new(-1);

/// Counts that become notes.
#[derive(Default)]
struct NoteCounts {
    uninvoked: u64,
    uncompleted: u64,
    renamed: u64,
    timeless: u64,
    unplaced: u64,
}

/// The state of a conversion apart from the processes.
pub(super) struct Converter<'s> {
    sink: &'s mut dyn FnMut(Event),
    now: Moment,
    begun: bool,
    /// As it was declared, or shall be at the beginning.
    isolation: Option<Isolation>,
    /// Whether it was said that groups may be rebalanced at any time.
    rebalances: bool,
    foreseen: &'s Foreseen,
    /// Transactions whose sends were emitted before their invocation.
    announced: HashSet<TransactionRef>,
    lookout: Lookout,
    identities: Identities,
    /// Acknowledged somewhere, and not read so far.
    unlocated: HashSet<RecordId>,
    pub(super) summary: JepsenSummary,
    tally: NoteCounts,
}

impl<'s> Converter<'s> {
    pub(super) fn new(
        settings: JepsenSettings,
        foreseen: &'s Foreseen,
        sink: &'s mut dyn FnMut(Event),
    ) -> Self {
        Self {
            sink,
            now: Moment::default(),
            begun: false,
            isolation: settings.isolation,
            rebalances: false,
            foreseen,
            announced: HashSet::new(),
            lookout: Lookout::default(),
            identities: Identities::default(),
            unlocated: HashSet::new(),
            summary: JepsenSummary::default(),
            tally: NoteCounts::default(),
        }
    }

    pub(super) fn emit(&mut self, body: Body) {
        self.emit_at(self.now, body);
    }

    fn emit_at(&mut self, at: Moment, body: Body) {
        (self.sink)(Event { at, body });
    }

    /// Emits the declarations, before the first event.
    pub(super) fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        self.emit(Body::Imported {
            tool: JEPSEN.to_owned(),
        });
        self.declare_topic(0);
        self.emit(Body::GroupDeclared {
            group: GROUP,
            name: JEPSEN.to_owned(),
            topics: vec![TOPIC],
        });
        if let Some(isolation) = self.isolation {
            self.declare_isolation(isolation);
        }
    }

    fn declare_topic(&mut self, partitions: i32) {
        self.emit(Body::TopicDeclared {
            topic: TOPIC,
            name: JEPSEN.to_owned(),
            partitions,
        });
    }

    fn declare_isolation(&mut self, isolation: Isolation) {
        self.isolation = Some(isolation);
        self.emit(Body::IsolationDeclared {
            group: GROUP,
            isolation,
        });
    }

    /// Operations stand in the order in which they happened, so each comes
    /// after the one before, however coarse their times are; with room for
    /// [`COMMIT_DELAY_US`] between them.
    pub(super) fn keep_time(&mut self, time_ns: Option<u64>) {
        let next = if self.begun {
            self.now.get().saturating_add(COMMIT_DELAY_US + 1)
        } else {
            0
        };
        self.tally.timeless += u64::from(time_ns.is_none());
        self.now = Moment::new(next.max(time_ns.unwrap_or(0) / 1000));
    }

    /// The partition of a key. The topic is declared anew whenever it grows,
    /// since how many keys there are is only known at the end.
    fn partition(&mut self, key: Scalar<'_>, at: Cursor<'_>) -> Result<Partition, Located> {
        match self.identities.partition(key) {
            Some(Found::Known(partition)) => Ok(partition),
            Some(Found::New(partition, count)) => {
                self.summary.keys.push(key.shown());
                self.declare_topic(count);
                Ok(partition)
            }
            None => Err(at.flaw(JepsenFlaw::TooMany {
                what: "keys",
                max: KEYS_MAX,
            })),
        }
    }

    /// `:assign` gives partitions, and takes those that it does not name. Of
    /// one that is given and was read before, the position is kept. One that may
    /// have happened has.
    pub(super) fn assign(
        &mut self,
        process: &mut Process,
        operation: &Operation<'_>,
        keys: &[Scalar<'_>],
        begin: Begin,
    ) -> Result<(), Located> {
        let Some(assigned) = self.ask(process, operation, keys)? else {
            return Ok(());
        };
        if begin == Begin::Beginning {
            for partition in process.forget_others(&BTreeSet::new()) {
                self.reposition(process, partition, None);
            }
        }
        if operation.phase == Phase::Ok {
            self.emit(Body::Assigned {
                member: process.member,
                partitions: assigned.iter().copied().map(place).collect(),
            });
            for partition in assigned {
                if let Some(next) = process.settled(partition).and_then(behind) {
                    self.reposition(process, partition, Some(next));
                }
            }
        }
        Ok(())
    }

    /// `:subscribe` leaves it to the group which partitions are given, and when
    /// they are taken again.
    pub(super) fn subscribe(
        &mut self,
        process: &mut Process,
        operation: &Operation<'_>,
        keys: &[Scalar<'_>],
    ) -> Result<(), Located> {
        if self.ask(process, operation, keys)?.is_some() {
            self.rebalances_untold();
        }
        Ok(())
    }

    /// The partitions that a process asks for, where it may have got them. Its positions
    /// elsewhere are forgotten, and so is the order of its sends there.
    fn ask(
        &mut self,
        process: &mut Process,
        operation: &Operation<'_>,
        keys: &[Scalar<'_>],
    ) -> Result<Option<BTreeSet<Partition>>, Located> {
        if matches!(operation.phase, Phase::Invoke | Phase::Fail) {
            return Ok(None);
        }
        let mut asked = BTreeSet::new();
        for key in keys {
            asked.insert(self.partition(*key, operation.begin)?);
        }
        for partition in process.forget_others(&asked) {
            self.reposition(process, partition, None);
        }
        for partition in process.forget_order(&asked) {
            self.emit(Body::OrderForgotten {
                producer: process.producer,
                partition: place(partition),
            });
        }
        Ok(Some(asked))
    }

    fn rebalances_untold(&mut self) {
        if !std::mem::replace(&mut self.rebalances, true) {
            self.emit(Body::RebalancesUnrecorded { group: GROUP });
        }
    }

    fn reposition(&mut self, process: &Process, partition: Partition, next: Option<Offset>) {
        self.emit(Body::Repositioned {
            member: process.member,
            partition: place(partition),
            next,
        });
    }

    /// Emits an operation's invocation, and the request for its transaction's commit. That
    /// request was sent at some moment before the completion. The earliest moment is used,
    /// right after the invocation: at a later one, a read after the real commit could seem
    /// to be before it.
    pub(super) fn invoke(
        &mut self,
        process: &mut Process,
        kind: Kind,
        micros: &Micros<'_>,
        line: u64,
    ) -> Result<(), Located> {
        self.abandon(process);
        let is_send = |what: &What<'_>| matches!(what, What::Send { .. });
        let sends = micros
            .all
            .iter()
            .filter(|micro| is_send(&micro.what))
            .count();
        let transaction = process.next_transaction();
        if sends > 0 && self.isolation.is_none() {
            self.declare_isolation(Isolation::ReadCommitted);
        }
        let announced = self.announced.remove(&transaction);
        if !announced {
            self.emit(Body::TransactionBegun { transaction });
        }
        if sends < micros.all.len() {
            let member = process.member;
            self.emit(Body::TransactionJoined {
                transaction,
                member,
            });
        }
        let mut invoked = Vec::with_capacity(micros.all.len());
        let mut records = Vec::new();
        let mut early = false;
        for micro in &micros.all {
            invoked.push(match micro.what {
                What::Poll { .. } => Invoked::Poll,
                What::Send { key, value, .. } => {
                    let partition = self.partition(key, micro.begin)?;
                    let record = process.next_record();
                    process.sends_to(partition);
                    if self.identities.name(partition, value, record).is_some() {
                        return Err(micro.begin.flaw(sent_twice(key, value)));
                    }
                    early |= self.lookout.sent(partition, &value.written(), record);
                    records.push((record, partition));
                    if !announced {
                        let to = place(partition);
                        self.emit(Body::SendInvoked { record, to });
                    }
                    Invoked::Send(record, partition)
                }
            });
        }
        if early {
            self.lookout.sends(Sending {
                transaction,
                records,
            });
        }
        if !announced {
            let asked = self.now.get().saturating_add(COMMIT_DELAY_US);
            let ending = Body::TransactionEnding {
                transaction,
                intent: Intent::Commit,
            };
            self.emit_at(Moment::new(asked), ending);
        }
        process.open = Some(Open {
            kind,
            line,
            at: self.now,
            transaction,
            micros: invoked,
        });
        Ok(())
    }

    /// Emits an operation's completion.
    pub(super) fn complete(
        &mut self,
        process: &mut Process,
        operation: &Operation<'_>,
        (kind, micros): (Kind, Option<&Micros<'_>>),
        line: u64,
    ) -> Result<(), Located> {
        if process.open.is_none() {
            self.tally.uninvoked += 1;
            let none = Micros::default();
            self.invoke(process, kind, micros.unwrap_or(&none), line)?;
        }
        let Some(open) = process.open.take() else {
            return Ok(());
        };
        if open.kind != kind {
            let flaw = open.mismatch("it is another `:f`");
            return Err(operation.begin.flaw(flaw));
        }
        let told = Completion {
            phase: operation.phase,
            transaction: open.transaction,
            error: match (operation.phase, operation.error) {
                (Phase::Ok, _) => String::new(),
                (_, Some(error)) => text(error, ERROR_BYTES_MAX),
                (_, None) => "no reason is given".to_owned(),
            },
        };
        match micros {
            Some(micros) => self.complete_parts(process, operation, &open, micros, &told)?,
            None if operation.phase != Phase::Ok || open.micros.is_empty() => {
                self.sent_somewhere(&open, &told);
            }
            None => {
                let how = "it has no micro-operations";
                return Err(operation.begin.flaw(open.mismatch(how)));
            }
        }
        self.end_transaction(&told);
        if operation.phase == Phase::Ok {
            process.settle();
        } else {
            for (partition, settled) in process.rewind() {
                self.reposition(process, partition, settled.and_then(behind));
            }
        }
        Ok(())
    }

    /// Emits the completion of each micro-operation, in their order. The sends are those of
    /// the invocation; the number of polls may differ.
    fn complete_parts(
        &mut self,
        process: &mut Process,
        operation: &Operation<'_>,
        open: &Open,
        micros: &Micros<'_>,
        told: &Completion,
    ) -> Result<(), Located> {
        let rebalanced = operation.rebalanced.iter();
        let rebalanced = rebalanced
            .map(|key| self.partition(*key, operation.begin))
            .collect::<Result<BTreeSet<_>, _>>()?;
        let mut reads = micros.reads.iter();
        let mut sends = open.micros.iter().filter_map(|micro| match micro {
            Invoked::Send(record, partition) => Some((*record, *partition)),
            Invoked::Poll => None,
        });
        for micro in &micros.all {
            let wrong = |flaw| micro.begin.flaw(flaw);
            match &micro.what {
                What::Poll { reads: count } => {
                    for read in reads.by_ref().take(*count) {
                        let read = (read, told.phase);
                        self.read(process, read, open, &rebalanced, micro.begin)?;
                    }
                }
                What::Send { key, value, offset } => {
                    let Some((record, partition)) = sends.next() else {
                        return Err(wrong(open.mismatch("it has more sends")));
                    };
                    if self.partition(*key, micro.begin)? != partition {
                        return Err(wrong(open.mismatch("it sends to another key")));
                    }
                    self.rename(record, partition, *key, *value)
                        .map_err(wrong)?;
                    self.sent(record, partition, *offset, told);
                }
            }
        }
        match sends.next() {
            None => Ok(()),
            Some(_) => Err(operation.begin.flaw(open.mismatch("it has fewer sends"))),
        }
    }

    /// Emits the outcomes of an operation's sends without known offsets.
    fn sent_somewhere(&mut self, open: &Open, told: &Completion) {
        for invoked in &open.micros {
            if let Invoked::Send(record, partition) = *invoked {
                self.sent(record, partition, None, told);
            }
        }
    }

    /// An operation that has not completed never will: its outcome is unknown.
    pub(super) fn abandon(&mut self, process: &mut Process) {
        let Some(open) = process.open.take() else {
            return;
        };
        self.tally.uncompleted += 1;
        let told = Completion {
            phase: Phase::Info,
            transaction: open.transaction,
            error: "it never completed".to_owned(),
        };
        self.sent_somewhere(&open, &told);
        self.end_transaction(&told);
    }

    /// Emits the outcome of a send. In a transaction of unknown outcome the record itself
    /// may well have been acknowledged. An `:ok` acknowledges it even where it does not say
    /// at which offset.
    fn sent(
        &mut self,
        record: RecordId,
        partition: Partition,
        offset: Option<Offset>,
        told: &Completion,
    ) {
        let error = || told.error.clone();
        let at = place(partition);
        let outcome = match (told.phase, offset) {
            (Phase::Fail, _) => Outcome::Failed { error: error() },
            (Phase::Ok | Phase::Info, Some(offset)) => Outcome::Acknowledged { at, offset },
            (Phase::Ok, None) => {
                self.unlocated.insert(record);
                let offset = NO_OFFSET;
                Outcome::Acknowledged { at, offset }
            }
            (Phase::Info | Phase::Invoke, _) => Outcome::Unknown { error: error() },
        };
        self.emit(Body::SendCompleted { record, outcome });
    }

    fn end_transaction(&mut self, told: &Completion) {
        let transaction = told.transaction;
        let outcome = match told.phase {
            Phase::Ok => TransactionOutcome::Committed,
            Phase::Fail => TransactionOutcome::Aborted,
            Phase::Info | Phase::Invoke => TransactionOutcome::Unknown {
                error: told.error.clone(),
            },
        };
        self.emit(Body::TransactionCompleted {
            transaction,
            outcome,
        });
    }

    /// Where a completion has another value than its invocation, the completion's counts.
    fn rename(
        &mut self,
        record: RecordId,
        partition: Partition,
        key: Scalar<'_>,
        value: Scalar<'_>,
    ) -> Result<(), JepsenFlaw> {
        match self.identities.record(partition, value) {
            Some(known) if known == record => Ok(()),
            Some(_) => Err(sent_twice(key, value)),
            None => {
                self.tally.renamed += 1;
                self.identities.name(partition, value, record);
                Ok(())
            }
        }
    }

    /// Emits a read, at the completion of its operation: it was not later. A transaction
    /// reads before its commit is requested, so its reads of its own records are placed at
    /// its invocation. An operation that failed has seen the record and not processed it. A
    /// read without an offset is only counted.
    fn read(
        &mut self,
        process: &mut Process,
        (read, phase): (&Read<'_>, Phase),
        open: &Open,
        rebalanced: &BTreeSet<Partition>,
        at: Cursor<'_>,
    ) -> Result<(), Located> {
        let partition = self.partition(read.key, at)?;
        let record = self.identify(partition, read.value);
        if let Some(record) = record
            && !self.unlocated.is_empty()
        {
            self.unlocated.remove(&record);
        }
        let Some(offset) = read.offset else {
            self.tally.unplaced += 1;
            return Ok(());
        };
        let step = process.reads(partition, offset);
        if rebalanced.contains(&partition) {
            match step {
                Step::First => {}
                Step::FromBefore => self.rebalances_untold(),
                Step::Within => self.reposition(process, partition, None),
            }
        }
        let own = record.is_some_and(|record| open.sends(record));
        let at = if own { open.at } else { self.now };
        let (member, from) = (process.member, place(partition));
        let content = record.map_or(Content::Foreign, Content::Ours);
        let body = if phase == Phase::Ok {
            Body::Processed {
                member,
                from,
                offset,
                content,
            }
        } else {
            Body::ReadRolledBack {
                member,
                from,
                offset,
                content,
            }
        };
        self.emit_at(at, body);
        Ok(())
    }

    /// The record of a value. If its send comes later in the history, the send is emitted
    /// here, before the read.
    fn identify(&mut self, partition: Partition, value: Scalar<'_>) -> Option<RecordId> {
        if let Some(known) = self.identities.record(partition, value) {
            return Some(known);
        }
        let foreseen = self.foreseen;
        let Some(record) = foreseen.record(partition, &value.written()) else {
            self.lookout.polled(partition, &value.written());
            return None;
        };
        if let Some(sending) = foreseen.sending(record)
            && self.announced.insert(sending.transaction)
        {
            let transaction = sending.transaction;
            if self.isolation.is_none() {
                self.declare_isolation(Isolation::ReadCommitted);
            }
            self.emit(Body::TransactionBegun { transaction });
            for (record, partition) in &sending.records {
                let (record, to) = (*record, place(*partition));
                self.emit(Body::SendInvoked { record, to });
            }
            self.emit(Body::TransactionEnding {
                transaction,
                intent: Intent::Commit,
            });
        }
        Some(record)
    }

    /// The sends that stand behind a poll of their record, for the next conversion.
    pub(super) fn foresee(&mut self) -> Foreseen {
        self.lookout.take()
    }

    /// Ends the conversion, with notes on everything left open.
    pub(super) fn finish(mut self, tail: Tail) -> JepsenSummary {
        let tally = std::mem::take(&mut self.tally);
        let unlocated = self.unlocated.len() as u64;
        let mut note = |count, note: fn(u64) -> JepsenNote| {
            if count > 0 {
                self.summary.notes.push(note(count));
            }
        };
        note(tally.uninvoked, |operations| JepsenNote::Uninvoked {
            operations,
        });
        note(tally.uncompleted, |operations| JepsenNote::Uncompleted {
            operations,
        });
        note(tally.renamed, |sends| JepsenNote::Renamed { sends });
        note(tally.timeless, |operations| JepsenNote::Timeless {
            operations,
        });
        note(tally.unplaced, |reads| JepsenNote::Unplaced { reads });
        note(unlocated, |sends| JepsenNote::Unlocated { sends });
        match tail {
            Tail::Whole => {}
            Tail::CutOff { line } => self.summary.notes.push(JepsenNote::CutOff { line }),
            Tail::Unclosed => self.summary.notes.push(JepsenNote::Unclosed),
        }
        // They cannot be compared with reads elsewhere, so a missing read proves nothing.
        for note in self.summary.notes.clone() {
            if let JepsenNote::Unplaced { .. } = note {
                self.emit(Body::Incomplete {
                    description: note.to_string(),
                });
            }
        }
        self.summary
    }
}

/// How an operation went, as far as its parts need to know.
struct Completion {
    phase: Phase,
    transaction: TransactionRef,
    /// Why, where it went ill.
    error: String,
}

/// The offset behind one.
fn behind(offset: Offset) -> Option<Offset> {
    offset.get().checked_add(1).map(Offset::new)
}

fn place(partition: Partition) -> PartitionRef {
    PartitionRef {
        topic: TOPIC,
        partition: partition.index(),
    }
}

fn sent_twice(key: Scalar<'_>, value: Scalar<'_>) -> JepsenFlaw {
    JepsenFlaw::SentTwice {
        key: key.shown(),
        value: value.shown(),
    }
}
