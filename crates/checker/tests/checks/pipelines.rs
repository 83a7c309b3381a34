//! Groups that read the change events of a capture: row committed, event
//! stored, processed by the group, each known by the change. The smallest
//! histories are in `tests/cases/capture/pipelines.case`.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, ChangeContent, Content, Event, Outcome, RowOp, TxOutcome};
use model::ids::{
    ChangeId, GroupIx, Lsn, MemberIx, Offset, PartitionRef, RecordId, RowKey, TableIx, TopicIx,
    TxId,
};
use proptest::prelude::*;

use crate::calibration::misses;
use crate::captured;
use crate::story::{Story, TOPIC, found, named, story_of};
use crate::world::{Dice, Kept, Size, Witness, make, sizes};

/// What is said of groups, which is the same whatever they read.
const OF_GROUPS: [Anomaly; 6] = [
    Anomaly::PollSkip,
    Anomaly::NonmonotonicPoll,
    Anomaly::GroupGap,
    Anomaly::GroupIncomplete,
    Anomaly::Reprocessed,
    Anomaly::CommitRegression,
];

/// A history of records, told as one of row changes: each record is the only
/// event of a row. What producers were told is left out of both.
struct Retold {
    records: Vec<Event>,
    changes: Vec<Event>,
    numbers: BTreeMap<RecordId, ChangeId>,
}

impl Retold {
    fn of(events: &[Event]) -> Self {
        let mut retold = Self {
            records: Vec::new(),
            changes: Vec::new(),
            numbers: BTreeMap::new(),
        };
        for event in events {
            let is_of_rows = matches!(
                event.body,
                Body::TableDeclared { .. }
                    | Body::ChangeInvoked { .. }
                    | Body::ChangeEvent { .. }
                    | Body::TxCompleted { .. }
                    | Body::TableRow { .. }
                    | Body::TableRead { .. }
                    | Body::CaptureWaited { .. }
                    | Body::CaptureBegan { .. }
                    | Body::SlotSeen { .. }
                    | Body::WalReached { .. }
            );
            let is_told = matches!(
                &event.body,
                Body::SendCompleted {
                    outcome: Outcome::Acknowledged { .. } | Outcome::Failed { .. },
                    ..
                }
            );
            if is_of_rows || is_told {
                continue;
            }
            retold.records.push(event.clone());
            for body in retold.tell(&event.body) {
                retold.changes.push(Event { at: event.at, body });
            }
        }
        retold
    }

    fn change(&mut self, record: RecordId) -> ChangeId {
        let next = ChangeId::new(self.numbers.len() as u64);
        *self.numbers.entry(record).or_insert(next)
    }

    fn content(&mut self, content: Content) -> Content {
        match content {
            Content::Ours(record) => Content::Change(self.change(record)),
            Content::Misplaced(_) | Content::Foreign => Content::Nameless,
            same => same,
        }
    }

    fn tell(&mut self, body: &Body) -> Vec<Body> {
        let table = TableIx::new(0);
        match body {
            Body::TopicDeclared { topic, name, .. } if *topic == TOPIC => {
                let declared = Body::TableDeclared {
                    table,
                    name: name.clone(),
                    topic: *topic,
                };
                vec![body.clone(), declared]
            }
            Body::SendInvoked { record, .. } => {
                let change = self.change(*record);
                let tx = TxId::new(change.get());
                let key = RowKey::new(i64::try_from(change.get()).unwrap() + 1);
                let op = RowOp::Insert;
                let invoked = Body::ChangeInvoked {
                    tx,
                    change,
                    table,
                    key,
                    op,
                };
                let outcome = TxOutcome::Committed;
                vec![invoked, Body::TxCompleted { tx, outcome }]
            }
            Body::SendCompleted { .. } | Body::ProducerCounted { .. } => Vec::new(),
            Body::Stored {
                partition,
                offset,
                content,
            } => {
                let (key, content) = match self.content(*content) {
                    Content::Change(change) => (change.get() + 1, ChangeContent::Ours(change)),
                    Content::Corrupt => (0, ChangeContent::Corrupt),
                    _ => (0, ChangeContent::Foreign),
                };
                vec![Body::ChangeEvent {
                    partition: *partition,
                    offset: *offset,
                    table,
                    key: RowKey::new(i64::try_from(key).unwrap()),
                    op: RowOp::Insert,
                    content,
                    lsn: Lsn::new(0),
                }]
            }
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => vec![Body::Processed {
                member: *member,
                from: *from,
                offset: *offset,
                content: self.content(*content),
            }],
            other => vec![other.clone()],
        }
    }
}

