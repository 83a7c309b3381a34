//! Counts the instances of each anomaly exactly, names them in bounded form,
//! and keeps a few as suspects, whose operations a second reading of the
//! history collects. Knows nothing of how an anomaly is recognised.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::ids::{
    GroupIx, Offset, PartitionRef, ProducerIx, RecordId, RowKey, TableIx, TransactionRef,
};
use model::verdict::{Example, Finding, NamedRange};

use crate::names::Names;
use crate::sets::sparse_set::SparseSet;

/// Examples of one anomaly that are kept, at most; how many of them are shown
/// is for the explainer to say.
pub(crate) const EXAMPLES_MAX: usize = 100;
/// Ranges by which one finding names its instances, at most.
const RANGES_MAX: usize = 10_000;

/// In which numbering an instance is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// A producer's records, by sequence.
    Producer(ProducerIx),
    /// A partition's offsets.
    Partition(PartitionRef),
    /// A table's rows, by key.
    Table(TableIx),
    /// A producer's transactions, by number.
    Transactions(ProducerIx),
}

/// What the explainer has to look out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Watch {
    /// Everything about a record.
    Record(RecordId),
    /// Everything that stands, or was read, at an offset.
    Position(PartitionRef, Offset),
    /// The first accepted commit of a group behind an offset.
    CommitPast(GroupIx, PartitionRef, Offset),
    /// A group's commits of exactly this offset.
    CommitOf(GroupIx, PartitionRef, Offset),
    /// Everything about a row.
    Row(TableIx, RowKey),
    /// How a transaction began and ended.
    Transaction(TransactionRef),
    /// What a group made of the record at an offset.
    MadeOf(GroupIx, PartitionRef, Offset),
    /// A partition's assignments and revocations.
    Hands(GroupIx, PartitionRef),
    /// Where an application's group stands.
    AppCommit(PartitionRef),
    /// The moments at which the observer saw how far a partition reaches.
    Ends(PartitionRef),
}

/// An instance that is going to be an example.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    pub(crate) anomaly: Anomaly,
    pub(crate) what: String,
    pub(crate) watch: Vec<Watch>,
}

impl Suspect {
    /// The offset in question, where there is one.
    pub(crate) fn place(&self) -> Option<(PartitionRef, Offset)> {
        self.watch.iter().find_map(|watch| match watch {
            Watch::Position(partition, offset) => Some((*partition, *offset)),
            _ => None,
        })
    }

    /// Whether this is the record in question.
    pub(crate) fn is_of(&self, record: RecordId) -> bool {
        self.watch.contains(&Watch::Record(record))
    }

    /// The group in question, where there is one.
    pub(crate) fn group(&self) -> Option<GroupIx> {
        self.watch.iter().find_map(|watch| match watch {
            Watch::CommitPast(group, ..) | Watch::MadeOf(group, ..) => Some(*group),
            _ => None,
        })
    }
}

#[derive(Default)]
struct Tally {
    count: u64,
    named: BTreeMap<Scope, SparseSet>,
    /// The first few by name, in that order.
    suspects: Vec<(Scope, i64, Suspect)>,
}

impl Tally {
    fn suspect(&mut self, scope: Scope, number: i64, suspect: impl FnOnce() -> Suspect) {
        let suspects = &mut self.suspects;
        let before = |(of, at, _): &(Scope, i64, Suspect)| (*of, *at) <= (scope, number);
        let place = suspects.partition_point(before);
        if place < EXAMPLES_MAX {
            suspects.truncate(EXAMPLES_MAX - 1);
            suspects.insert(place, (scope, number, suspect()));
        }
    }
}

/// The instances found so far, by anomaly.
#[derive(Default)]
pub(crate) struct FindingCollector {
    tallies: BTreeMap<Anomaly, Tally>,
}

impl FindingCollector {
    /// Counts one instance. The examples are the first few by scope and number,
    /// in whichever order they come; `suspect` is asked for what it is and
    /// where its proof is only where it may be one of them.
    pub(crate) fn add(
        &mut self,
        anomaly: Anomaly,
        scope: Scope,
        number: i64,
        suspect: impl FnOnce() -> (String, Vec<Watch>),
    ) {
        let tally = self.tallies.entry(anomaly).or_default();
        tally.count += 1;
        tally.named.entry(scope).or_default().insert(number);
        tally.suspect(scope, number, || {
            let (what, watch) = suspect();
            Suspect {
                anomaly,
                what,
                watch,
            }
        });
    }

