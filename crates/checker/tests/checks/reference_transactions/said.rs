//! What a history says of transactions, as lists, and what became of each.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{
    BatchKind, Body, CommitResult, Content, Event, Intent, Isolation, Outcome, TransactionOutcome,
};
use model::ids::{GroupIx, MemberIx, Micros, PartitionRef, ProducerIx, RecordId, TransactionRef};

use super::Declared;

pub(super) type Place = (PartitionRef, i64);

pub(super) struct Sent {
    pub(super) record: RecordId,
    pub(super) of: Option<TransactionRef>,
}

struct Batch {
    partition: PartitionRef,
    first: i64,
    last: i64,
    producer: i64,
    kind: BatchKind,
}

/// A record as it stands in the log.
#[derive(Clone, Debug)]
pub(super) struct StoredRecords {
    pub(super) place: Place,
    pub(super) content: Content,
    pub(super) how: How,
    /// It was seen there; it is not only said to stand there.
    pub(super) seen: bool,
}

/// What the log says of the transaction that a record stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It stands in none.
    Outside,
    Committed,
    Aborted,
    /// No marker closes it.
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TxnOutcome {
    Committed,
    Aborted,
    Unknown,
}

/// A record that a member processed.
pub(super) struct Reading {
    pub(super) at: Micros,
    pub(super) member: MemberIx,
    pub(super) group: GroupIx,
    pub(super) place: Place,
    pub(super) content: Content,
    /// The transaction for which it was read.
    pub(super) inside: Option<TransactionRef>,
}

pub(super) struct Commit {
    pub(super) at: Micros,
    pub(super) group: GroupIx,
    pub(super) partition: PartitionRef,
    pub(super) next: i64,
    /// How many moves came before it.
    pub(super) moves: usize,
    pub(super) member: MemberIx,
}

/// What happened between one reading of a member and its next.
pub(super) enum Move {
    Read(usize),
    /// A new incarnation, or one whose hands are empty.
    Start(MemberIx),
    Assign(MemberIx, PartitionRef),
    Revoke(MemberIx, PartitionRef),
    Set(MemberIx, PartitionRef, Option<i64>),
    /// What was read for this transaction is going to be read again.
    Undo(TransactionRef),
}

#[derive(Default)]
pub(super) struct Said {
    pub(super) imported: bool,
    pub(super) partitions: BTreeSet<PartitionRef>,
    /// Of which anything was seen or told.
    known: BTreeSet<PartitionRef>,
    pub(super) pinned: BTreeMap<PartitionRef, (i64, i64)>,
    read: BTreeSet<PartitionRef>,
    pub(super) isolation: BTreeMap<GroupIx, Isolation>,
    pub(super) relying: BTreeSet<GroupIx>,
    pub(super) sent: Vec<Sent>,
    pub(super) acknowledged: BTreeSet<(Place, RecordId)>,
    pub(super) begun: Vec<TransactionRef>,
    pub(super) commit_asked: BTreeMap<TransactionRef, Micros>,
    pub(super) told: BTreeMap<TransactionRef, TransactionOutcome>,
    pub(super) completed: BTreeMap<TransactionRef, Micros>,
    batches: Vec<Batch>,
    stored: Vec<(Place, Content)>,
    pub(super) stored_records: Vec<StoredRecords>,
    pub(super) readings: Vec<Reading>,
    pub(super) moves: Vec<Move>,
    /// The last word on what was acknowledged, and given, at a place.
    pub(super) told_last: BTreeMap<Place, RecordId>,
    pub(super) given_last: BTreeMap<Place, Content>,
    pub(super) commits: Vec<Commit>,
    pub(super) handed: Vec<(TransactionRef, GroupIx, PartitionRef, i64)>,
    pub(super) reported: BTreeMap<(GroupIx, PartitionRef), Option<i64>>,
    pub(super) waited: BTreeSet<GroupIx>,
}

