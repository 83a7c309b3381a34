//! The instrument on mutants of the very history it checked.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::claim::{Claim, Contract, Guarantee, Level};
use model::event::{Body, Cleanup};
use model::verdict::Calibration;
use proptest::prelude::*;

use crate::captured;
use crate::out_of_order;
use crate::story::{Story, TOPIC, every_claim, found, ours, story};
use crate::transacted;
use crate::world::{Kept, Size, Witness, make, sizes};

/// On which no claim rests: *unseen* cannot arise where an observer read the
/// truth, and Kafka promises nothing against the other two.
const WITHOUT_A_CLAIM: [Anomaly; 3] = [Anomaly::Unseen, Anomaly::G0, Anomaly::IntSendSkip];

/// For which there is no place in a history without replicas, transactions and
/// groups that read committed records only.
const OF_TRANSACTIONS: [Anomaly; 8] = [
    Anomaly::ReplicaDivergence,
    Anomaly::G1a,
    Anomaly::PrecommittedRead,
    Anomaly::TornTransaction,
    Anomaly::G1c,
    Anomaly::IntPollSkip,
    Anomaly::IntNonmonotonicPoll,
    Anomaly::IntNonmonotonicSend,
];

/// Planted in `cases/calibration/applications.case`.
const OF_APPLICATIONS: [Anomaly; 4] = [
    Anomaly::EffectLost,
    Anomaly::EffectDuplicate,
    Anomaly::EffectPhantom,
    Anomaly::EffectOrder,
];

#[test]
fn every_anomaly_of_the_catalogue_can_be_planted_and_is_found() {
    let world = make(Size {
        producers: 2,
        partitions: 2,
        records: 60,
        groups: 2,
        rows: 20,
        planted: 0,
        kept: Kept::Forever,
        witness: Witness::Observer,
        seed: 7,
    });
    let (_, calibration) = world.story.examine(&every_claim());
    let missed: Vec<_> = calibration.iter().filter(|mutant| !mutant.found).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let planted: Vec<Anomaly> = calibration.iter().map(|mutant| mutant.anomaly).collect();
    let expected: Vec<Anomaly> = Anomaly::ALL
        .iter()
        .copied()
        .filter(|anomaly| {
            let elsewhere = [&WITHOUT_A_CLAIM[..], &OF_TRANSACTIONS, &OF_APPLICATIONS];
            !elsewhere.iter().any(|some| some.contains(anomaly))
        })
        .collect();
    assert_eq!(planted, expected);
}

#[test]
fn no_loss_is_planted_where_compaction_would_explain_it() {
    let compacted = Body::TopicCleanup {
        topic: TOPIC,
        policy: Cleanup::Compact,
    };
    let log = ours([0, 1, 2]);
    let (_, kept) = story().sends(3).log(&log).examine(&every_claim());
    let (_, cleaned) = story()
        .and(compacted)
        .sends(3)
        .log(&log)
        .examine(&every_claim());
    let planted = |calibration: &[Calibration]| {
        let mut all = calibration.iter();
        all.any(|mutant| mutant.anomaly == Anomaly::LostWrite)
    };
    assert!(planted(&kept) && !planted(&cleaned));
    assert!(cleaned.iter().all(|mutant| mutant.found), "{cleaned:#?}");
}

#[test]
fn only_what_the_claims_rest_on_is_planted() {
    let contract = Contract {
        guarantees: vec![Guarantee {
            claim: Claim::NoLoss,
            level: Level::Observed,
            limit_ms: None,
        }],
        ..Contract::default()
    };
    let (_, calibration) = story().sends(3).log(&ours([0, 1, 2])).examine(&contract);
    assert_eq!(calibration.len(), 1);
    assert_eq!(calibration[0].anomaly, Anomaly::LostWrite);
    assert_eq!(
        calibration[0].mutation,
        "p0/0 at t-0@0 dropped from the log"
    );
}

#[test]
fn a_tiny_history_takes_more_readings_and_still_plants_everything() {
    let (_, calibration) = story().sends(2).log(&ours([0, 1])).examine(&every_claim());
    assert!(
        calibration.iter().all(|mutant| mutant.found),
        "{calibration:#?}"
    );
    let planted: BTreeSet<Anomaly> = calibration.iter().map(|mutant| mutant.anomaly).collect();
    let log = [
        Anomaly::LostWrite,
        Anomaly::Duplicate,
        Anomaly::NonmonotonicSend,
        Anomaly::InconsistentOffsets,
        Anomaly::LogTruncation,
        Anomaly::Phantom,
        Anomaly::Corrupt,
        Anomaly::FailedWriteVisible,
    ];
    assert_eq!(planted, BTreeSet::from(log));
}

