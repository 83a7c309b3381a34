//! The anomalies of transactions by their definitions, slowly and obviously:
//! every record, reading and transaction kept, and each asked what it is.

mod circles;
mod readers;
mod said;

use std::collections::{BTreeMap, BTreeSet};

use checker::{CycleCoverage, IsolationCoverage, TransactionCoverage};
use model::anomaly::Anomaly;
use model::event::{Content, Event, Isolation};
use model::ids::{GroupIx, PartitionRef, RecordId, TransactionRef};

pub(crate) use self::readers::cover as cover_group;
use self::said::{How, Said, StoredRecords, TxnOutcome};

/// What is declared before anything happens.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) partitions: Vec<PartitionRef>,
    pub(crate) groups: Vec<GroupIx>,
}

/// Exactly the instances of the anomalies of transactions, and of those of
/// readers, which depend on them.
pub(crate) fn count(events: &[Event], declared: &Declared) -> BTreeMap<Anomaly, u64> {
    let said = Said::of(events, declared);
    let mut counts = BTreeMap::new();
    let mut add = |anomaly, count: usize| *counts.entry(anomaly).or_insert(0) += count as u64;
    add(Anomaly::G1a, said.aborted_reads().len());
    add(Anomaly::PrecommittedRead, said.early_reads().len());
    add(Anomaly::TornTransaction, said.torn().len());
    add(Anomaly::IntSendSkip, said.interruptions());
    let (inside, across) = said.disorder();
    add(Anomaly::IntNonmonotonicSend, inside);
    add(Anomaly::NonmonotonicSend, across);
    let (writes, reads) = said.circles();
    add(Anomaly::G0, writes);
    add(Anomaly::G1c, reads);
    if said.imported {
        let (lost, unseen) = said.never_read();
        add(Anomaly::LostWrite, lost.len());
        add(Anomaly::Unseen, unseen);
        let places = said.told_places();
        let records: BTreeSet<RecordId> = places.iter().map(|(_, record)| *record).collect();
        add(Anomaly::Duplicate, places.len() - records.len());
        let first = |place: &said::Place| places.iter().find(|(at, _)| at == place);
        let sharing = places.iter().filter(|it| first(&it.0) != Some(it));
        let sharing: BTreeSet<RecordId> = sharing.map(|(_, record)| *record).collect();
        add(Anomaly::InconsistentOffsets, sharing.len());
    }
    for (anomaly, count) in readers::count(&said, declared) {
        add(anomaly, count);
    }
    counts.retain(|_, count| *count > 0);
    counts
}

/// What claims about transactions rest on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) transactions: TransactionCoverage,
    pub(crate) cycles: CycleCoverage,
    pub(crate) isolation: Vec<IsolationCoverage>,
}

pub(crate) fn cover(events: &[Event], declared: &Declared) -> Covered {
    let said = Said::of(events, declared);
    Covered {
        transactions: said.cover_transactions(),
        cycles: said.cover_cycles(),
        isolation: said.cover_isolation(declared),
    }
}

/// What is known of a record of an aborted transaction that was read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Aborted {
    /// Something of one stands here.
    At(said::Place),
    /// It stands nowhere, or the log was not seen.
    Record(RecordId),
}

impl Said {
    /// Whether a group must be given committed records only.
    fn is_careful(&self, group: GroupIx) -> bool {
        self.isolation.get(&group) == Some(&Isolation::ReadCommitted)
            || self.relying.contains(&group)
    }

    /// What a group was given of aborted transactions.
    fn aborted_reads(&self) -> BTreeSet<(GroupIx, Aborted)> {
        let mut aborted = BTreeSet::new();
        for reading in self.readings.iter().filter(|it| self.is_careful(it.group)) {
            if self.is_aborted_at(reading.place) && !self.is_reused(reading.place) {
                aborted.insert((reading.group, Aborted::At(reading.place)));
            }
            let Content::Ours(record) = reading.content else {
                continue;
            };
            // Where another was read at its place, only its identity tells.
            let copies = self.stored_records.iter();
            let copies = copies.filter(|it| it.content == reading.content);
            let reused = copies.clone().all(|it| self.is_reused(it.place));
            let stands = copies.count() > usize::from(reused);
            if self.is_of_aborted(reading.content) && (self.imported || !stands) {
                aborted.insert((reading.group, Aborted::Record(record)));
            }
        }
        aborted
    }

