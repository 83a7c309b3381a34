//! What a scenario claims, and how much hangs on it. Knows which anomalies
//! contradict a claim; knows nothing of how either is established.

use serde::{Deserialize, Serialize};

use crate::anomaly::Anomaly;
use crate::ids::FaultIx;
use crate::scenario::Occurrence;

/// A property of delivery that a scenario checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// Every acknowledged record is stored.
    NoLoss,
    /// Every record that was sent was acknowledged.
    AllAcknowledged,
    /// The producer was told of every record what became of it.
    OutcomesReported,
    /// Nothing is stored that was not sent.
    NoPhantom,
    /// What is stored is undamaged and stands where the acknowledgement says.
    Intact,
    /// No record is stored twice.
    NoDuplicates,
    /// Each producer's records are stored in the order of sending.
    Ordered,
    /// No group's committed position passed a record it did not process.
    NoGroupGap,
    /// Every group reached the end.
    GroupComplete,
    /// No group processed a record twice.
    NothingReprocessed,
    /// No group processed more records twice than it had processed and not
    /// committed when its members were stopped or killed.
    ReprocessedWithinWindow,
    /// Within an assignment no reader skipped or went back.
    ReadsInOrder,
    /// No committed offset went back.
    NoCommitRegression,
    /// Each group read everything itself while the other was reading too.
    GroupsIndependent,
    /// The first record (or change event) after a restart came in time.
    RecoversWithin,
    /// Every committed row change has its event.
    NoRowMissing,
    /// No committed row change has two events.
    NoRowDuplicate,
    /// No event tells of a change that never committed.
    NoRowPhantom,
    /// The events of a row come in the order of its commits.
    CommitOrder,
    /// Replaying the topics gives the tables.
    NoStateDivergence,
    /// No partition's end moved back.
    NoTruncation,
    /// All replicas hold the same below the high watermark.
    ReplicasAgree,
    /// No member worked on a partition after it was taken from it.
    NoZombie,
    /// No `read_committed` reader was given what was not committed.
    ReadCommitted,
    /// Each transaction became visible as a whole or not at all.
    TransactionsWhole,
    /// Transactions do not depend on one another in a circle.
    NoCycles,
}

impl Claim {
    /// Every claim, in the order in which reports list them.
    pub const ALL: &[Self] = &[
        Self::NoLoss,
        Self::AllAcknowledged,
        Self::OutcomesReported,
        Self::NoPhantom,
        Self::Intact,
        Self::NoDuplicates,
        Self::Ordered,
        Self::NoGroupGap,
        Self::GroupComplete,
        Self::NothingReprocessed,
        Self::ReprocessedWithinWindow,
        Self::ReadsInOrder,
        Self::NoCommitRegression,
        Self::GroupsIndependent,
        Self::RecoversWithin,
        Self::NoRowMissing,
        Self::NoRowDuplicate,
        Self::NoRowPhantom,
        Self::CommitOrder,
        Self::NoStateDivergence,
        Self::NoTruncation,
        Self::ReplicasAgree,
        Self::NoZombie,
        Self::ReadCommitted,
        Self::TransactionsWhole,
        Self::NoCycles,
    ];