impl Said {
    pub(super) fn of(events: &[Event], declared: &Declared) -> Self {
        let mut said = Self::default();
        said.partitions.extend(&declared.partitions);
        said.listen(events);
        if said.imported {
            said.believe_the_readers();
        } else {
            let stored = std::mem::take(&mut said.stored);
            said.stored_records = stored
                .into_iter()
                .map(|(place, content)| StoredRecords {
                    place,
                    content,
                    how: said.how_at(place),
                    seen: true,
                })
                .collect();
        }
        let record = |it: &StoredRecords| match it.content {
            Content::Ours(record) => Some(record),
            _ => None,
        };
        said.stored_records.sort_by_key(|it| (it.place, record(it)));
        said
    }

    fn listen(&mut self, events: &[Event]) {
        let mut open: BTreeMap<ProducerIx, TransactionRef> = BTreeMap::new();
        let mut groups: BTreeMap<MemberIx, GroupIx> = BTreeMap::new();
        let mut joined: BTreeMap<MemberIx, TransactionRef> = BTreeMap::new();
        for Event { at, body } in events {
            match body {
                Body::Imported { .. } => self.imported = true,
                Body::IsolationDeclared { group, isolation } => {
                    self.isolation.insert(*group, *isolation);
                }
                Body::ReadCommittedRequired { group } => {
                    self.relying.insert(*group);
                }
                Body::TransactionBegun { transaction } => {
                    self.begun.push(*transaction);
                    open.insert(transaction.producer, *transaction);
                }
                Body::TransactionEnding {
                    transaction,
                    intent: Intent::Commit,
                } => {
                    self.commit_asked.entry(*transaction).or_insert(*at);
                }
                Body::TransactionCompleted {
                    transaction,
                    outcome,
                } => {
                    self.told.insert(*transaction, outcome.clone());
                    self.completed.entry(*transaction).or_insert(*at);
                    open.retain(|_, of| of != transaction);
                    joined.retain(|_, of| of != transaction);
                    if *outcome != TransactionOutcome::Committed {
                        self.moves.push(Move::Undo(*transaction));
                    }
                }
                Body::TransactionJoined {
                    transaction,
                    member,
                } => {
                    joined.insert(*member, *transaction);
                }
                Body::OffsetSent {
                    transaction,
                    group,
                    partition,
                    offset,
                } => {
                    // The last one counts.
                    self.handed
                        .retain(|(of, to, at, _)| (of, to, at) != (transaction, group, partition));
                    let handed = (*transaction, *group, *partition, offset.get());
                    self.handed.push(handed);
                }
                Body::SendInvoked { record, .. } => {
                    let of = open.get(&record.producer).copied();
                    let record = *record;
                    self.sent.push(Sent { record, of });
                }
                Body::SendCompleted {
                    record,
                    outcome: Outcome::Acknowledged { at, offset },
                } => {
                    self.known.insert(*at);
                    self.acknowledged.insert(((*at, offset.get()), *record));
                    self.told_last.insert((*at, offset.get()), *record);
                }
                Body::MemberStarted { member, group } => {
                    groups.insert(*member, *group);
                    self.moves.push(Move::Start(*member));
                }
                Body::Assigned { member, partitions } => {
                    let moves = partitions.iter().map(|of| Move::Assign(*member, *of));
                    self.moves.extend(moves);
                }
                Body::Revoked { member, partitions } => {
                    let moves = partitions.iter().map(|of| Move::Revoke(*member, *of));
                    self.moves.extend(moves);
                }
                Body::Repositioned {
                    member,
                    partition,
                    next,
                } => {
                    let next = next.map(model::ids::Offset::get);
                    self.moves.push(Move::Set(*member, *partition, next));
                }
                Body::Processed {
                    member,
                    from,
                    offset,
                    content,
                } => {
                    self.known.insert(*from);
                    self.moves.push(Move::Read(self.readings.len()));
                    self.given_last.insert((*from, offset.get()), *content);
                    self.readings.push(Reading {
                        at: *at,
                        member: *member,
                        group: groups[member],
                        place: (*from, offset.get()),
                        content: *content,
                        inside: joined.get(member).copied(),
                    });
                }
                Body::Committed {
                    member,
                    partition,
                    offset,
                    result: CommitResult::Accepted,
                } => {
                    self.commits.push(Commit {
                        at: *at,
                        group: groups[member],
                        partition: *partition,
                        next: offset.get(),
                        moves: self.moves.len(),
                        member: *member,
                    });
                }
                Body::Pinned {
                    partition,
                    log_start,
                    end,
                } => {
                    self.known.insert(*partition);
                    let range = (log_start.get(), end.get());
                    self.pinned.insert(*partition, range);
                }
                Body::StoredBatch {
                    partition,
                    base_offset,
                    last_offset,
                    producer_id,
                    kind,
                    ..
                } => self.batches.push(Batch {
                    partition: *partition,
                    first: base_offset.get(),
                    last: last_offset.get(),
                    producer: *producer_id,
                    kind: *kind,
                }),
                Body::Stored {
                    partition,
                    offset,
                    content,
                } => {
                    self.known.insert(*partition);
                    self.stored.push(((*partition, offset.get()), *content));
                }
                Body::PartitionRead { partition } => {
                    self.known.insert(*partition);
                    self.read.insert(*partition);
                }
                Body::GroupOffset {
                    group,
                    partition,
                    offset,
                } => {
                    let offset = offset.map(model::ids::Offset::get);
                    self.reported.insert((*group, *partition), offset);
                }
                Body::GroupWaited { group, .. } => {
                    self.waited.insert(*group);
                }
                _ => {}
            }
        }
    }

