//! Random histories: what is planted is found exactly, what is healthy stays
//! clean, and the fast checker agrees with the slow one.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event, Outcome};
use model::ids::{MemberIx, Micros, Offset, PartitionRef, RecordId};
use proptest::prelude::*;

use crate::reference;
use crate::story::{TOPIC, found, id, part, story};
use crate::transacted;
use crate::world::{make, sizes};

proptest! {
    #[test]
    fn a_healthy_world_is_clean(size in sizes(0..1)) {
        let world = make(size);
        // Killed members make their successors read again: that is healthy.
        let analysis = world.story.check();
        let found: BTreeMap<Anomaly, u64> = found(&analysis).into_iter().collect();
        prop_assert_eq!(&found, &world.planted);
        prop_assert!(found.keys().all(|anomaly| *anomaly == Anomaly::Reprocessed));
        prop_assert!(analysis.completeness.unread.is_empty());
    }

    #[test]
    fn what_is_planted_is_found_exactly(size in sizes(1..6)) {
        let world = make(size);
        let found: BTreeMap<Anomaly, u64> = found(&world.story.check()).into_iter().collect();
        prop_assert_eq!(found, world.planted);
    }

    #[test]
    fn a_healthy_world_of_transactions_is_clean(size in transacted::sizes(0..1)) {
        let world = transacted::make(size);
        let found: BTreeMap<Anomaly, u64> = found(&world.story.check()).into_iter().collect();
        prop_assert_eq!(&found, &world.expected);
        // Killed members make their successors read again, and transactions may
        // interleave: both are healthy.
        let healthy = [Anomaly::Reprocessed, Anomaly::G0, Anomaly::IntSendSkip];
        prop_assert!(found.keys().all(|anomaly| healthy.contains(anomaly)), "{:?}", found);
    }

    #[test]
    fn what_is_wrong_with_a_world_of_transactions_is_found_exactly(size in transacted::sizes(1..30)) {
        let world = transacted::make(size);
        let found: BTreeMap<Anomaly, u64> = found(&world.story.check()).into_iter().collect();
        prop_assert_eq!(found, world.expected);
    }

    #[test]
    fn the_fast_checker_agrees_with_the_obvious_one(bodies in prop::collection::vec(anything(), 0..60)) {
        let mut story = story().and(Body::MemberStarted {
            member: MemberIx::new(0),
            group: crate::story::GROUP,
        });
        let at = Micros::new(0);
        story.events.extend(bodies.into_iter().map(|body| Event { at, body }));
        let expected = reference::count(&story.events, &[part(0)]);
        let log = [
            Anomaly::LostWrite,
            Anomaly::Duplicate,
            Anomaly::NonmonotonicSend,
            Anomaly::InconsistentOffsets,
            Anomaly::Phantom,
            Anomaly::Corrupt,
            Anomaly::FailedWriteVisible,
        ];
        let analysis = story.check();
        let found: BTreeMap<Anomaly, u64> = found(&analysis)
            .into_iter()
            .filter(|(anomaly, _)| log.contains(anomaly))
            .collect();
        prop_assert_eq!(found, expected);
    }
}

fn a_record() -> impl Strategy<Value = RecordId> {
    (0u32..2, 0u64..5).prop_map(|(producer, sequence)| id(producer, sequence))
}

fn a_partition() -> impl Strategy<Value = PartitionRef> {
    (0i32..2).prop_map(|partition| PartitionRef {
        topic: TOPIC,
        partition: model::ids::PartitionIndex::new(partition),
    })
}

fn an_offset() -> impl Strategy<Value = Offset> {
    (0i64..7).prop_map(Offset::new)
}

fn a_content() -> impl Strategy<Value = Content> {
    prop_oneof![
        8 => a_record().prop_map(Content::Ours),
        1 => a_record().prop_map(Content::Misplaced),
        1 => Just(Content::Corrupt),
        1 => Just(Content::Foreign),
    ]
}

/// Any event about the log, sensible or not.
fn anything() -> impl Strategy<Value = Body> {
    let error = || "any".to_owned();
    prop_oneof![
        4 => (a_record(), a_partition()).prop_map(|(record, to)| Body::SendInvoked { record, to }),
        6 => (a_record(), a_partition(), an_offset()).prop_map(|(record, at, offset)| {
            Body::SendCompleted { record, outcome: Outcome::Acknowledged { at, offset } }
        }),
        1 => a_record().prop_map(move |record| {
            Body::SendCompleted { record, outcome: Outcome::Failed { error: error() } }
        }),
        6 => (a_partition(), an_offset(), a_content()).prop_map(|(partition, offset, content)| {
            Body::Stored { partition, offset, content }
        }),
        2 => (a_partition(), an_offset(), a_content()).prop_map(|(from, offset, content)| {
            Body::Processed { member: MemberIx::new(0), from, offset, content }
        }),
        3 => (a_partition(), 0i64..3, 3i64..7).prop_map(|(partition, log_start, end)| {
            Body::Pinned {
                partition,
                log_start: Offset::new(log_start),
                end: Offset::new(end),
            }
        }),
        3 => a_partition().prop_map(|partition| Body::PartitionRead { partition }),
        1 => Just(Body::TrafficEnded),
    ]
}