    /// The name that scenario files, verdicts and reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLoss => "no-loss",
            Self::AllAcknowledged => "all-acknowledged",
            Self::OutcomesReported => "outcomes-reported",
            Self::NoPhantom => "no-phantom",
            Self::Intact => "intact",
            Self::NoDuplicates => "no-duplicates",
            Self::Ordered => "ordered",
            Self::NoGroupGap => "no-group-gap",
            Self::GroupComplete => "group-complete",
            Self::NothingReprocessed => "nothing-reprocessed",
            Self::ReprocessedWithinWindow => "reprocessed-within-window",
            Self::ReadsInOrder => "reads-in-order",
            Self::NoCommitRegression => "no-commit-regression",
            Self::GroupsIndependent => "groups-independent",
            Self::RecoversWithin => "recovers-within",
            Self::NoRowMissing => "no-row-missing",
            Self::NoRowDuplicate => "no-row-duplicate",
            Self::NoRowPhantom => "no-row-phantom",
            Self::CommitOrder => "commit-order",
            Self::NoStateDivergence => "no-state-divergence",
            Self::NoTruncation => "no-truncation",
            Self::ReplicasAgree => "replicas-agree",
            Self::NoZombie => "no-zombie",
            Self::ReadCommitted => "read-committed",
            Self::TransactionsWhole => "transactions-whole",
            Self::NoCycles => "no-cycles",
        }
    }

    /// Whether it is about what groups' members do, and not about what is sent
    /// and stored.
    pub const fn is_about_groups(self) -> bool {
        matches!(
            self,
            Self::NoGroupGap
                | Self::GroupComplete
                | Self::NothingReprocessed
                | Self::ReprocessedWithinWindow
                | Self::ReadsInOrder
                | Self::NoCommitRegression
                | Self::GroupsIndependent
                | Self::NoZombie
                | Self::ReadCommitted
        )
    }

    /// What the claim says, in one sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NoLoss => {
                "every acknowledged record is stored, and every committed change has its event"
            }
            Self::AllAcknowledged => "every record that was sent was acknowledged",
            Self::OutcomesReported => {
                "the application was told of every record that it sent: acknowledged, not \
                 written, or not known"
            }
            Self::NoPhantom => "nothing is stored that was not sent or committed",
            Self::Intact => "stored records are undamaged and at the offset that was acknowledged",
            Self::NoDuplicates => "no record is stored twice, and no two are made of one",
            Self::Ordered => "each producer's records are stored in the order of sending",
            Self::NoGroupGap => "no group committed past a record that it did not process",
            Self::GroupComplete => "every group processed everything up to the end",
            Self::NothingReprocessed => "no group processed a record twice",
            Self::ReprocessedWithinWindow => {
                "no group processed more records twice than were processed and not yet committed \
                 when its member went away"
            }
            Self::ReadsInOrder => "within an assignment no reader skipped a record or went back",
            Self::NoCommitRegression => "no committed offset went back",
            Self::GroupsIndependent => {
                "each group read everything itself while the others were reading too"
            }
            Self::RecoversWithin => "the first record after the restart came in time",
            Self::NoRowMissing => "every committed row change has its event",
            Self::NoRowDuplicate => "no committed row change has two events",
            Self::NoRowPhantom => "no event tells of a change that never committed",
            Self::CommitOrder => "the events of a row come in the order of its commits",
            Self::NoStateDivergence => "replaying the topics by key gives the tables",
            Self::NoTruncation => "no partition's end moved back",
            Self::ReplicasAgree => "all replicas hold the same below the high watermark",
            Self::NoZombie => {
                "no member processed or committed a partition after it was taken from it"
            }
            Self::ReadCommitted => {
                "no read_committed reader was given a record that was not committed"
            }
            Self::TransactionsWhole => "each transaction became visible as a whole or not at all",
            Self::NoCycles => "no transactions depend on one another in a circle",
        }
    }

    /// The anomalies of which one is enough to contradict the claim. Empty
    /// for claims that are judged by a measurement.
    pub const fn contradicted_by(self) -> &'static [Anomaly] {
        match self {
            Self::NoLoss => &[Anomaly::LostWrite, Anomaly::RowMissing],
            Self::AllAcknowledged | Self::OutcomesReported | Self::RecoversWithin => &[],
            Self::NoPhantom => &[
                Anomaly::Phantom,
                Anomaly::FailedWriteVisible,
                Anomaly::RowPhantom,
            ],
            Self::Intact => &[Anomaly::Corrupt, Anomaly::InconsistentOffsets],
            Self::NoDuplicates => &[Anomaly::Duplicate],
            Self::Ordered => &[Anomaly::NonmonotonicSend, Anomaly::IntNonmonotonicSend],
            Self::NoGroupGap => &[Anomaly::GroupGap],
            Self::GroupComplete => &[Anomaly::GroupIncomplete],
            Self::NothingReprocessed | Self::ReprocessedWithinWindow => &[Anomaly::Reprocessed],
            Self::ReadsInOrder => &[
                Anomaly::PollSkip,
                Anomaly::NonmonotonicPoll,
                Anomaly::IntPollSkip,
                Anomaly::IntNonmonotonicPoll,
            ],
            Self::NoCommitRegression => &[Anomaly::CommitRegression],
            Self::GroupsIndependent => &[Anomaly::GroupGap, Anomaly::GroupIncomplete],
            Self::NoRowMissing => &[Anomaly::RowMissing],
            Self::NoRowDuplicate => &[Anomaly::RowDuplicate],
            Self::NoRowPhantom => &[Anomaly::RowPhantom],
            Self::CommitOrder => &[Anomaly::CommitOrder],
            Self::NoStateDivergence => &[Anomaly::StateDivergence],
            Self::NoTruncation => &[Anomaly::LogTruncation],
            Self::ReplicasAgree => &[Anomaly::ReplicaDivergence],
            Self::NoZombie => &[Anomaly::ZombieProcessing],
            Self::ReadCommitted => &[Anomaly::G1a, Anomaly::PrecommittedRead],
            Self::TransactionsWhole => &[Anomaly::TornTransaction],
            Self::NoCycles => &[Anomaly::G1c],
        }
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How much hangs on a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The scenario's verdict rests on it.
    #[default]
    Required,
    /// Reported, never failing.
    Observed,
    /// The scenario demonstrates a limitation: it passes only when the claim
    /// was really seen to be violated.
    ExpectViolated,
}

