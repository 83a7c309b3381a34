//! What is expected of a history for which there is no plan: which anomalies
//! contradict the expectation, which leave it open, and which are only
//! reported. The table below is the whole contract. Knows nothing of claims,
//! faults or how an anomaly is found.
//!
//! - *default*: nothing may be wrong, but a group may read again.
//! - *at-least-once*: everything that was acknowledged or committed arrives,
//!   and nothing else does. It may come more than once, and resending and
//!   reading again may change its order, so that what leads to nothing worse
//!   (a reader or a commit that goes back, a member that goes on too long) is
//!   only reported. A skip or a gap is a loss to a reader.
//! - *exactly-once*: and only once, in order, and only if committed.
//!   Transactions that interleave in a partition are no contradiction: Kafka
//!   isolates readers from the uncommitted, not writers from one another.
//! - *strict*: nothing of the catalogue.
//!
//! *unseen* leaves every expectation open, the strict one as well: it says that
//! it is unknown, and proves nothing. Where a group may have been rebalanced
//! between any two polls and it is not recorded when, skipping and going back from one
//! poll to the next is reported only, but by the strict one.
//!
//! Beside any of these it can be demanded that every send was acknowledged.

use model::anomaly::Anomaly;
use model::verdict::Verdict;

use crate::analysis::Analysis;

/// What is expected of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing wrong, apart from what Kafka never promises.
    #[default]
    Default,
    /// Nothing lost and nothing made up.
    AtLeastOnce,
    /// Everything once.
    ExactlyOnce,
    /// Nothing of the catalogue.
    Strict,
}

/// What is demanded of sends beside an expectation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sends {
    /// Nothing: a send may fail, and its outcome may be unknown.
    #[default]
    MayFail,
    /// Each is acknowledged.
    AllAcknowledged,
}

/// What an anomaly does to an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Contradicts it.
    Violates,
    /// Leaves it open.
    Doubts,
    /// Is only reported.
    Reported,
}

/// The verdict on a history for which there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationVerdict {
    /// What can be said of the expectation.
    pub verdict: Verdict,
    /// Why, in short phrases; the worst ones only.
    pub reasons: Vec<String>,
}

const V: Weight = Weight::Violates;
const D: Weight = Weight::Doubts;
const R: Weight = Weight::Reported;

/// By anomaly, in the catalogue's order: what it does to the default
/// expectation, to at-least-once, to exactly-once and to the strict one.
const TABLE: &[(Anomaly, [Weight; 4])] = &[
    (Anomaly::LostWrite, [V, V, V, V]),
    (Anomaly::Unseen, [D, D, D, D]),
    (Anomaly::Duplicate, [V, R, V, V]),
    (Anomaly::NonmonotonicSend, [V, R, V, V]),
    (Anomaly::InconsistentOffsets, [V, V, V, V]),
    (Anomaly::LogTruncation, [V, V, V, V]),
    (Anomaly::ReplicaDivergence, [V, V, V, V]),
    (Anomaly::Phantom, [V, V, V, V]),
    (Anomaly::Corrupt, [V, V, V, V]),
    (Anomaly::FailedWriteVisible, [V, V, V, V]),
    (Anomaly::PollSkip, [V, V, V, V]),
    (Anomaly::NonmonotonicPoll, [V, R, V, V]),
    (Anomaly::GroupGap, [V, V, V, V]),
    (Anomaly::Reprocessed, [R, R, V, V]),
    (Anomaly::GroupIncomplete, [V, V, V, V]),
    (Anomaly::CommitRegression, [V, R, V, V]),
    (Anomaly::ZombieProcessing, [V, R, V, V]),
    (Anomaly::G1a, [V, V, V, V]),
    (Anomaly::PrecommittedRead, [V, V, V, V]),
    (Anomaly::TornTransaction, [V, V, V, V]),
    (Anomaly::G0, [V, R, R, V]),
    (Anomaly::G1c, [V, V, V, V]),
    (Anomaly::IntPollSkip, [V, V, V, V]),
    (Anomaly::IntNonmonotonicPoll, [V, R, V, V]),
    (Anomaly::IntSendSkip, [V, R, R, V]),
    (Anomaly::IntNonmonotonicSend, [V, R, V, V]),
    (Anomaly::RowMissing, [V, V, V, V]),
    (Anomaly::RowDuplicate, [V, R, V, V]),
    (Anomaly::RowPhantom, [V, V, V, V]),
    (Anomaly::CommitOrder, [V, V, V, V]),
    (Anomaly::StateDivergence, [V, V, V, V]),
    (Anomaly::EffectLost, [V, V, V, V]),
    (Anomaly::EffectDuplicate, [V, R, V, V]),
    (Anomaly::EffectPhantom, [V, V, V, V]),
    (Anomaly::EffectOrder, [V, R, V, V]),
];

/// The tool whose histories are made of transactions that interleave on
/// purpose.
const JEPSEN: &str = "jepsen";
/// What the default expectation does not hold against those: what Jepsen allows,
/// and what is another name for something that Jepsen does not.
const REPORTED_OF_JEPSEN: [Anomaly; 4] = [
    Anomaly::FailedWriteVisible,
    Anomaly::TornTransaction,
    Anomaly::G0,
    Anomaly::IntSendSkip,
];
/// What a rebalance between two polls explains.
const EXPLAINED_BY_REBALANCES: [Anomaly; 2] = [Anomaly::PollSkip, Anomaly::NonmonotonicPoll];

