//! Reads the histories of the catalogue: one operation a line, in words.
//!
//! Names: `t` is a topic, `t-0` a partition, `t-0@7` an offset in it, `g` a
//! group, `m0` a member, `p0/3` a record by its producer and its place in the
//! order of sending, `p0/t1` a transaction of `p0`, `rows/7` a row, `c0` a
//! change, `tx0` a transaction of the database. `,` lists.
//!
//! ```text
//! p0/3 is sent to t-0
//! p0/3 is acknowledged at t-0@7
//! p0/3 is acknowledged in t-0, without an offset
//! p0/3 is not written: ERROR
//! p0/3 may be written: ERROR
//! t is cleaned by delete | compact | compact,delete
//! t-0 is read from 5: p0/3, nothing, p0/4, commit of p0, abort of p0,
//!                     a damaged record, a foreign record, an unnamed event
//! t-0 reaches from 0 to 7
//! broker 1 holds t-0 from 0: p0/3, p0/4
//! the history comes from TOOL
//!
//! g reads t [with read_committed]
//! m0 of g starts with t-0
//! m0 is member 2 of g, incarnation 3 [, sending as p1]
//! p0 has 20 keys
//! m0 is given t-0 | loses t-0 | leaves | is killed
//! m0 processes p0/3 at t-0@7 | c0 at rows-0@7
//! m0 commits t-0@8[, refused | , unknown]
//! m0 is moved to t-0@3
//! g relies on committed records
//! g makes t of what it reads
//! p0/3 is made by g of t-0@7
//! g stands at t-0@8 | stands nowhere in t-0 | is waited for
//!
//! p0/t1 begins | is to commit | is to abort
//! p0/t1 is committed | is aborted | is fenced | may be committed: ERROR
//! p0/t1 takes t-0@8 of g
//! m0 reads for p0/t1
//!
//! tx0 inserts | updates | deletes rows/7 as c0
//! tx0 is committed | is rolled back | may be committed
//! rows-0 is read from 0: insert | update | snapshot of rows/7 by c0 [at lsn 5],
//!                        delete of rows/7, insert of rows/7 by c0 in p0
//! rows holds 7 by c0, 8 by c1
//! the capture catches up | times out
//! ```
//!
//! What a history would say of itself is left out: topics, partitions and
//! tables are those that are named, each line is a millisecond, what a
//! producer sends between the beginning and the end of a transaction belongs
//! to it, traffic ends before the first line that reads the truth, and the
//! history is complete. A partition that is read ends behind what is listed.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{
    BatchKind, Body, CaptureResult, ChangeContent, Cleanup, CommitResult, Content, Ending, Event,
    Intent, Isolation, Outcome, RowOp, TransactionOutcome, TxOutcome,
};
use model::ids::{
    BrokerId, ChangeId, GroupIx, Lsn, MemberIx, Micros, Offset, PartitionIndex, PartitionRef,
    ProducerIx, RecordId, RowKey, Sequence, TableIx, TopicIx, TransactionIx, TransactionRef, TxId,
};

/// The events of a history in words; panics with the line that is none.
#[track_caller]
pub(crate) fn history(text: &str) -> Vec<Event> {
    let mut scribe = Scribe::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let said = scribe.line(line.trim());
        assert!(said.is_some(), "this is no operation: {line}");
    }
    scribe.finish()
}

/// What has been read so far. Names get their numbers where they first occur.
#[derive(Default)]
struct Scribe {
    bodies: Vec<Body>,
    topics: Names,
    groups: Names,
    tables: Names,
    partitions: BTreeMap<TopicIx, i32>,
    open: BTreeMap<ProducerIx, TransactionRef>,
    transactional: BTreeSet<RecordId>,
    truth: bool,
}

#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn number(&mut self, name: &str) -> u16 {
        let at = self.0.iter().position(|known| known == name);
        let at = at.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        u16::try_from(at).unwrap()
    }
}