/// A claim of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "guarantee", transform = crate::schema::rules::of_guarantee))]
#[serde(deny_unknown_fields)]
pub struct Guarantee {
    /// What is claimed; `ackproof explain claims` says what each means.
    pub claim: Claim,
    /// How much hangs on it.
    #[serde(default)]
    pub level: Level,
    /// The time allowed, in milliseconds: for `recovers-within`, which needs
    /// it, and no other claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub limit_ms: Option<u64>,
}

/// What the judge must know of a plan: the claims, and what each fault had to
/// meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The claims, in the scenario's order.
    pub guarantees: Vec<Guarantee>,
    /// The faults, by number.
    pub faults: Vec<FaultContract>,
    /// The groups, in the order in which the history declares them.
    pub groups: Vec<GroupContract>,
    /// What the scenario is about: where it did not happen, nothing is HELD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_happen: Vec<Occurrence>,
    /// The quotas that have to throttle somebody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaContract>,
}

/// What the judge must know of a quota: a scenario that sets one is about
/// clients that are throttled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaContract {
    /// Which it is, in words.
    pub what: String,
    /// The producers (`p0`) and groups that it is for.
    pub clients: Vec<String>,
}

/// What the judge must know of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultContract {
    /// Its number in the history.
    pub fault: FaultIx,
    /// Its kind, as scenario files name it.
    pub kind: String,
    /// The traffic that has to meet it.
    pub meets: Traffic,
}

/// The kind of traffic that a fault must meet to mean anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// A send was outstanding, or was attempted, while the fault lasted; or a
    /// record was processed, a position committed, a row change committed or
    /// on its way.
    Any,
    /// Records stood acknowledged and not yet processed by the group, or were
    /// sent, while the fault lasted.
    Reads {
        /// The `group.id`.
        group: String,
    },
    /// Committed changes had no event yet, or were committed, while the fault
    /// lasted.
    Changes,
}

/// What the judge must know of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupContract {
    /// The `group.id`.
    pub name: String,
    /// Records a member processes at most before it commits.
    pub commit_every_records: u64,
}
