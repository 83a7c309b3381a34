//! The results of a history, for the judge, the proof and calibration. Knows nothing
//! of how it was found out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::anomaly::Anomaly;
use model::ids::{FaultIx, GroupIx, Micros, PartitionRef, RecordId};
use model::verdict::{Counts, Finding, Measurements};

use crate::alerts::AlertCoverage;
use crate::cluster::replicas::ReplicaCoverage;
use crate::cluster::truncation::TruncationCoverage;
use crate::derived::{DerivationCoverage, Derivations};
use crate::effects::EffectCoverage;
use crate::finding::Suspect;
use crate::groups::coverage::GroupCoverage;
use crate::groups::waits::Excusable;
use crate::groups::zombies::ZombieCoverage;
use crate::log::Extent;
use crate::log::past::Past;
use crate::log::targets::Target;
use crate::measure::happened::Occurrences;
use crate::measure::{FaultRecord, GroupActivity};
use crate::names::Names;
use crate::rows::coverage::CaptureCoverage;
use crate::txn::atomicity::TransactionCoverage;
use crate::txn::cycles::CycleCoverage;
use crate::txn::outcomes::TxnOutcomes;
use crate::txn::read_committed::IsolationCoverage;

/// The results of a history: everything that verdicts are made of.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// What is wrong, in the catalogue's order.
    pub findings: Vec<Finding>,
    /// How many of what.
    pub counts: Counts,
    /// What was measured.
    pub measurements: Measurements,
    /// The faults, as recorded.
    pub faults: BTreeMap<FaultIx, FaultRecord>,
    /// Whether the history is whole.
    pub completeness: Completeness,
    /// How much each claim was put to the test.
    pub coverage: Coverage,
    pub(crate) names: Names,
    pub(crate) suspects: Vec<Suspect>,
    pub(crate) targets: Vec<Target>,
    pub(crate) other_records: Vec<Target>,
    pub(crate) extents: BTreeMap<PartitionRef, Extent>,
    pub(crate) txn_outcomes: Arc<TxnOutcomes>,
    pub(crate) past: Arc<Past>,
    pub(crate) derived: Arc<Derivations>,
    pub(crate) excusable: Excusable,
    /// Groups that read or committed in an earlier life of a log.
    pub(crate) over_cuts: BTreeSet<(GroupIx, PartitionRef)>,
    /// Events of the history.
    pub(crate) events: u64,
}

/// Whether a history is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// The plan was carried out to its end.
    pub traffic_ended: bool,
    /// The observer has read everything it wanted.
    pub completed: bool,
    /// Why the scenario was given up, where it was.
    pub aborted: Option<String>,
    /// Partitions that were written to, read or pinned, and whose pinned
    /// range was not read to the end; by name.
    pub unread: Vec<String>,
    /// Reads and commits of members that were never started.
    pub strays: u64,
    /// The tool that recorded the history, where that was another one.
    pub imported: Option<String>,
    /// What the history says that it lacks.
    pub lacking: Vec<String>,
    /// Whether a group may have been rebalanced between any two polls, and the
    /// history does not say when.
    pub rebalances_untold: bool,
    /// Sends of which nothing but their number is known.
    pub untold_sends: u64,
    /// Partitions whose offsets were given again, and what that hides.
    pub given_again: Vec<String>,
    /// Records that a group passed over and that a later one of their key may
    /// have replaced before, where the topic's cleanup policy is unknown.
    pub replaceable: u64,
    /// Which invariant of the checker itself did not hold: then nothing else is
    /// known.
    pub broken: Option<String>,
}

/// How much there was that could have contradicted each claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Acknowledgements of which it could be told whether the record is
    /// stored.
    pub settled_acks: u64,
    /// Records that were sent and not acknowledged.
    pub unacknowledged: u64,
    /// Records that were sent and of which there is no outcome of any kind,
    /// and the first of them.
    pub untold: (u64, Option<RecordId>),
    /// Acknowledged below the log start and not there: retention may have
    /// taken them, so that is unknown.
    pub expired: u64,
    /// Acknowledged inside the range that was read of a topic that compacts,
    /// and not there: a later record of the key may have replaced them, so
    /// that is unknown.
    pub compacted: u64,
    /// Acknowledged, and replaced by a later record of the key, which stands.
    pub replaced: u64,
    /// Acknowledged, and a damaged record stands there.
    pub damaged: u64,
    /// Records in the log with a predecessor of the same producer in the same
    /// partition.
    pub ordered_pairs: u64,
    /// First and last send.
    pub sending: Option<(Micros, Micros)>,
    /// The groups, as declared.
    pub groups: Vec<GroupCoverage>,
    /// When each group was reading; in the same order.
    pub activity: Vec<GroupActivity>,
    /// Change data capture, where there is any.
    pub capture: Option<CaptureCoverage>,
    /// Partitions whose end could have been found to have moved back.
    pub truncation: TruncationCoverage,
    /// What could be compared of replicas.
    pub replicas: ReplicaCoverage,
    /// How often a member could have become a zombie.
    pub zombies: ZombieCoverage,
    /// What groups that read committed records only could have been given.
    pub isolation: Vec<IsolationCoverage>,
    /// Transactions that could have become visible in part.
    pub transactions: TransactionCoverage,
    /// What could have made a circle of transactions.
    pub cycles: CycleCoverage,
    /// What was made of records by groups that write.
    pub derived: DerivationCoverage,
    /// What happened that a scenario may be about.
    pub occurrences: Occurrences,
    /// What was seen of alerts.
    pub alerts: AlertCoverage,
    /// What was read of an application's effects.
    pub effects: EffectCoverage,
}

impl Completeness {
    /// Why it cannot tell, whatever is asked of it: what was not read, and who
    /// is not introduced.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if !self.unread.is_empty() {
            gaps.push(format!("not read to the end: {}", self.unread.join(", ")));
        }
        if self.strays > 0 {
            gaps.push(format!(
                "{} reads or commits of members that the history does not introduce",
                self.strays
            ));
        }
        gaps
    }
}

impl Analysis {
    /// Of a history that the checker cannot tell anything of, because an
    /// invariant of its own does not hold.
    pub(crate) fn broken(invariant: String) -> Self {
        Self {
            completeness: Completeness {
                broken: Some(invariant),
                ..Completeness::default()
            },
            ..Self::default()
        }
    }

    /// How many instances of an anomaly were found.
    pub fn count(&self, anomaly: Anomaly) -> u64 {
        let mut findings = self.findings.iter();
        findings
            .find(|finding| finding.anomaly == anomaly)
            .map_or(0, |finding| finding.count)
    }
}
