//! Where a record was lost is held to the operations that are shown of it, in
//! random histories and in those of the catalogue. What each proof and hop is
//! in small ones is in `tests/cases/log/loss-location.case`.

use std::convert::Infallible;

use checker::{Analysis, Examples, examine};
use model::anomaly::Anomaly;
use model::claim::Contract;
use model::event::Event;
use model::verdict::{Certainty, Hop};
use proptest::prelude::*;

use crate::notation::history;
use crate::transacted;
use crate::world::{make, sizes};

pub(crate) fn examined_events(events: &[Event], examples: usize) -> Analysis {
    let open = || {
        let events = events.iter().cloned();
        Ok::<_, Infallible>(events.map(Ok::<_, Infallible>))
    };
    let contract = Contract::default();
    let Ok((analysis, _)) = examine(&contract, Examples::at_most(examples), open);
    analysis
}

/// Every example of a finding, held to the operations beside it: what a client
/// is seen to have had is put to no hop before it, and the other way round.
pub(crate) fn holds_to_its_operations(analysis: &Analysis, what: &str) {
    for finding in &analysis.findings {
        let at = |hop: Hop| {
            let mut at = finding.lost_at.iter();
            at.find(|it| it.hop == hop).map_or(0, |it| it.count)
        };
        if finding.examples.len() as u64 != finding.count {
            continue;
        }
        let about = |of: Anomaly| finding.anomaly == of;
        if about(Anomaly::GroupGap) || about(Anomaly::GroupIncomplete) {
            let (mut in_hand, mut known) = (0, 0);
            for example in &finding.examples {
                let (place, rest) = example.item.split_once(": ").unwrap();
                let (words, group) = rest.rsplit_once(" (").unwrap();
                let by_group = format!("{} member ", group.trim_end_matches(')'));
                let stands = format!(" stands at {place}");
                let mut operations = example.operations.iter();
                let record = operations.find_map(|it| it.operation.strip_suffix(&stands));
                // Of what is gone, or was seen by readers only, no operation shows that
                // it stands there.
                let Some(record) = record else {
                    continue;
                };
                known += 1;
                let processed = format!("processed {record} at ");
                let had = example.operations.iter().any(|it| {
                    let by_group = it.actor.starts_with(&by_group);
                    by_group
                        && it.operation.starts_with(&processed)
                        && it.operation.ends_with(|c: char| c.is_ascii_digit())
                });
                assert_eq!(
                    had,
                    !words.contains("never processed"),
                    "{}\n{:#?}\nin\n{what}",
                    example.item,
                    example.operations
                );
                in_hand += u64::from(had);
            }
            if known == finding.count {
                assert_eq!(
                    in_hand,
                    at(Hop::WithoutEffect),
                    "{:?}\nin\n{what}",
                    finding.lost_at
                );
            }
        }
        if about(Anomaly::LostWrite) {
            let seen = finding.examples.iter().filter(|example| {
                // "p0/1, acknowledged at …", or "… reported as a success …".
                let (record, _) = example.item.split_once(", ").unwrap();
                let processed = format!("processed {record} at ");
                let held = format!("{record} stands at ");
                let mut operations = example.operations.iter();
                operations.any(|it| {
                    it.operation.starts_with(&processed)
                        || (it.operation.starts_with(&held) && it.operation.contains(" on broker "))
                })
            });
            let gone = at(Hop::StoredThenGone) + at(Hop::NotTraced);
            let seen = seen.count() as u64;
            assert!(
                seen <= gone,
                "{:?}\n{:#?}\nin\n{what}",
                finding.lost_at,
                finding.examples
            );
            assert!(
                at(Hop::StoredThenGone) <= seen,
                "{:?}\n{:#?}\nin\n{what}",
                finding.lost_at,
                finding.examples
            );
        }
    }
}

proptest! {
    #[test]
    fn no_example_of_a_world_contradicts_its_hop(size in sizes(1..6)) {
        let events = make(size).story.events;
        holds_to_its_operations(&examined_events(&events, 100), "a world");
    }

    #[test]
    fn nor_does_one_of_a_world_of_transactions(size in transacted::sizes(1..30)) {
        let events = transacted::make(size).story.events;
        holds_to_its_operations(&examined_events(&events, 100), "a world of transactions");
    }
}

#[test]
fn no_example_contradicts_the_hop_that_it_is_put_to() {
    for anomaly in Anomaly::ALL {
        let definition = anomaly.definition();
        for text in [definition.history, definition.twin] {
            holds_to_its_operations(&examined_events(&history(text), 100), text);
        }
    }
}

#[test]
fn what_a_group_lost_is_proven_and_what_retention_took_is_likely() {
    for hop in [Hop::CommittedPast, Hop::NotDelivered, Hop::NoEvent] {
        assert_eq!(hop.certainty(), Certainty::Proven);
    }
    assert_eq!(Hop::Expired.certainty(), Certainty::Likely);
}