    /// Whether what stands here is of an aborted transaction: as the marker
    /// behind it says, or, where none closes it, as became of its transaction.
    fn is_aborted_at(&self, place: said::Place) -> bool {
        let there = self.at(place).filter(|_| !self.imported);
        there.is_some_and(|there| match there.how {
            How::Aborted => true,
            How::Open => self.is_of_aborted(there.content),
            How::Committed | How::Outside => false,
        })
    }

    fn is_of_aborted(&self, content: Content) -> bool {
        let of = self.transaction_of_content(content);
        of.is_some_and(|of| self.outcome(of) == TxnOutcome::Aborted)
    }

    fn transaction_of_content(&self, content: Content) -> Option<TransactionRef> {
        match content {
            Content::Ours(record) => self.transaction_of(record),
            _ => None,
        }
    }

    /// Which records a group was given before their commit was asked for.
    fn early_reads(&self) -> BTreeSet<(GroupIx, RecordId)> {
        let mut early = BTreeSet::new();
        for reading in &self.readings {
            let Content::Ours(record) = reading.content else {
                continue;
            };
            let Some(transaction) = self.transaction_of(record) else {
                continue;
            };
            let asked = self.commit_asked.get(&transaction);
            let is_early = asked.is_none_or(|asked| reading.at < *asked);
            let aborted = self.outcome(transaction) == TxnOutcome::Aborted;
            if is_early && self.is_careful(reading.group) && !aborted {
                early.insert((reading.group, record));
            }
        }
        early
    }

    /// Committed transactions of which something is visible, and something
    /// never will be.
    fn torn(&self) -> BTreeSet<TransactionRef> {
        let lost = self.lost();
        let torn = |of: &&TransactionRef| {
            let mine: Vec<&StoredRecords> = self.standing_of(**of).collect();
            let visible = mine.iter().any(|it| it.how == How::Committed && it.seen);
            let hidden = mine.iter().any(|it| match it.how {
                How::Aborted => true,
                How::Open => self.is_whole(it.place.0) && !self.imported,
                How::Committed | How::Outside => false,
            });
            let lost = lost.iter().any(|it| self.transaction_of(*it) == Some(**of));
            self.outcome(**of) == TxnOutcome::Committed && visible && (hidden || lost)
        };
        self.begun.iter().filter(torn).copied().collect()
    }

    /// How often others' data stand between the visible records of a committed
    /// transaction in one partition.
    fn interruptions(&self) -> usize {
        let mut count = 0;
        for partition in &self.partitions {
            let here = self.standing_in(*partition);
            for (at, this) in here.iter().enumerate() {
                let Some(of) = self.visibly_of(this) else {
                    continue;
                };
                let own = |it: &&StoredRecords| self.transaction_of_content(it.content) == Some(of);
                let before = here[..at]
                    .iter()
                    .rposition(|before| self.visibly_of(before) == Some(of));
                let between = before.map(|before| &here[before + 1..at]);
                let others = between.into_iter().flatten().filter(|it| {
                    let apart = before.is_some_and(|at| here[at].place < it.place);
                    apart && it.place < this.place && !own(it) && self.is_there(it)
                });
                count += usize::from(others.count() > 0);
            }
        }
        count
    }

    /// Whether it stands in a transaction that is on record, and committed.
    fn is_committed(&self, stored_records: &StoredRecords) -> bool {
        let of = self.transaction_of_content(stored_records.content);
        stored_records.how == How::Committed && of.is_some()
    }

