//! The operations that a line of a history says, as events.

use model::event::{
    AlertRule, AlertSeen, AlertState, AppDeclared, BatchKind, Body, CaptureResult, CaptureSetting,
    ChangeContent, Cleanup, ClientRef, CommitResult, Content, EffectPlace, EffectSeen, EffectsRead,
    Ending, ErrorCause, Evidence, Found, Intent, Outcome, RowOp, SlotState, Snapshot,
    TransactionOutcome, TxOutcome,
};
use model::ids::{
    BrokerId, GroupIx, Lsn, Micros, Offset, PartitionRef, ProducerIx, RowKey, TableIx, TopicIx,
};

use super::Scribe;
use super::words::{
    Kind, ToldChange, change, content, database_transaction, fault, kind_of, listed, member,
    offset, producer, record, transaction,
};

impl Scribe {
    pub(super) fn cleaned(&mut self, w: &[&str]) -> Option<()> {
        let policy = match w[1] {
            "delete" => Cleanup::Delete,
            "compact" => Cleanup::Compact,
            "compact,delete" => Cleanup::CompactAndDelete,
            _ => return None,
        };
        let topic = self.topic(w[0]);
        self.say(Body::TopicCleanup { topic, policy })
    }

    pub(super) fn completed(&mut self, of: &str, outcome: Outcome) -> Option<()> {
        let record = record(of)?;
        self.say(Body::SendCompleted { record, outcome })
    }

    pub(super) fn asked(&mut self, of: &str, intent: Intent) -> Option<()> {
        let transaction = transaction(of)?;
        self.say(Body::TransactionEnding {
            transaction,
            intent,
        })
    }

    pub(super) fn ended(&mut self, of: &str, outcome: TransactionOutcome) -> Option<()> {
        let transaction = transaction(of)?;
        self.open.remove(&transaction.producer);
        self.say(Body::TransactionCompleted {
            transaction,
            outcome,
        })
    }

