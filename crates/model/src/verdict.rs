//! Verdicts and findings: the shape of `verdict.json`, which is a stable
//! interface. Every figure in it was computed from a history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::anomaly::Anomaly;
use crate::claim::{Claim, Level};
use crate::event::Evidence;
use crate::plan::{Circumstances, SkippedScenario, Timing};

/// The value of `schema` in a `verdict.json` of this version.
pub const SCHEMA: &str = "ackproof.verdict/1";

/// The verdict on a guarantee, a scenario or a run.
///
/// The order is that of severity: the worst one wins.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum Verdict {
    /// It was put to the test, and nothing contradicts it.
    Held,
    /// It could not be established.
    Inconclusive,
    /// The history contradicts it.
    Violated,
}

impl Verdict {
    /// As written in `verdict.json` and on the terminal.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The verdict of a whole run, with the evidence: `verdict.json`. Readers
/// ignore properties that they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunVerdict {
    /// The name of the format.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA)))]
    pub schema: String,
    /// The run's identity.
    pub run: String,
    /// The seed that replays the run's plan, up to 2^64 - 1.
    pub seed: u64,
    /// The versions of everything that took part, by name.
    pub versions: BTreeMap<String, String>,
    /// When it began and how long it took, where and by which command, as far
    /// as the run has written that down.
    #[serde(flatten)]
    pub circumstances: Option<Circumstances>,
    /// The worst of the scenarios, VIOLATED over INCONCLUSIVE over HELD. A
    /// violation that its scenario expects counts as HELD.
    pub verdict: Verdict,
    /// One entry for each scenario and repetition.
    pub scenarios: Vec<ScenarioVerdict>,
    /// Requested scenarios that do not fit the cluster: nothing was tested there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedScenario>,
}

/// The verdict of one scenario, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScenarioVerdict {
    /// The scenario's name.
    pub name: String,
    /// Which repetition of the scenario, from 1.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub repetition: u32,
    /// When it was carried out; absent where it was not, or where that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Why it was not carried out to its end, where the user stopped the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Interruption>,
    /// The worst of the guarantees that are not merely observed, or
    /// INCONCLUSIVE when the run itself could not tell.
    pub verdict: Verdict,
    /// Whether this is the verdict that the scenario expects: HELD, or VIOLATED where a
    /// violation is expected.
    pub as_expected: bool,
    /// Why the run as a whole cannot tell (a fault that never took effect, a
    /// history that is not whole, a failed calibration); empty when it can.
    pub doubts: Vec<String>,
    /// The guarantees, in the scenario's order.
    pub guarantees: Vec<GuaranteeVerdict>,
    /// Everything that was found, claimed or not, in the catalogue's order.
    pub findings: Vec<Finding>,
    /// Counts of records, changes and rows.
    pub counts: Counts,
    /// The faults, in the order of the plan.
    pub faults: Vec<FaultVerdict>,
    /// Parts of the pipeline that failed by themselves, as was reported of
    /// them, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failures: Vec<PartFailure>,
    /// The measurements.
    pub measurements: Measurements,
    /// Whether the checker found the mutants of this very history.
    pub calibration: Vec<Calibration>,
}

impl ScenarioVerdict {
    /// Whether there is nothing to tell of it, because it had not been started
    /// when the run was stopped.
    pub fn was_not_started(&self) -> bool {
        self.stopped == Some(Interruption::NotStarted)
    }
}

/// Where a scenario was when the run was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Interruption {
    /// It had not been started.
    NotStarted,
    /// It was under way.
    Interrupted,
}

/// The verdict on one guarantee.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GuaranteeVerdict {
    /// The claim.
    pub claim: Claim,
    /// How much hangs on it.
    pub level: Level,
    /// The verdict on it.
    pub verdict: Verdict,
    /// Why, with the figures.
    pub reason: String,
}