#[test]
fn what_needs_no_clean_record_is_planted_where_none_is_clean() {
    // A disk was lost: what stands shares its offset with a lost record.
    let story = story().sends(4).send(4).ack(4, 0).send(5).ack(5, 1);
    let (analysis, calibration) = story.log(&ours([4, 5])).examine(&every_claim());
    assert_eq!(analysis.count(Anomaly::LostWrite), 4);
    let missed: Vec<_> = calibration.iter().filter(|mutant| !mutant.found).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let planted: BTreeSet<Anomaly> = calibration.iter().map(|mutant| mutant.anomaly).collect();
    let expected = [Anomaly::Duplicate, Anomaly::Phantom, Anomaly::Corrupt];
    assert!(
        planted.is_superset(&BTreeSet::from(expected)),
        "{planted:?}"
    );
}

#[test]
fn every_anomaly_of_transactions_can_be_planted_and_is_found() {
    let world = transacted::make(transacted::Size {
        rounds: 100,
        interleaved: false,
        planted: 0,
        imported: false,
        seed: 7,
    });
    let (_, calibration) = world.story.examine(&every_claim());
    let missed: Vec<_> = calibration.iter().filter(|mutant| !mutant.found).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let planted: BTreeSet<Anomaly> = calibration.iter().map(|mutant| mutant.anomaly).collect();
    let absent: Vec<&Anomaly> = OF_TRANSACTIONS
        .iter()
        .filter(|anomaly| !planted.contains(anomaly))
        .collect();
    assert!(absent.is_empty(), "{absent:?}");
}

/// Worlds of which ackproof recorded the history: only for those is there a
/// contract, and only those are calibrated on.
fn observed(planted: std::ops::Range<usize>) -> impl Strategy<Value = Size> {
    sizes(planted).prop_map(|size| Size {
        witness: Witness::Observer,
        ..size
    })
}

fn recorded(planted: std::ops::Range<usize>) -> impl Strategy<Value = transacted::Size> {
    transacted::sizes(planted).prop_map(|size| transacted::Size {
        imported: false,
        ..size
    })
}

/// What was planted in a history and not found, and what is wrong with it.
pub(crate) fn misses(story: &Story) -> Vec<String> {
    let (analysis, calibration) = story.examine(&every_claim());
    let missed = calibration.into_iter().filter(|mutant| !mutant.found);
    let of = found(&analysis);
    missed
        .map(|mutant| format!("{}: {} beside {of:?}", mutant.anomaly, mutant.mutation))
        .collect()
}

proptest! {
    #[test]
    fn mutants_are_found_in_any_healthy_world_of_transactions(size in recorded(0..1)) {
        prop_assert_eq!(misses(&transacted::make(size).story), Vec::<String>::new());
    }

    #[test]
    fn mutants_are_found_in_any_sick_world_of_transactions(size in recorded(1..12)) {
        prop_assert_eq!(misses(&transacted::make(size).story), Vec::<String>::new());
    }

    #[test]
    fn mutants_are_found_whatever_happens_to_transactions(plot in out_of_order::plots(false)) {
        prop_assert_eq!(misses(&plot.tell()), Vec::<String>::new());
    }

    #[test]
    fn mutants_are_found_whatever_happens_to_rows(plot in captured::plots()) {
        prop_assert_eq!(misses(&plot.tell()), Vec::<String>::new());
    }

    #[test]
    fn mutants_are_found_in_any_healthy_world(size in observed(0..1)) {
        prop_assert_eq!(misses(&make(size).story), Vec::<String>::new());
    }

    #[test]
    fn mutants_are_found_in_any_sick_world(size in observed(1..4)) {
        prop_assert_eq!(misses(&make(size).story), Vec::<String>::new());
    }
}

/// Where another was read, it takes what was said of that one along.
#[test]
fn no_record_is_taken_out_from_under_another_that_was_read_there() {
    let world = make(Size {
        producers: 3,
        partitions: 4,
        records: 9,
        groups: 1,
        rows: 0,
        planted: 3,
        kept: Kept::Forever,
        witness: Witness::Observer,
        seed: 7_992_490_762_288_203_200,
    });
    assert_eq!(misses(&world.story), Vec::<String>::new());
}