    pub(super) fn subscribed(&mut self, group: &str, topics: &str) -> Option<()> {
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

    pub(super) fn stands(
        &mut self,
        of: &str,
        partition: PartitionRef,
        offset: Option<Offset>,
    ) -> Option<()> {
        let group = self.group(of);
        self.say(Body::GroupOffset {
            group,
            partition,
            offset,
        })
    }

    pub(super) fn waited(&mut self, of: &str, limit_ms: &str) -> Option<()> {
        let (group, limit_ms) = (self.group(of), limit_ms.parse().ok()?);
        self.say(Body::GroupWaited { group, limit_ms })
    }

    pub(super) fn named(&mut self, w: &[&str], producer: Option<ProducerIx>) -> Option<()> {
        self.say(Body::MemberNamed {
            member: member(w[0])?,
            number: w[1].parse().ok()?,
            incarnation: w[3].parse().ok()?,
            producer,
            log: format!("{}-member-{}.log", w[2], w[1]),
        })
    }

    pub(super) fn committed(&mut self, w: &[&str], result: CommitResult) -> Option<()> {
        let (partition, offset) = self.place(w[1])?;
        self.say(Body::Committed {
            member: member(w[0])?,
            partition,
            offset,
            result,
        })
    }

    pub(super) fn moved(
        &mut self,
        of: &str,
        partition: PartitionRef,
        next: Option<Offset>,
    ) -> Option<()> {
        self.say(Body::Repositioned {
            member: member(of)?,
            partition,
            next,
        })
    }

    pub(super) fn left(&mut self, of: &str, how: Ending) -> Option<()> {
        let member = member(of)?;
        self.say(Body::MemberEnded { member, how })
    }

    pub(super) fn erred(&mut self, w: &[&str], cause: ErrorCause) -> Option<()> {
        self.say(Body::ClientErred {
            client: ClientRef::Member(member(w[0])?),
            cause,
            error: w[1].to_owned(),
            reason: w[3].to_owned(),
            times: w[2].parse().ok()?,
        })
    }

    pub(super) fn pinned(&mut self, w: &[&str]) -> Option<()> {
        let partition = self.partition(w[0])?;
        self.say(Body::Pinned {
            partition,
            log_start: offset(w[1])?,
            end: offset(w[2])?,
        })
    }

    pub(super) fn read(&mut self, w: &[&str], batches: bool) -> Option<()> {
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

    pub(super) fn hold(
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

    pub(super) fn held(
        &mut self,
        at: PartitionRef,
        offset: Offset,
        what: &str,
        batches: bool,
    ) -> Option<()> {
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
    pub(super) fn batch(
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

    pub(super) fn replica_pinned(
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

    pub(super) fn replica(&mut self, w: &[&str]) -> Option<()> {
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

    pub(super) fn closed(&mut self, of: &str, outcome: TxOutcome) -> Option<()> {
        let tx = database_transaction(of)?;
        self.say(Body::TxCompleted { tx, outcome })
    }

    pub(super) fn changed(&mut self, w: &[&str], op: RowOp) -> Option<()> {
        let (table, key) = self.row(w[1])?;
        self.say(Body::ChangeInvoked {
            tx: database_transaction(w[0])?,
            change: change(w[2])?,
            table,
            key,
            op,
        })
    }

    pub(super) fn row(&mut self, row: &str) -> Option<(TableIx, RowKey)> {
        let (table, key) = row.split_once('/')?;
        let table = TableIx::new(self.tables.number(table));
        Some((table, RowKey::new(key.parse().ok()?)))
    }

    /// `7 by c0, 8 damaged, 9 foreign`
    pub(super) fn rows(&mut self, w: &[&str]) -> Option<u64> {
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

    pub(super) fn awaited(&mut self, result: CaptureResult) -> Option<()> {
        self.say(Body::CaptureWaited {
            result,
            limit_ms: 1000,
        })
    }

    pub(super) fn began(&mut self, w: &[&str], settings: Vec<CaptureSetting>) -> Option<()> {
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

    pub(super) fn slot(&mut self, state: SlotState, confirmed: u64) -> Option<()> {
        let confirmed = Lsn::new(confirmed);
        self.say(Body::SlotSeen { state, confirmed })
    }

    pub(super) fn rule(&mut self, w: &[&str], looks_back_ms: &str) -> Option<()> {
        self.say(Body::AlertRule(AlertRule {
            alert: w[0].to_owned(),
            for_ms: w[1].parse().ok()?,
            looks_back_ms: looks_back_ms.parse().ok()?,
        }))
    }

    pub(super) fn alert(
        &mut self,
        alert: &str,
        group: Option<GroupIx>,
        state: &str,
        since_ms: &str,
    ) -> Option<()> {
        let state = match state {
            "pending" => AlertState::Pending,
            "firing" => AlertState::Firing,
            "resolved" => AlertState::Resolved,
            _ => return None,
        };
        let since_ms: u64 = since_ms.parse().ok()?;
        self.say(Body::AlertSeen(AlertSeen {
            alert: alert.to_owned(),
            labels: String::new(),
            group,
            state,
            active_since: Micros::new(since_ms * 1000),
        }))
    }

    pub(super) fn evidence(&mut self, w: &[&str], found: Found) -> Option<()> {
        self.say(Body::FaultEvidence {
            fault: fault(w[0])?,
            evidence: Evidence {
                observation: w[1].to_owned(),
                found,
                detail: w[2].to_owned(),
            },
        })
    }

    pub(super) fn application(
        &mut self,
        topic: &str,
        group: &str,
        output: Option<TopicIx>,
    ) -> Option<()> {
        let topic = self.topic(topic);
        self.say(Body::AppDeclared(AppDeclared {
            group: group.to_owned(),
            topic,
            output,
        }))
    }

    pub(super) fn effect(
        &mut self,
        content: Content,
        at: Option<(PartitionRef, Offset)>,
    ) -> Option<()> {
        self.begin_truth();
        let at = at.map(|(partition, offset)| EffectPlace { partition, offset });
        self.say(Body::EffectSeen(EffectSeen { content, at }))
    }

    pub(super) fn effects_read(&mut self, settled: bool) -> Option<()> {
        self.begin_truth();
        let seen = |it: &&(super::When, Body)| matches!(it.1, Body::EffectSeen(_));
        let effects = self.bodies.iter().filter(seen).count() as u64;
        self.say(Body::EffectsRead(EffectsRead { effects, settled }))
    }
}
