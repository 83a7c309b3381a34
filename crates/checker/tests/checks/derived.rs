//! Groups that make a record of each that they process: what is made twice,
//! and what is not made at all, in the smallest histories and in random ones,
//! where an obvious checker knows the answer by the definition.

use std::collections::{BTreeMap, BTreeSet};

use checker::judge;
use model::anomaly::Anomaly;
use model::claim::{Claim, Contract};
use model::event::{
    BatchKind, Body, CommitResult, Content, Event, Intent, Outcome, TransactionOutcome,
};
use model::ids::{
    MemberIx, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, TopicIx, TransactionRef,
};
use model::verdict::Verdict;
use proptest::prelude::*;

use crate::notation::history;
use crate::story::{GROUP, Story, found, id, part, required, story, story_of, transaction};
use crate::world::Dice;

const MADE: PartitionRef = PartitionRef {
    topic: TopicIx::new(1),
    partition: PartitionIndex::new(0),
};

#[track_caller]
fn finds(text: &str, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story_of(history(text)).check()), expected);
}

/// Two records, of which a group made p1/0 and p1/1 before what `rest` says.
pub(crate) fn made(rest: &str) -> String {
    let head = "\
g reads t
g makes u of what it reads
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/0 at t-0@0
p1/0 is made by g of t-0@0
p1/0 is sent to u-0
p1/0 is acknowledged at u-0@0
m0 processes p0/1 at t-0@1
p1/1 is made by g of t-0@1
p1/1 is sent to u-0
p1/1 is acknowledged at u-0@1
";
    format!("{head}{rest}t-0 is read from 0: p0/0, p0/1\n")
}

#[test]
fn one_of_each_is_clean() {
    let rest = "m0 commits t-0@2\nu-0 is read from 0: p1/0, p1/1\n";
    finds(&made(rest), &[]);
}

#[test]
fn what_a_second_member_makes_again_is_a_duplicate() {
    let again = "\
m0 is killed
m1 of g starts with t-0
m1 processes p0/1 at t-0@1
p2/0 is made by g of t-0@1
p2/0 is sent to u-0
p2/0 is acknowledged at u-0@2
m1 commits t-0@2
u-0 is read from 0: p1/0, p1/1, p2/0
";
    let expected = [(Anomaly::Duplicate, 1), (Anomaly::Reprocessed, 1)];
    finds(&made(again), &expected);
}

#[test]
fn two_groups_may_each_make_one() {
    let other = "\
h reads t
h makes u of what it reads
m1 of h starts with t-0
m1 processes p0/0 at t-0@0
p2/0 is made by h of t-0@0
p2/0 is sent to u-0
p2/0 is acknowledged at u-0@2
m1 commits t-0@1
m0 commits t-0@2
u-0 is read from 0: p1/0, p1/1, p2/0
";
    finds(&made(other), &[]);
}

#[test]
fn what_was_committed_past_and_never_stored_is_a_gap() {
    let rest = "m0 commits t-0@2\nu-0 is read from 0: p1/0, nothing\n";
    let unknown = made(rest).replace("p1/1 is acknowledged at u-0@1", "p1/1 may be written: late");
    finds(&unknown, &[(Anomaly::GroupGap, 1)]);
    // It may have been there.
    let deleted = unknown.replace(
        "u-0 is read from 0: p1/0, nothing",
        "u-0 is read from 1: nothing",
    );
    finds(&deleted, &[]);
    finds(&format!("u is cleaned by compact\n{unknown}"), &[]);
    // The broker lost it: the group has done its part.
    finds(&made(rest), &[(Anomaly::LostWrite, 1)]);
    // Nobody read what was written: nothing is called missing.
    let unread = made("m0 commits t-0@2\n").replace("u-0@1", "u-0@5");
    finds(&unread, &[]);
}

#[test]
fn what_a_group_processed_and_made_nothing_of_is_a_gap() {
    let text = made("m0 commits t-0@2\nu-0 is read from 0: p1/0, p1/1\n");
    let nothing = text.replace("p1/1 is made by g of t-0@1\n", "");
    finds(&nothing, &[(Anomaly::GroupGap, 1)]);
}

/// A third record, which the group processed and made p1/2 of, and which the log
/// has lost: groups are judged by each record then, and not by offsets.
fn made_and_one_lost(rest: &str) -> String {
    let lost = "\
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@2
m0 processes p0/2 at t-0@2
p1/2 is made by g of t-0@2
p1/2 is sent to u-0
p1/2 is acknowledged at u-0@2
";
    made(&format!("{lost}{rest}")).replace("p0/0, p0/1\n", "p0/0, p0/1, nothing\n")
}

