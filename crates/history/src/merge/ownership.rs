//! The owner of an event: a thing with one source, whose events belong in one file. Knows
//! nothing of the events' meaning.

use std::collections::HashMap;
use std::fmt;

use model::event::{Body, ClientRef};
use model::ids::{BrokerId, FaultIx, GroupIx, MemberIx, PartitionRef, ProducerIx, TableIx};

/// A thing with one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Producer(ProducerIx),
    Member(MemberIx),
    /// A partition's records as the observer read them.
    Partition(PartitionRef),
    Replica(PartitionRef, BrokerId),
    /// A group's position as its coordinator reports it.
    Group(GroupIx),
    /// The changes that were made in the database.
    Changes,
    /// A table's rows as the observer read them.
    Table(TableIx),
    Capture,
    Fault(FaultIx),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |at: &PartitionRef| format!("partition {} of topic {}", at.partition, at.topic);
        match self {
            Self::Producer(producer) => write!(f, "producer {producer}"),
            // Its number in the history, which is none of the plan's.
            Self::Member(member) => write!(f, "the member that histories number {member}"),
            Self::Partition(at) => write!(f, "the records in {}", place(at)),
            Self::Replica(at, broker) => write!(f, "broker {broker}'s replica of {}", place(at)),
            Self::Group(group) => write!(f, "the position of group {group}"),
            Self::Changes => f.write_str("the database's changes"),
            Self::Table(table) => write!(f, "the rows of table {table}"),
            Self::Capture => f.write_str("the capture"),
            Self::Fault(fault) => write!(f, "fault {fault}"),
        }
    }
}

/// Which file each owner was met in.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    files: HashMap<Owner, usize>,
    /// Most events have the owner of the event before, in each file.
    latest: Vec<Option<Owner>>,
}

/// A owner that was met in another file before.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) what: Owner,
    pub(super) with: usize,
}

impl Ownership {
    /// Notes that a file has events of this event's owner.
    pub(super) fn claim(&mut self, body: &Body, file: usize) -> Result<(), Shared> {
        let Some(what) = owner(body) else {
            return Ok(());
        };
        if self.latest.len() <= file {
            self.latest.resize(file + 1, None);
        }
        let latest = self.latest.get_mut(file);
        if latest.as_deref() == Some(&Some(what)) {
            return Ok(());
        }
        let with = *self.files.entry(what).or_insert(file);
        if with != file {
            return Err(Shared { what, with });
        }
        if let Some(latest) = latest {
            *latest = Some(what);
        }
        Ok(())
    }
}

fn owner(body: &Body) -> Option<Owner> {
    match body {
        Body::SendInvoked { record, .. }
        | Body::SendCompleted { record, .. }
        | Body::Derived { record, .. } => Some(Owner::Producer(record.producer)),
        Body::ProducerCounted { producer, .. }
        | Body::OrderForgotten { producer, .. }
        | Body::SendsWithoutOutcome { producer, .. } => Some(Owner::Producer(*producer)),
        Body::TransactionBegun { transaction }
        | Body::TransactionJoined { transaction, .. }
        | Body::OffsetSent { transaction, .. }
        | Body::TransactionEnding { transaction, .. }
        | Body::TransactionCompleted { transaction, .. } => {
            Some(Owner::Producer(transaction.producer))
        }
        Body::MemberStarted { member, .. }
        | Body::MemberNamed { member, .. }
        | Body::MemberEnded { member, .. }
        | Body::Assigned { member, .. }
        | Body::Revoked { member, .. }
        | Body::Processed { member, .. }
        | Body::ReadRolledBack { member, .. }
        | Body::Committed { member, .. }
        | Body::Repositioned { member, .. } => Some(Owner::Member(*member)),
        Body::Pinned { partition, .. }
        | Body::StoredBatch { partition, .. }
        | Body::Stored { partition, .. }
        | Body::PartitionRead { partition }
        | Body::ChangeEvent { partition, .. } => Some(Owner::Partition(*partition)),
        Body::ReplicaPinned {
            partition, broker, ..
        }
        | Body::ReplicaStored {
            partition, broker, ..
        }
        | Body::ReplicaRead { partition, broker } => Some(Owner::Replica(*partition, *broker)),
        Body::GroupOffset { group, .. }
        | Body::WaitBegan { group }
        | Body::GroupWaited { group, .. } => Some(Owner::Group(*group)),
        Body::ClientErred { client, .. } | Body::Throttled { client, .. } => Some(match client {
            ClientRef::Producer(producer) => Owner::Producer(*producer),
            ClientRef::Member(member) => Owner::Member(*member),
        }),
        // How many transactions were completed before a place in the log, or
        // before the connector was created, hangs on their order.
        Body::ChangeInvoked { .. }
        | Body::TxCompleted { .. }
        | Body::WalReached { .. }
        | Body::CaptureBegan { .. } => Some(Owner::Changes),
        Body::TableRow { table, .. } | Body::TableRead { table, .. } => Some(Owner::Table(*table)),
        Body::CaptureWaited { .. } | Body::ConnectorSeen { .. } | Body::SlotSeen { .. } => {
            Some(Owner::Capture)
        }
        Body::FaultTriggered { fault }
        | Body::FaultInjected { fault }
        | Body::FaultHealed { fault }
        | Body::FaultEvidence { fault, .. }
        | Body::FaultAftermath { fault, .. }
        | Body::FaultNotHealed { fault, .. } => Some(Owner::Fault(*fault)),
        // Any file may have these: names, doubts, the end of a topic, what others observe.
        Body::TopicDeclared { .. }
        | Body::GroupDeclared { .. }
        | Body::TableDeclared { .. }
        | Body::TopicCleanup { .. }
        | Body::IsolationDeclared { .. }
        | Body::TransformDeclared { .. }
        | Body::ReadCommittedRequired { .. }
        | Body::RunDeclared { .. }
        | Body::KeysDeclared { .. }
        | Body::TailSeen { .. }
        | Body::EventsSeen { .. }
        | Body::PartitionState { .. }
        | Body::TrafficEnded
        | Body::Completed
        | Body::Aborted { .. }
        | Body::Imported { .. }
        | Body::SendsUnrecorded { .. }
        | Body::RebalancesUnrecorded { .. }
        | Body::Replaceable { .. }
        | Body::OffsetsReused { .. }
        | Body::TopicDeleted { .. }
        | Body::AlertRule(_)
        | Body::AlertSeen(_)
        | Body::ExporterSeen(_)
        | Body::LagSeen(_)
        | Body::AlertsUnread { .. }
        | Body::AppDeclared(_)
        | Body::AppCommitted(_)
        | Body::EffectSeen(_)
        | Body::EffectsRead(_)
        | Body::EffectsUnread { .. }
        | Body::Incomplete { .. } => None,
    }
}
