//! One event of every variant, in the order of their numbers, with values
//! that show every type at work.

use model::event::{
    AlertRule, AlertSeen, AlertState, AppCommitted, AppDeclared, BatchKind, Body, CaptureResult,
    CaptureSetting, ChangeContent, Cleanup, ClientRef, CommitResult, Content, EffectPlace,
    EffectSeen, EffectsRead, Ending, ErrorCause, Evidence, ExporterSeen, Found, Intent, Isolation,
    LagSeen, Outcome, Restart, RowOp, SettingEffect, SlotState, Snapshot, TransactionOutcome,
    TxOutcome,
};
use model::ids::{
    BrokerId, ChangeId, FaultIx, GroupIx, Lsn, MemberIx, Micros, Offset, PartitionIndex,
    PartitionRef, ProducerIx, RecordId, RowKey, RunId, Sequence, TableIx, TopicIx, TransactionIx,
    TransactionRef, TxId,
};

pub(super) const RECORD: RecordId = RecordId {
    producer: ProducerIx::new(2),
    sequence: Sequence::new(300),
};

pub(super) const AT: PartitionRef = PartitionRef {
    topic: TopicIx::new(1),
    partition: PartitionIndex::new(7),
};

const MEMBER: MemberIx = MemberIx::new(5);
const GROUP: GroupIx = GroupIx::new(1);
const TABLE: TableIx = TableIx::new(0);
const FAULT: FaultIx = FaultIx::new(3);
const TRANSACTION: TransactionRef = TransactionRef {
    producer: ProducerIx::new(2),
    transaction: TransactionIx::new(40),
};

