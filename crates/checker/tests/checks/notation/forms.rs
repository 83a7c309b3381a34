//! Every line of a history. What stands in braces is an example of what may
//! stand there; capitals are words, `…` a list.

use model::event::{
    BatchKind, Body, CaptureResult, CaptureSetting, ChangeContent, Cleanup, ClientRef,
    CommitResult, Content, Ending, ErrorCause, Evidence, Found, Intent, Isolation, Outcome, RowOp,
    SettingEffect, SlotState, Snapshot, TransactionOutcome, TxOutcome,
};
use model::ids::{
    BrokerId, Lsn, MemberIx, Offset, PartitionRef, ProducerIx, RowKey, TableIx, TxId,
};

use super::Scribe;
use super::words::{
    Kind, ToldChange, change, content, fault, kind_of, listed, offset, producer, record,
    transaction,
};

/// A line, and what reads the words that stand in its braces.
type Form = (&'static str, fn(&mut Scribe, &[&str]) -> Option<()>);

pub(super) const FORMS: &[Form] = &[
    // Topics, and what the history is.
    ("{t} is a topic", |s, w| {
        s.topic(w[0]);
        Some(())
    }),
    ("{t} is cleaned by {POLICY}", |s, w| s.cleaned(w)),
    ("{t} is cleaned by {delete}", |s, w| s.cleaned(w)),
    ("the history comes from {tool}", |s, w| {
        let tool = w[0].to_owned();
        s.say(Body::Imported { tool })
    }),
    ("the history lacks {WORDS…}", |s, w| {
        let what = w[0].to_owned();
        s.say(Body::Lacking { what })
    }),
    ("the history breaks off", |s, _| {
        s.broken_off = true;
        Some(())
    }),
    ("the scenario is given up: {WHY…}", |s, w| {
        s.broken_off = true;
        let reason = w[0].to_owned();
        s.say(Body::Aborted { reason })
    }),
    ("the traffic ends", |s, _| s.say(Body::TrafficEnded)),
    ("the traffic is not known to end", |_, _| Some(())),
    ("{5} ms pass", |s, w| {
        s.passed += w[0].parse::<u64>().ok()? * 1000;
        Some(())
    }),
    // Producers.
    ("{p0/3} is sent to {t-0}", |s, w| {
        let (record, to) = (record(w[0])?, s.partition(w[1])?);
        if s.open.contains_key(&record.producer) {
            s.transactional.insert(record);
        }
        s.say(Body::SendInvoked { record, to })
    }),
    ("{p0/3} is acknowledged at {t-0@7}", |s, w| {
        let (at, offset) = s.place(w[1])?;
        s.completed(w[0], Outcome::Acknowledged { at, offset })
    }),
    (
        "{p0/3} is acknowledged in {t-0}, without an offset",
        |s, w| {
            let (at, offset) = (s.partition(w[1])?, Offset::NONE);
            s.completed(w[0], Outcome::Acknowledged { at, offset })
        },
    ),
    ("{p0/3} is not written: {ERROR…}", |s, w| {
        let error = w[1].to_owned();
        s.completed(w[0], Outcome::Failed { error })
    }),
    ("{p0/3} may be written: {ERROR…}", |s, w| {
        let error = w[1].to_owned();
        s.completed(w[0], Outcome::Unknown { error })
    }),
    ("{p0/3} is made by {g} of {t-0@7}", |s, w| {
        let (record, group) = (record(w[0])?, s.group(w[1]));
        let (from, offset) = s.place(w[2])?;
        s.say(Body::Derived {
            record,
            group,
            from,
            offset,
        })
    }),
    ("{p0} has {20} keys", |s, w| {
        s.say(Body::KeysDeclared {
            producer: producer(w[0])?,
            keys: w[1].parse().ok()?,
        })
    }),
    ("{p0} has retried {7} times", |s, w| {
        s.say(Body::ProducerCounted {
            producer: producer(w[0])?,
            retries: w[1].parse().ok()?,
        })
    }),
    // Transactions.
    ("{p0/t1} begins", |s, w| {
        let transaction = transaction(w[0])?;
        s.open.insert(transaction.producer, transaction);
        s.say(Body::TransactionBegun { transaction })
    }),
    ("{p0/t1} is to commit", |s, w| s.asked(w[0], Intent::Commit)),
    ("{p0/t1} is to abort", |s, w| s.asked(w[0], Intent::Abort)),
    ("{p0/t1} is committed", |s, w| {
        s.ended(w[0], TransactionOutcome::Committed)
    }),
    ("{p0/t1} is aborted", |s, w| {
        s.ended(w[0], TransactionOutcome::Aborted)
    }),
    ("{p0/t1} is fenced", |s, w| {
        s.ended(w[0], TransactionOutcome::Fenced)
    }),
    ("{p0/t1} may be committed: {ERROR…}", |s, w| {
        let error = w[1].to_owned();
        s.ended(w[0], TransactionOutcome::Unknown { error })
    }),
    ("{p0/t1} takes {t-0@8} of {g}", |s, w| {
        let transaction = transaction(w[0])?;
        let (partition, offset) = s.place(w[1])?;
        let group = s.group(w[2]);
        s.say(Body::OffsetSent {
            transaction,
            group,
            partition,
            offset,
        })
    }),
    ("{m0} reads for {p0/t1}", |s, w| {
        s.say(Body::TransactionJoined {
            transaction: transaction(w[1])?,
            member: member(w[0])?,
        })
    }),
    // Groups and members.
    ("{g} reads {t, u…} with {read_committed}", |s, w| {
        let isolation = match w[2] {
            "read_committed" => Isolation::ReadCommitted,
            "read_uncommitted" => Isolation::ReadUncommitted,
            _ => return None,
        };
        s.subscribed(w[0], w[1])?;
        let group = s.group(w[0]);
        s.say(Body::IsolationDeclared { group, isolation })
    }),
    ("{g} reads {t}", |s, w| s.subscribed(w[0], w[1])),
    ("{g} reads {t, u}", |s, w| s.subscribed(w[0], w[1])),
    ("{g} relies on committed records", |s, w| {
        let group = s.group(w[0]);
        s.say(Body::CommittedExpected { group })
    }),
    ("{g} makes {t} of what it reads", |s, w| {
        let (to, group) = (s.topic(w[1]), s.group(w[0]));
        s.say(Body::TransformDeclared { group, to })
    }),
    ("{g} stands at {t-0@8}", |s, w| {
        let (partition, offset) = s.place(w[1])?;
        s.stands(w[0], partition, Some(offset))
    }),
    ("{g} stands nowhere in {t-0}", |s, w| {
        let partition = s.partition(w[1])?;
        s.stands(w[0], partition, None)
    }),
    ("{g} is left to read", |s, w| {
        let group = s.group(w[0]);
        s.say(Body::WaitBegan { group })
    }),
    ("{g} is waited for", |s, w| s.waited(w[0], "1000")),
    ("{g} is waited for up to {60000} ms", |s, w| {
        s.waited(w[0], w[1])
    }),
    ("{m0} of {g} starts with {t-0…}", |s, w| {
        let (member, group) = (member(w[0])?, s.group(w[1]));
        let partitions = s.partitions(w[2])?;
        s.say(Body::MemberStarted { member, group });
        s.say(Body::Assigned { member, partitions })
    }),
    ("{m0} of {g} starts", |s, w| {
        let (member, group) = (member(w[0])?, s.group(w[1]));
        s.say(Body::MemberStarted { member, group })
    }),
    (
        "{m0} is member {2} of {g}, incarnation {3}, sending as {p1}",
        |s, w| s.named(w, producer(w[4])),
    ),
    ("{m0} is member {2} of {g}, incarnation {3}", |s, w| {
        s.named(w, None)
    }),
    ("{m0} is given {t-0…}", |s, w| {
        let (member, partitions) = (member(w[0])?, s.partitions(w[1])?);
        s.say(Body::Assigned { member, partitions })
    }),
    ("{m0} loses {t-0…}", |s, w| {
        let (member, partitions) = (member(w[0])?, s.partitions(w[1])?);
        s.say(Body::Revoked { member, partitions })
    }),
    ("{m0} processes {RECORD…} at {t-0@7}", |s, w| {
        let (from, offset) = s.place(w[2])?;
        s.say(Body::Processed {
            member: member(w[0])?,
            from,
            offset,
            content: content(w[1])?,
        })
    }),
    ("{m0} commits {t-0@8}", |s, w| {
        s.committed(w, CommitResult::Accepted)
    }),
    ("{m0} commits {t-0@8}, refused", |s, w| {
        s.committed(w, CommitResult::Refused)
    }),
    ("{m0} commits {t-0@8}, unknown", |s, w| {
        s.committed(w, CommitResult::Unknown)
    }),
    ("{m0} is moved to {t-0@3}", |s, w| {
        let (partition, next) = s.place(w[1])?;
        s.moved(w[0], partition, Some(next))
    }),
    ("{m0} is moved in {t-0}", |s, w| {
        let partition = s.partition(w[1])?;
        s.moved(w[0], partition, None)
    }),
    ("{m0} leaves", |s, w| s.left(w[0], Ending::Clean)),
    ("{m0} is killed", |s, w| s.left(w[0], Ending::Killed)),
    // What clients report.
    ("{m0} is throttled for {3000} ms", |s, w| {
        s.say(Body::Throttled {
            client: ClientRef::Member(member(w[0])?),
            throttle_ms: w[1].parse().ok()?,
        })
    }),
    ("{m0} is unable: {Error}, {2} times: {WHY…}", |s, w| {
        s.erred(w, ErrorCause::Unable)
    }),
    (
        "{m0} is not allowed: {Error}, {2} times: {WHY…}",
        |s, w| s.erred(w, ErrorCause::NotAllowed),
    ),
    ("{m0} is told: {Error}, {2} times: {WHY…}", |s, w| {
        s.erred(w, ErrorCause::Pipeline)
    }),
    // What the observer sees.
    ("{t-0} is seen to reach {7}", |s, w| {
        let (partition, end) = (s.partition(w[0])?, offset(w[1])?);
        s.say(Body::TailSeen { partition, end })
    }),
    ("{t-0} is pinned from {0} to {7}", |s, w| s.pinned(w)),
    ("{t-0} reaches from {0} to {7}", |s, w| {
        s.begin_truth();
        s.pinned(w)
    }),
    ("{t-0} is read from {5}: {LIST…}", |s, w| s.read(w, true)),
    (
        "{t-0} is read without batches from {5}: {LIST…}",
        |s, w| s.read(w, false),
    ),
    ("{t-0} holds from {5}: {LIST…}", |s, w| {
        let partition = s.partition(w[0])?;
        s.begin_truth();
        s.hold(partition, w[1], w[2], true)
    }),
    ("{t-0} is read", |s, w| {
        let partition = s.partition(w[0])?;
        s.say(Body::PartitionRead { partition })
    }),
    (
        "broker {1} is to be read of {t-0} from {0} to {7}",
        |s, w| {
            s.begin_truth();
            let partition = s.partition(w[1])?;
            s.replica_pinned(w[0], partition, offset(w[2])?, offset(w[3])?)
        },
    ),
    ("broker {1} holds {t-0} from {5}: {LIST…}", |s, w| {
        s.replica(w)
    }),
    // Change data capture.
    ("{tx0} is committed", |s, w| {
        s.closed(w[0], TxOutcome::Committed)
    }),
    ("{tx0} is rolled back", |s, w| {
        s.closed(w[0], TxOutcome::RolledBack)
    }),
    ("{tx0} may be committed", |s, w| {
        s.closed(w[0], TxOutcome::Unknown)
    }),
    ("{tx0} inserts {rows/7} as {c0}", |s, w| {
        s.changed(w, RowOp::Insert)
    }),
    ("{tx0} updates {rows/7} as {c0}", |s, w| {
        s.changed(w, RowOp::Update)
    }),
    ("{tx0} deletes {rows/7} as {c0}", |s, w| {
        s.changed(w, RowOp::Delete)
    }),
    ("{rows} is a table", |s, w| {
        s.topic(w[0]);
        s.tables.number(w[0]);
        Some(())
    }),
    ("{rows} holds {7 by c0…}", |s, w| {
        let read = s.rows(w)?;
        let table = TableIx::new(s.tables.number(w[0]));
        s.say(Body::TableRead { table, rows: read })
    }),
    ("{rows} has {2} rows, and holds {7 by c0…}", |s, w| {
        s.rows(&[w[0], w[2]])?;
        let table = TableIx::new(s.tables.number(w[0]));
        let rows = w[1].parse().ok()?;
        s.say(Body::TableRead { table, rows })
    }),
    ("the capture catches up", |s, _| {
        s.awaited(CaptureResult::CaughtUp)
    }),
    ("the capture times out", |s, _| {
        s.awaited(CaptureResult::TimedOut)
    }),
    ("the capture has failed", |s, _| {
        s.awaited(CaptureResult::Failed)
    }),
    ("the capture has confirmed all", |s, _| {
        s.awaited(CaptureResult::Confirmed)
    }),
    ("the connector {pg} begins, snapshot: {never}", |s, w| {
        s.began(w, Vec::new())
    }),
    (
        "the connector {pg} begins, snapshot: {never}, {setting} may {drop} events",
        |s, w| {
            let may = match w[3] {
                "move" => SettingEffect::Move,
                "drop" => SettingEffect::Drop,
                "reshape" => SettingEffect::Reshape,
                "rekey" => SettingEffect::Rekey,
                _ => return None,
            };
            let what = w[2].to_owned();
            s.began(w, vec![CaptureSetting { may, what }])
        },
    ),
    (
        "the connector's {task 0…} is {STATE…}: {TRACE…}",
        |s, w| {
            s.say(Body::ConnectorSeen {
                unit: w[0].to_owned(),
                state: w[1].to_owned(),
                trace: w[2].replace(" | ", "\n"),
            })
        },
    ),
    ("the slot has confirmed {100}", |s, w| {
        s.slot(SlotState::Kept, w[0].parse().ok()?)
    }),
    ("the slot is absent", |s, _| s.slot(SlotState::Absent, 0)),
    ("the slot is lost", |s, _| s.slot(SlotState::Lost, 0)),
    ("the write-ahead log reaches {100}", |s, w| {
        let lsn = Lsn::new(w[0].parse().ok()?);
        s.say(Body::WalReached { lsn })
    }),
    // Faults.
    ("{f0} is triggered", |s, w| {
        let fault = fault(w[0])?;
        s.say(Body::FaultTriggered { fault })
    }),
    ("{f0} is injected", |s, w| {
        let fault = fault(w[0])?;
        s.say(Body::FaultInjected { fault })
    }),
    ("{f0} is healed", |s, w| {
        let fault = fault(w[0])?;
        s.say(Body::FaultHealed { fault })
    }),
    ("{f0} is not healed: {WHY…}", |s, w| {
        let (fault, why) = (fault(w[0])?, w[1].to_owned());
        s.say(Body::FaultNotHealed { fault, why })
    }),
    ("{f0} is evident: {WHAT…} ({DETAIL…})", |s, w| {
        s.evidence(w, Found::Yes)
    }),
    ("{f0} is not evident: {WHAT…} ({DETAIL…})", |s, w| {
        s.evidence(w, Found::No)
    }),
];

fn member(word: &str) -> Option<MemberIx> {
    Some(MemberIx::new(word.strip_prefix('m')?.parse().ok()?))
}

/// Lines that several forms end with.
impl Scribe {
    fn cleaned(&mut self, w: &[&str]) -> Option<()> {
        let policy = match w[1] {
            "delete" => Cleanup::Delete,
            "compact" => Cleanup::Compact,
            "compact,delete" => Cleanup::CompactAndDelete,
            _ => return None,
        };
        let topic = self.topic(w[0]);
        self.say(Body::TopicCleanup { topic, policy })
    }

    fn completed(&mut self, of: &str, outcome: Outcome) -> Option<()> {
        let record = record(of)?;
        self.say(Body::SendCompleted { record, outcome })
    }

    fn asked(&mut self, of: &str, intent: Intent) -> Option<()> {
        let transaction = transaction(of)?;
        self.say(Body::TransactionEnding {
            transaction,
            intent,
        })
    }

    fn ended(&mut self, of: &str, outcome: TransactionOutcome) -> Option<()> {
        let transaction = transaction(of)?;
        self.open.remove(&transaction.producer);
        self.say(Body::TransactionCompleted {
            transaction,
            outcome,
        })
    }

    fn subscribed(&mut self, group: &str, topics: &str) -> Option<()> {
        let mut names = topics.split(", ");
        names
            .all(|name| kind_of(name) == Kind::Name)
            .then_some(())?;
        let topics = topics.split(", ").map(|topic| self.topic(topic)).collect();
        let name = group.to_owned();
        let group = self.group(group);
        self.say(Body::GroupDeclared {
            group,
            name,
            topics,
        })
    }

    fn stands(&mut self, of: &str, partition: PartitionRef, offset: Option<Offset>) -> Option<()> {
        let group = self.group(of);
        self.say(Body::GroupOffset {
            group,
            partition,
            offset,
        })
    }

    fn waited(&mut self, of: &str, limit_ms: &str) -> Option<()> {
        let (group, limit_ms) = (self.group(of), limit_ms.parse().ok()?);
        self.say(Body::GroupWaited { group, limit_ms })
    }

    fn named(&mut self, w: &[&str], producer: Option<ProducerIx>) -> Option<()> {
        self.say(Body::MemberNamed {
            member: member(w[0])?,
            number: w[1].parse().ok()?,
            incarnation: w[3].parse().ok()?,
            producer,
            log: format!("{}-member-{}.log", w[2], w[1]),
        })
    }

    fn committed(&mut self, w: &[&str], result: CommitResult) -> Option<()> {
        let (partition, offset) = self.place(w[1])?;
        self.say(Body::Committed {
            member: member(w[0])?,
            partition,
            offset,
            result,
        })
    }

    fn moved(&mut self, of: &str, partition: PartitionRef, next: Option<Offset>) -> Option<()> {
        self.say(Body::Repositioned {
            member: member(of)?,
            partition,
            next,
        })
    }

    fn left(&mut self, of: &str, how: Ending) -> Option<()> {
        let member = member(of)?;
        self.say(Body::MemberEnded { member, how })
    }

    fn erred(&mut self, w: &[&str], cause: ErrorCause) -> Option<()> {
        self.say(Body::ClientErred {
            client: ClientRef::Member(member(w[0])?),
            cause,
            error: w[1].to_owned(),
            reason: w[3].to_owned(),
            times: w[2].parse().ok()?,
        })
    }

    fn pinned(&mut self, w: &[&str]) -> Option<()> {
        let partition = self.partition(w[0])?;
        self.say(Body::Pinned {
            partition,
            log_start: offset(w[1])?,
            end: offset(w[2])?,
        })
    }

    fn read(&mut self, w: &[&str], batches: bool) -> Option<()> {
        let partition = self.partition(w[0])?;
        self.begin_truth();
        let log_start = offset(w[1])?;
        let count = i64::try_from(listed(w[2]).len()).ok()?;
        self.say(Body::Pinned {
            partition,
            log_start,
            end: Offset::new(log_start.get() + count),
        });
        self.hold(partition, w[1], w[2], batches)?;
        self.say(Body::PartitionRead { partition })
    }

    fn hold(
        &mut self,
        partition: PartitionRef,
        start: &str,
        list: &str,
        batches: bool,
    ) -> Option<()> {
        let start: i64 = start.parse().ok()?;
        listed(list)
            .iter()
            .zip(start..)
            .filter(|(what, _)| *what != "nothing")
            .try_for_each(|(what, at)| self.held(partition, Offset::new(at), what, batches))
    }

    fn held(&mut self, at: PartitionRef, offset: Offset, what: &str, batches: bool) -> Option<()> {
        for (marker, kind) in [
            ("commit of ", BatchKind::CommitMarker),
            ("abort of ", BatchKind::AbortMarker),
        ] {
            if let Some(of) = what.strip_prefix(marker) {
                return self.batch(at, offset, Some(producer(of)?), kind);
            }
        }
        if let Some(told) = ToldChange::read(what) {
            if let Some(inside) = told.inside {
                self.batch(at, offset, Some(inside), BatchKind::Transactional);
            }
            let (table, key) = self.row(told.row)?;
            let lsn = told.lsn.unwrap_or(1000 + offset.get().cast_unsigned());
            return self.say(Body::ChangeEvent {
                partition: at,
                offset,
                table,
                key,
                op: told.op,
                content: told.content,
                lsn: Lsn::new(lsn),
            });
        }
        let (what, inside) = match what.split_once(" in ") {
            Some((what, of)) => (what, Some(producer(of)?)),
            None => (what, None),
        };
        let content = content(what)?;
        let inside = match content {
            Content::Ours(of) if self.transactional.contains(&of) => inside.or(Some(of.producer)),
            _ => inside,
        };
        if batches {
            let kind = inside.map_or(BatchKind::Plain, |_| BatchKind::Transactional);
            self.batch(at, offset, inside, kind);
        }
        self.say(Body::Stored {
            partition: at,
            offset,
            content,
        })
    }

    /// A batch of one record; the id is the one that Kafka gave its producer.
    fn batch(
        &mut self,
        partition: PartitionRef,
        offset: Offset,
        producer: Option<ProducerIx>,
        kind: BatchKind,
    ) -> Option<()> {
        self.say(Body::StoredBatch {
            partition,
            base_offset: offset,
            last_offset: offset,
            producer_id: producer.map_or(-1, |producer| 1000 + i64::from(producer.get())),
            producer_epoch: producer.map_or(-1, |_| 0),
            base_sequence: -1,
            kind,
        })
    }

    fn replica_pinned(
        &mut self,
        broker: &str,
        partition: PartitionRef,
        log_start: Offset,
        end: Offset,
    ) -> Option<()> {
        let broker = BrokerId::new(broker.parse().ok()?);
        self.say(Body::ReplicaPinned {
            partition,
            broker,
            log_start,
            end,
        })
    }

    fn replica(&mut self, w: &[&str]) -> Option<()> {
        let partition = self.partition(w[1])?;
        let broker = BrokerId::new(w[0].parse().ok()?);
        let start = offset(w[2])?;
        let held = listed(w[3]);
        let end = Offset::new(start.get() + i64::try_from(held.len()).ok()?);
        self.begin_truth();
        self.replica_pinned(w[0], partition, start, end);
        for (what, at) in held.iter().zip(start.get()..) {
            if what != "nothing" {
                self.say(Body::ReplicaStored {
                    partition,
                    broker,
                    offset: Offset::new(at),
                    content: content(what)?,
                });
            }
        }
        self.say(Body::ReplicaRead { partition, broker })
    }

    fn closed(&mut self, of: &str, outcome: TxOutcome) -> Option<()> {
        let tx = database_transaction(of)?;
        self.say(Body::TxCompleted { tx, outcome })
    }

    fn changed(&mut self, w: &[&str], op: RowOp) -> Option<()> {
        let (table, key) = self.row(w[1])?;
        self.say(Body::ChangeInvoked {
            tx: database_transaction(w[0])?,
            change: change(w[2])?,
            table,
            key,
            op,
        })
    }

    fn row(&mut self, row: &str) -> Option<(TableIx, RowKey)> {
        let (table, key) = row.split_once('/')?;
        let table = TableIx::new(self.tables.number(table));
        Some((table, RowKey::new(key.parse().ok()?)))
    }

    /// `7 by c0, 8 damaged, 9 foreign`
    fn rows(&mut self, w: &[&str]) -> Option<u64> {
        let table = TableIx::new(self.tables.number(w[0]));
        self.begin_truth();
        let mut count = 0;
        for row in w[1].split(", ").filter(|row| *row != "nothing") {
            let (key, held) = row.split_once(' ')?;
            let content = match held {
                "damaged" => ChangeContent::Corrupt,
                "foreign" => ChangeContent::Foreign,
                _ => ChangeContent::Ours(change(held.strip_prefix("by ")?)?),
            };
            let key = RowKey::new(key.parse().ok()?);
            self.say(Body::TableRow {
                table,
                key,
                content,
            });
            count += 1;
        }
        Some(count)
    }

    fn awaited(&mut self, result: CaptureResult) -> Option<()> {
        self.say(Body::CaptureWaited {
            result,
            limit_ms: 1000,
        })
    }

    fn began(&mut self, w: &[&str], settings: Vec<CaptureSetting>) -> Option<()> {
        let snapshot = match w[1] {
            "never" => Snapshot::Never,
            "first" => Snapshot::First,
            "repeated" => Snapshot::Repeated,
            "unknown" => Snapshot::Unknown,
            _ => return None,
        };
        self.say(Body::CaptureBegan {
            connector: w[0].to_owned(),
            snapshot,
            settings,
        })
    }

    fn slot(&mut self, state: SlotState, confirmed: u64) -> Option<()> {
        let confirmed = Lsn::new(confirmed);
        self.say(Body::SlotSeen { state, confirmed })
    }

    fn evidence(&mut self, w: &[&str], found: Found) -> Option<()> {
        self.say(Body::FaultEvidence {
            fault: fault(w[0])?,
            evidence: Evidence {
                what: w[1].to_owned(),
                found,
                detail: w[2].to_owned(),
            },
        })
    }
}

fn database_transaction(word: &str) -> Option<TxId> {
    Some(TxId::new(word.strip_prefix("tx")?.parse().ok()?))
}
