//! Transactions as their coordinators and the partitions' leaders see them.
//! Knows nothing of what a transaction should have done.

use std::fmt;

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::ProducerState;
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, ListTransactionsRequest,
    TransactionalId as WireTransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use model::ids::{Offset, PartitionIndex, TopicName, TopicPartition};

use crate::connection::Connection;
use crate::error::{ErrorCode, Refusal, WireError};
use crate::metadata::wire_topic;

/// A producer's `transactional.id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionalId(String);

impl TransactionalId {
    /// Wraps the bare name.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn to_wire(&self) -> WireTransactionalId {
        WireTransactionalId(StrBytes::from_string(self.0.clone()))
    }
}

impl fmt::Display for TransactionalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A transaction's state, by Kafka's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// Begun by nobody yet.
    Empty,
    /// Open.
    Ongoing,
    /// To be committed: decided, and not yet written to every partition.
    PrepareCommit,
    /// To be aborted: decided, and not yet written to every partition.
    PrepareAbort,
    /// The last one was committed.
    CompleteCommit,
    /// The last one was aborted.
    CompleteAbort,
    /// Its id was not used for long and is being forgotten.
    Dead,
    /// Its producer is being fenced.
    PrepareEpochFence,
    /// A state of a newer Kafka.
    Other(String),
}

impl TransactionState {
    fn parse(name: &str) -> Self {
        match name {
            "Empty" => Self::Empty,
            "Ongoing" => Self::Ongoing,
            "PrepareCommit" => Self::PrepareCommit,
            "PrepareAbort" => Self::PrepareAbort,
            "CompleteCommit" => Self::CompleteCommit,
            "CompleteAbort" => Self::CompleteAbort,
            "Dead" => Self::Dead,
            "PrepareEpochFence" => Self::PrepareEpochFence,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A transactional id that a coordinator holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    /// The id.
    pub id: TransactionalId,
    /// The producer id that it writes under.
    pub producer_id: i64,
    /// Where its transaction stands.
    pub state: TransactionState,
}

/// A transactional id as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionDescription {
    /// Where its transaction stands.
    pub state: TransactionState,
    /// The producer id that it writes under.
    pub producer_id: i64,
    /// Grows each time that a producer takes the id over, and fences the
    /// others; with `transaction.version` 2, with every transaction (KIP-890).
    pub producer_epoch: i16,
    /// `transaction.timeout.ms`.
    pub timeout_ms: i32,
    /// When it was begun, or the last one was, in the coordinator's
    /// milliseconds since 1970; absent where none ever was.
    pub started_ms: Option<i64>,
    /// The partitions that it has written to, in order, while it is open.
    pub partitions: Vec<TopicPartition>,
}

/// What a replica remembers of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its producer id.
    pub producer_id: i64,
    /// Its epoch, of idempotence or of the transactional id.
    pub producer_epoch: i32,
    /// The sequence of its last record; absent where it has written none.
    pub last_sequence: Option<i32>,
    /// The time of its last batch, in milliseconds since 1970.
    pub last_timestamp_ms: i64,
    /// Where its open transaction begins; nothing from there on is stable.
    pub open_from: Option<Offset>,
}

impl Connection {
    /// The producers that this broker's replica of the partition remembers
    /// (KIP-664), with their open transactions.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` where the broker holds no replica.
    pub async fn describe_producers(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<Vec<ActiveProducer>, WireError> {
        let version = self.version::<DescribeProducersRequest>(0..=0)?;
        let topic = TopicRequest::default()
            .with_name(wire_topic(&partition.topic))
            .with_partition_indexes(vec![partition.partition.get()]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let answer = self.call(&request, version).await?;
        let described = answer
            .topics
            .into_iter()
            .flat_map(|topic| topic.partitions)
            .next();
        let Some(described) = described else {
            let reason = format!("nothing about {partition}");
            return Err(self.undecodable::<DescribeProducersRequest>(version, reason));
        };
        Refusal::check(described.error_code, described.error_message).map_err(|source| {
            self.refused::<DescribeProducersRequest>(partition.to_string(), source)
        })?;
        Ok(described.active_producers.iter().map(producer).collect())
    }

    /// The transactional ids that this broker is the coordinator of (KIP-664).
    ///
    /// # Errors
    /// [`WireError`], of which a retriable `Refused` while it reads them.
    pub async fn list_transactions(&mut self) -> Result<Vec<ListedTransaction>, WireError> {
        let version = self.version::<ListTransactionsRequest>(0..=2)?;
        let request = ListTransactionsRequest::default().with_duration_filter(-1);
        let answer = self.call(&request, version).await?;
        Refusal::check(answer.error_code, None)
            .map_err(|source| self.refused::<ListTransactionsRequest>("transactions", source))?;
        Ok(answer
            .transaction_states
            .into_iter()
            .map(|listed| ListedTransaction {
                id: TransactionalId::new(listed.transactional_id.as_str()),
                producer_id: listed.producer_id.0,
                state: TransactionState::parse(&listed.transaction_state),
            })
            .collect())
    }

    /// The id's transaction; its coordinator must be asked. `None` for an id
    /// that no producer has used.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` when another broker is the coordinator.
    pub async fn describe_transaction(
        &mut self,
        id: &TransactionalId,
    ) -> Result<Option<TransactionDescription>, WireError> {
        let version = self.version::<DescribeTransactionsRequest>(0..=0)?;
        let request =
            DescribeTransactionsRequest::default().with_transactional_ids(vec![id.to_wire()]);
        let answer = self.call(&request, version).await?;
        let Some(described) = answer.transaction_states.into_iter().next() else {
            let reason = format!("nothing about transactional id {id}");
            return Err(self.undecodable::<DescribeTransactionsRequest>(version, reason));
        };
        match ErrorCode::check(described.error_code) {
            Ok(()) => {}
            Err(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND) => return Ok(None),
            Err(code) => {
                let subject = format!("transactional id {id}");
                return Err(self.refused::<DescribeTransactionsRequest>(subject, code.into()));
            }
        }
        let mut partitions: Vec<_> = described
            .topics
            .iter()
            .flat_map(|topic| {
                topic.partitions.iter().map(|&partition| TopicPartition {
                    topic: TopicName::new(topic.topic.as_str()),
                    partition: PartitionIndex::new(partition),
                })
            })
            .collect();
        partitions.sort();
        Ok(Some(TransactionDescription {
            state: TransactionState::parse(&described.transaction_state),
            producer_id: described.producer_id.0,
            producer_epoch: described.producer_epoch,
            timeout_ms: described.transaction_timeout_ms,
            started_ms: Some(described.transaction_start_time_ms).filter(|&it| it >= 0),
            partitions,
        }))
    }
}

fn producer(state: &ProducerState) -> ActiveProducer {
    let present = |value: i64| (value >= 0).then_some(value);
    ActiveProducer {
        producer_id: state.producer_id.0,
        producer_epoch: state.producer_epoch,
        last_sequence: (state.last_sequence >= 0).then_some(state.last_sequence),
        last_timestamp_ms: state.last_timestamp,
        open_from: present(state.current_txn_start_offset).map(Offset::new),
    }
}