    /// Adds what was counted apart from this.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (anomaly, counted) in other.tallies {
            let tally = self.tallies.entry(anomaly).or_default();
            tally.count += counted.count;
            for (scope, numbers) in counted.named {
                let named = tally.named.entry(scope).or_default();
                for number in numbers.iter() {
                    named.insert(number);
                }
            }
            for (scope, number, suspect) in counted.suspects {
                tally.suspect(scope, number, || suspect);
            }
        }
    }

    /// Counts instances whose names are counted already.
    pub(crate) fn add_unnamed(&mut self, anomaly: Anomaly, count: u64) {
        if let Some(tally) = self.tallies.get_mut(&anomaly) {
            tally.count += count;
        }
    }

    /// Names something more that the last instance is about.
    pub(crate) fn name_too(&mut self, anomaly: Anomaly, scope: Scope, number: i64) {
        let tally = self.tallies.entry(anomaly).or_default();
        tally.named.entry(scope).or_default().insert(number);
    }

    /// Counts one instance that is about a transaction.
    pub(crate) fn add_transaction(
        &mut self,
        anomaly: Anomaly,
        transaction: TransactionRef,
        suspect: impl FnOnce() -> (String, Vec<Watch>),
    ) {
        self.add(
            anomaly,
            Scope::Transactions(transaction.producer),
            transaction.transaction.get().cast_signed(),
            suspect,
        );
    }

    /// Takes back everything that was found of some anomalies.
    pub(crate) fn silence(&mut self, anomalies: &[Anomaly]) {
        self.tallies
            .retain(|anomaly, _| !anomalies.contains(anomaly));
    }

    /// Counts one instance that is about a record.
    pub(crate) fn add_record(
        &mut self,
        anomaly: Anomaly,
        record: RecordId,
        suspect: impl FnOnce() -> (String, Vec<Watch>),
    ) {
        self.add(
            anomaly,
            Scope::Producer(record.producer),
            record.sequence.get().cast_signed(),
            suspect,
        );
    }

    /// The findings in the catalogue's order, and the suspects of all.
    pub(crate) fn finish(self, names: &Names) -> (Vec<Finding>, Vec<Suspect>) {
        let mut findings = Vec::new();
        let mut suspects = Vec::new();
        for (anomaly, tally) in self.tallies {
            assert!(
                tally.count >= tally.suspects.len().max(1) as u64,
                "{anomaly}: {} examples of {} instances",
                tally.suspects.len(),
                tally.count
            );
            let mut ranges: Vec<NamedRange> = tally
                .named
                .iter()
                .flat_map(|(scope, set)| set.runs().map(move |run| (scope, run)))
                .take(RANGES_MAX + 1)
                .map(|(scope, (first, last))| NamedRange {
                    of: match scope {
                        Scope::Producer(producer) if producer.is_writer() => "change".to_owned(),
                        Scope::Producer(producer) => format!("p{producer}"),
                        Scope::Partition(partition) => names.partition(*partition),
                        Scope::Table(table) => names.table(*table),
                        Scope::Transactions(producer) => format!("p{producer}/t"),
                    },
                    first,
                    last,
                })
                .collect();
            let ranges_complete = ranges.len() <= RANGES_MAX;
            ranges.truncate(RANGES_MAX);
            findings.push(Finding {
                anomaly,
                count: tally.count,
                ranges,
                ranges_complete,
                lost_at: Vec::new(),
                examples: tally
                    .suspects
                    .iter()
                    .map(|(_, _, suspect)| Example {
                        item: suspect.what.clone(),
                        operations: Vec::new(),
                        logs: Vec::new(),
                    })
                    .collect(),
            });
            suspects.extend(tally.suspects.into_iter().map(|(_, _, suspect)| suspect));
        }
        (findings, suspects)
    }
}
