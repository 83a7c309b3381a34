//! The events of a history: operations of subjects, the observer's reads, and faults with
//! their evidence. Knows nothing of how events are stored or judged.

mod alerts;
mod app;
mod changes;
mod clients;
mod evidence;
mod log;

use serde::{Deserialize, Serialize};

use crate::ids::{
    BrokerId, ChangeId, FaultIx, GroupIx, Lsn, MemberIx, Micros, Offset, PartitionRef, ProducerIx,
    RecordId, RowKey, RunId, TableIx, TopicIx, TransactionRef, TxId,
};

pub use alerts::{AlertRule, AlertSeen, AlertState, ExporterSeen, LagSeen};
pub use app::{AppCommitted, AppDeclared, EffectPlace, EffectSeen, EffectsRead};
pub use changes::{
    CaptureResult, CaptureSetting, ChangeContent, RowOp, SettingEffect, SlotState, Snapshot,
    TxOutcome,
};
pub use clients::{
    ClientRef, CommitResult, Ending, ErrorCause, Intent, Isolation, Outcome, TransactionOutcome,
};
pub use evidence::{Evidence, Found};
pub use log::{BatchKind, Cleanup, Content, Restart};

/// An event and its time.
///
/// Events of one source come in their own order; sources are interleaved in the order in
/// which the recorder received them, so `at` is not monotonic over a whole history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, by the clock of the process that saw it.
    pub at: Micros,
    /// What happened.
    pub body: Body,
}