fn observed(planted: std::ops::Range<usize>) -> impl Strategy<Value = Size> {
    sizes(planted).prop_map(|size| Size {
        witness: Witness::Observer,
        ..size
    })
}

/// A group that reads the events of a history of rows, here and there not as
/// it should, and commits what it came to or a little more.
fn with_a_reader(story: &Story, seed: u64) -> Story {
    let mut dice = Dice(seed | 1);
    let mut topics: Vec<TopicIx> = Vec::new();
    let mut events: BTreeMap<PartitionRef, Vec<(Offset, Content)>> = BTreeMap::new();
    let mut pinned: Vec<PartitionRef> = Vec::new();
    for event in &story.events {
        match &event.body {
            Body::TopicDeclared { topic, .. } => topics.push(*topic),
            Body::ChangeEvent {
                partition,
                offset,
                content,
                ..
            } => {
                let of = events.entry(*partition).or_default();
                of.push((*offset, content.as_read()));
            }
            Body::Pinned { partition, .. } => pinned.push(*partition),
            _ => {}
        }
    }
    let (group, member) = (GroupIx::new(0), MemberIx::new(0));
    let mut said = vec![
        Body::GroupDeclared {
            group,
            name: "g".to_owned(),
            topics,
        },
        Body::MemberStarted { member, group },
        Body::Assigned {
            member,
            partitions: pinned.clone(),
        },
    ];
    let mut positions: BTreeMap<PartitionRef, Offset> = BTreeMap::new();
    let careful = dice.percent(50);
    for (partition, events) in events {
        for (offset, content) in events {
            let times = match dice.below(100) {
                _ if careful => 1,
                0..8 => 0,
                8..12 => 2,
                _ => 1,
            };
            for _ in 0..times {
                said.push(Body::Processed {
                    member,
                    from: partition,
                    offset,
                    content,
                });
            }
            let ahead = i64::from(!careful && dice.percent(5));
            let next = Offset::new(offset.get() + times.min(1) + ahead);
            let position = positions.entry(partition).or_default();
            *position = (*position).max(next);
            if dice.percent(30) {
                said.push(Body::Committed {
                    member,
                    partition,
                    offset: *position,
                    result: model::event::CommitResult::Accepted,
                });
            }
        }
    }
    let mut ending = vec![Body::GroupWaited {
        group,
        limit_ms: 1000,
    }];
    ending.extend(
        positions
            .into_iter()
            .map(|(partition, offset)| Body::GroupOffset {
                group,
                partition,
                offset: Some(offset),
            }),
    );
    let truth = |event: &Event| matches!(event.body, Body::TrafficEnded);
    let at = story.events.iter().position(truth).unwrap();
    let now = story.events[at].at;
    let timed = |body| Event { at: now, body };
    let mut all = story.events[..at].to_vec();
    all.extend(said.into_iter().map(timed));
    all.extend(story.events[at..].iter().cloned());
    all.extend(ending.into_iter().map(timed));
    story_of(all)
}