    /// Where no observer read the log, there is what the readers were given,
    /// and what was acknowledged, as far as it is visible.
    fn believe_the_readers(&mut self) {
        let given = self.readings.iter().map(|it| (it.place, it.content, true));
        let told = self
            .acknowledged
            .iter()
            .map(|(place, record)| (*place, Content::Ours(*record), false));
        // What was only acknowledged where readers were given something else
        // does not stand there.
        let contradicted = |place: &Place, content: &Content| {
            let there = self.readings.iter().any(|it| it.place == *place);
            there && !self.readings.iter().any(|it| it.content == *content)
        };
        let told = told.filter(|(place, content, _)| place.1 >= 0 && !contradicted(place, content));
        let mut stored_records: Vec<StoredRecords> = Vec::new();
        for (place, content, seen) in given.chain(told) {
            let how = self.how_of(content);
            if !stored_records
                .iter()
                .any(|it| it.place == place && it.content == content)
            {
                stored_records.push(StoredRecords {
                    place,
                    content,
                    how,
                    seen,
                });
            }
        }
        for partition in &self.partitions {
            let given = self.readings.iter().filter(|it| it.place.0 == *partition);
            let end = given.map(|it| it.place.1 + 1).max();
            self.pinned.insert(*partition, (0, end.unwrap_or(0)));
            self.read.insert(*partition);
        }
        self.stored_records = stored_records;
    }

    /// In a history without a log.
    fn how_of(&self, content: Content) -> How {
        let of = match content {
            Content::Ours(record) => self.transaction_of(record),
            _ => None,
        };
        match of.map(|of| self.outcome(of)) {
            None => How::Outside,
            Some(TxnOutcome::Committed) => How::Committed,
            Some(TxnOutcome::Aborted) => How::Aborted,
            Some(TxnOutcome::Unknown) => How::Open,
        }
    }

    /// What the log says of a place: the first marker of the same producer id
    /// behind it decides.
    fn how_at(&self, (partition, offset): Place) -> How {
        let here = || self.batches.iter().filter(|it| it.partition == partition);
        let batch = here().find(|it| (it.first..=it.last).contains(&offset));
        let Some(batch) = batch.filter(|it| it.kind == BatchKind::Transactional) else {
            return How::Outside;
        };
        let markers = here().filter(|it| {
            let is_marker = matches!(it.kind, BatchKind::CommitMarker | BatchKind::AbortMarker);
            is_marker && it.producer == batch.producer && it.first > offset
        });
        match markers.min_by_key(|it| it.first).map(|it| it.kind) {
            None => How::Open,
            Some(BatchKind::CommitMarker) => How::Committed,
            Some(_) => How::Aborted,
        }
    }

