//! Groups that make a record of each that they process, in random histories,
//! where an obvious checker knows the answer by the definition. The smallest
//! histories are in `tests/cases/groups/transforms.case`.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::event::{
    BatchKind, Body, CommitResult, Content, Event, Intent, Outcome, TransactionOutcome,
};
use model::ids::{
    MemberIx, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, TopicIx, TransactionRef,
};
use proptest::prelude::*;

use crate::story::{GROUP, Story, found, id, part, required, story, transaction};
use crate::world::Dice;

const MADE: PartitionRef = PartitionRef {
    topic: TopicIx::new(1),
    partition: PartitionIndex::new(0),
};

/// How an incarnation's window of records ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Committed,
    Aborted,
    Killed,
    /// It asked, and was never told; the log holds no marker.
    Open,
}

/// What is made of one record, and what becomes of that.
#[derive(Clone, Copy, PartialEq)]
enum TxnOutcome {
    Stored,
    StoredUnknown,
    LostAcknowledged,
    Never,
    /// Nothing is made at all.
    Nothing,
    Twice,
}

struct Maker {
    dice: Dice,
    transactional: bool,
    planted: usize,
    story: Story,
    log: Vec<(Content, Option<i64>)>,
    batches: Vec<Batch>,
    member: u32,
}

#[derive(Clone, Copy)]
struct Batch {
    offset: i64,
    producer: Option<u32>,
    kind: BatchKind,
}

fn offset(of: usize) -> Offset {
    Offset::new(i64::try_from(of).unwrap())
}

impl Maker {
    fn say(&mut self, body: Body) {
        self.story = std::mem::take(&mut self.story).and(body);
    }

    fn append(
        &mut self,
        content: Option<Content>,
        producer: Option<u32>,
        kind: BatchKind,
    ) -> usize {
        let at = self.log.len();
        self.batches.push(Batch {
            offset: i64::try_from(at).unwrap(),
            producer,
            kind,
        });
        self.log
            .push((content.unwrap_or(Content::Foreign), content.map(|_| 0)));
        at
    }

    fn outcome(&mut self) -> TxnOutcome {
        if !self.dice.percent(self.planted) {
            return match self.dice.below(10) {
                0 => TxnOutcome::StoredUnknown,
                _ => TxnOutcome::Stored,
            };
        }
        match self.dice.below(4) {
            0 => TxnOutcome::LostAcknowledged,
            1 => TxnOutcome::Never,
            2 => TxnOutcome::Nothing,
            _ => TxnOutcome::Twice,
        }
    }

    /// One incarnation, which processes from `at` up to `end`.
    fn incarnation(&mut self, at: usize, end: usize, how: End) {
        let member = MemberIx::new(self.member);
        let producer = self.member + 1;
        self.member += 1;
        self.say(Body::MemberStarted {
            member,
            group: GROUP,
        });
        self.say(Body::Assigned {
            member,
            partitions: vec![part(0)],
        });
        let tx = transaction(producer, 0);
        if self.transactional {
            self.say(Body::TransactionBegun { transaction: tx });
            self.say(Body::TransactionJoined {
                transaction: tx,
                member,
            });
        }
        let mut sequence = 0;
        let mut stored = false;
        for input in at..end {
            self.say(Body::Processed {
                member,
                from: part(0),
                offset: offset(input),
                content: Content::Ours(id(0, input as u64)),
            });
            let outcome = self.outcome();
            let times = match outcome {
                TxnOutcome::Nothing => 0,
                TxnOutcome::Twice => 2,
                _ => 1,
            };
            for _ in 0..times {
                stored |= self.output(id(producer, sequence), input, outcome);
                sequence += 1;
            }
        }
        if self.transactional {
            self.end_transaction(tx, end, how, stored);
        } else if how == End::Committed {
            self.say(Body::Committed {
                member,
                partition: part(0),
                offset: offset(end),
                result: CommitResult::Accepted,
            });
        }
    }

    fn output(&mut self, record: RecordId, input: usize, outcome: TxnOutcome) -> bool {
        self.say(Body::Derived {
            record,
            group: GROUP,
            from: part(0),
            offset: offset(input),
        });
        self.say(Body::SendInvoked { record, to: MADE });
        let kind = if self.transactional {
            BatchKind::Transactional
        } else {
            BatchKind::Plain
        };
        let producer = record.producer.get();
        let stands = !matches!(outcome, TxnOutcome::LostAcknowledged | TxnOutcome::Never);
        let at = if stands {
            self.append(Some(Content::Ours(record)), Some(producer), kind)
        } else {
            // Below the end all the same.
            self.append(None, None, BatchKind::Control)
        };
        let outcome = match outcome {
            TxnOutcome::StoredUnknown | TxnOutcome::Never => Outcome::Unknown {
                error: "late".to_owned(),
            },
            _ => Outcome::Acknowledged {
                at: MADE,
                offset: offset(at),
            },
        };
        self.say(Body::SendCompleted { record, outcome });
        stands
    }