/// As where calibration lets a member process two records in the wrong order: what
/// it made of them is told where it was.
#[test]
fn what_is_made_before_the_record_is_processed_is_made_of_that_record() {
    let text = made_and_one_lost("m0 commits t-0@3\nu-0 is read from 0: p1/0, p1/1, p1/2\n");
    let lost = (Anomaly::LostWrite, 1);
    finds(&text, &[lost]);
    let second = "m0 processes p0/1 at t-0@1\n";
    let making = "p1/1 is made by g of t-0@1\n";
    let before = text.replace(&format!("{second}{making}"), &format!("{making}{second}"));
    finds(&before, &[lost]);
    let nothing = text.replace(making, "");
    finds(&nothing, &[lost, (Anomaly::GroupGap, 1)]);
    // What was made at another place is made of another record.
    let elsewhere = text.replace(&format!("{second}{making}"), second);
    let elsewhere = elsewhere.replace(second, &format!("p1/1 is made by g of t-0@7\n{second}"));
    finds(&elsewhere, &[lost, (Anomaly::GroupGap, 1)]);
}

/// A log that is not told in the order of its offsets is told once more: what
/// stands in it is known only then.
#[test]
fn what_is_made_twice_is_found_where_the_log_was_told_out_of_order() {
    let again = "\
m0 is killed
m1 of g starts with t-0
m1 processes p0/1 at t-0@1
p2/0 is made by g of t-0@1
p2/0 is sent to u-0
p2/0 is acknowledged at u-0@2
m1 commits t-0@2
u-0 is read from 0: p1/0, p1/1, p2/0
";
    for (text, expected) in [
        (
            made(again),
            vec![(Anomaly::Duplicate, 1), (Anomaly::Reprocessed, 1)],
        ),
        (
            made("m0 commits t-0@2\nu-0 is read from 0: p1/0, p1/1\n"),
            vec![],
        ),
    ] {
        let mut events = history(&text);
        let stored = |event: &Event| matches!(event.body, Body::Stored { .. });
        let first = events.iter().position(stored).unwrap();
        let next = first + 1 + events[first + 1..].iter().position(stored).unwrap();
        events.swap(first, next);
        assert_eq!(found(&story_of(events).check()), expected);
    }
}

/// The second of two attempts counts, the first was aborted.
fn two_attempts(first: &str) -> String {
    format!(
        "\
g reads t with read_committed
g makes u of what it reads
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p1/t0 begins
m0 reads for p1/t0
m0 processes p0/0 at t-0@0
p1/0 is made by g of t-0@0
p1/0 is sent to u-0
p1/0 is acknowledged at u-0@0
m0 is killed
m1 of g starts with t-0
p2/t0 begins
m1 reads for p2/t0
m1 processes p0/0 at t-0@0
p2/0 is made by g of t-0@0
p2/0 is sent to u-0
p2/0 is acknowledged at u-0@2
p2/t0 takes t-0@1 of g
p2/t0 is to commit
p2/t0 is committed
g stands at t-0@1
t-0 is read from 0: p0/0
u-0 is read from 0: p1/0, {first} of p1, p2/0, commit of p2
"
    )
}

#[track_caller]
fn rules(text: &str, expected: Verdict, reason: &str) {
    let contract = required([Claim::NoDuplicates]);
    let analysis = story_of(history(text)).check();
    let verdict = judge(&contract, "test", 1, &analysis, Vec::new());
    let ruling = &verdict.guarantees[0];
    assert_eq!((ruling.verdict, ruling.reason.as_str()), (expected, reason));
}

/// Nobody knows what became of the first of two attempts.
fn unknown_attempt() -> String {
    let ended = "p1/t0 is to commit\np1/t0 may be committed: late\nm0 is killed\n";
    two_attempts("abort")
        .replace("abort of p1", "nothing")
        .replace("m0 is killed\n", ended)
}

/// What a group is ruled by: of how many records it made something, and of how
/// many nobody knows, be it that they were read or that something was made.
#[test]
fn what_a_group_made_and_what_is_unsettled_of_it_is_counted() {
    let counted = |text: &str| {
        let analysis = story_of(history(text)).check();
        let group = &analysis.coverage.groups[0];
        (group.made, group.unsettled)
    };
    let all = made("m0 commits t-0@2\nu-0 is read from 0: p1/0, p1/1\n");
    assert_eq!(counted(&all), (Some(2), 0));
    assert_eq!(counted(&unknown_attempt()), (Some(1), 2));
}

