//! Claims of scenarios, and their levels. Knows which anomalies contradict a claim; knows
//! nothing of how either is established.

use serde::{Deserialize, Serialize};

use crate::anomaly::Anomaly;
use crate::ids::FaultIx;
use crate::scenario::Occurrence;

macro_rules! claims {
    ($($variant:ident $name:literal contradicted by [$($anomaly:ident),*]: $meaning:literal)*) => {
        /// A property of delivery that a scenario checks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(clippy::doc_markdown, reason = "the sentences are shown to people, as they are")]
        pub enum Claim {
            $(
                #[doc = $meaning]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        impl Claim {
            /// Every claim, in the order in which reports list them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that scenario files, verdicts and reports use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What the claim says, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// The anomalies of which one is enough to contradict the claim. Empty for
            /// claims that are judged by a measurement.
            pub const fn contradicted_by(self) -> &'static [Anomaly] {
                match self { $(Self::$variant => &[$(Anomaly::$anomaly),*]),* }
            }
        }
    };
}

claims! {
    NoLoss "no-loss" contradicted by [LostWrite, RowMissing]:
        "every acknowledged record is stored, and every committed change has its event"
    AllAcknowledged "all-acknowledged" contradicted by []:
        "every record that was sent was acknowledged"
    OutcomesReported "outcomes-reported" contradicted by []:
        "the application was told of every record that it sent: acknowledged, not written, or \
         not known"
    NoPhantom "no-phantom" contradicted by [Phantom, FailedWriteVisible, RowPhantom]:
        "nothing is stored that was not sent or committed"
    Intact "intact" contradicted by [Corrupt, InconsistentOffsets]:
        "stored records are undamaged and at the offset that was acknowledged"
    NoDuplicates "no-duplicates" contradicted by [Duplicate]:
        "no record is stored twice, and no two are made of one"
    Ordered "ordered" contradicted by [NonmonotonicSend, IntNonmonotonicSend]:
        "each producer's records are stored in the order of sending"
    NoGroupGap "no-group-gap" contradicted by [GroupGap]:
        "no group committed past a record that it did not process"
    GroupComplete "group-complete" contradicted by [GroupIncomplete]:
        "every group processed everything up to the end"
    NothingReprocessed "nothing-reprocessed" contradicted by [Reprocessed]:
        "no group processed a record twice"
    ReprocessedWithinWindow "reprocessed-within-window" contradicted by [Reprocessed]:
        "no group processed more records twice than were processed and not yet committed when \
         its member went away"
    ReadsInOrder "reads-in-order" contradicted by [PollSkip, NonmonotonicPoll, IntPollSkip, IntNonmonotonicPoll]:
        "within an assignment no reader skipped a record or went back"
    NoCommitRegression "no-commit-regression" contradicted by [CommitRegression]:
        "no committed offset went back"
    GroupsIndependent "groups-independent" contradicted by [GroupGap, GroupIncomplete]:
        "each group read everything itself while the others were reading too"
    RecoversWithin "recovers-within" contradicted by []:
        "the first record after the restart came in time"
    NoRowMissing "no-row-missing" contradicted by [RowMissing]:
        "every committed row change has its event"
    NoRowDuplicate "no-row-duplicate" contradicted by [RowDuplicate]:
        "no committed row change has two events"
    NoRowPhantom "no-row-phantom" contradicted by [RowPhantom]:
        "no event tells of a change that never committed"
    CommitOrder "commit-order" contradicted by [CommitOrder]:
        "the events of a row come in the order of its commits"
    NoStateDivergence "no-state-divergence" contradicted by [StateDivergence]:
        "replaying the topics by key gives the tables"
    NoTruncation "no-truncation" contradicted by [LogTruncation]:
        "no partition's end moved back"
    ReplicasAgree "replicas-agree" contradicted by [ReplicaDivergence]:
        "all replicas hold the same below the high watermark"
    NoZombie "no-zombie" contradicted by [ZombieProcessing]:
        "no member processed or committed a partition after it was taken from it"
    ReadCommitted "read-committed" contradicted by [G1a, PrecommittedRead]:
        "no read_committed reader was given a record that was not committed"
    TransactionsWhole "transactions-whole" contradicted by [TornTransaction]:
        "each transaction became visible as a whole or not at all"
    NoCycles "no-cycles" contradicted by [G1c]:
        "no transactions depend on one another in a circle"
    EffectsNoneLost "effects-none-lost" contradicted by [EffectLost]:
        "the application did something of every record that its group committed past"
    EffectsOnce "effects-once" contradicted by [EffectDuplicate]:
        "the application did nothing twice of one record"
    EffectsNoneInvented "effects-none-invented" contradicted by [EffectPhantom]:
        "the application did nothing of a record that was not sent"
    EffectsInOrderByKey "effects-in-order-by-key" contradicted by [EffectOrder]:
        "the application did what it did of the records of a key in the order of these"
    AlertFires "alert-fires" contradicted by []:
        "an alert that names the group or its topic fired while the group was broken"
    NoFalseAlert "no-false-alert" contradicted by []:
        "no alert that names the group or its topic fired of what was true before anything was \
         broken"
}

impl Claim {
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
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The level of a claim.
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
    /// The claim; `ackproof explain claims` has the meaning of each.
    pub claim: Claim,
    /// Its level.
    #[serde(default)]
    pub level: Level,
    /// The time allowed, in milliseconds: for `recovers-within`, which needs
    /// it, and no other claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub limit_ms: Option<u64>,
}

/// The judge's view of a plan: the claims, and the traffic that each fault must meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The claims, in the scenario's order.
    pub guarantees: Vec<Guarantee>,
    /// The faults, by number.
    pub faults: Vec<FaultContract>,
    /// The groups, in the order in which the history declares them.
    pub groups: Vec<GroupContract>,
    /// The events that the scenario tests: where one did not happen, nothing is HELD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_happen: Vec<Occurrence>,
    /// The quotas that must throttle a client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaContract>,
    /// What alerts are expected to do, where they are watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertContract>,
}

/// The judge's view of the alerts that are watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertContract {
    /// The `group.id` that they must name.
    pub group: String,
    /// The fault that one must tell of; without it none may fire.
    pub fault: Option<FaultIx>,
    /// How long that fault lasts, or without one how long nothing happens after the
    /// traffic, in milliseconds.
    pub lasts_ms: u64,
    /// Whether the user demands that alerts fire within that time, whatever their rules need.
    pub is_limit: bool,
    /// How many records the group must be behind at some moment.
    pub least_behind: u64,
}

/// The judge's view of a quota: a scenario that sets one tests clients that are throttled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaContract {
    /// Which it is, in words.
    pub what: String,
    /// The producers (`p0`) and groups that it is for.
    pub clients: Vec<String>,
}

/// The judge's view of a fault.
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

/// The judge's view of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupContract {
    /// The `group.id`.
    pub name: String,
    /// Records a member processes at most before it commits.
    pub commit_every_records: u64,
}