    fn end_transaction(&mut self, tx: TransactionRef, end: usize, how: End, stored: bool) {
        let producer = Some(tx.producer.get());
        let asked = matches!(how, End::Committed | End::Open);
        if asked {
            self.say(Body::OffsetSent {
                transaction: tx,
                group: GROUP,
                partition: part(0),
                offset: offset(end),
            });
        }
        let intent = match how {
            End::Committed | End::Open => Some(Intent::Commit),
            End::Aborted => Some(Intent::Abort),
            End::Killed => None,
        };
        if let Some(intent) = intent {
            self.say(Body::TransactionEnding {
                transaction: tx,
                intent,
            });
        }
        let outcome = match how {
            End::Committed => Some(TransactionOutcome::Committed),
            End::Aborted => Some(TransactionOutcome::Aborted),
            End::Killed | End::Open => None,
        };
        if let Some(outcome) = outcome {
            self.say(Body::TransactionCompleted {
                transaction: tx,
                outcome,
            });
        }
        let marker = match how {
            End::Committed => BatchKind::CommitMarker,
            End::Aborted | End::Killed => BatchKind::AbortMarker,
            End::Open => return,
        };
        if stored {
            self.append(None, producer, marker);
        }
    }

    fn truth(&mut self, inputs: usize) {
        self.say(Body::TrafficEnded);
        let pinned = |partition, end| Body::Pinned {
            partition,
            log_start: Offset::new(0),
            end: offset(end),
        };
        self.say(pinned(part(0), inputs));
        for input in 0..inputs {
            self.say(Body::Stored {
                partition: part(0),
                offset: offset(input),
                content: Content::Ours(id(0, input as u64)),
            });
        }
        self.say(Body::PartitionRead { partition: part(0) });
        self.say(pinned(MADE, self.log.len()));
        for (batch, (content, stands)) in self.batches.clone().into_iter().zip(self.log.clone()) {
            let at = Offset::new(batch.offset);
            self.say(Body::StoredBatch {
                partition: MADE,
                base_offset: at,
                last_offset: at,
                producer_id: batch.producer.map_or(-1, i64::from),
                producer_epoch: 0,
                base_sequence: 0,
                kind: batch.kind,
            });
            if stands.is_some() {
                self.say(Body::Stored {
                    partition: MADE,
                    offset: at,
                    content,
                });
            }
        }
        self.say(Body::PartitionRead { partition: MADE });
        self.say(Body::Completed);
    }
}

fn world(seed: u64, planted: usize) -> Story {
    let mut dice = Dice(seed | 1);
    let inputs = 1 + dice.below(40);
    let transactional = dice.percent(60);
    let named = Body::TopicDeclared {
        topic: MADE.topic,
        name: "u".to_owned(),
        partitions: 1,
    };
    let mut maker = Maker {
        transactional,
        planted,
        story: story().and(named).group(GROUP, "g"),
        log: Vec::new(),
        batches: Vec::new(),
        member: 0,
        dice,
    };
    maker.say(Body::TransformDeclared {
        group: GROUP,
        to: MADE.topic,
    });
    for input in 0..inputs {
        let record = id(0, input as u64);
        let at = part(0);
        maker.say(Body::SendInvoked { record, to: at });
        let outcome = Outcome::Acknowledged {
            at,
            offset: offset(input),
        };
        maker.say(Body::SendCompleted { record, outcome });
    }
    let mut at = 0;
    while at < inputs {
        let end = (at + 1 + maker.dice.below(8)).min(inputs);
        let how = match maker.dice.below(10) {
            0 | 1 => End::Killed,
            2 if transactional => End::Aborted,
            3 if transactional && end == inputs && maker.planted > 0 => End::Open,
            _ => End::Committed,
        };
        maker.incarnation(at, end, how);
        if how == End::Open {
            break;
        }
        if how == End::Committed {
            at = end;
        }
    }
    let limit_ms = 1000;
    maker.say(Body::GroupWaited {
        group: GROUP,
        limit_ms,
    });
    maker.truth(inputs);
    maker.story
}