/// All instances of one anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Which anomaly.
    pub anomaly: Anomaly,
    /// How many instances.
    pub count: u64,
    /// Exactly which records or rows it is about, as ranges, in order.
    /// Bounded: see `ranges_complete`.
    pub ranges: Vec<NamedRange>,
    /// Whether `ranges` holds every instance.
    pub ranges_complete: bool,
    /// Where the records or changes it counts were lost, hop by hop in the
    /// order of the pipeline; the counts add up to `count`. Empty where nothing
    /// was lost.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lost_at: Vec<LostAt>,
    /// A few instances with the operations that prove them.
    pub examples: Vec<Example>,
}

/// How many records got as far as one hop of the pipeline and not beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LostAt {
    /// The hop.
    pub hop: Hop,
    /// How many.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub count: u64,
    /// How sure that is.
    pub certainty: Certainty,
}

impl LostAt {
    /// So many at a hop.
    pub const fn new(hop: Hop, count: u64) -> Self {
        let certainty = hop.certainty();
        Self {
            hop,
            count,
            certainty,
        }
    }
}

/// Where in the pipeline something was lost, in the pipeline's order.
///
/// A record that retention or compaction may have removed is no loss between producer and
/// log, nor at any hop except of a group that passed it over: it is counted apart
/// ([`Counts::expired`], [`Counts::compacted`]).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Hop {
    /// A change was committed in the database, and has no event.
    NoEvent,
    /// Acknowledged, inside the range that was read, and never seen: never stored, or gone
    /// before the first read. Which of them is unknown.
    NeverSeen,
    /// Another record stands at the offset that was acknowledged.
    Replaced,
    /// The log ends before the offset that was acknowledged.
    CutOff,
    /// The log is empty, and begins anew.
    Wiped,
    /// A consumer received it, or a replica holds it, and the log does not.
    StoredThenGone,
    /// Acknowledged without an offset of its own, or one of more than can be
    /// followed.
    NotTraced,
    /// Acknowledged, and deleted before the group came to it (by retention,
    /// say).
    Expired,
    /// Stored, and the group's members were never given it.
    NotDelivered,
    /// Stored, and the group committed past it without processing it.
    CommittedPast,
    /// A member processed it, and nothing of that took effect: its transaction was aborted
    /// or fenced, or the record that it made is not there.
    WithoutEffect,
}

impl Hop {
    /// Every hop, in the pipeline's order.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// As written in `verdict.json`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// A phrase for the loss that follows a number.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoEvent => "between the database and the topic: committed, and no event",
            Self::NeverSeen => {
                "between producer and log: acknowledged, and never seen there (not stored, or \
                 gone before it was read)"
            }
            Self::Replaced => "in the log: another record stands at the acknowledged offset",
            Self::CutOff => "in the log: it ends before the acknowledged offset",
            Self::Wiped => "in the log: it is empty",
            Self::StoredThenGone => "in the log: seen there, and gone",
            Self::NotTraced => "between producer and log: not traced any further",
            Self::Expired => "in the log: deleted before the group came to it",
            Self::NotDelivered => "between log and group: never given to a member",
            Self::CommittedPast => "in the group: committed past, and not processed",
            Self::WithoutEffect => "in the group: processed, and nothing of that took effect",
        }
    }

    /// The certainty that the loss was at this hop.
    pub const fn certainty(self) -> Certainty {
        match self {
            Self::NoEvent
            | Self::StoredThenGone
            | Self::NotDelivered
            | Self::CommittedPast
            | Self::WithoutEffect => Certainty::Proven,
            Self::Replaced | Self::CutOff | Self::Wiped | Self::Expired => Certainty::Likely,
            Self::NeverSeen | Self::NotTraced => Certainty::Open,
        }
    }
}

/// The certainty that a loss was at a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Certainty {
    /// It was seen before, or behind, the hop.
    Proven,
    /// It follows if the acknowledgement was true when it was given.
    Likely,
    /// It was lost here or before.
    Open,
}