    /// Whether it was seen, or would have been.
    pub(super) fn is_there(&self, stored_records: &StoredRecords) -> bool {
        let visible = matches!(stored_records.how, How::Outside | How::Committed);
        let mut here = self
            .stored_records
            .iter()
            .filter(|it| it.place == stored_records.place);
        let seen = here.any(|it| it.seen);
        (seen || visible) && self.is_pinned(stored_records.place)
    }

    /// Whether it lies in the range that was to be read.
    pub(super) fn is_pinned(&self, (partition, offset): Place) -> bool {
        let pinned = self.pinned.get(&partition);
        pinned.is_some_and(|(start, end)| (*start..*end).contains(&offset))
    }

    pub(super) fn is_whole(&self, partition: PartitionRef) -> bool {
        self.read.contains(&partition) && self.pinned.contains_key(&partition)
    }

    pub(super) fn at(&self, place: Place) -> Option<&StoredRecords> {
        self.stored_records.iter().find(|it| it.place == place)
    }

    pub(super) fn standing_in(&self, partition: PartitionRef) -> Vec<&StoredRecords> {
        let stored_records = self.stored_records.iter();
        stored_records
            .filter(|it| it.place.0 == partition)
            .collect()
    }

    pub(super) fn standing_of(&self, of: TransactionRef) -> impl Iterator<Item = &StoredRecords> {
        self.stored_records
            .iter()
            .filter(move |it| match it.content {
                Content::Ours(record) => self.transaction_of(record) == Some(of),
                _ => false,
            })
    }

    pub(super) fn transaction_of(&self, record: RecordId) -> Option<TransactionRef> {
        let sent = self.sent.iter().find(|sent| sent.record == record);
        sent.and_then(|sent| sent.of)
    }

    /// What became of a transaction: the markers say it, or else what its
    /// producer was told. One whose commit was never asked for was not
    /// committed, and where the log was read and holds nothing of it, nothing
    /// of it will be visible.
    pub(super) fn outcome(&self, of: TransactionRef) -> TxnOutcome {
        if self.imported {
            return self.fate_by_readers(of);
        }
        if let Some(outcome) = self.fate_by_markers(of) {
            return outcome;
        }
        match self.told.get(&of) {
            Some(TransactionOutcome::Committed) => TxnOutcome::Committed,
            Some(TransactionOutcome::Aborted) => TxnOutcome::Aborted,
            _ if self.commit_asked.contains_key(&of) => TxnOutcome::Unknown,
            _ => {
                let all_read = self.known.iter().all(|it| self.is_whole(*it));
                if all_read && !self.known.is_empty() && self.standing_of(of).next().is_none() {
                    TxnOutcome::Aborted
                } else {
                    TxnOutcome::Unknown
                }
            }
        }
    }

    fn fate_by_markers(&self, of: TransactionRef) -> Option<TxnOutcome> {
        let any = |how| self.standing_of(of).any(|it| it.how == how);
        if any(How::Committed) {
            Some(TxnOutcome::Committed)
        } else {
            any(How::Aborted).then_some(TxnOutcome::Aborted)
        }
    }

    fn fate_by_readers(&self, of: TransactionRef) -> TxnOutcome {
        match self.told.get(&of) {
            Some(TransactionOutcome::Committed) => TxnOutcome::Committed,
            Some(TransactionOutcome::Aborted) => TxnOutcome::Aborted,
            _ => {
                let given = self.readings.iter().any(|reading| {
                    let committed = self.isolation.get(&reading.group);
                    let committed = committed == Some(&Isolation::ReadCommitted);
                    match reading.content {
                        Content::Ours(record) => {
                            committed && self.transaction_of(record) == Some(of)
                        }
                        _ => false,
                    }
                });
                if given {
                    TxnOutcome::Committed
                } else {
                    TxnOutcome::Unknown
                }
            }
        }
    }

