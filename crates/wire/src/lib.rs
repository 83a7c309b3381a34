//! Reads and administers a Kafka cluster over its own wire protocol.
//!
//! - [`Connection`]: one framed connection to one broker, with TLS and SASL where that is
//!   asked for, and its typed calls.
//! - [`Cluster`]: metadata, and a connection for each broker on demand; sends each call to
//!   the broker in charge and retries transient errors.
//! - [`LogReader`] and [`PinnedReader`]: one partition, batch by batch.
//!
//! The observer uses it: it shares no client library with the subjects, so that a bug of
//! theirs cannot hide itself. It knows nothing of runs, scenarios, or the meaning of a
//! record's value.

mod authentication;
mod batch;
mod cluster;
mod compression;
mod configs;
mod connection;
mod error;
mod fetch;
mod frame;
mod group_batches;
mod groups;
mod ids;
mod list_offsets;
mod log_dirs;
mod log_reader;
mod members;
mod metadata;
mod partitions;
mod probe;
mod quorum;
mod quotas;
mod request_counts;
mod rights;
mod scram_users;
mod stream;
mod topics;

pub use batch::{
    Batch, BatchError, Batches, ControlMarker, DECOMPRESSED_BYTES_MAX, Header, ProducerStamp,
    Record, TimestampType,
};
pub use cluster::Cluster;
pub use cluster::retry::ClusterOptions;
pub use compression::{Compression, DecompressError};
pub use configs::{ConfigEntry, ConfigSource, ConfigValue, Configs};
pub use connection::{ClientOptions, Connection};
pub use error::{ApiKey, ErrorCode, Refusal, VersionSpan, WireError};
pub use fetch::{FetchOptions, FetchPosition, FetchedPartition, FetchedSlice};
pub use frame::{FRAME_BYTES_MIN, FrameError};
pub use group_batches::{ByGroup, GroupOffsets, GroupType, ListedGroup};
pub use groups::{
    CommittedOffset, Coordinator, GroupDescription, GroupMember, GroupProtocol, GroupState,
};
pub use ids::TopicId;
pub use list_offsets::{ListedOffset, OffsetSpec, ReplicaEnds};
pub use log_reader::{LogReader, PinnedReader, ReadError, ReadFrom, ReadOptions};
pub use metadata::{BrokerMetadata, Metadata, PartitionMetadata, TopicMetadata, Topics};
pub use model::event::Isolation;
pub use model::ids::{BrokerId, TransactionalId};
pub use partitions::ElectionType;
pub use probe::{Listener, probe};
pub use quorum::{Quorum, QuorumReplica};
pub use quotas::{ClientIds, QuotaEntity};
pub use request_counts::RequestCounts;
pub use rights::{Operation, Rights};
pub use scram_users::ScramUser;
pub use security::{Address, AddressOverrides, ClientSecurity, Hash, Protocol};
pub use topics::NewTopic;