impl Expectation {
    /// Every expectation, in the order in which help lists them.
    pub const ALL: [Self; 4] = [
        Self::Default,
        Self::AtLeastOnce,
        Self::ExactlyOnce,
        Self::Strict,
    ];

    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
            Self::Strict => "strict",
        }
    }

    /// What an anomaly in a history that `tool` recorded does to it.
    pub fn weigh(self, anomaly: Anomaly, tool: Option<&str>) -> Weight {
        if self == Self::Default && tool == Some(JEPSEN) && REPORTED_OF_JEPSEN.contains(&anomaly) {
            return Weight::Reported;
        }
        let mut rows = TABLE.iter();
        let row = rows.find(|(of, _)| *of == anomaly);
        row.map_or(Weight::Violates, |(_, weights)| weights[self as usize])
    }

    /// What an anomaly that was found in a history does to it.
    pub fn weigh_in(self, anomaly: Anomaly, analysis: &Analysis) -> Weight {
        let completeness = &analysis.completeness;
        let tool = completeness.imported.as_deref();
        let explained = self != Self::Strict
            && completeness.rebalances_untold
            && EXPLAINED_BY_REBALANCES.contains(&anomaly);
        // Writers are not isolated from one another: only a circle of readings
        // shows that readers are not either.
        let allowed = self == Self::Default
            && tool == Some(JEPSEN)
            && anomaly == Anomaly::G1c
            && analysis.coverage.cycles.read_circles == 0;
        if explained || allowed {
            return Weight::Reported;
        }
        self.weigh(anomaly, tool)
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Holds a history against an expectation. Needs no end of traffic and no
/// faults: other tools record neither.
pub fn expect(analysis: &Analysis, expectation: Expectation) -> ExpectationVerdict {
    expect_sends(analysis, expectation, Sends::MayFail)
}

/// The same, with a demand on sends.
pub fn expect_sends(
    analysis: &Analysis,
    expectation: Expectation,
    sends: Sends,
) -> ExpectationVerdict {
    let of_weight = |weight: Weight| -> Vec<String> {
        analysis
            .findings
            .iter()
            .filter(|finding| expectation.weigh_in(finding.anomaly, analysis) == weight)
            .map(|finding| format!("{} {}", finding.count, finding.anomaly))
            .collect()
    };
    let mut violations = of_weight(Weight::Violates);
    if sends == Sends::AllAcknowledged {
        violations.extend(unacknowledged(analysis));
    }
    if !violations.is_empty() {
        return ExpectationVerdict {
            verdict: Verdict::Violated,
            reasons: violations,
        };
    }
    let mut doubts = of_weight(Weight::Doubts);
    doubts.extend(why_open(analysis));
    if !doubts.is_empty() {
        return ExpectationVerdict {
            verdict: Verdict::Inconclusive,
            reasons: doubts,
        };
    }
    let processed: u64 = processed(analysis);
    ExpectationVerdict {
        verdict: Verdict::Held,
        reasons: vec![format!(
            "{} records acknowledged, {processed} read",
            analysis.counts.acknowledged
        )],
    }
}

/// How many sends were not acknowledged, and what became of them; none where all
/// were.
pub fn unacknowledged(analysis: &Analysis) -> Option<String> {
    let (counts, untold) = (&analysis.counts, analysis.completeness.untold_sends);
    let missing = analysis.coverage.unacknowledged;
    if missing + untold == 0 {
        return None;
    }
    let reason = format!(
        "{} of {} sends were not acknowledged: {} certainly not written, {} of unknown outcome",
        missing + untold,
        counts.sent + untold,
        counts.failed,
        counts.unknown
    );
    if untold == 0 {
        return Some(reason);
    }
    Some(format!("{reason}, {untold} of which nothing more is told"))
}

fn processed(analysis: &Analysis) -> u64 {
    let groups = analysis.coverage.groups.iter();
    groups.map(|group| group.processed).sum()
}

/// Why a history cannot tell.
fn why_open(analysis: &Analysis) -> Vec<String> {
    let completeness = &analysis.completeness;
    let lacking = completeness.lacking.iter();
    let mut doubts: Vec<String> = lacking
        .map(|what| format!("the history lacks something: {what}"))
        .collect();
    if let Some(reason) = &completeness.aborted {
        doubts.push(format!("the recording was given up: {reason}"));
    }
    if completeness.imported.is_none() && !completeness.completed {
        doubts.push("the history ends before the run was completed".to_owned());
    }
    doubts.extend(completeness.gaps());
    doubts.extend(completeness.given_again.iter().cloned());
    let coverage = &analysis.coverage;
    if completeness.replaceable > 0 {
        doubts.push(format!(
            "a later record of its key may have replaced {} more records that a group passed over",
            completeness.replaceable
        ));
    }
    let gone = coverage.expired + coverage.compacted + coverage.damaged;
    if gone > 0 {
        doubts.push(format!(
            "retention, compaction or damage hides what became of {gone} acknowledged records"
        ));
    }
    if let Some(group) = coverage.isolation.iter().find(|group| group.unordered > 0) {
        doubts.push(format!(
            "{} readings came too far ahead of their sending to be held against it",
            group.unordered
        ));
    }
    if analysis.counts.acknowledged == 0 && analysis.counts.changes == 0 {
        doubts.push("nothing was acknowledged".to_owned());
    } else if processed(analysis) + analysis.counts.stored + analysis.counts.change_events == 0 {
        doubts.push("nothing was read".to_owned());
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anomaly_of_the_catalogue_has_its_row() {
        let rows: Vec<Anomaly> = TABLE.iter().map(|(anomaly, _)| *anomaly).collect();
        assert_eq!(rows, Anomaly::ALL);
    }
}
