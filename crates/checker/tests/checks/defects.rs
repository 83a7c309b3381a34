//! A history that changes while it is examined, and a defect of the checker: both
//! are INCONCLUSIVE with their text, in any number of lanes.

use std::convert::Infallible;

use checker::{Analysis, Checker, Concurrency, Examples, Lanes, Limits, examine_in, judge};
use model::claim::{Claim, Contract, Guarantee, Level};
use model::event::{Body, Event};
use model::ids::{Micros, PartitionRef};
use model::verdict::Verdict;

use crate::story::id;

fn sends(count: u64) -> Vec<Event> {
    let send = |sequence| Event {
        at: Micros::new(sequence),
        body: Body::SendInvoked {
            record: id(0, sequence),
            to: PartitionRef::default(),
        },
    };
    (0..count).map(send).collect()
}

/// Every claim on the histories that `open` opens is INCONCLUSIVE, because of
/// this.
fn cannot_tell<I>(lanes: Lanes, open: impl FnMut(Concurrency) -> Result<I, Infallible>, why: &str)
where
    I: IntoIterator<Item = Result<Event, Infallible>> + Send,
{
    let guarantees = Claim::ALL.iter().map(|claim| Guarantee {
        claim: *claim,
        level: Level::Required,
        limit_ms: None,
    });
    let contract = Contract {
        guarantees: guarantees.collect(),
        ..Contract::default()
    };
    let examples = Examples::default();
    let Ok((analysis, calibration)) =
        examine_in(lanes, Limits::default(), &contract, examples, open);
    let verdict = judge(&contract, "broken", 1, &analysis, calibration);
    assert_eq!(verdict.verdict, Verdict::Inconclusive);
    assert!(!verdict.as_expected);
    assert!(verdict.doubts[0].contains(why), "{:?}", verdict.doubts);
    for guarantee in &verdict.guarantees {
        assert_eq!(guarantee.verdict, Verdict::Inconclusive);
        assert!(guarantee.reason.contains(why), "{}", guarantee.reason);
    }
}

#[test]
fn a_history_that_changes_between_passes_is_inconclusive() {
    for lanes in [Lanes::One, Lanes::Many] {
        let mut count = 9;
        let open = |_| {
            count -= 1;
            Ok(sends(count).into_iter().map(Ok))
        };
        cannot_tell(lanes, open, "events");
    }
}

#[test]
fn a_panic_in_any_lane_is_inconclusive() {
    for (lanes, reader) in [(Lanes::One, 0), (Lanes::Many, 0), (Lanes::Many, 1)] {
        let mut opened = 0;
        let open = |_| {
            let panics = opened == reader;
            opened += 1;
            Ok(sends(9).into_iter().map(move |event| {
                assert!(!panics || event.at < Micros::new(5), "out of bounds");
                Ok(event)
            }))
        };
        cannot_tell(lanes, open, "out of bounds");
    }
}

#[test]
fn checkers_and_events_may_change_threads() {
    const fn may_change_threads<T: Send>() {}
    may_change_threads::<Checker>();
    may_change_threads::<Event>();
    may_change_threads::<Analysis>();
}
