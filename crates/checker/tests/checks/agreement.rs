//! The fast checker agrees with the slow ones on transactions and on captured
//! rows, whatever happens.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, Event};
use model::ids::GroupIx;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::captured;
use crate::out_of_order::{self, GROUPS, PARTITIONS};
use crate::properties::thousands;
use crate::reference;
use crate::reference_rows;
use crate::reference_transactions::{self as slow, Covered, Declared};
use crate::story::{Story, found, part};

proptest! {
    #![proptest_config(thousands())]

    #[test]
    fn it_agrees_on_transactions(plot in out_of_order::plots(false)) {
        agrees(&plot.tell())?;
    }

    #[test]
    fn it_agrees_on_transactions_that_another_tool_recorded(plot in out_of_order::plots(true)) {
        agrees(&plot.tell())?;
    }

    #[test]
    fn it_agrees_on_captured_rows(plot in captured::plots()) {
        let story = plot.tell();
        let analysis = story.check();
        let found: BTreeMap<Anomaly, u64> = found(&analysis).into_iter().collect();
        prop_assert_eq!(found, reference_rows::count(&story.events));
        let covered = analysis.coverage.capture.unwrap_or_default();
        prop_assert_eq!(
            reference_rows::Covered::from(&covered),
            reference_rows::cover(&story.events)
        );
    }
}

fn declared() -> Declared {
    Declared {
        partitions: (0..PARTITIONS)
            .map(|at| part(i32::try_from(at).unwrap()))
            .collect(),
        groups: (0..GROUPS).map(GroupIx::new).collect(),
    }
}

/// What is wrong: with the log by the reference that knows no transactions, but
/// for what they change.
fn expected(events: &[Event]) -> BTreeMap<Anomaly, u64> {
    let declared = declared();
    let mut expected = reference::count(events, &declared.partitions);
    expected.remove(&Anomaly::NonmonotonicSend);
    if events
        .iter()
        .any(|it| matches!(it.body, Body::Imported { .. }))
    {
        // Which acknowledgements count depends on transactions.
        for anomaly in [
            Anomaly::LostWrite,
            Anomaly::Unseen,
            Anomaly::Duplicate,
            Anomaly::InconsistentOffsets,
        ] {
            expected.remove(&anomaly);
        }
    }
    expected.extend(slow::count(events, &declared));
    expected
}

fn agrees(story: &Story) -> Result<(), TestCaseError> {
    let analysis = story.check();
    let found: BTreeMap<Anomaly, u64> = found(&analysis)
        .into_iter()
        .filter(|(anomaly, _)| !ELSEWHERE.contains(anomaly))
        .collect();
    prop_assert_eq!(found, expected(&story.events));
    let covered = Covered {
        transactions: analysis.coverage.transactions,
        cycles: analysis.coverage.cycles,
        isolation: analysis.coverage.isolation.clone(),
    };
    let declared = declared();
    let expected = slow::cover(&story.events, &declared);
    prop_assert_eq!(covered, expected);
    for (group, covered) in (0..).map(GroupIx::new).zip(&analysis.coverage.groups) {
        let mut expected = slow::cover_group(&story.events, &declared, group);
        expected.name.clone_from(&covered.name);
        // About offsets below the log start, which transactions do not change.
        expected.unknown = covered.unknown;
        expected.behind_expired = covered.behind_expired;
        prop_assert_eq!(covered, &expected);
    }
    Ok(())
}

/// Counted by the reference of groups, which knows no transactions.
const ELSEWHERE: [Anomaly; 2] = [Anomaly::CommitRegression, Anomaly::ZombieProcessing];

// What is compared must occur.

/// In how many of a thousand histories something is wrong of each kind.
fn occurrences<P: Strategy>(
    plots: &P,
    count: impl Fn(&P::Value) -> BTreeMap<Anomaly, u64>,
) -> BTreeMap<Anomaly, u64> {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::new();
    for _ in 0..1000 {
        let plot = plots.new_tree(&mut runner).unwrap().current();
        for anomaly in count(&plot).into_keys() {
            *seen.entry(anomaly).or_insert(0) += 1;
        }
    }
    seen
}

#[track_caller]
fn all_occur(seen: &BTreeMap<Anomaly, u64>, anomalies: &[Anomaly]) {
    for anomaly in anomalies {
        let times = seen.get(anomaly).copied().unwrap_or(0);
        assert!(times >= 3, "{anomaly:?} in {times} of 1000: {seen:?}");
    }
}

#[test]
fn every_anomaly_of_transactions_occurs_in_what_is_compared() {
    let anomalies = [
        Anomaly::G1a,
        Anomaly::PrecommittedRead,
        Anomaly::TornTransaction,
        Anomaly::G0,
        Anomaly::G1c,
        Anomaly::IntPollSkip,
        Anomaly::IntNonmonotonicPoll,
        Anomaly::IntSendSkip,
        Anomaly::IntNonmonotonicSend,
        Anomaly::NonmonotonicSend,
        Anomaly::LostWrite,
        Anomaly::Duplicate,
        Anomaly::PollSkip,
        Anomaly::NonmonotonicPoll,
        Anomaly::GroupGap,
        Anomaly::GroupIncomplete,
        Anomaly::Reprocessed,
    ];
    for imported in [false, true] {
        let seen = occurrences(&out_of_order::plots(imported), |plot| {
            expected(&plot.tell().events)
        });
        all_occur(&seen, &anomalies);
    }
}

#[test]
fn every_anomaly_of_captured_rows_occurs_in_what_is_compared() {
    let anomalies = [
        Anomaly::RowMissing,
        Anomaly::RowDuplicate,
        Anomaly::RowPhantom,
        Anomaly::CommitOrder,
        Anomaly::StateDivergence,
        Anomaly::Corrupt,
    ];
    let seen = occurrences(&captured::plots(), |plot| {
        reference_rows::count(&plot.tell().events)
    });
    all_occur(&seen, &anomalies);
}
