//! Groups that read the change events of a capture: row committed, event
//! stored, processed by the group, each known by the change.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, ChangeContent, Content, Event, Outcome, RowOp, TxOutcome};
use model::ids::{
    ChangeId, GroupIx, Lsn, MemberIx, Offset, PartitionRef, RecordId, RowKey, TableIx, TopicIx,
    TxId,
};
use model::verdict::Hop;
use proptest::prelude::*;

use crate::calibration::misses;
use crate::captured;
use crate::notation::history;
use crate::story::{Story, TOPIC, every_claim, found, named, story_of};
use crate::world::{Dice, Size, Witness, make, sizes};

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

/// Two rows, their events, and a group that reads them and stands where it
/// committed last.
fn pipeline(reading: &str, events: &str) -> Story {
    let mut lines = reading.lines().rev();
    let stands = lines
        .find_map(|line| line.strip_prefix("m0 commits "))
        .unwrap();
    let text = format!(
        "\
g reads rows
m0 of g starts with rows-0
tx0 inserts rows/7 as c0
tx0 is committed
tx1 inserts rows/8 as c1
tx1 is committed
{reading}the capture catches up
rows-0 is read from 0: {events}
rows holds 7 by c0, 8 by c1
g is waited for
g stands at {stands}
"
    );
    story_of(history(&text))
}

const BOTH: &str = "insert of rows/7 by c0, insert of rows/8 by c1";

#[test]
fn what_went_through_the_whole_pipeline_is_clean() {
    let all = "m0 processes c0 at rows-0@0\nm0 processes c1 at rows-0@1\nm0 commits rows-0@2\n";
    let analysis = pipeline(all, BOTH).check();
    assert_eq!(found(&analysis), []);
    let group = &analysis.coverage.groups[0];
    assert_eq!(
        (group.stored, group.distinct, group.below_committed),
        (2, 2, 2)
    );
}

/// A loss can be planted at each hop, and is found.
#[test]
fn calibration_plants_a_loss_at_every_hop() {
    let all = "m0 processes c0 at rows-0@0\nm0 processes c1 at rows-0@1\nm0 commits rows-0@2\n";
    let (_, calibration) = pipeline(all, BOTH).examine(&every_claim());
    let missed: Vec<_> = calibration.iter().filter(|mutant| !mutant.found).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    for hop in [
        Anomaly::RowMissing,
        Anomaly::GroupGap,
        Anomaly::GroupIncomplete,
        Anomaly::Reprocessed,
        Anomaly::RowDuplicate,
    ] {
        let mut planted = calibration.iter();
        assert!(planted.any(|mutant| mutant.anomaly == hop), "{hop:?}");
    }
}

#[track_caller]
fn lost(story: &Story, anomaly: Anomaly, hop: Hop, proof: &[&str]) {
    let (analysis, calibration) = story.examine(&every_claim());
    let missed: Vec<_> = calibration.iter().filter(|mutant| !mutant.found).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let finding = analysis
        .findings
        .iter()
        .find(|it| it.anomaly == anomaly)
        .unwrap();
    let hops: Vec<Hop> = finding.lost_at.iter().map(|lost| lost.hop).collect();
    assert_eq!(hops, [hop]);
    let operations = &finding.examples[0].operations;
    let operations: Vec<&str> = operations.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(operations, proof);
}

#[test]
fn a_loss_is_placed_at_its_hop_with_the_row_that_it_is_of() {
    let ahead = "m0 processes c0 at rows-0@0\nm0 commits rows-0@2\n";
    lost(
        &pipeline(ahead, BOTH),
        Anomaly::GroupGap,
        Hop::CommittedPast,
        &[
            "insert row 8, change 1, in tx 1",
            "tx 1 was committed",
            "processed change 0 at rows-0@0, the nearest below",
            "committed 2 of rows-0",
            "insert event of row 8, change 1, lsn 1001, stands at rows-0@1",
        ],
    );
    let behind = "m0 processes c0 at rows-0@0\nm0 commits rows-0@1\n";
    lost(
        &pipeline(behind, BOTH),
        Anomaly::GroupIncomplete,
        Hop::NotDelivered,
        &[
            "insert row 8, change 1, in tx 1",
            "tx 1 was committed",
            "processed change 0 at rows-0@0, the nearest below",
            "insert event of row 8, change 1, lsn 1001, stands at rows-0@1",
        ],
    );
    let one = "m0 processes c0 at rows-0@0\nm0 commits rows-0@1\n";
    let row = [
        "insert row 8, change 1, in tx 1",
        "tx 1 was committed",
        "the last change of every table has come out",
        "rows holds row 8, change 1",
    ];
    let first = "insert of rows/7 by c0";
    lost(
        &pipeline(one, first),
        Anomaly::RowMissing,
        Hop::NoEvent,
        &row,
    );
    let both = "m0 processes c0 at rows-0@0\nm0 processes c1 at rows-0@1\nm0 commits rows-0@1\n";
    let gone = pipeline(both, first);
    lost(&gone, Anomaly::RowMissing, Hop::StoredThenGone, &row);
}