/// The variants that version 1 has.
pub(super) fn every_body() -> Vec<Body> {
    vec![
        Body::TopicDeclared {
            topic: TopicIx::new(1),
            name: "orders".to_owned(),
            partitions: 12,
        },
        Body::GroupDeclared {
            group: GROUP,
            name: "billing".to_owned(),
            topics: vec![TopicIx::new(1), TopicIx::new(0)],
        },
        Body::TableDeclared {
            table: TABLE,
            name: "public.orders".to_owned(),
            topic: TopicIx::new(1),
        },
        Body::SendInvoked {
            record: RECORD,
            to: AT,
        },
        Body::SendCompleted {
            record: RECORD,
            outcome: Outcome::Acknowledged {
                at: AT,
                offset: Offset::new(299),
            },
        },
        Body::ProducerCounted {
            producer: ProducerIx::new(2),
            retries: 17,
        },
        Body::MemberStarted {
            member: MEMBER,
            group: GROUP,
        },
        Body::MemberEnded {
            member: MEMBER,
            how: Ending::Killed,
        },
        Body::Assigned {
            member: MEMBER,
            partitions: vec![AT, PartitionRef::default()],
        },
        Body::Revoked {
            member: MEMBER,
            partitions: Vec::new(),
        },
        Body::Processed {
            member: MEMBER,
            from: AT,
            offset: Offset::new(299),
            content: Content::Ours(RECORD),
        },
        Body::Committed {
            member: MEMBER,
            partition: AT,
            offset: Offset::new(300),
            result: CommitResult::Refused,
        },
        Body::Pinned {
            partition: AT,
            log_start: Offset::new(0),
            end: Offset::new(100_000),
        },
        Body::StoredBatch {
            partition: AT,
            base_offset: Offset::new(280),
            last_offset: Offset::new(299),
            producer_id: 4001,
            producer_epoch: -1,
            base_sequence: 280,
            kind: BatchKind::Transactional,
        },
        Body::Stored {
            partition: AT,
            offset: Offset::new(299),
            content: Content::Misplaced(RECORD),
        },
        Body::PartitionRead { partition: AT },
        Body::GroupOffset {
            group: GROUP,
            partition: AT,
            offset: None,
        },
        Body::GroupWaited {
            group: GROUP,
            limit_ms: 30_000,
        },
        Body::ChangeInvoked {
            tx: TxId::new(9),
            change: ChangeId::new(70),
            table: TABLE,
            key: RowKey::new(-4),
            op: RowOp::Update,
        },
        Body::TxCompleted {
            tx: TxId::new(9),
            outcome: TxOutcome::RolledBack,
        },
        Body::TailSeen {
            partition: AT,
            end: Offset::new(64),
        },
        Body::ChangeEvent {
            partition: AT,
            offset: Offset::new(63),
            table: TABLE,
            key: RowKey::new(-4),
            op: RowOp::Snapshot,
            content: ChangeContent::Ours(ChangeId::new(70)),
            lsn: Lsn::new(26_000_000),
        },
        Body::TableRow {
            table: TABLE,
            key: RowKey::new(-4),
            content: ChangeContent::Absent,
        },
        Body::TableRead {
            table: TABLE,
            rows: 1,
        },
        Body::CaptureWaited {
            result: CaptureResult::TimedOut,
            limit_ms: 60_000,
        },
        Body::FaultTriggered { fault: FAULT },
        Body::FaultInjected { fault: FAULT },
        Body::FaultHealed { fault: FAULT },
        Body::FaultEvidence {
            fault: FAULT,
            evidence: Evidence {
                observation: "process state is T".to_owned(),
                found: Found::No,
                detail: "état S, puis rien".to_owned(),
            },
        },
        Body::TrafficEnded,
        Body::Completed,
        Body::Aborted {
            reason: "interrupted".to_owned(),
        },
        Body::TopicCleanup {
            topic: TopicIx::new(1),
            policy: Cleanup::CompactAndDelete,
        },
        Body::IsolationDeclared {
            group: GROUP,
            isolation: Isolation::ReadCommitted,
        },
        Body::TransactionBegun {
            transaction: TRANSACTION,
        },
        Body::TransactionJoined {
            transaction: TRANSACTION,
            member: MEMBER,
        },
        Body::OffsetSent {
            transaction: TRANSACTION,
            group: GROUP,
            partition: AT,
            offset: Offset::new(300),
        },
        Body::TransactionEnding {
            transaction: TRANSACTION,
            intent: Intent::Abort,
        },
        Body::TransactionCompleted {
            transaction: TRANSACTION,
            outcome: TransactionOutcome::Unknown {
                error: "timed out".to_owned(),
            },
        },
        Body::Repositioned {
            member: MEMBER,
            partition: AT,
            next: Some(Offset::new(12)),
        },
        Body::ReplicaPinned {
            partition: AT,
            broker: BrokerId::new(2),
            log_start: Offset::new(0),
            end: Offset::new(300),
        },
        Body::ReplicaStored {
            partition: AT,
            broker: BrokerId::new(2),
            offset: Offset::new(299),
            content: Content::Foreign,
        },
        Body::ReplicaRead {
            partition: AT,
            broker: BrokerId::new(2),
        },
        Body::Imported {
            tool: "kafkatest".to_owned(),
        },
        Body::SendsUnrecorded {
            producer: ProducerIx::new(2),
        },
        Body::Incomplete {
            description: "the consumer's lines without --verbose".to_owned(),
        },
        Body::PartitionState {
            partition: AT,
            leader: Some(BrokerId::new(2)),
            leader_epoch: 7,
            in_sync: vec![BrokerId::new(1), BrokerId::new(2)],
        },
        Body::TransformDeclared {
            group: GROUP,
            to: TopicIx::new(1),
        },
        Body::ReadCommittedRequired { group: GROUP },
        Body::Derived {
            record: RECORD,
            group: GROUP,
            from: AT,
            offset: Offset::new(12),
        },
        Body::RunDeclared {
            run: RunId::new(0xc0ff_ee00_0000_0001),
        },
        Body::MemberNamed {
            member: MEMBER,
            number: 2,
            incarnation: 3,
            producer: Some(ProducerIx::new(4)),
            log: "billing-member-2-incarnation-3.log".to_owned(),
        },
        Body::KeysDeclared {
            producer: ProducerIx::new(2),
            keys: 20,
        },
        Body::CaptureBegan {
            connector: "pg".to_owned(),
            snapshot: Snapshot::First,
            settings: vec![CaptureSetting {
                effect: SettingEffect::Move,
                description: "transforms.route".to_owned(),
            }],
        },
        Body::ConnectorSeen {
            unit: "task 0".to_owned(),
            state: "FAILED".to_owned(),
            trace: "why".to_owned(),
        },
        Body::SlotSeen {
            state: SlotState::Kept,
            confirmed: Lsn::new(7000),
        },
        Body::WalReached {
            lsn: Lsn::new(7000),
        },
        Body::EventsSeen {
            partition: AT,
            events: 12,
        },
        Body::FaultAftermath {
            fault: FaultIx::new(0),
            evidence: Evidence {
                observation: "the broker is ready again".to_owned(),
                found: Found::Yes,
                detail: "after 3 s".to_owned(),
            },
        },
        Body::FaultNotHealed {
            fault: FaultIx::new(0),
            why: "task 0 FAILED".to_owned(),
        },
        Body::WaitBegan { group: GROUP },
        Body::ClientErred {
            client: ClientRef::Member(MEMBER),
            cause: ErrorCause::Unable,
            error: "NotImplemented".to_owned(),
            reason: "Local: Not implemented".to_owned(),
            times: 3,
        },
        Body::Throttled {
            client: ClientRef::Producer(ProducerIx::new(2)),
            throttle_ms: 1250,
        },
        Body::ReadRolledBack {
            member: MEMBER,
            from: AT,
            offset: Offset::new(13),
            content: Content::Ours(RECORD),
        },
        Body::OrderForgotten {
            producer: ProducerIx::new(2),
            partition: AT,
        },
        Body::RebalancesUnrecorded { group: GROUP },
        Body::Replaceable {
            partition: AT,
            first: Offset::new(3),
            last: Offset::new(9),
        },
        Body::OffsetsReused {
            before: AT,
            since: AT,
            first: Offset::new(4),
            how: Restart::Cut,
        },
        Body::SendsWithoutOutcome {
            producer: ProducerIx::new(2),
            sends: 5,
        },
        Body::TopicDeleted {
            topic: AT.topic,
            recreated: true,
        },
        Body::AlertRule(AlertRule {
            alert: "ConsumerLag".to_owned(),
            for_ms: 5000,
            looks_back_ms: 600_000,
        }),
        Body::AlertSeen(AlertSeen {
            alert: "ConsumerLag".to_owned(),
            labels: "group=\"billing\"".to_owned(),
            group: Some(GROUP),
            state: AlertState::Firing,
            active_since: Micros::new(7_000_000),
        }),
        Body::ExporterSeen(ExporterSeen {
            group: GROUP,
            series: 4,
            of_topic: 9,
        }),
        Body::LagSeen(LagSeen {
            group: GROUP,
            behind: 300,
            deleted: 20,
        }),
        Body::AlertsUnread {
            reason: "connection refused".to_owned(),
        },
        Body::AppDeclared(AppDeclared {
            group: "billing-app".to_owned(),
            topic: AT.topic,
            output: Some(AT.topic),
        }),
        Body::AppCommitted(AppCommitted {
            partition: AT,
            next: Some(Offset::new(14)),
        }),
        Body::EffectSeen(EffectSeen {
            content: Content::Ours(RECORD),
            at: Some(EffectPlace {
                partition: AT,
                offset: Offset::new(2),
            }),
        }),
        Body::EffectsRead(EffectsRead {
            effects: 14,
            settled: true,
        }),
        Body::EffectsUnread {
            reason: "exit code 1".to_owned(),
        },
    ]
}