impl Scribe {
    fn finish(self) -> Vec<Event> {
        let mut all = Vec::new();
        for (topic, name) in self.topics.0.iter().enumerate() {
            let topic = TopicIx::new(u16::try_from(topic).unwrap());
            all.push(Body::TopicDeclared {
                topic,
                name: name.clone(),
                partitions: self.partitions.get(&topic).copied().unwrap_or(1),
            });
        }
        for (table, name) in self.tables.0.iter().enumerate() {
            let topic = self.topics.0.iter().position(|topic| topic == name);
            all.push(Body::TableDeclared {
                table: TableIx::new(u16::try_from(table).unwrap()),
                name: name.clone(),
                topic: TopicIx::new(u16::try_from(topic.unwrap()).unwrap()),
            });
        }
        all.extend(self.bodies);
        if !self.truth {
            all.push(Body::TrafficEnded);
        }
        all.push(Body::Completed);
        all.into_iter()
            .zip(1..)
            .map(|(body, ms): (Body, u64)| Event {
                at: Micros::new(ms * 1000),
                body,
            })
            .collect()
    }

    #[allow(
        clippy::unnecessary_wraps,
        reason = "what reads a line ends with saying it"
    )]
    fn say(&mut self, body: Body) -> Option<()> {
        self.bodies.push(body);
        Some(())
    }

    fn begin_truth(&mut self) {
        if !self.truth {
            self.truth = true;
            self.bodies.push(Body::TrafficEnded);
        }
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (subject, verb) = line.split_once(' ')?;
        match subject {
            "the" => self.about_the_history(verb),
            "broker" => self.broker(verb),
            _ if transaction(subject).is_some() => self.transaction(transaction(subject)?, verb),
            _ if numbered("p", subject).is_some() => {
                let producer = u32::try_from(numbered("p", subject)?).ok()?;
                let keys = verb.strip_prefix("has ")?.strip_suffix(" keys")?;
                self.say(Body::KeysDeclared {
                    producer: ProducerIx::new(producer),
                    keys: keys.parse().ok()?,
                })
            }
            _ if record(subject).is_some() => self.record(record(subject)?, verb),
            _ if numbered("tx", subject).is_some() => {
                self.database(TxId::new(numbered("tx", subject)?), verb)
            }
            _ if numbered("m", subject).is_some() => {
                let member = u32::try_from(numbered("m", subject)?).ok()?;
                self.member(MemberIx::new(member), verb)
            }
            _ if is_partition(subject) => self.partition_is(subject, verb),
            name => self.named(name, verb),
        }
    }

    fn about_the_history(&mut self, verb: &str) -> Option<()> {
        if let Some(tool) = verb.strip_prefix("history comes from ") {
            let tool = tool.to_owned();
            return self.say(Body::Imported { tool });
        }
        let result = match verb {
            "capture catches up" => CaptureResult::CaughtUp,
            "capture times out" => CaptureResult::TimedOut,
            _ => return None,
        };
        self.say(Body::CaptureWaited {
            result,
            limit_ms: 1000,
        })
    }

    fn record(&mut self, record: RecordId, verb: &str) -> Option<()> {
        if let Some(to) = verb.strip_prefix("is sent to ") {
            let to = self.partition(to)?;
            if self.open.contains_key(&record.producer) {
                self.transactional.insert(record);
            }
            return self.say(Body::SendInvoked { record, to });
        }
        if let Some(made) = verb.strip_prefix("is made by ") {
            let (group, place) = made.split_once(" of ")?;
            let (from, offset) = self.place(place)?;
            let group = self.group(group);
            return self.say(Body::Derived {
                record,
                group,
                from,
                offset,
            });
        }
        let outcome = if let Some(place) = verb.strip_prefix("is acknowledged at ") {
            let (at, offset) = self.place(place)?;
            Outcome::Acknowledged { at, offset }
        } else if let Some(place) = verb.strip_prefix("is acknowledged in ") {
            let at = self.partition(place.strip_suffix(", without an offset")?)?;
            let offset = Offset::NONE;
            Outcome::Acknowledged { at, offset }
        } else if let Some(error) = verb.strip_prefix("is not written: ") {
            let error = error.to_owned();
            Outcome::Failed { error }
        } else {
            let error = verb.strip_prefix("may be written: ")?.to_owned();
            Outcome::Unknown { error }
        };
        self.say(Body::SendCompleted { record, outcome })
    }

    fn transaction(&mut self, transaction: TransactionRef, verb: &str) -> Option<()> {
        if let Some(taken) = verb.strip_prefix("takes ") {
            let (place, group) = taken.split_once(" of ")?;
            let (partition, offset) = self.place(place)?;
            let group = self.group(group);
            return self.say(Body::OffsetSent {
                transaction,
                group,
                partition,
                offset,
            });
        }
        let outcome = match verb {
            "begins" => {
                self.open.insert(transaction.producer, transaction);
                return self.say(Body::TransactionBegun { transaction });
            }
            "is to commit" | "is to abort" => {
                let intent = match verb {
                    "is to commit" => Intent::Commit,
                    _ => Intent::Abort,
                };
                return self.say(Body::TransactionEnding {
                    transaction,
                    intent,
                });
            }
            "is committed" => TransactionOutcome::Committed,
            "is aborted" => TransactionOutcome::Aborted,
            "is fenced" => TransactionOutcome::Fenced,
            _ => TransactionOutcome::Unknown {
                error: verb.strip_prefix("may be committed: ")?.to_owned(),
            },
        };
        self.open.remove(&transaction.producer);
        self.say(Body::TransactionCompleted {
            transaction,
            outcome,
        })
    }

    fn member(&mut self, member: MemberIx, verb: &str) -> Option<()> {
        if let Some(start) = verb.strip_prefix("of ") {
            let (group, partitions) = start.split_once(" starts with ")?;
            let group = self.group(group);
            let partitions = self.partitions(partitions)?;
            self.say(Body::MemberStarted { member, group });
            return self.say(Body::Assigned { member, partitions });
        }
        if let Some(named) = verb.strip_prefix("is member ") {
            let (number, rest) = named.split_once(" of ")?;
            let (group, rest) = rest.split_once(", incarnation ")?;
            let (incarnation, producer) = match rest.split_once(", sending as p") {
                Some((incarnation, producer)) => (incarnation, Some(producer.parse().ok()?)),
                None => (rest, None),
            };
            return self.say(Body::MemberNamed {
                member,
                number: number.parse().ok()?,
                incarnation: incarnation.parse().ok()?,
                producer: producer.map(ProducerIx::new),
                log: format!("{group}-member-{number}.log"),
            });
        }
        if let Some(given) = verb.strip_prefix("is given ") {
            let partitions = self.partitions(given)?;
            return self.say(Body::Assigned { member, partitions });
        }
        if let Some(lost) = verb.strip_prefix("loses ") {
            let partitions = self.partitions(lost)?;
            return self.say(Body::Revoked { member, partitions });
        }
        if let Some(read) = verb.strip_prefix("processes ") {
            let (what, place) = read.split_once(" at ")?;
            let (from, offset) = self.place(place)?;
            return self.say(Body::Processed {
                member,
                from,
                offset,
                content: content(what)?,
            });
        }
        if let Some(committed) = verb.strip_prefix("commits ") {
            let (place, result) = match committed.split_once(", ") {
                None => (committed, CommitResult::Accepted),
                Some((place, "refused")) => (place, CommitResult::Refused),
                Some((place, "unknown")) => (place, CommitResult::Unknown),
                Some(_) => return None,
            };
            let (partition, offset) = self.place(place)?;
            return self.say(Body::Committed {
                member,
                partition,
                offset,
                result,
            });
        }
        if let Some(place) = verb.strip_prefix("is moved to ") {
            let (partition, offset) = self.place(place)?;
            return self.say(Body::Repositioned {
                member,
                partition,
                next: Some(offset),
            });
        }
        if let Some(of) = verb.strip_prefix("reads for ") {
            let transaction = transaction(of)?;
            return self.say(Body::TransactionJoined {
                transaction,
                member,
            });
        }
        let how = match verb {
            "leaves" => Ending::Clean,
            "is killed" => Ending::Killed,
            _ => return None,
        };
        self.say(Body::MemberEnded { member, how })
    }

    /// A topic, a group or a table, whichever the verb makes of the name.
    fn named(&mut self, name: &str, verb: &str) -> Option<()> {
        if let Some(read) = verb.strip_prefix("reads ") {
            let (topics, isolation) = match read.split_once(" with ") {
                None => (read, None),
                Some((topics, "read_committed")) => (topics, Some(Isolation::ReadCommitted)),
                Some((topics, "read_uncommitted")) => (topics, Some(Isolation::ReadUncommitted)),
                Some(_) => return None,
            };
            let topics = topics.split(", ").map(|topic| self.topic(topic)).collect();
            let group = self.group(name);
            self.say(Body::GroupDeclared {
                group,
                name: name.to_owned(),
                topics,
            });
            return match isolation {
                Some(isolation) => self.say(Body::IsolationDeclared { group, isolation }),
                None => Some(()),
            };
        }
        if let Some(policy) = verb.strip_prefix("is cleaned by ") {
            let policy = match policy {
                "delete" => Cleanup::Delete,
                "compact" => Cleanup::Compact,
                "compact,delete" => Cleanup::CompactAndDelete,
                _ => return None,
            };
            let topic = self.topic(name);
            return self.say(Body::TopicCleanup { topic, policy });
        }
        if let Some(made) = verb.strip_prefix("makes ") {
            let to = self.topic(made.strip_suffix(" of what it reads")?);
            let group = self.group(name);
            return self.say(Body::TransformDeclared { group, to });
        }
        if verb == "relies on committed records" {
            let group = self.group(name);
            return self.say(Body::CommittedExpected { group });
        }
        if let Some(rows) = verb.strip_prefix("holds ") {
            return self.table_holds(name, rows);
        }
        let group = self.group(name);
        if let Some(place) = verb.strip_prefix("stands at ") {
            let (partition, offset) = self.place(place)?;
            return self.say(Body::GroupOffset {
                group,
                partition,
                offset: Some(offset),
            });
        }
        if let Some(partition) = verb.strip_prefix("stands nowhere in ") {
            let partition = self.partition(partition)?;
            return self.say(Body::GroupOffset {
                group,
                partition,
                offset: None,
            });
        }
        (verb == "is waited for").then_some(())?;
        self.say(Body::GroupWaited {
            group,
            limit_ms: 1000,
        })
    }

    fn partition_is(&mut self, partition: &str, verb: &str) -> Option<()> {
        let partition = self.partition(partition)?;
        self.begin_truth();
        if let Some(range) = verb.strip_prefix("reaches from ") {
            let (start, end) = range.split_once(" to ")?;
            return self.say(Body::Pinned {
                partition,
                log_start: Offset::new(start.parse().ok()?),
                end: Offset::new(end.parse().ok()?),
            });
        }
        let (start, stored_records) = listed(verb.strip_prefix("is read from ")?)?;
        let end = start + i64::try_from(stored_records.len()).ok()?;
        self.say(Body::Pinned {
            partition,
            log_start: Offset::new(start),
            end: Offset::new(end),
        });
        for (what, offset) in stored_records.into_iter().zip(start..) {
            self.stands(partition, Offset::new(offset), what)?;
        }
        self.say(Body::PartitionRead { partition })
    }

    fn stands(&mut self, partition: PartitionRef, offset: Offset, what: &str) -> Option<()> {
        if what == "nothing" {
            return Some(());
        }
        let batch = |producer: Option<ProducerIx>, kind| Body::StoredBatch {
            partition,
            base_offset: offset,
            last_offset: offset,
            producer_id: producer.map_or(-1, |producer| 1000 + i64::from(producer.get())),
            producer_epoch: producer.map_or(-1, |_| 0),
            base_sequence: -1,
            kind,
        };
        for (words, kind) in [
            ("commit of p", BatchKind::CommitMarker),
            ("abort of p", BatchKind::AbortMarker),
        ] {
            if let Some(producer) = what.strip_prefix(words) {
                let producer = ProducerIx::new(producer.parse().ok()?);
                let marker = batch(Some(producer), kind);
                return self.say(marker);
            }
        }
        if let Some((op, rest)) = what.split_once(" of ") {
            let rest = match rest.split_once(" in p") {
                Some((rest, producer)) => {
                    let producer = ProducerIx::new(producer.parse().ok()?);
                    self.say(batch(Some(producer), BatchKind::Transactional));
                    rest
                }
                None => rest,
            };
            return self.event_stands(partition, offset, op, rest);
        }
        let content = content(what)?;
        let header = match content {
            Content::Ours(record) if self.transactional.contains(&record) => {
                batch(Some(record.producer), BatchKind::Transactional)
            }
            _ => batch(None, BatchKind::Plain),
        };
        self.say(header);
        self.say(Body::Stored {
            partition,
            offset,
            content,
        })
    }

    fn event_stands(
        &mut self,
        partition: PartitionRef,
        offset: Offset,
        op: &str,
        of: &str,
    ) -> Option<()> {
        let op = match op {
            "insert" => RowOp::Insert,
            "update" => RowOp::Update,
            "delete" => RowOp::Delete,
            "snapshot" => RowOp::Snapshot,
            _ => return None,
        };
        let (of, lsn) = match of.split_once(" at lsn ") {
            Some((of, lsn)) => (of, lsn.parse().ok()?),
            None => (of, 1000 + offset.get().cast_unsigned()),
        };
        let (row, content) = match of.split_once(" by ") {
            Some((row, change)) => (row, ChangeContent::Ours(self::change(change)?)),
            None => (of, ChangeContent::Absent),
        };
        let (table, key) = self.row(row)?;
        self.say(Body::ChangeEvent {
            partition,
            offset,
            table,
            key,
            op,
            content,
            lsn: Lsn::new(lsn),
        })
    }

    fn broker(&mut self, verb: &str) -> Option<()> {
        let (broker, held) = verb.split_once(" holds ")?;
        let broker = BrokerId::new(broker.parse().ok()?);
        let (partition, held) = held.split_once(" from ")?;
        let partition = self.partition(partition)?;
        let (start, stored_records) = listed(held)?;
        self.begin_truth();
        self.say(Body::ReplicaPinned {
            partition,
            broker,
            log_start: Offset::new(start),
            end: Offset::new(start + i64::try_from(stored_records.len()).ok()?),
        });
        for (what, offset) in stored_records.into_iter().zip(start..) {
            if what != "nothing" {
                self.say(Body::ReplicaStored {
                    partition,
                    broker,
                    offset: Offset::new(offset),
                    content: content(what)?,
                });
            }
        }
        self.say(Body::ReplicaRead { partition, broker })
    }

    fn database(&mut self, tx: TxId, verb: &str) -> Option<()> {
        let outcome = match verb {
            "is committed" => TxOutcome::Committed,
            "is rolled back" => TxOutcome::RolledBack,
            "may be committed" => TxOutcome::Unknown,
            _ => return self.change(tx, verb),
        };
        self.say(Body::TxCompleted { tx, outcome })
    }

    fn change(&mut self, tx: TxId, verb: &str) -> Option<()> {
        let (op, rest) = verb.split_once(' ')?;
        let op = match op {
            "inserts" => RowOp::Insert,
            "updates" => RowOp::Update,
            "deletes" => RowOp::Delete,
            _ => return None,
        };
        let (row, change) = rest.split_once(" as ")?;
        let (table, key) = self.row(row)?;
        self.say(Body::ChangeInvoked {
            tx,
            change: self::change(change)?,
            table,
            key,
            op,
        })
    }

    fn table_holds(&mut self, name: &str, rows: &str) -> Option<()> {
        let table = TableIx::new(self.tables.number(name));
        self.begin_truth();
        let mut count = 0;
        for row in rows.split(", ").filter(|row| *row != "nothing") {
            let (key, change) = row.split_once(" by ")?;
            self.say(Body::TableRow {
                table,
                key: RowKey::new(key.parse().ok()?),
                content: ChangeContent::Ours(self::change(change)?),
            });
            count += 1;
        }
        self.say(Body::TableRead { table, rows: count })
    }

    fn topic(&mut self, name: &str) -> TopicIx {
        TopicIx::new(self.topics.number(name))
    }

    fn group(&mut self, name: &str) -> GroupIx {
        GroupIx::new(self.groups.number(name))
    }

    fn row(&mut self, row: &str) -> Option<(TableIx, RowKey)> {
        let (table, key) = row.split_once('/')?;
        let table = TableIx::new(self.tables.number(table));
        Some((table, RowKey::new(key.parse().ok()?)))
    }

    fn partition(&mut self, word: &str) -> Option<PartitionRef> {
        let (topic, partition) = word.rsplit_once('-')?;
        let partition: i32 = partition.parse().ok()?;
        let topic = self.topic(topic);
        let count = self.partitions.entry(topic).or_default();
        *count = (*count).max(partition + 1);
        Some(PartitionRef {
            topic,
            partition: PartitionIndex::new(partition),
        })
    }

    fn partitions(&mut self, words: &str) -> Option<Vec<PartitionRef>> {
        words.split(", ").map(|word| self.partition(word)).collect()
    }

    fn place(&mut self, word: &str) -> Option<(PartitionRef, Offset)> {
        let (partition, offset) = word.split_once('@')?;
        let offset = Offset::new(offset.parse().ok()?);
        Some((self.partition(partition)?, offset))
    }
}

