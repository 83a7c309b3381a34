//! Counts the instances of each anomaly exactly, names them in bounded form,
//! and keeps a few as suspects, whose operations a second reading of the
//! history collects. Knows nothing of how an anomaly is recognised.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::ids::{
    GroupIx, Offset, PartitionRef, ProducerIx, RecordId, RowKey, TableIx, TransactionRef,
};
use model::verdict::{Example, Finding, NamedRange};

use crate::roster::Roster;
use crate::sparse_set::SparseSet;

/// Examples of one anomaly, at most.
pub(crate) const EXAMPLES_MAX: usize = 5;
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

/// What a second reading of the history has to look out for.
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
    /// To whom a partition was given, and from whom it was taken.
    Hands(GroupIx, PartitionRef),
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

#[derive(Default)]
struct Tally {
    count: u64,
    named: BTreeMap<Scope, SparseSet>,
    suspects: Vec<Suspect>,
}

/// The instances found so far, by anomaly.
#[derive(Default)]
pub(crate) struct Docket {
    tallies: BTreeMap<Anomaly, Tally>,
}

impl Docket {
    /// Counts one instance; `suspect` is asked for what it is and where its
    /// proof is only while examples are wanted.
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
        if tally.suspects.len() < EXAMPLES_MAX {
            let (what, watch) = suspect();
            tally.suspects.push(Suspect {
                anomaly,
                what,
                watch,
            });
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
    pub(crate) fn finish(self, roster: &Roster) -> (Vec<Finding>, Vec<Suspect>) {
        let mut findings = Vec::new();
        let mut suspects = Vec::new();
        for (anomaly, tally) in self.tallies {
            let mut named: Vec<NamedRange> = tally
                .named
                .iter()
                .flat_map(|(scope, set)| set.runs().map(move |run| (scope, run)))
                .take(RANGES_MAX + 1)
                .map(|(scope, (first, last))| NamedRange {
                    of: match scope {
                        Scope::Producer(producer) => format!("p{producer}"),
                        Scope::Partition(partition) => roster.partition(*partition),
                        Scope::Table(table) => roster.table(*table),
                        Scope::Transactions(producer) => format!("p{producer}/t"),
                    },
                    first,
                    last,
                })
                .collect();
            let named_all = named.len() <= RANGES_MAX;
            named.truncate(RANGES_MAX);
            findings.push(Finding {
                anomaly,
                count: tally.count,
                named,
                named_all,
                examples: tally
                    .suspects
                    .iter()
                    .map(|suspect| Example {
                        what: suspect.what.clone(),
                        operations: Vec::new(),
                    })
                    .collect(),
            });
            suspects.extend(tally.suspects);
        }
        (findings, suspects)
    }
}
