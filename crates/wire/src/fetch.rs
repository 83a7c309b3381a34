//! Fetch as a plain consumer sends it: `read_uncommitted`, without a session.
//! Gives the bytes of batches; decoding them is `batch`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{BrokerId as WireBrokerId, FetchRequest};
use kafka_protocol::protocol::StrBytes;
use model::event::Isolation;
use model::ids::{BrokerId, Offset, PartitionIndex, TopicName, TopicPartition};
use uuid::Uuid;

use crate::connection::{Connection, wire_bytes, wire_ms};
use crate::error::{ErrorCode, WireError};
use crate::ids::{TopicId, broker_id};
use crate::list_offsets::wire_isolation;
use crate::metadata::wire_topic;

/// The last version that names topics by name; later ones need topic ids.
const VERSION_BY_NAME_MAX: i16 = 12;
/// A fetch outside a fetch session (KIP-227).
const NO_SESSION: (i32, i32) = (0, -1);

/// Where to read in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPosition {
    /// The partition.
    pub partition: TopicPartition,
    /// The topic's identity from the metadata. With it, a topic deleted and
    /// created anew is an error instead of another topic's records.
    pub topic_id: Option<TopicId>,
    /// The first offset wanted.
    pub offset: Offset,
    /// The most bytes wanted of this partition. The broker gives its first
    /// batch whole, however long (KIP-74).
    pub bytes_max: u32,
}

/// How long and how much to fetch.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// How long the broker may wait for `bytes_min`.
    pub max_wait: Duration,
    /// How much is worth answering before that.
    pub bytes_min: u32,
    /// The most bytes wanted in all.
    pub bytes_max: u32,
    /// The reader's rack (KIP-392, version 11 or later). A follower answers
    /// only a request of such a version, whatever rack it names, and needs no
    /// setting for it; `replica.selector.class` is about where leaders send
    /// readers, and the empty rack is sent nowhere.
    pub rack: Option<String>,
}

impl Default for FetchOptions {
    /// 500 ms, 1 byte, 16 MiB, no rack.
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            bytes_min: 1,
            bytes_max: 16 * 1024 * 1024,
            rack: None,
        }
    }
}

/// The data of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedSlice {
    /// The end of the replicated log: the end for a consumer.
    pub high_watermark: Offset,
    /// The first offset that the partition still holds.
    pub log_start: Offset,
    /// The end for a `read_committed` consumer.
    pub last_stable: Offset,
    /// The replica that the broker would have this rack read from; the answer
    /// then has no records.
    pub preferred_replica: Option<BrokerId>,
    /// Whole batches, and possibly a part of one more: see [`crate::Batches`].
    pub records: Bytes,
}

/// A broker's answer about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The data, or the error.
    pub slice: Result<FetchedSlice, ErrorCode>,
}

impl Connection {
    /// Fetches from several partitions at once. The answer may leave out
    /// partitions, when others filled it.
    ///
    /// # Errors
    /// [`WireError`]; an error of a single partition stands in its place.
    pub async fn fetch(
        &mut self,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        let oldest = if options.rack.is_some() { 11 } else { 4 };
        let newest = if positions.iter().all(|place| place.topic_id.is_some()) {
            i16::MAX
        } else {
            VERSION_BY_NAME_MAX
        };
        let version = self.version::<FetchRequest>(oldest..=newest)?;
        let by_id = version > VERSION_BY_NAME_MAX;

        let request = request(positions, options);
        let answer = self
            .call_waiting(&request, version, options.max_wait)
            .await?;
        self.check::<FetchRequest>("the whole request", answer.error_code, None)?;

        let names: BTreeMap<Uuid, &TopicName> = positions
            .iter()
            .filter_map(|place| Some((place.topic_id?.to_wire(), &place.partition.topic)))
            .collect();
        let mut fetched = Vec::with_capacity(positions.len());
        for topic in answer.responses {
            let name = if by_id {
                names.get(&topic.topic_id).map(|&name| name.clone())
            } else {
                Some(TopicName::new(topic.topic.as_str()))
            };
            let Some(name) = name else {
                let reason = format!("topic {} was not asked for", topic.topic_id);
                return Err(self.undecodable::<FetchRequest>(version, reason));
            };
            for data in topic.partitions {
                fetched.push(FetchedPartition {
                    partition: TopicPartition {
                        topic: name.clone(),
                        partition: PartitionIndex::new(data.partition_index),
                    },
                    slice: ErrorCode::check(data.error_code).map(|()| slice(data)),
                });
            }
        }
        Ok(fetched)
    }
}

fn request(positions: &[FetchPosition], options: &FetchOptions) -> FetchRequest {
    let mut topics: BTreeMap<&TopicName, FetchTopic> = BTreeMap::new();
    for place in positions {
        let topic = topics
            .entry(&place.partition.topic)
            .or_insert_with_key(|name| {
                FetchTopic::default()
                    .with_topic(wire_topic(name))
                    .with_topic_id(place.topic_id.map_or(Uuid::nil(), TopicId::to_wire))
            });
        topic.partitions.push(
            FetchPartition::default()
                .with_partition(place.partition.partition.get())
                .with_current_leader_epoch(-1)
                .with_fetch_offset(place.offset.get())
                .with_log_start_offset(-1)
                .with_last_fetched_epoch(-1)
                .with_partition_max_bytes(wire_bytes(place.bytes_max)),
        );
    }
    let (session_id, session_epoch) = NO_SESSION;
    FetchRequest::default()
        .with_replica_id(WireBrokerId(-1))
        .with_max_wait_ms(wire_ms(options.max_wait))
        .with_min_bytes(wire_bytes(options.bytes_min))
        .with_max_bytes(wire_bytes(options.bytes_max))
        .with_isolation_level(wire_isolation(Isolation::ReadUncommitted))
        .with_session_id(session_id)
        .with_session_epoch(session_epoch)
        .with_topics(topics.into_values().collect())
        .with_rack_id(StrBytes::from_string(
            options.rack.clone().unwrap_or_default(),
        ))
}

fn slice(data: PartitionData) -> FetchedSlice {
    FetchedSlice {
        high_watermark: Offset::new(data.high_watermark),
        log_start: Offset::new(data.log_start_offset),
        last_stable: Offset::new(data.last_stable_offset),
        preferred_replica: broker_id(data.preferred_read_replica),
        records: data.records.unwrap_or_default(),
    }
}