    /// Acknowledged records that stand nowhere, where that can be told.
    pub(super) fn lost(&self) -> BTreeSet<RecordId> {
        if self.imported {
            return self.never_read().0;
        }
        if !self.partitions.iter().all(|it| self.is_whole(*it)) {
            return BTreeSet::new();
        }
        let gone = self.acknowledged.iter().filter(|(place, record)| {
            let stands = |it: &StoredRecords| it.content == Content::Ours(*record);
            let damaged = self.at(*place).map(|it| it.content) == Some(Content::Corrupt);
            let start = self.pinned[&place.0].0;
            let expired = (0..start).contains(&place.1) || (place.1 < 0 && start > 0);
            !self.stored_records.iter().any(stands) && !damaged && !expired
        });
        gone.map(|(_, record)| *record).collect()
    }

    /// Of a history without a log: where each record is said to be. Readers come
    /// first at each offset.
    pub(super) fn told_places(&self) -> Vec<(Place, RecordId)> {
        let mut places: Vec<(Place, bool, RecordId)> = Vec::new();
        for reading in &self.readings {
            if let Content::Ours(record) = reading.content {
                places.push((reading.place, false, record));
            }
        }
        for (place, record) in self.acknowledged.iter().filter(|(place, _)| place.1 >= 0) {
            let of = self.transaction_of(*record);
            if of.is_none_or(|of| self.outcome(of) == TxnOutcome::Committed) {
                places.push((*place, true, *record));
            }
        }
        places.sort_unstable();
        let mut told: Vec<(Place, RecordId)> = Vec::new();
        for (place, _, record) in places {
            if !told.contains(&(place, record)) {
                told.push((place, record));
            }
        }
        told
    }

    /// Of a history without a log: what was acknowledged, is visible and was
    /// given to no reader, below the highest offset read and above it.
    pub(super) fn never_read(&self) -> (BTreeSet<RecordId>, usize) {
        let never = self.acknowledged.iter().filter(|(_, record)| {
            let given = |it: &Reading| it.content == Content::Ours(*record);
            let of = self.transaction_of(*record);
            let visible = of.is_none_or(|of| self.outcome(of) == TxnOutcome::Committed);
            visible && !self.readings.iter().any(given)
        });
        let (mut lost, mut unseen) = (BTreeSet::new(), 0);
        for (place, record) in never {
            let (start, end) = self.pinned[&place.0];
            // Of what its producer was not told, only what was read is known.
            let of = self.transaction_of(*record);
            let told =
                of.is_none_or(|of| self.told.get(&of) == Some(&TransactionOutcome::Committed));
            if (start..end).contains(&place.1) {
                lost.insert(*record);
            } else {
                unseen += usize::from(told);
            }
        }
        (lost, unseen)
    }

    /// Whether a consumer read another record here than the one that stands here:
    /// the offset was used again.
    pub(super) fn is_reused(&self, place: Place) -> bool {
        let stands = self.at(place).filter(|_| !self.imported);
        let Some(Content::Ours(stands)) = stands.map(|it| it.content) else {
            return false;
        };
        let here = self.readings.iter().filter(|it| it.place == place);
        here.map(|it| it.content)
            .any(|read| matches!(read, Content::Ours(read) if read != stands))
    }

    /// Whether what was given at a place does not stand there any more.
    pub(super) fn is_past(&self, place: Place, content: Option<Content>) -> bool {
        let Some(content) = content.filter(|_| !self.imported) else {
            return false;
        };
        let end = self.pinned.get(&place.0).map(|(_, end)| *end);
        let stands = self.at(place).map(|it| it.content);
        let another = matches!(
            (stands, content),
            (Some(Content::Ours(stands)), Content::Ours(given)) if stands != given
        );
        another || end.is_some_and(|end| place.1 >= end)
    }

    /// What stands, or stood, at a place, by the last word on it.
    pub(super) fn stands(&self, place: Place) -> Option<Content> {
        let told = || self.told_last.get(&place).copied().map(Content::Ours);
        if self.imported {
            return self.given_last.get(&place).copied().or_else(told);
        }
        self.at(place).map(|it| it.content).or_else(told)
    }

    /// Whether what was done for a transaction, or outside of any, counts.
    pub(super) fn counts(&self, inside: Option<TransactionRef>) -> bool {
        inside.is_none_or(|of| self.outcome(of) == TxnOutcome::Committed)
    }
}