impl Certainty {
    /// As written in `verdict.json`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A run of consecutive records or rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamedRange {
    /// The owner: `p0` for a producer's records by sequence, `change` for row changes by
    /// number, a table's name for rows by key, `topic-partition` for offsets, `p0/t` for a
    /// producer's transactions by number.
    pub of: String,
    /// The first.
    pub first: i64,
    /// The last, inclusive.
    pub last: i64,
}

/// One instance of an anomaly, with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// The record, row or offset in question.
    pub item: String,
    /// The operations that prove it, in order.
    pub operations: Vec<ExampleOperation>,
    /// The logs of the members among them: files in the scenario's `logs`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub logs: Vec<String>,
}

/// One operation of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExampleOperation {
    /// When, in microseconds since the scenario began; none for the log's contents, which
    /// have no moment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_us: Option<u64>,
    /// The client that did it, or the observer that saw it.
    pub actor: String,
    /// The operation or observation, with its result.
    pub operation: String,
}

/// Counts of records, changes and rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counts {
    /// Records handed to a client.
    pub sent: u64,
    /// Records the broker acknowledged.
    pub acknowledged: u64,
    /// Records certainly not written.
    pub failed: u64,
    /// Records of unknown outcome.
    pub unknown: u64,
    /// Records in the log, copies included (data, not markers).
    pub stored: u64,
    /// Different records of ours in the log.
    pub distinct: u64,
    /// Acknowledged below the log start of a topic that deletes by age or size,
    /// and not there: no loss.
    #[serde(skip_serializing_if = "is_zero", default)]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub expired: u64,
    /// Acknowledged, not there, and of a topic that compacts: a later record of
    /// the same key may have replaced it. No loss.
    #[serde(skip_serializing_if = "is_zero", default)]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub compacted: u64,
    /// Row changes that the database committed.
    pub changes: u64,
    /// Change events in the topics, copies included.
    pub change_events: u64,
    /// Rows in the tables at the end.
    pub rows: u64,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands it out by reference"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The verdict on a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FaultVerdict {
    /// Its kind, as scenario files name it.
    pub kind: String,
    /// Whether independent evidence shows that it was in force and that
    /// traffic met it.
    pub landed: bool,
    /// When it was in force, in milliseconds since the scenario began.
    pub injected_ms: Option<u64>,
    /// When it had been healed, in milliseconds since the scenario began.
    pub healed_ms: Option<u64>,
    /// The observations.
    pub evidence: Vec<Evidence>,
    /// The state of the broken component afterwards. Whether the fault landed does not
    /// depend on it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub aftermath: Vec<Evidence>,
}

/// A part of the pipeline that failed by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PartFailure {
    /// When it was seen, in milliseconds since the scenario began.
    pub at_ms: u64,
    /// Which: `task 0 of connector pg`.
    pub part: String,
    /// Its state, as was reported: `FAILED`.
    pub state: String,
    /// The first line of its stack trace and of each cause.
    pub trace: Vec<String>,
}

/// The measurements. Absent where there was nothing to measure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Measurements {
    /// Longest time without an acknowledgement while sends were outstanding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub silent_longest_ms: Option<u64>,
    /// From the end of the last fault to the first acknowledgement after it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub healed_to_first_ack_ms: Option<u64>,
    /// Most records without an outcome at one moment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outstanding_peak: Option<u64>,
    /// Requests that the clients sent again, as they count themselves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retries: Option<u64>,
    /// Records stored more than once (extra copies), and records made more
    /// than once of one: as many as there are instances of the anomaly
    /// `duplicate`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duplicates: Option<u64>,
    /// Send to acknowledgement, of records acknowledged before the first
    /// fault.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_before: Option<Latency>,
    /// The same, of records sent before the fault was healed and
    /// acknowledged after it began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_during: Option<Latency>,
    /// The same, of records sent after the fault was healed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_after: Option<Latency>,
    /// One entry for each group.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub groups: Vec<GroupMeasurements>,
    /// Change data capture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capture: Option<CaptureMeasurements>,
    /// Errors that clients reported: sends that were not acknowledged, and consumers'
    /// errors.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<ReportedError>,
    /// Clients that the brokers throttled, because of a quota.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub throttled: Vec<Throttling>,
    /// Groups that were still reading when their time was up.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub still_reading: Vec<StillReading>,
}

