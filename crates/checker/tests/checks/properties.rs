//! Random histories: what is planted is found exactly, what is healthy stays
//! clean, and the fast checker agrees with the slow one.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{Body, Cleanup, ClientRef, CommitResult, Content, ErrorCause, Event, Outcome};
use model::ids::{
    BrokerId, FaultIx, GroupIx, MemberIx, Micros, Offset, PartitionRef, ProducerIx, RecordId,
};
use model::verdict::Counts;
use proptest::prelude::*;

use crate::reference;
use crate::reference_groups;
use crate::story::{TOPIC, found, id, part, story};
use crate::transacted;
use crate::world::{Untold, Witness, make, sizes};

proptest! {
    #[test]
    fn a_healthy_world_is_clean(size in sizes(0..1)) {
        let world = make(size);
        let analysis = world.story.check();
        let found: BTreeMap<Anomaly, u64> = found(&analysis).into_iter().collect();
        prop_assert_eq!(&found, &world.expected);
        // Killed members make their successors read again: that is healthy. So
        // is what was sent behind everything that a consumer read.
        let healthy = |anomaly: &Anomaly| match anomaly {
            Anomaly::Reprocessed => true,
            Anomaly::Unseen => size.witness == Witness::Readers,
            // A group that comes late finds deleted what was not kept for it.
            Anomaly::GroupGap => size.kept.deletes(),
            _ => false,
        };
        prop_assert!(found.keys().all(healthy), "{:?}", found);
        prop_assert!(analysis.completeness.unread.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_world_is_found_exactly(size in sizes(1..6)) {
        let world = make(size);
        let analysis = world.story.check();
        let found: BTreeMap<Anomaly, u64> = found(&analysis).into_iter().collect();
        prop_assert_eq!(found, world.expected);
        let Counts { expired, compacted, .. } = analysis.counts;
        prop_assert_eq!(Untold { expired, compacted }, world.untold);
    }

    #[test]
    fn a_healthy_world_of_transactions_is_clean(size in transacted::sizes(0..1)) {
        let world = transacted::make(size);
        let found: BTreeMap<Anomaly, u64> = found(&world.story.check()).into_iter().collect();
        prop_assert_eq!(&found, &world.expected);
        // Killed members make their successors read again, and transactions may
        // interleave: both are healthy.
        let mut healthy = vec![Anomaly::Reprocessed, Anomaly::G0, Anomaly::IntSendSkip];
        if size.imported {
            healthy.push(Anomaly::Unseen);
        }
        prop_assert!(found.keys().all(|anomaly| healthy.contains(anomaly)), "{:?}", found);
    }

    #[test]
    fn what_is_wrong_with_a_world_of_transactions_is_found_exactly(size in transacted::sizes(1..30)) {
        let world = transacted::make(size);
        let found: BTreeMap<Anomaly, u64> = found(&world.story.check()).into_iter().collect();
        prop_assert_eq!(found, world.expected);
    }
}

proptest! {
    #![proptest_config(thousands())]

    #[test]
    fn the_fast_checker_agrees_with_the_obvious_one(
        bodies in prop::collection::vec(anything(), 0..80),
        policy in prop::option::of(a_policy()),
        keys in prop::option::of(1u64..4),
        imported in prop::option::weighted(0.3, 0usize..80),
    ) {
        let mut story = story().and(Body::MemberStarted {
            member: MemberIx::new(0),
            group: crate::story::GROUP,
        });
        let mut bodies = bodies;
        let mut held = BTreeSet::new();
        // A replica holds one thing at an offset.
        bodies.retain(|body| match body {
            Body::ReplicaStored { partition, broker, offset, .. } => {
                held.insert((*partition, *broker, *offset))
            }
            _ => true,
        });
        if let Some(place) = imported {
            // Only its consumers have seen the log.
            bodies.retain(|body| !matches!(
                body,
                Body::Stored { .. } | Body::Pinned { .. } | Body::PartitionRead { .. }
            ));
            // What is told of an imported history alone stands behind that it is one.
            let of_imports = |it: &Body| {
                matches!(it, Body::OrderForgotten { .. } | Body::ReadRolledBack { .. })
            };
            let place = if bodies.iter().any(of_imports) { 0 } else { place };
            let tool = "another".to_owned();
            bodies.insert(place.min(bodies.len()), Body::Imported { tool });
        } else if let Some(policy) = policy {
            story = story.and(Body::TopicCleanup { topic: TOPIC, policy });
        }
        if let Some(keys) = keys {
            let producer = ProducerIx::new(0);
            story = story.and(Body::KeysDeclared { producer, keys });
        }
        let at = Micros::new(0);
        story.events.extend(bodies.into_iter().map(|body| Event { at, body }));
        let expected = reference::count(&story.events, &[part(0)]);
        let log = [
            Anomaly::LostWrite,
            Anomaly::Unseen,
            Anomaly::Duplicate,
            Anomaly::NonmonotonicSend,
            Anomaly::InconsistentOffsets,
            Anomaly::LogTruncation,
            Anomaly::Phantom,
            Anomaly::Corrupt,
            Anomaly::FailedWriteVisible,
            Anomaly::ReplicaDivergence,
        ];
        let analysis = story.check();
        let found: BTreeMap<Anomaly, u64> = found(&analysis)
            .into_iter()
            .filter(|(anomaly, _)| log.contains(anomaly))
            .collect();
        prop_assert_eq!(found, expected);
        let covered = reference::Covered {
            settled_acks: analysis.coverage.settled_acks,
            unacknowledged: analysis.coverage.unacknowledged,
            untold: analysis.coverage.untold,
            expired: analysis.coverage.expired,
            compacted: analysis.coverage.compacted,
            replaced: analysis.coverage.replaced,
            damaged: analysis.coverage.damaged,
            is_ordered_anywhere: analysis.coverage.ordered_pairs > 0,
            truncation: analysis.coverage.truncation,
            replicas: analysis.coverage.replicas.clone(),
        };
        prop_assert_eq!(covered, reference::cover(&story.events, &[part(0)]));
    }

    #[test]
    fn it_agrees_on_groups_too(
        steps in prop::collection::vec(anything_of_groups(), 0..80),
        skews in prop::array::uniform4(0u64..40),
        imported in prop::bool::weighted(0.3),
        // Waits that last for seconds, and such as are over in no time.
        step_us in prop::sample::select(vec![1u64, 400_000, 2_000_000]),
    ) {
        let mut story = story();
        let mut steps = steps;
        if imported {
            // Only its consumers have seen the log.
            story = story.imported("another");
            steps.retain(|(_, body)| !matches!(
                body,
                Body::Stored { .. } | Body::Pinned { .. } | Body::PartitionRead { .. }
            ));
        } else {
            steps.retain(|(_, body)| !matches!(body, Body::Replaceable { .. } | Body::ReadRolledBack { .. }));
        }
        story.events[0].body = Body::TopicDeclared {
            topic: TOPIC,
            name: "t".to_owned(),
            partitions: 2,
        };
        for group in 0..2 {
            story = story.group(GroupIx::new(group), "g");
        }
        // Each member has a clock of its own, which never goes back but may
        // stand still.
        for (now, (member, body)) in (200..).zip(steps) {
            let skew = skews[usize::try_from(member).unwrap()];
            let at = Micros::new((now / 2) * step_us + skew);
            story.events.push(Event { at, body });
        }
        let declared: Vec<(GroupIx, PartitionRef)> = (0..2)
            .flat_map(|group| (0..2).map(move |at| (GroupIx::new(group), part(at))))
            .collect();
        let expected = reference_groups::count(&story.events, &declared);
        let groups = [
            Anomaly::PollSkip,
            Anomaly::NonmonotonicPoll,
            Anomaly::GroupGap,
            Anomaly::Reprocessed,
            Anomaly::GroupIncomplete,
            Anomaly::CommitRegression,
            Anomaly::ZombieProcessing,
        ];
        let analysis = story.check();
        let found: BTreeMap<Anomaly, u64> = found(&analysis)
            .into_iter()
            .filter(|(anomaly, _)| groups.contains(anomaly))
            .collect();
        prop_assert_eq!(found, expected);
        let (zombies, strays) = reference_groups::cover_members(&story.events);
        prop_assert_eq!(&analysis.coverage.zombies, &zombies);
        prop_assert_eq!(analysis.completeness.strays, strays);
        for (group, covered) in (0..).map(GroupIx::new).zip(&analysis.coverage.groups) {
            let mut expected = reference_groups::cover(&story.events, &declared, group);
            expected.name.clone_from(&covered.name);
            prop_assert_eq!(covered, &expected);
        }
    }
}

/// Histories of a few events are checked in no time: more of them than usual,
/// unless another number is asked for.
pub(crate) fn thousands() -> ProptestConfig {
    let config = ProptestConfig::default();
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig {
            cases: 3000,
            ..config
        },
    }
}

fn a_cause() -> impl Strategy<Value = ErrorCause> {
    prop::sample::select(vec![
        ErrorCause::Unable,
        ErrorCause::NotAllowed,
        ErrorCause::Pipeline,
    ])
}

fn a_member() -> impl Strategy<Value = u32> {
    0u32..4
}

/// Any event about readers, sensible or not, and who reports it.
fn anything_of_groups() -> impl Strategy<Value = (u32, Body)> {
    let partitions = || prop::collection::vec(a_partition_of(2), 1..3);
    let a_group = || (0u16..2).prop_map(GroupIx::new);
    // Far enough apart for jumps that are long, near enough to meet.
    let far = || prop_oneof![9 => 0i64..12, 1 => 12i64..300].prop_map(Offset::new);
    prop_oneof![
        3 => (a_member(), a_group()).prop_map(|(member, group)| {
            (member, Body::MemberStarted { member: MemberIx::new(member), group })
        }),
        4 => (a_member(), partitions()).prop_map(|(member, partitions)| {
            (member, Body::Assigned { member: MemberIx::new(member), partitions })
        }),
        2 => (a_member(), partitions()).prop_map(|(member, partitions)| {
            (member, Body::Revoked { member: MemberIx::new(member), partitions })
        }),
        1 => (a_member(), a_partition_of(2), prop::option::of(an_offset()))
            .prop_map(|(member, partition, next)| {
                (member, Body::Repositioned { member: MemberIx::new(member), partition, next })
            }),
        12 => (a_member(), a_partition_of(2), far()).prop_map(|(member, from, offset)| {
            let content = Content::Foreign;
            (member, Body::Processed { member: MemberIx::new(member), from, offset, content })
        }),
        8 => (a_member(), a_partition_of(2), an_offset()).prop_map(|(member, partition, offset)| {
            let result = CommitResult::Accepted;
            (member, Body::Committed { member: MemberIx::new(member), partition, offset, result })
        }),
        6 => (a_partition_of(2), far()).prop_map(|(partition, offset)| {
            (0, Body::Stored { partition, offset, content: Content::Foreign })
        }),
        2 => (a_group(), a_partition_of(2), prop::option::of(an_offset()))
            .prop_map(|(group, partition, offset)| {
                (0, Body::GroupOffset { group, partition, offset })
            }),
        1 => (a_group(), prop::sample::select(vec![1u64, 4000, 12_000]))
            .prop_map(|(group, limit_ms)| (0, Body::GroupWaited { group, limit_ms })),
        2 => a_group().prop_map(|group| (0, Body::WaitBegan { group })),
        1 => (a_member(), 0u64..30_000).prop_map(|(member, throttle_ms)| {
            let client = ClientRef::Member(MemberIx::new(member));
            (member, Body::Throttled { client, throttle_ms })
        }),
        1 => (a_member(), a_cause(), "[ab]").prop_map(|(member, cause, error)| {
            let client = ClientRef::Member(MemberIx::new(member));
            let (reason, times) = (String::new(), 1);
            (member, Body::ClientErred { client, cause, error, reason, times })
        }),
        1 => (0u16..2, prop::bool::ANY).prop_map(|(fault, injected)| {
            let fault = FaultIx::new(fault);
            (0, if injected { Body::FaultInjected { fault } } else { Body::FaultHealed { fault } })
        }),
        2 => (a_partition_of(2), 0i64..3, 3i64..300).prop_map(|(partition, log_start, end)| {
            (0, Body::Pinned {
                partition,
                log_start: Offset::new(log_start),
                end: Offset::new(end),
            })
        }),
        2 => a_partition_of(2).prop_map(|partition| (0, Body::PartitionRead { partition })),
        4 => (a_record(), a_partition_of(2), 0i64..12).prop_map(|(record, at, offset)| {
            let offset = Offset::new(offset);
            (0, Body::SendCompleted { record, outcome: Outcome::Acknowledged { at, offset } })
        }),
        1 => (a_partition_of(2), 0i64..9, 0i64..3).prop_map(|(partition, first, more)| {
            let (first, last) = (Offset::new(first), Offset::new(first + more));
            (0, Body::Replaceable { partition, first, last })
        }),
        2 => (a_member(), a_partition_of(2), far()).prop_map(|(member, from, offset)| {
            let content = Content::Foreign;
            (member, Body::ReadRolledBack { member: MemberIx::new(member), from, offset, content })
        }),
    ]
}

fn a_record() -> impl Strategy<Value = RecordId> {
    (0u32..3, 0u64..6).prop_map(|(producer, sequence)| id(producer, sequence))
}

fn a_partition() -> impl Strategy<Value = PartitionRef> {
    a_partition_of(3)
}

fn a_partition_of(partitions: i32) -> impl Strategy<Value = PartitionRef> {
    (0..partitions).prop_map(|partition| PartitionRef {
        topic: TOPIC,
        partition: model::ids::PartitionIndex::new(partition),
    })
}

fn an_offset() -> impl Strategy<Value = Offset> {
    (0i64..9).prop_map(Offset::new)
}

fn a_content() -> impl Strategy<Value = Content> {
    prop_oneof![
        8 => a_record().prop_map(Content::Ours),
        1 => a_record().prop_map(Content::Misplaced),
        1 => Just(Content::Corrupt),
        1 => Just(Content::Foreign),
    ]
}

/// What is said of one of three replicas of the first partition.
fn a_replica() -> impl Strategy<Value = Body> {
    let broker = || (1i32..4).prop_map(BrokerId::new);
    let partition = part(0);
    prop_oneof![
        2 => (broker(), 0i64..3, 3i64..9).prop_map(move |(broker, log_start, end)| {
            let (log_start, end) = (Offset::new(log_start), Offset::new(end));
            Body::ReplicaPinned { partition, broker, log_start, end }
        }),
        4 => (broker(), an_offset(), a_content()).prop_map(move |(broker, offset, content)| {
            Body::ReplicaStored { partition, broker, offset, content }
        }),
        2 => broker().prop_map(move |broker| Body::ReplicaRead { partition, broker }),
    ]
}

fn a_policy() -> impl Strategy<Value = Cleanup> {
    prop_oneof![
        Just(Cleanup::Delete),
        Just(Cleanup::Compact),
        Just(Cleanup::CompactAndDelete),
    ]
}

/// Any event about the log, sensible or not.
fn anything() -> impl Strategy<Value = Body> {
    let error = || "any".to_owned();
    prop_oneof![
        4 => (a_record(), a_partition()).prop_map(|(record, to)| Body::SendInvoked { record, to }),
        6 => (a_record(), a_partition(), -1i64..9).prop_map(|(record, at, offset)| {
            let offset = Offset::new(offset);
            Body::SendCompleted { record, outcome: Outcome::Acknowledged { at, offset } }
        }),
        1 => a_record().prop_map(move |record| {
            Body::SendCompleted { record, outcome: Outcome::Failed { error: error() } }
        }),
        1 => a_record().prop_map(move |record| {
            Body::SendCompleted { record, outcome: Outcome::Unknown { error: error() } }
        }),
        6 => (a_partition(), an_offset(), a_content()).prop_map(|(partition, offset, content)| {
            Body::Stored { partition, offset, content }
        }),
        2 => (a_partition(), an_offset(), a_content()).prop_map(|(from, offset, content)| {
            Body::Processed { member: MemberIx::new(0), from, offset, content }
        }),
        3 => (a_partition(), 0i64..3, 3i64..9).prop_map(|(partition, log_start, end)| {
            Body::Pinned {
                partition,
                log_start: Offset::new(log_start),
                end: Offset::new(end),
            }
        }),
        3 => a_partition().prop_map(|partition| Body::PartitionRead { partition }),
        1 => (a_partition(), 0i64..9).prop_map(|(partition, end)| {
            Body::TailSeen { partition, end: Offset::new(end) }
        }),
        1 => Just(Body::TrafficEnded),
        6 => a_replica(),
        2 => (a_partition(), an_offset(), a_content()).prop_map(|(from, offset, content)| {
            Body::ReadRolledBack { member: MemberIx::new(0), from, offset, content }
        }),
        1 => (0u32..3, a_partition()).prop_map(|(producer, partition)| {
            Body::OrderForgotten { producer: ProducerIx::new(producer), partition }
        }),
        1 => (a_partition(), 0i64..9, 0i64..3).prop_map(|(partition, first, more)| {
            let (first, last) = (Offset::new(first), Offset::new(first + more));
            Body::Replaceable { partition, first, last }
        }),
    ]
}

#[test]
fn a_record_that_was_read_and_lost_between_aborted_ones_is_no_aborted_read() {
    let world = transacted::make(transacted::Size {
        rounds: 88,
        interleaved: true,
        planted: 25,
        imported: false,
        seed: 15_708_886_943_706_271_112,
    });
    let found: BTreeMap<Anomaly, u64> = found(&world.story.check()).into_iter().collect();
    assert_eq!(found, world.expected);
}
