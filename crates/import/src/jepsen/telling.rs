//! What each operation means to Jepsen, in the words of the model. Knows
//! nothing of how operations are written, and of one process at a time.

use std::collections::{BTreeSet, HashSet};

use model::event::{Body, Content, Event, Intent, Isolation, Outcome, TransactionOutcome};
use model::ids::{
    GroupIx, Micros as Moment, Offset, PartitionRef, RecordId, TopicIx, TransactionRef,
};

use super::Settings;
use super::edn::Cursor;
use super::error::{Flaw, Located};
use super::forms::Tail;
use super::identities::{Found, Identities, Partition};
use super::operation::{Kind, Micros, Operation, Phase, Read, Scalar, What};
use super::process::{Following, Invoked, Open, Process, Step};
use super::summary::{Note, Summary, text};

/// Jepsen's name, and that of the topic and the group.
const JEPSEN: &str = "jepsen";
const TOPIC: TopicIx = TopicIx::new(0);
pub(super) const GROUP: GroupIx = GroupIx::new(0);
/// As much of an error as is kept.
const ERROR_BYTES_MAX: usize = 256;
const WITHOUT_OFFSET: &str = "acknowledged without an offset";

/// Whether operations run in transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transactions {
    /// No sign of any so far.
    Unseen,
    /// Every one does.
    Seen,
}

/// Counts that become notes.
#[derive(Default)]
struct Tally {
    uninvoked: u64,
    uncompleted: u64,
    renamed: u64,
    timeless: u64,
    unplaced: u64,
}

/// All there is to know apart from the processes, and where events go.
pub(super) struct Telling<'s> {
    sink: &'s mut dyn FnMut(Event),
    now: Moment,
    begun: bool,
    /// As it was declared, or shall be at the beginning.
    isolation: Option<Isolation>,
    transactions: Transactions,
    identities: Identities,
    /// Acknowledged somewhere, and not read so far.
    unlocated: HashSet<RecordId>,
    pub(super) summary: Summary,
    tally: Tally,
}

impl<'s> Telling<'s> {
    pub(super) fn new(settings: Settings, sink: &'s mut dyn FnMut(Event)) -> Self {
        Self {
            sink,
            now: Moment::default(),
            begun: false,
            isolation: settings.isolation,
            transactions: Transactions::Unseen,
            identities: Identities::default(),
            unlocated: HashSet::new(),
            summary: Summary::default(),
            tally: Tally::default(),
        }
    }

    pub(super) fn emit(&mut self, body: Body) {
        (self.sink)(Event { at: self.now, body });
    }

    /// What comes before everything else, once there is anything.
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