/// What happened.
///
/// A history on disk numbers the variants by their place here: new ones come
/// at the end, and none is ever moved or taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Body {
    /// Gives a topic its number; precedes every use of the number.
    TopicDeclared {
        /// The number.
        topic: TopicIx,
        /// The name.
        name: String,
        /// How many partitions it was created with.
        partitions: i32,
    },
    /// Gives a group its number; precedes every use of the number.
    GroupDeclared {
        /// The number.
        group: GroupIx,
        /// The `group.id`.
        name: String,
        /// The topics it subscribes to.
        topics: Vec<TopicIx>,
    },
    /// Gives a table its number, and names the topic that carries its events.
    TableDeclared {
        /// The number.
        table: TableIx,
        /// The name, with its schema.
        name: String,
        /// Where its change events go.
        topic: TopicIx,
    },

    /// A producer handed a record to its client.
    SendInvoked {
        /// The record.
        record: RecordId,
        /// Where it was meant to go.
        to: PartitionRef,
    },
    /// The client reported the outcome of a record to the producer.
    SendCompleted {
        /// The record.
        record: RecordId,
        /// What became of it.
        outcome: Outcome,
    },
    /// The producer client's own counts, cumulative.
    ProducerCounted {
        /// The producer.
        producer: ProducerIx,
        /// Requests (or batches) sent again after an error.
        retries: u64,
    },

    /// A consumer process was started.
    MemberStarted {
        /// The incarnation.
        member: MemberIx,
        /// Its group.
        group: GroupIx,
    },
    /// A consumer process has ended.
    MemberEnded {
        /// The incarnation.
        member: MemberIx,
        /// How.
        how: Ending,
    },
    /// A member was given partitions (in addition to what it has).
    Assigned {
        /// The incarnation.
        member: MemberIx,
        /// The partitions it was given.
        partitions: Vec<PartitionRef>,
    },
    /// Partitions were taken from a member.
    Revoked {
        /// The incarnation.
        member: MemberIx,
        /// The partitions it lost.
        partitions: Vec<PartitionRef>,
    },
    /// A member processed a record.
    Processed {
        /// The incarnation.
        member: MemberIx,
        /// Where it was read.
        from: PartitionRef,
        /// At which offset.
        offset: Offset,
        /// What was read.
        content: Content,
    },
    /// A member's commit was answered.
    Committed {
        /// The incarnation.
        member: MemberIx,
        /// The partition.
        partition: PartitionRef,
        /// The next offset to read, as committed.
        offset: Offset,
        /// The broker's answer.
        result: CommitResult,
    },

    /// The observer fixed the range of a partition that it is going to read.
    Pinned {
        /// The partition.
        partition: PartitionRef,
        /// The first offset that is still there.
        log_start: Offset,
        /// The offset after the last record.
        end: Offset,
    },
    /// A batch as the log holds it; its records follow as `Stored`.
    StoredBatch {
        /// The partition.
        partition: PartitionRef,
        /// The first offset of the batch.
        base_offset: Offset,
        /// The last offset of the batch.
        last_offset: Offset,
        /// Kafka's producer id, -1 without idempotence.
        producer_id: i64,
        /// Kafka's producer epoch, -1 without idempotence.
        producer_epoch: i16,
        /// The sequence of the first record, -1 without idempotence.
        base_sequence: i32,
        /// Whether it is a transaction marker or carries data.
        kind: BatchKind,
    },
    /// A record as the log holds it.
    Stored {
        /// The partition.
        partition: PartitionRef,
        /// The offset.
        offset: Offset,
        /// What stands there.
        content: Content,
    },
    /// The observer read the pinned range of a partition to its end.
    PartitionRead {
        /// The partition.
        partition: PartitionRef,
    },
    /// A group's committed offset as the coordinator reports it at the end.
    GroupOffset {
        /// The group.
        group: GroupIx,
        /// The partition.
        partition: PartitionRef,
        /// The next offset to read; none when the group never committed.
        offset: Option<Offset>,
    },
    /// The run waited for a group until it had read everything or its time was up.
    GroupWaited {
        /// The group.
        group: GroupIx,
        /// How long it was given at most, in milliseconds.
        limit_ms: u64,
    },

    /// The writer issued a row change inside a transaction.
    ChangeInvoked {
        /// The transaction.
        tx: TxId,
        /// The change.
        change: ChangeId,
        /// The table.
        table: TableIx,
        /// The row.
        key: RowKey,
        /// What it does to the row.
        op: RowOp,
    },
    /// The database answered a COMMIT (or the connection broke before it did).
    TxCompleted {
        /// The transaction.
        tx: TxId,
        /// What became of it.
        outcome: TxOutcome,
    },
    /// How far a topic could be read at this moment, during the run.
    TailSeen {
        /// The partition.
        partition: PartitionRef,
        /// The offset after the last readable record.
        end: Offset,
    },
    /// A change event as the topic holds it. Precedes `PartitionRead`.
    ChangeEvent {
        /// The partition that holds it.
        partition: PartitionRef,
        /// Its offset.
        offset: Offset,
        /// The table it says it is of.
        table: TableIx,
        /// The row it says it is of.
        key: RowKey,
        /// What it says was done.
        op: RowOp,
        /// The change that the row image carries.
        content: ChangeContent,
        /// Position of the change in the write-ahead log.
        lsn: Lsn,
    },
    /// A row of the table, read from the database after all traffic.
    TableRow {
        /// The table.
        table: TableIx,
        /// The row.
        key: RowKey,
        /// The change that left the row as it is.
        content: ChangeContent,
    },
    /// The table was read to its end.
    TableRead {
        /// The table.
        table: TableIx,
        /// How many rows it had.
        rows: u64,
    },
    /// Whether the last change (written after all others, one in each table)
    /// came out of the topics within its time. Where it did, everything
    /// committed before it must have come out too.
    CaptureWaited {
        /// What the wait ended with.
        result: CaptureResult,
        /// How long it was given at most, in milliseconds.
        limit_ms: u64,
    },

    /// A fault's trigger was reached, and it is about to be injected.
    FaultTriggered {
        /// The fault.
        fault: FaultIx,
    },
    /// The fault is in force from here on.
    FaultInjected {
        /// The fault.
        fault: FaultIx,
    },
    /// What was broken works again.
    FaultHealed {
        /// The fault.
        fault: FaultIx,
    },
    /// One independent observation about a fault.
    FaultEvidence {
        /// The fault.
        fault: FaultIx,
        /// The observation.
        evidence: Evidence,
    },

    /// Everything of the plan was carried out; the observer's final reads follow.
    TrafficEnded,
    /// The observer has read everything: the history is complete.
    Completed,
    /// The scenario was given up; the history is incomplete.
    Aborted {
        /// Why.
        reason: String,
    },

    /// The `cleanup.policy` in force, as the broker reports it: why records may leave a
    /// topic.
    TopicCleanup {
        /// The topic.
        topic: TopicIx,
        /// The policy.
        policy: Cleanup,
    },
    /// Which records a group's members are given (`isolation.level`); precedes its members.
    /// Without it a group reads uncommitted, as is Kafka's default.
    IsolationDeclared {
        /// The group.
        group: GroupIx,
        /// The level.
        isolation: Isolation,
    },
    /// A producer began a transaction: its sends until the transaction is completed belong
    /// to it.
    TransactionBegun {
        /// The transaction.
        transaction: TransactionRef,
    },
    /// A member reads for a transaction: the records that it processes until the
    /// transaction is completed belong to it. Member and producer are one source: their
    /// events come in one order.
    TransactionJoined {
        /// The transaction.
        transaction: TransactionRef,
        /// The incarnation.
        member: MemberIx,
    },
    /// A group's positions were handed to a transaction, to be committed with
    /// it.
    OffsetSent {
        /// The transaction.
        transaction: TransactionRef,
        /// The group.
        group: GroupIx,
        /// The partition.
        partition: PartitionRef,
        /// The next offset to read.
        offset: Offset,
    },
    /// A producer asked for its transaction to be ended.
    TransactionEnding {
        /// The transaction.
        transaction: TransactionRef,
        /// What it asked for.
        intent: Intent,
    },
    /// The client reported the outcome of its transaction to the producer.
    TransactionCompleted {
        /// The transaction.
        transaction: TransactionRef,
        /// What became of it.
        outcome: TransactionOutcome,
    },
    /// A member's position was set by hand, or rewound by an abort: nothing
    /// is expected of the step that led here.
    Repositioned {
        /// The incarnation.
        member: MemberIx,
        /// The partition.
        partition: PartitionRef,
        /// The next offset that it is going to be given, where that is known.
        next: Option<Offset>,
    },
    /// The observer fixed the range of one replica that it is going to read.
    ReplicaPinned {
        /// The partition.
        partition: PartitionRef,
        /// The broker that holds the replica.
        broker: BrokerId,
        /// The first offset that is still there.
        log_start: Offset,
        /// The offset after the last record below the high watermark.
        end: Offset,
    },
    /// A record as one replica holds it.
    ReplicaStored {
        /// The partition.
        partition: PartitionRef,
        /// The broker that holds the replica.
        broker: BrokerId,
        /// The offset.
        offset: Offset,
        /// What stands there.
        content: Content,
    },
    /// The observer read the pinned range of a replica to its end.
    ReplicaRead {
        /// The partition.
        partition: PartitionRef,
        /// The broker that holds the replica.
        broker: BrokerId,
    },
    /// Another tool recorded this history, without an observer: the records that consumers
    /// received are used as the log, as far as they read. The topics are declared with all
    /// their partitions all the same.
    Imported {
        /// The tool.
        tool: String,
    },
    /// Some sends of this producer are not on record: a record of it without a send is no
    /// phantom.
    SendsUnrecorded {
        /// The producer.
        producer: ProducerIx,
    },
    /// The history lacks something, so that nothing may be called lost and
    /// the best that can be said is INCONCLUSIVE.
    Incomplete {
        /// What, and how that is known.
        description: String,
    },
    /// The leader and the in-sync replicas of a partition, by the cluster's metadata;
    /// recorded when they change.
    PartitionState {
        /// The partition.
        partition: PartitionRef,
        /// Its leader, if it had one.
        leader: Option<BrokerId>,
        /// The leader's epoch; -1 where the broker does not tell.
        leader_epoch: i32,
        /// The replicas in sync, by number.
        in_sync: Vec<BrokerId>,
    },
    /// A group is a transform: it makes one record in this topic of every record that it
    /// processes.
    TransformDeclared {
        /// The group.
        group: GroupIx,
        /// Where its records go.
        to: TopicIx,
    },
    /// A group requires committed records only, whatever its members' `isolation.level` is:
    /// the records that they receive are checked for that.
    ReadCommittedRequired {
        /// The group.
        group: GroupIx,
    },
    /// A record about to be sent is the one that was made of the record at
    /// this place. Precedes its `SendInvoked`, in the same source.
    Derived {
        /// The record.
        record: RecordId,
        /// For which group.
        group: GroupIx,
        /// Where the record stands that it was made of.
        from: PartitionRef,
        /// At which offset.
        offset: Offset,
    },
    /// Which run this is the history of: the identity that its records carry,
    /// which no other scenario or repetition has. Histories of two runs may
    /// number everything alike, and are told apart by this.
    RunDeclared {
        /// The run.
        run: RunId,
    },
    /// The planned member that an incarnation belongs to, and its log. Follows its
    /// `MemberStarted`; a history without it has members that are in no plan.
    MemberNamed {
        /// The incarnation.
        member: MemberIx,
        /// The member's number in its group, from 1, as scenarios have it.
        number: u32,
        /// How often a member of this number was started, this time included.
        incarnation: u32,
        /// The producer that it sends with, if it sends.
        producer: Option<ProducerIx>,
        /// The log of its process, a file in the scenario's `logs`.
        log: String,
    },
    /// A producer's records have keys that come again: the record of sequence n has key n
    /// modulo `keys`, and no other producer has its keys. Precedes its records. Without it
    /// a producer's keys are unknown.
    KeysDeclared {
        /// The producer.
        producer: ProducerIx,
        /// How many keys there are.
        keys: u64,
    },
    /// The connector is created from here on: only a snapshot finds earlier commits.
    CaptureBegan {
        /// The connector.
        connector: String,
        /// Whether it reads existing rows.
        snapshot: Snapshot,
        /// Settings that change which events there are, their topics, or their form.
        settings: Vec<CaptureSetting>,
    },
    /// The state of a connector's instance or task, as Connect reported it;
    /// noted when it changes.
    ConnectorSeen {
        /// `the instance`, or `task N`.
        unit: String,
        /// Connect's name of the state: `RUNNING`, `FAILED` …
        state: String,
        /// Of a unit that failed: the first lines of its stack trace and of
        /// each cause.
        trace: String,
    },
    /// The replication slot as the database reported it; recorded when its state changes,
    /// and when the wait for the last change ended.
    SlotSeen {
        /// What became of it.
        state: SlotState,
        /// Transactions that ended before are confirmed by the connector, and
        /// are not sent again; 0 where there is no such place.
        confirmed: Lsn,
    },
    /// Every transaction that the writer has completed so far ends before this
    /// place in the write-ahead log.
    WalReached {
        /// The place.
        lsn: Lsn,
    },
    /// How many events of a change topic could be read at this moment, during
    /// the run: `TailSeen` where a topic holds more than events.
    EventsSeen {
        /// The partition.
        partition: PartitionRef,
        /// How many.
        events: u64,
    },
    /// The state of a component after a fault. It says nothing of whether the fault was in
    /// force.
    FaultAftermath {
        /// The fault.
        fault: FaultIx,
        /// The observation.
        evidence: Evidence,
    },
    /// The broken component did not recover in its time. The fault is over all the same.
    FaultNotHealed {
        /// The fault.
        fault: FaultIx,
        /// The component, and the evidence.
        why: String,
    },
    /// From here on the run only waits for a group: all its input is there. `GroupWaited`
    /// is the end of it.
    WaitBegan {
        /// The group.
        group: GroupIx,
    },
    /// A client reported an error that is not the outcome of a send. A repeated error is
    /// recorded only now and then, with its count.
    ClientErred {
        /// The client's owner.
        client: ClientRef,
        /// Its cause.
        cause: ErrorCause,
        /// The client's name for it.
        error: String,
        /// The client's own words about this case; empty where it has none.
        reason: String,
        /// How often it came since it was recorded last.
        times: u64,
    },
    /// The brokers told a client to wait, because it is over its quota
    /// (`throttle_time_ms`).
    Throttled {
        /// The client's owner.
        client: ClientRef,
        /// For how long, in milliseconds, since this was told last.
        throttle_ms: u64,
    },
    /// A member received a record in a poll that was rolled back (its transaction failed,
    /// or its outcome is unknown): the record is in the log, and was not processed. The
    /// next position has an event of its own. Only in an imported history, after
    /// `Imported`.
    ReadRolledBack {
        /// The incarnation.
        member: MemberIx,
        /// Where it was read.
        from: PartitionRef,
        /// At which offset.
        offset: Offset,
        /// What was read.
        content: Content,
    },
    /// No order is expected between a producer's sends to a partition so far and its later
    /// ones. Only in an imported history, after `Imported`.
    OrderForgotten {
        /// The producer.
        producer: ProducerIx,
        /// The partition.
        partition: PartitionRef,
    },
    /// A group may give and take its members' partitions between any two polls, and the
    /// history does not say when: a member that skips or goes back there proves nothing.
    RebalancesUnrecorded {
        /// The group.
        group: GroupIx,
    },
    /// Each of these offsets held at most a record that compaction may remove (a later one
    /// of its key stands in the partition, or it deletes its key).
    Replaceable {
        /// The partition.
        partition: PartitionRef,
        /// The first offset.
        first: Offset,
        /// The last offset.
        last: Offset,
    },
    /// Offsets of a partition were used again, because its log was cut or its topic was
    /// made again: the later records are given as another partition.
    OffsetsReused {
        /// The partition as it was.
        before: PartitionRef,
        /// The partition as it is since.
        since: PartitionRef,
        /// The first offset that was given again.
        first: Offset,
        /// The reason.
        how: Restart,
    },
    /// A number of sends of a producer without an outcome on record. Nothing else is known
    /// of them.
    SendsWithoutOutcome {
        /// The producer.
        producer: ProducerIx,
        /// How many.
        sends: u64,
    },
    /// A topic that the run created was deleted during the run, and not by ackproof: its
    /// records are gone.
    TopicDeleted {
        /// The topic.
        topic: TopicIx,
        /// Whether there is a topic of that name again, with another topic id
        /// (KIP-516).
        recreated: bool,
    },
    /// An alert rule that Prometheus evaluates while the scenario runs.
    AlertRule(AlertRule),
    /// The state of an alert, as Prometheus reported it; recorded when it changes.
    AlertSeen(AlertSeen),
    /// The series of a group that Prometheus has from its exporter; recorded when their
    /// number changes, and when Prometheus answers again.
    ExporterSeen(ExporterSeen),
    /// How far a group was behind, as the observer saw it.
    LagSeen(LagSeen),
    /// Prometheus could not be asked; `exporter-seen` is the end of it.
    AlertsUnread {
        /// The reason.
        reason: String,
    },
    /// An application of the user's reads a topic, and what it did is read.
    AppDeclared(AppDeclared),
    /// Where the application's group stands.
    AppCommitted(AppCommitted),
    /// One effect of the application.
    EffectSeen(EffectSeen),
    /// All effects of the application were read.
    EffectsRead(EffectsRead),
    /// The effects of the application could not be read.
    EffectsUnread {
        /// The reason.
        reason: String,
    },
}

impl Body {
    /// The variant's name in everything that people read: exports, counts, documents. A
    /// stable interface, as the numbers on disk are.
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}