    /// The committed transaction of which a standing record is a visible part.
    fn visibly_of(&self, stored_records: &StoredRecords) -> Option<TransactionRef> {
        let of = self.transaction_of_content(stored_records.content)?;
        let visible = match stored_records.how {
            How::Committed => true,
            How::Outside => self.outcome(of) == TxnOutcome::Committed,
            How::Aborted | How::Open => false,
        };
        visible.then_some(of)
    }

    /// First copies that stand behind a record that was sent later: in the same
    /// transaction, and otherwise.
    fn disorder(&self) -> (usize, usize) {
        let (mut inside, mut across) = (0, 0);
        for partition in &self.partitions {
            let mut first: Vec<RecordId> = Vec::new();
            for record in self.ordered(*partition) {
                if first.contains(&record) {
                    continue;
                }
                let later = first
                    .iter()
                    .filter(|it| it.producer == record.producer && it.sequence > record.sequence);
                // The one that was sent last says which anomaly it is.
                if let Some(latest) = later.max() {
                    let of = self.transaction_of(record);
                    let own = of.is_some() && self.transaction_of(*latest) == of;
                    *(if own { &mut inside } else { &mut across }) += 1;
                }
                first.push(record);
            }
        }
        (inside, across)
    }

    /// A partition's records by their places.
    fn ordered(&self, partition: PartitionRef) -> Vec<RecordId> {
        if self.imported {
            let mut told = self.told_places();
            told.retain(|(place, _)| place.0 == partition);
            told.sort_unstable();
            return told.into_iter().map(|(_, record)| record).collect();
        }
        let here = self.standing_in(partition).into_iter();
        let ours = |it: &StoredRecords| match it.content {
            Content::Ours(record) if it.seen => Some(record),
            _ => None,
        };
        here.filter_map(ours).collect()
    }

    fn cover_transactions(&self) -> TransactionCoverage {
        let mut covered = TransactionCoverage::default();
        for of in &self.begun {
            let records = self.sent.iter().filter(|sent| sent.of == Some(*of)).count();
            let told = self.told.get(of);
            match self.outcome(*of) {
                TxnOutcome::Committed => {
                    covered.committed += 1;
                    covered.committed_of_many += u64::from(records > 1);
                }
                TxnOutcome::Aborted => {
                    covered.aborted += 1;
                    let committed = told == Some(&model::event::TransactionOutcome::Committed);
                    covered.disowned += u64::from(committed);
                }
                TxnOutcome::Unknown => covered.unknown += 1,
            }
            let open = |it: &StoredRecords| it.how == How::Open && !self.imported;
            covered.open += u64::from(self.standing_of(*of).any(open));
        }
        covered
    }

    fn cover_isolation(&self, declared: &Declared) -> Vec<IsolationCoverage> {
        let careful = declared.groups.iter().filter(|it| self.is_careful(**it));
        careful
            .map(|group| {
                let readings = || self.readings.iter().filter(|it| it.group == *group);
                let given = |place| readings().any(|it| it.place == place);
                let committed: BTreeSet<(said::Place, Option<TransactionRef>)> = self
                    .stored_records
                    .iter()
                    .filter(|it| self.is_committed(it) && given(it.place))
                    .map(|it| (it.place, self.transaction_of_content(it.content)))
                    .collect();
                let passed = self.stored_records.iter().filter(|it| {
                    let last = readings().filter(|reading| reading.place.0 == it.place.0);
                    let last = last.map(|reading| reading.place.1).max();
                    let below = last.is_some_and(|last| it.place.1 < last);
                    it.how == How::Aborted && below && self.is_there(it)
                });
                let passed: BTreeSet<said::Place> = passed.map(|it| it.place).collect();
                IsolationCoverage {
                    group: format!("g{group}"),
                    committed: committed.len() as u64,
                    aborted_passed: passed.len() as u64,
                    unordered: 0,
                    is_plain: self.stored_records.iter().all(|it| it.how == How::Outside),
                }
            })
            .collect()
    }
}