/// By the definitions, with everything in maps.
fn reference(events: &[Event]) -> BTreeMap<Anomaly, u64> {
    let mut of: BTreeMap<RecordId, TransactionRef> = BTreeMap::new();
    let mut open: BTreeMap<ProducerIx, TransactionRef> = BTreeMap::new();
    let mut inside: BTreeMap<MemberIx, TransactionRef> = BTreeMap::new();
    let mut asked: BTreeSet<TransactionRef> = BTreeSet::new();
    let mut told: BTreeMap<TransactionRef, bool> = BTreeMap::new();
    let mut marked: BTreeMap<TransactionRef, bool> = BTreeMap::new();
    let mut unclosed: BTreeMap<i64, TransactionRef> = BTreeMap::new();
    let mut stored: BTreeSet<RecordId> = BTreeSet::new();
    let mut acknowledged: BTreeSet<RecordId> = BTreeSet::new();
    let mut made: Vec<(Offset, RecordId)> = Vec::new();
    let mut processed: Vec<(Offset, Option<TransactionRef>)> = Vec::new();
    let mut commits: Vec<(Offset, Option<TransactionRef>)> = Vec::new();
    let mut batch = None;
    let mut end = Offset::new(0);
    for event in events {
        match &event.body {
            Body::TransactionBegun { transaction } => {
                open.insert(transaction.producer, *transaction);
            }
            Body::TransactionJoined {
                transaction,
                member,
            } => {
                inside.insert(*member, *transaction);
            }
            Body::TransactionEnding {
                transaction,
                intent: Intent::Commit,
            } => {
                asked.insert(*transaction);
            }
            Body::TransactionCompleted {
                transaction,
                outcome,
            } => {
                open.remove(&transaction.producer);
                told.insert(*transaction, *outcome == TransactionOutcome::Committed);
            }
            Body::SendInvoked { record, .. } => {
                of.extend(open.get(&record.producer).map(|tx| (*record, *tx)));
            }
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { .. },
            } => {
                acknowledged.insert(*record);
            }
            Body::Derived { record, offset, .. } => made.push((*offset, *record)),
            Body::Processed { member, offset, .. } => {
                processed.push((*offset, inside.get(member).copied()));
            }
            Body::Committed { offset, .. } => commits.push((*offset, None)),
            Body::OffsetSent {
                transaction,
                offset,
                ..
            } => commits.push((*offset, Some(*transaction))),
            Body::StoredBatch {
                producer_id, kind, ..
            } => {
                batch = Some(*producer_id);
                let committed = *kind == BatchKind::CommitMarker;
                if committed || *kind == BatchKind::AbortMarker {
                    let tx = unclosed.remove(producer_id);
                    marked.extend(tx.map(|tx| (tx, committed)));
                }
            }
            Body::Stored {
                partition,
                content: Content::Ours(record),
                ..
            } if *partition == MADE => {
                stored.insert(*record);
                if let (Some(tx), Some(id)) = (of.get(record), batch) {
                    unclosed.insert(id, *tx);
                }
            }
            Body::Pinned {
                partition, end: at, ..
            } if *partition == part(0) => end = *at,
            _ => {}
        }
    }
    let open: BTreeSet<TransactionRef> = unclosed.into_values().collect();
    // Whether it was committed; none where that is unknown.
    let outcome = |tx: Option<TransactionRef>| -> Option<bool> {
        let Some(tx) = tx else { return Some(true) };
        let never = (!asked.contains(&tx) && !open.contains(&tx)).then_some(false);
        marked.get(&tx).or(told.get(&tx)).copied().or(never)
    };
    let mut counts: BTreeMap<Anomaly, u64> = BTreeMap::new();
    let committed = commits.iter().filter(|(_, tx)| outcome(*tx) == Some(true));
    let committed = committed.map(|(at, _)| *at).max().unwrap_or_default();
    for offset in (0..end.get()).map(Offset::new) {
        let outputs = || made.iter().filter(|(at, _)| *at == offset);
        let outcome_of = |record: &RecordId| outcome(of.get(record).copied());
        let visible = outputs()
            .filter(|(_, record)| outcome_of(record) == Some(true) && stored.contains(record));
        let more = visible.count().saturating_sub(1) as u64;
        let took_effect = outputs().any(|(_, record)| {
            outcome_of(record) == Some(true)
                && (stored.contains(record) || acknowledged.contains(record))
        });
        let readings = || processed.iter().filter(|(at, _)| *at == offset);
        let read = readings().any(|(_, tx)| outcome(*tx) == Some(true));
        let unknown = readings().any(|(_, tx)| outcome(*tx).is_none())
            || outputs().any(|(_, record)| outcome_of(record).is_none());
        if more > 0 {
            *counts.entry(Anomaly::Duplicate).or_default() += more;
        }
        if !(unknown || read && took_effect) {
            let anomaly = if offset < committed {
                Anomaly::GroupGap
            } else {
                Anomaly::GroupIncomplete
            };
            *counts.entry(anomaly).or_default() += 1;
        }
    }
    counts
}

const LOOKED_FOR: [Anomaly; 3] = [
    Anomaly::Duplicate,
    Anomaly::GroupGap,
    Anomaly::GroupIncomplete,
];

fn looked_for(story: &Story) -> BTreeMap<Anomaly, u64> {
    let found = found(&story.check()).into_iter();
    found.filter(|(of, _)| LOOKED_FOR.contains(of)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_fast_checker_agrees_with_the_definition(seed in any::<u64>(), planted in 0usize..25) {
        let story = world(seed, planted);
        prop_assert_eq!(looked_for(&story), reference(&story.events));
    }
}

proptest! {
    #[test]
    fn mutants_of_what_was_made_are_found(seed in any::<u64>(), planted in 0usize..15) {
        let claims = [Claim::NoDuplicates, Claim::NoGroupGap, Claim::GroupComplete, Claim::NoLoss];
        let (_, calibration) = world(seed, planted).examine(&required(claims));
        for mutant in calibration {
            prop_assert!(mutant.found, "{}: {}", mutant.anomaly, mutant.mutation);
        }
    }
}