/// An event that came twice is one change: processed where it stands first and
/// where it stands again, it is processed again.
#[test]
fn an_event_that_came_twice_is_processed_twice() {
    let thrice = "insert of rows/7 by c0, insert of rows/8 by c1, insert of rows/7 by c0";
    let all = "\
m0 processes c0 at rows-0@0
m0 processes c1 at rows-0@1
m0 processes c0 at rows-0@2
m0 commits rows-0@3
";
    let analysis = pipeline(all, thrice).check();
    assert_eq!(
        found(&analysis),
        [(Anomaly::Reprocessed, 1), (Anomaly::RowDuplicate, 1)]
    );
    assert_eq!(analysis.coverage.groups[0].copies, 1);
    // Once is enough: it is known by the change.
    let once = all.replacen("m0 processes c0 at rows-0@2\n", "", 1);
    let analysis = pipeline(&once, thrice).check();
    assert_eq!(found(&analysis), [(Anomaly::RowDuplicate, 1)]);
}

/// A delete and a tombstone name no change: their place tells what was
/// processed.
#[test]
fn deletes_and_tombstones_are_known_by_their_place() {
    let text = "\
g reads rows
m0 of g starts with rows-0
tx0 inserts rows/7 as c0
tx0 is committed
tx1 deletes rows/7 as c1
tx1 is committed
m0 processes c0 at rows-0@0
m0 processes an unnamed event at rows-0@1
m0 processes an unnamed event at rows-0@2
m0 commits rows-0@3
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0, delete of rows/7, an unnamed event
rows holds nothing
g is waited for
";
    let text = text.replace("rows holds nothing\n", "");
    let analysis = story_of(history(&text)).check();
    assert_eq!(analysis.count(Anomaly::GroupGap), 0);
    assert_eq!(analysis.count(Anomaly::Phantom), 0);
    assert_eq!(analysis.coverage.groups[0].distinct, 3);
    let passed = text.replacen("m0 processes an unnamed event at rows-0@2\n", "", 1);
    let analysis = story_of(history(&passed)).check();
    assert_eq!(named(&analysis, Anomaly::GroupGap), ["rows-0 2-2"]);
}

/// With exactly-once source, events come in transactions: one that was aborted
/// is nothing that a group of committed records is given.
#[test]
fn an_aborted_event_is_none_for_who_reads_committed_records() {
    let text = |level: &str, first: &str| {
        format!(
            "\
g reads rows{level}
m0 of g starts with rows-0
tx0 inserts rows/7 as c0
tx0 is committed
{first}m0 processes c0 at rows-0@2
m0 commits rows-0@4
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0 in p9, abort of p9, insert of rows/7 by c0 in p9, commit of p9
rows holds 7 by c0
g is waited for
"
        )
    };
    let committed = " with read_committed";
    let analysis = story_of(history(&text(committed, ""))).check();
    assert_eq!(found(&analysis), []);
    assert_eq!(analysis.coverage.isolation[0].committed, 1);
    let dirty = "m0 processes c0 at rows-0@0\n";
    let analysis = story_of(history(&text(committed, dirty))).check();
    assert_eq!(analysis.count(Anomaly::G1a), 1);
    // One that reads everything is given both.
    let analysis = story_of(history(&text("", dirty))).check();
    assert_eq!(analysis.count(Anomaly::G1a), 0);
    assert_eq!(analysis.count(Anomaly::Reprocessed), 1);
}