/// `5: p0/0, nothing`: where a log begins, and what stands there.
fn listed(text: &str) -> Option<(i64, Vec<&str>)> {
    let (start, stored_records) = text.split_once(':')?;
    let stored_records = stored_records
        .trim()
        .split(", ")
        .filter(|it| !it.is_empty());
    Some((start.parse().ok()?, stored_records.collect()))
}

fn is_partition(word: &str) -> bool {
    word.rsplit_once('-')
        .is_some_and(|(_, partition)| partition.parse::<u16>().is_ok())
}

fn numbered(letter: &str, word: &str) -> Option<u64> {
    word.strip_prefix(letter)?.parse().ok()
}

fn record(word: &str) -> Option<RecordId> {
    let (producer, sequence) = word.split_once('/')?;
    Some(RecordId {
        producer: ProducerIx::new(u32::try_from(numbered("p", producer)?).ok()?),
        sequence: Sequence::new(sequence.parse().ok()?),
    })
}

fn transaction(word: &str) -> Option<TransactionRef> {
    let (producer, transaction) = word.split_once('/')?;
    Some(TransactionRef {
        producer: ProducerIx::new(u32::try_from(numbered("p", producer)?).ok()?),
        transaction: TransactionIx::new(numbered("t", transaction)?),
    })
}

fn change(word: &str) -> Option<ChangeId> {
    numbered("c", word).map(ChangeId::new)
}

fn content(words: &str) -> Option<Content> {
    Some(match words {
        "a damaged record" => Content::Corrupt,
        "a foreign record" => Content::Foreign,
        "an unnamed event" => Content::Nameless,
        of if change(of).is_some() => Content::Change(change(of)?),
        of => Content::Ours(record(of)?),
    })
}

#[test]
fn a_line_that_says_nothing_is_refused() {
    for line in [
        "p0/0 is lost",
        "p0/0 is sent to t",
        "t-0 is read from 0: p0",
        "m0 commits t-0@1, perhaps",
        "g reads t with care",
        "tx0 moves rows/7 as c0",
    ] {
        assert!(Scribe::default().line(line).is_none(), "{line}");
    }
}