proptest! {
    /// What is found of groups in a topic of records is held to the slow
    /// reference; in a topic of changes it is the same.
    #[test]
    fn a_group_is_judged_alike_whether_it_reads_records_or_changes(size in observed(0..6)) {
        let retold = Retold::of(&make(size).story.events);
        let of_records = story_of(retold.records).check();
        let of_changes = story_of(retold.changes).check();
        for anomaly in OF_GROUPS {
            prop_assert_eq!(
                (anomaly, named(&of_changes, anomaly)),
                (anomaly, named(&of_records, anomaly))
            );
        }
        // Records are called by other names.
        let elsewhere = Anomaly::InconsistentOffsets;
        prop_assert_eq!(of_changes.count(elsewhere), of_records.count(elsewhere));
        prop_assert_eq!(of_changes.coverage.groups, of_records.coverage.groups);
        prop_assert_eq!(of_changes.counts.stored, 0);
    }

    #[test]
    fn mutants_are_found_where_groups_read_changes(size in observed(0..4)) {
        let retold = Retold::of(&make(size).story.events);
        prop_assert_eq!(misses(&story_of(retold.changes)), Vec::<String>::new());
    }

    #[test]
    fn mutants_are_found_whatever_happens_to_rows_that_are_read(
        plot in captured::plots(),
        seed: u64,
    ) {
        prop_assert_eq!(misses(&with_a_reader(&plot.tell(), seed)), Vec::<String>::new());
    }

    /// What is wrong with rows and events does not depend on who reads them.
    #[test]
    fn a_reader_changes_nothing_that_is_found_of_rows(plot in captured::plots(), seed: u64) {
        let alone = plot.tell();
        let read = with_a_reader(&alone, seed);
        let of_rows = |story: &Story| -> Vec<(Anomaly, u64)> {
            let of_groups = |anomaly: &Anomaly| {
                OF_GROUPS.contains(anomaly) || *anomaly == Anomaly::InconsistentOffsets
            };
            let all = found(&story.check()).into_iter();
            all.filter(|(anomaly, _)| !of_groups(anomaly)).collect()
        };
        prop_assert_eq!(of_rows(&read), of_rows(&alone));
    }
}

/// A member that read behind the log's end committed the last record, too, in a
/// log that was not cut.
#[test]
fn a_last_change_is_planted_as_unprocessed_with_all_commits_behind_it() {
    let world = make(Size {
        producers: 3,
        partitions: 3,
        records: 16,
        groups: 2,
        rows: 0,
        planted: 3,
        kept: Kept::Forever,
        witness: Witness::Observer,
        seed: 14_932_402_244_919_317_570,
    });
    let retold = Retold::of(&world.story.events);
    assert_eq!(misses(&story_of(retold.changes)), Vec::<String>::new());
}

/// An event without an identity that stands where it was processed does not
/// make up for a change that was processed elsewhere.
#[test]
fn an_event_without_a_name_counts_as_no_change_that_was_processed_in_place() {
    let world = make(Size {
        producers: 2,
        partitions: 3,
        records: 4,
        groups: 2,
        rows: 3,
        planted: 3,
        kept: Kept::Compacted,
        witness: Witness::Observer,
        seed: 1_231_562_925_348_220_918,
    });
    let changes = Retold::of(&world.story.events).changes;
    // Its only change that stands where the group processed it.
    let in_place = |event: &Event| {
        matches!(event.body, Body::Processed { member, content, .. }
            if member.get() == 1000 && content == Content::Change(ChangeId::new(0)))
    };
    let less: Vec<Event> = changes
        .iter()
        .filter(|event| !in_place(event))
        .cloned()
        .collect();
    assert_eq!(less.len() + 1, changes.len());
    // Found alike however little of the history fits into memory.
    let analysis = story_of(less).check();
    assert_eq!(named(&analysis, Anomaly::GroupGap), ["t-0 1-2", "t-1 0-0"]);
    assert_eq!(misses(&story_of(changes)), Vec::<String>::new());
}

/// A member that read and committed behind the end of a log that was not read that far
/// commits less afterwards: that passed nothing, and nothing is planted before it.
#[test]
fn a_commit_behind_a_record_that_is_gone_plants_nothing() {
    let world = make(Size {
        producers: 4,
        partitions: 3,
        records: 2,
        groups: 1,
        rows: 0,
        planted: 3,
        kept: Kept::Deleted,
        witness: Witness::Observer,
        seed: 14_433_290_709_100_984_116,
    });
    let retold = Retold::of(&world.story.events);
    assert_eq!(misses(&story_of(retold.changes)), Vec::<String>::new());
}