    pub(super) fn keep_time(&mut self, time_ns: Option<u64>) {
        match time_ns {
            Some(time_ns) => self.now = Moment::new(time_ns / 1000),
            None => self.tally.timeless += 1,
        }
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
            None => Err(at.flaw(Flaw::TooMany {
                what: "keys",
                max: i32::MAX.unsigned_abs(),
            })),
        }
    }

    /// `:assign` gives partitions from wherever their positions are then, and
    /// takes those it does not name. Where it may have happened, nothing is
    /// known of positions.
    pub(super) fn assign(
        &mut self,
        process: &mut Process,
        operation: &Operation<'_>,
        keys: &[Scalar<'_>],
    ) -> Result<(), Located> {
        match operation.phase {
            Phase::Invoke | Phase::Fail => return Ok(()),
            Phase::Info => {
                self.forget(process, &BTreeSet::new());
                return Ok(());
            }
            Phase::Ok => {}
        }
        let mut assigned = BTreeSet::new();
        for key in keys {
            assigned.insert(self.partition(*key, operation.begin)?);
        }
        process.following = Following::Assigned;
        self.forget(process, &assigned);
        self.emit(Body::Assigned {
            member: process.member,
            partitions: assigned.into_iter().map(place).collect(),
        });
        Ok(())
    }

    /// `:subscribe` leaves it to the group which partitions are given, and
    /// from where. So does one that may have happened.
    pub(super) fn subscribe(&mut self, process: &mut Process, phase: Phase) {
        if matches!(phase, Phase::Ok | Phase::Info) {
            process.following = Following::Subscribed;
            self.forget(process, &BTreeSet::new());
        }
    }

    /// Nothing is expected of what is read next, anywhere; an assignment says
    /// so itself.
    fn forget(&mut self, process: &mut Process, assigned: &BTreeSet<Partition>) {
        for partition in process.forget() {
            if !assigned.contains(&partition) {
                self.reposition(process, partition, None);
            }
        }
    }

    fn reposition(&mut self, process: &Process, partition: Partition, next: Option<Offset>) {
        self.emit(Body::Repositioned {
            member: process.member,
            partition: place(partition),
            next,
        });
    }

    /// Tells what an operation is going to do. A transaction is told to be
    /// asked to commit here too: that happens at some moment before the
    /// completion, and if a read ended before the earliest of these moments it
    /// certainly came too early. Told at any later one, a read after the real
    /// commit could seem to be before it.
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
        if kind == Kind::Txn || micros.all.len() > 1 {
            self.transactions = Transactions::Seen;
        }
        let transaction =
            (self.transactions == Transactions::Seen).then(|| process.next_transaction());
        if let Some(transaction) = transaction {
            if sends > 0 && self.isolation.is_none() {
                self.declare_isolation(Isolation::ReadCommitted);
            }
            self.emit(Body::TransactionBegun { transaction });
            if sends < micros.all.len() {
                let member = process.member;
                self.emit(Body::TransactionJoined {
                    transaction,
                    member,
                });
            }
        }
        let mut invoked = Vec::with_capacity(micros.all.len());
        for micro in &micros.all {
            invoked.push(match micro.what {
                What::Poll { .. } => Invoked::Poll,
                What::Send { key, value, .. } => {
                    let partition = self.partition(key, micro.begin)?;
                    let record = process.next_record();
                    if self.identities.name(partition, value, record).is_some() {
                        return Err(micro.begin.flaw(sent_twice(key, value)));
                    }
                    let to = place(partition);
                    self.emit(Body::SendInvoked { record, to });
                    Invoked::Send(record, partition)
                }
            });
        }
        if let Some(transaction) = transaction {
            let intent = Intent::Commit;
            self.emit(Body::TransactionEnding {
                transaction,
                intent,
            });
        }
        process.open = Some(Open {
            kind,
            line,
            transaction,
            micros: invoked,
        });
        Ok(())
    }

    /// Tells how an operation went.
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
        let mismatch = |at: Cursor<'_>, how| {
            let line = open.line;
            at.flaw(Flaw::Mismatch { line, how })
        };
        if open.kind != kind {
            return Err(mismatch(operation.begin, "it is another `:f`"));
        }
        let told = Told {
            phase: operation.phase,
            transaction: open.transaction,
            error: match (operation.phase, operation.error) {
                (Phase::Ok, _) => String::new(),
                (_, Some(error)) => text(error, ERROR_BYTES_MAX),
                (_, None) => "no reason is given".to_owned(),
            },
        };
        match micros {
            Some(micros) if micros.all.len() == open.micros.len() => {
                let rebalanced = operation.rebalanced.iter();
                let rebalanced = rebalanced
                    .map(|key| self.partition(*key, operation.begin))
                    .collect::<Result<BTreeSet<_>, _>>()?;
                let mut reads = micros.reads.iter();
                for (invoked, micro) in open.micros.iter().zip(&micros.all) {
                    match (*invoked, &micro.what) {
                        (Invoked::Poll, What::Poll { reads: count }) => {
                            for read in reads.by_ref().take(*count) {
                                self.read(process, read, &rebalanced, micro.begin)?;
                            }
                        }
                        (Invoked::Send(record, partition), What::Send { key, value, offset }) => {
                            if self.partition(*key, micro.begin)? != partition {
                                return Err(mismatch(micro.begin, "it sends to another key"));
                            }
                            self.rename(record, partition, *key, *value)
                                .map_err(|flaw| micro.begin.flaw(flaw))?;
                            self.sent(record, partition, *offset, &told);
                        }
                        _ => {
                            let how = "a send stands where a poll was, or the other way round";
                            return Err(mismatch(micro.begin, how));
                        }
                    }
                }
            }
            None if operation.phase != Phase::Ok || open.micros.is_empty() => {
                for invoked in &open.micros {
                    if let Invoked::Send(record, partition) = *invoked {
                        self.sent(record, partition, None, &told);
                    }
                }
            }
            _ => {
                let how = "it has more or fewer micro-operations";
                return Err(mismatch(operation.begin, how));
            }
        }
        self.end_transaction(&told);
        if operation.phase == Phase::Ok {
            process.settle();
        } else {
            for (partition, settled) in process.rewind() {
                let next = settled.and_then(|offset| offset.get().checked_add(1));
                self.reposition(process, partition, next.map(Offset::new));
            }
        }
        Ok(())
    }

    /// An operation that has not completed never will: its outcome is unknown.
    pub(super) fn abandon(&mut self, process: &mut Process) {
        let Some(open) = process.open.take() else {
            return;
        };
        self.tally.uncompleted += 1;
        let told = Told {
            phase: Phase::Info,
            transaction: open.transaction,
            error: "it never completed".to_owned(),
        };
        for invoked in &open.micros {
            if let Invoked::Send(record, partition) = *invoked {
                self.sent(record, partition, None, &told);
            }
        }
        self.end_transaction(&told);
    }

    /// Tells what became of a send. In a transaction of unknown outcome the
    /// record itself may well have been acknowledged; outside of one, an
    /// offset of an `:info` proves nothing.
    fn sent(
        &mut self,
        record: RecordId,
        partition: Partition,
        offset: Option<Offset>,
        told: &Told,
    ) {
        let error = || told.error.clone();
        let outcome = match (told.phase, told.transaction, offset) {
            (Phase::Fail, ..) => Outcome::Failed { error: error() },
            (Phase::Ok, _, Some(offset)) | (Phase::Info, Some(_), Some(offset)) => {
                let at = place(partition);
                Outcome::Acknowledged { at, offset }
            }
            (Phase::Ok, _, None) => {
                self.unlocated.insert(record);
                let error = WITHOUT_OFFSET.to_owned();
                Outcome::Unknown { error }
            }
            (Phase::Info | Phase::Invoke, ..) => Outcome::Unknown { error: error() },
        };
        self.emit(Body::SendCompleted { record, outcome });
    }

    fn end_transaction(&mut self, told: &Told) {
        let Some(transaction) = told.transaction else {
            return;
        };
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

    /// A completion's value counts, should it be another than the
    /// invocation's.
    fn rename(
        &mut self,
        record: RecordId,
        partition: Partition,
        key: Scalar<'_>,
        value: Scalar<'_>,
    ) -> Result<(), Flaw> {
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

    /// Tells that a record was read. A read without an offset cannot be told,
    /// only counted.
    fn read(
        &mut self,
        process: &mut Process,
        read: &Read<'_>,
        rebalanced: &BTreeSet<Partition>,
        at: Cursor<'_>,
    ) -> Result<(), Located> {
        let partition = self.partition(read.key, at)?;
        let record = self.identities.record(partition, read.value);
        if let Some(record) = record
            && !self.unlocated.is_empty()
        {
            self.unlocated.remove(&record);
        }
        let Some(offset) = read.offset else {
            self.tally.unplaced += 1;
            return Ok(());
        };
        let following = process.following;
        let anything_goes = match process.reads(partition, offset) {
            Step::First => false,
            Step::FromBefore => {
                following == Following::Subscribed || rebalanced.contains(&partition)
            }
            Step::Within => rebalanced.contains(&partition),
        };
        if anything_goes {
            self.reposition(process, partition, None);
        }
        self.emit(Body::Processed {
            member: process.member,
            from: place(partition),
            offset,
            content: record.map_or(Content::Foreign, Content::Ours),
        });
        Ok(())
    }

    /// What the history leaves open at its end.
    pub(super) fn finish(mut self, tail: Tail) -> Summary {
        let tally = std::mem::take(&mut self.tally);
        let unlocated = self.unlocated.len() as u64;
        let mut note = |count, note: fn(u64) -> Note| {
            if count > 0 {
                self.summary.notes.push(note(count));
            }
        };
        note(tally.uninvoked, |operations| Note::Uninvoked { operations });
        note(tally.uncompleted, |operations| Note::Uncompleted {
            operations,
        });
        note(tally.renamed, |sends| Note::Renamed { sends });
        note(tally.timeless, |operations| Note::Timeless { operations });
        note(tally.unplaced, |reads| Note::Unplaced { reads });
        note(unlocated, |sends| Note::Unlocated { sends });
        match tail {
            Tail::Whole => {}
            Tail::CutOff { line } => self.summary.notes.push(Note::CutOff { line }),
            Tail::Unclosed => self.summary.notes.push(Note::Unclosed),
        }
        // Neither can be held against what was read elsewhere, so nothing is
        // proved by what was not read.
        for note in self.summary.notes.clone() {
            if let Note::Unplaced { .. } | Note::Unlocated { .. } = note {
                self.emit(Body::Lacking {
                    what: note.to_string(),
                });
            }
        }
        self.summary
    }
}

/// How an operation went, as far as its parts need to know.
struct Told {
    phase: Phase,
    transaction: Option<TransactionRef>,
    /// Why, where it went ill.
    error: String,
}

fn place(partition: Partition) -> PartitionRef {
    PartitionRef {
        topic: TOPIC,
        partition: partition.index(),
    }
}

fn sent_twice(key: Scalar<'_>, value: Scalar<'_>) -> Flaw {
    Flaw::SentTwice {
        key: key.shown(),
        value: value.shown(),
    }
}