/// Errors of one kind that one producer, or one group's members, reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportedError {
    /// The producer (`p0`), or the `group.id`.
    pub client: String,
    /// Its meaning for the record, or for the client.
    pub meaning: ErrorMeaning,
    /// The client's name for it.
    pub error: String,
    /// The client's own words when it told of it first.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
    /// How often.
    pub count: u64,
    /// When it was told first, in milliseconds since the scenario began.
    pub first_ms: u64,
    /// When it was told last, in milliseconds since the scenario began.
    pub last_ms: u64,
}

/// The meaning of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorMeaning {
    /// The record was certainly not written.
    Failed,
    /// The record may or may not have been written.
    Unknown,
    /// The client cannot read the records: the instrument's limit.
    Unable,
    /// The brokers do not authorize ackproof's client: the instrument's limit.
    NotAllowed,
    /// An error of the pipeline, its configuration or a fault.
    Pipeline,
}

/// How long the brokers told one producer, or one group's members, to wait
/// (`throttle_time_ms`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Throttling {
    /// The producer (`p0`), or the `group.id`.
    pub client: String,
    /// All of it, in milliseconds; of members beside each other, the sum.
    pub total_ms: u64,
}

/// How far a group had come when it was still reading and its time was up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StillReading {
    /// The `group.id`.
    pub group: String,
    /// Records that it had not read.
    pub remaining: u64,
    /// Records that it read while it was waited for.
    pub progressed: u64,
    /// For how long it was waited for, in milliseconds.
    pub waited_ms: u64,
    /// How much longer it would need at that rate, in milliseconds; absent
    /// where it read none because it was throttled all the time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimated_ms: Option<u64>,
}

/// Percentiles of a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Latency {
    /// How many records.
    pub count: u64,
    /// Median, in microseconds.
    pub p50_us: u64,
    /// 95th percentile, in microseconds.
    pub p95_us: u64,
    /// 99th percentile, in microseconds.
    pub p99_us: u64,
    /// The largest, in microseconds.
    pub max_us: u64,
}

/// Measurements of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupMeasurements {
    /// The `group.id`.
    pub group: String,
    /// Records processed, repetitions included.
    pub processed: u64,
    /// Different records processed.
    pub distinct: u64,
    /// Records processed again (extra times).
    pub reprocessed: u64,
    /// From the start of the member that followed a restart to the first
    /// record it processed; the longest, if several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recovery_ms: Option<u64>,
    /// From the end of the member that was restarted to the first record that
    /// the one in its place processed; the longest, if several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outage_ms: Option<u64>,
    /// Most records acknowledged, with an offset, and not yet processed at one
    /// moment.
    pub lag_peak: u64,
    /// The same, on average over the moments at which a record was processed.
    pub lag_mean: u64,
}

/// Measurements of change data capture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaptureMeasurements {
    /// From the restart order to the event that ended the longest silence
    /// after it: the first of the restarted task.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_event_ms: Option<u64>,
    /// From the restart order until everything committed could be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caught_up_ms: Option<u64>,
    /// Events that repeat a change (extra copies).
    pub duplicates: u64,
}

/// One mutant of the run's own history, and whether it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Calibration {
    /// The anomaly that the mutant plants.
    pub anomaly: Anomaly,
    /// The change that was made to the history.
    pub mutation: String,
    /// Whether the checker found it.
    pub found: bool,
}