#[test]
fn one_of_each_is_held_only_where_some_was_made_and_what_became_of_it_is_known() {
    let all = made("m0 commits t-0@2\nu-0 is read from 0: p1/0, p1/1\n");
    rules(
        &all,
        Verdict::Held,
        "4 records stored, each once; 2 of them were made of others, one of each, and 0 more \
         were aborted",
    );
    rules(
        &two_attempts("abort"),
        Verdict::Held,
        "3 records stored, each once; 1 of them were made of others, one of each, and 1 more \
         were aborted",
    );
    let lines = all.lines().filter(|line| !line.contains("is made by"));
    let nothing = lines.collect::<Vec<&str>>().join("\n");
    rules(
        &nothing,
        Verdict::Inconclusive,
        "nothing was made of any record, though a group writes",
    );
    rules(
        &unknown_attempt(),
        Verdict::Inconclusive,
        "1 records were made in transactions of unknown outcome",
    );
}

#[test]
fn an_aborted_attempt_is_none() {
    finds(&two_attempts("abort"), &[]);
    let both = [(Anomaly::Duplicate, 1), (Anomaly::Reprocessed, 1)];
    finds(&two_attempts("commit"), &both);
}

#[test]
fn a_transaction_that_never_asked_and_left_nothing_was_not_committed() {
    let text = two_attempts("abort");
    let text = text.replace("p1/0 is acknowledged at u-0@0\n", "");
    let text = text.replace("p1/0, abort of p1, ", "nothing, nothing, ");
    let analysis = story_of(history(&text)).check();
    assert_eq!(found(&analysis), []);
    assert_eq!(analysis.coverage.transactions.unknown, 0);
    assert_eq!(analysis.coverage.transactions.aborted, 1);
    // Where it asked, nobody knows.
    let asked = text.replace("m0 is killed", "p1/t0 is to commit");
    let analysis = story_of(history(&asked)).check();
    assert_eq!(analysis.coverage.transactions.unknown, 1);
}

#[test]
fn a_group_may_rely_on_committed_records_whatever_it_reads_with() {
    let text = "\
g reads t with read_uncommitted
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
m0 processes p0/0 at t-0@0
p0/t0 is to abort
p0/t0 is aborted
p0/t1 begins
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@2
m0 processes p0/1 at t-0@2
p0/t1 is to commit
p0/t1 is committed
t-0 is read from 0: p0/0, abort of p0, p0/1, commit of p0
";
    finds(text, &[]);
    let relying = format!("g relies on committed records\n{text}");
    finds(
        &relying.replace("g relies", "g reads t\ng relies"),
        &[(Anomaly::G1a, 1), (Anomaly::PrecommittedRead, 1)],
    );
}

#[test]
fn the_proof_of_what_was_made_twice_shows_both() {
    let text = two_attempts("commit");
    let (analysis, _) = story_of(history(&text)).examine(&Contract::default());
    let mut findings = analysis.findings.iter();
    let twice = findings
        .find(|of| of.anomaly == Anomaly::Duplicate)
        .unwrap();
    let shown: Vec<&str> = twice.examples[0]
        .operations
        .iter()
        .map(|operation| operation.what.as_str())
        .collect();
    for part in [
        "made p1/0 of t-0@0 (g)",
        "made p2/0 of t-0@0 (g)",
        "p1/0 stands at u-0@0",
        "p2/0 stands at u-0@2",
    ] {
        assert!(shown.contains(&part), "{part}: {shown:#?}");
    }
}

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
    // Whether it was committed; none where nobody knows.
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

#[test]
fn what_is_made_twice_and_what_is_not_made_are_both_planted() {
    let contract = required([Claim::NoDuplicates, Claim::NoGroupGap]);
    let text = "m0 commits t-0@2\nu-0 is read from 0: p1/0, p1/1\n";
    let (_, calibration) = story_of(history(&made(text))).examine(&contract);
    let told: Vec<&str> = calibration.iter().map(|it| it.mutation.as_str()).collect();
    let told = told.join("\n");
    assert!(
        told.contains("p1/1 made of t-0@0 by g, as p1/0 was"),
        "{told}"
    );
    assert!(calibration.iter().all(|mutant| mutant.found), "{told}");
}
