//! Requests that faults can pick by what they ask for, and that can be answered
//! in the broker's place. From the message definitions of Apache Kafka 4.3.
//! Knows nothing of faults, and never looks into records.

use crate::schema::Kind::{Array, Blob, Fixed, Tags, Text};
use crate::schema::{Field, Kind, Malformed, Mark, Schema, Seen, look_through};
use crate::schemas::api::{FETCH, FIND_COORDINATOR, METADATA, PRODUCE};

/// What a request asks for, as far as faults can tell requests apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) topics: Vec<TopicAsked>,
    /// Consumer groups.
    pub(crate) groups: Vec<String>,
    pub(crate) transactional_ids: Vec<String>,
    /// Groups or transactional ids whose coordinator is looked for.
    pub(crate) keys: Vec<String>,
}

/// The most names, ids and partitions of one request that are looked at: some
/// megabytes. The limits of Kafka itself are far below.
pub(crate) const ASKED_MAX: usize = 100_000;

/// A topic, by its name, or by its id in newer versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicAsked {
    pub(crate) name: Option<String>,
    pub(crate) id: Option<[u8; 16]>,
    pub(crate) partitions: Vec<i32>,
}

/// Whether the broker will answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acks {
    /// `acks=0`.
    Never,
    Wanted,
}

/// What the proxy knows of the requests of this API, if anything.
pub(crate) fn schema(api: i16) -> Option<&'static Schema> {
    Some(match api {
        PRODUCE => &PRODUCE_REQUEST,
        FETCH => &FETCH_REQUEST,
        2 => &LIST_OFFSETS_REQUEST,
        METADATA => &METADATA_REQUEST,
        8 => &OFFSET_COMMIT_REQUEST,
        9 => &OFFSET_FETCH_REQUEST,
        FIND_COORDINATOR => &FIND_COORDINATOR_REQUEST,
        11 => &JOIN_GROUP_REQUEST,
        12 => &HEARTBEAT_REQUEST,
        13 => &LEAVE_GROUP_REQUEST,
        14 => &SYNC_GROUP_REQUEST,
        22 => &INIT_PRODUCER_ID_REQUEST,
        24 => &ADD_PARTITIONS_TO_TXN_REQUEST,
        25 => &ADD_OFFSETS_TO_TXN_REQUEST,
        26 => &END_TXN_REQUEST,
        28 => &TXN_OFFSET_COMMIT_REQUEST,
        68 => &CONSUMER_GROUP_HEARTBEAT_REQUEST,
        _ => return None,
    })
}

/// Reads what a request asks for; `body` follows its header. `None` where it
/// asks for more than [`ASKED_MAX`].
pub(crate) fn content(
    schema: &'static Schema,
    version: i16,
    body: &[u8],
) -> Result<Option<Content>, Malformed> {
    let mut content = Content::default();
    let mut asked = 0;
    look_through(schema, version, body, |seen| {
        let Seen::Field { mark, value, .. } = seen else {
            return Ok(());
        };
        asked += 1;
        if asked > ASKED_MAX {
            return Ok(());
        }
        match mark {
            Mark::TopicName => content.topics.push(TopicAsked {
                name: Some(text(value)?),
                ..TopicAsked::default()
            }),
            Mark::TopicId => content.topics.push(TopicAsked {
                id: value.try_into().ok(),
                ..TopicAsked::default()
            }),
            Mark::Partition => {
                let index = value.try_into().map_err(|_| Malformed::End)?;
                if let Some(topic) = content.topics.last_mut() {
                    topic.partitions.push(i32::from_be_bytes(index));
                }
            }
            Mark::Group => content.groups.push(text(value)?),
            Mark::TransactionalId if !value.is_empty() => {
                content.transactional_ids.push(text(value)?);
            }
            Mark::Key => content.keys.push(text(value)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok((asked <= ASKED_MAX).then_some(content))
}

fn text(value: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(value).map_err(|_| Malformed::Text)?;
    Ok(text.to_owned())
}

/// Whether a Produce request wants an answer, from the beginning of its body;
/// `None` while that is not at hand.
pub(crate) fn acks(version: i16, front: &[u8]) -> Result<Option<Acks>, Malformed> {
    let mut walk = crate::schema::Walk::new(&PRODUCE_REQUEST, version);
    let mut at = 0;
    loop {
        use crate::schema::Step;
        let Some(front) = front.get(at..) else {
            return Ok(None);
        };
        match walk.step(front)? {
            Step::More => return Ok(None),
            Step::Found {
                mark: Mark::Acks,
                bytes,
                value_at,
            } => {
                return Ok(Some(if front[value_at..bytes] == [0, 0] {
                    Acks::Never
                } else {
                    Acks::Wanted
                }));
            }
            Step::Pass(bytes) | Step::Found { bytes, .. } | Step::TagBegins { bytes, .. } => {
                at += bytes;
            }
            Step::TagEnds => {}
            Step::End => return Err(Malformed::End),
        }
    }
}

const fn f(kind: Kind) -> Field {
    Field::new(kind)
}

const TAGS: Field = f(Tags(&[]));
const NAME: Field = f(Text).marked(Mark::TopicName);
const ID: Field = f(Fixed(16)).marked(Mark::TopicId);
const PARTITION: Field = f(Fixed(4)).marked(Mark::Partition);
const GROUP: Field = f(Text).marked(Mark::Group);
const TRANSACTIONAL_ID: Field = f(Text).marked(Mark::TransactionalId);

static PRODUCE_REQUEST: Schema = Schema {
    newest: 13,
    flexible_from: 9,
    fields: &[
        TRANSACTIONAL_ID.from(3),
        f(Fixed(2)).marked(Mark::Acks),
        f(Fixed(4)),
        f(Array(&[
            NAME.to(12),
            ID.from(13),
            f(Array(&[PARTITION, f(Blob), TAGS])),
            TAGS,
        ])),
        TAGS,
    ],
};

static FETCH_REQUEST: Schema = Schema {
    newest: 18,
    flexible_from: 12,
    fields: &[
        f(Fixed(4)).to(14),
        f(Fixed(13)),
        f(Fixed(8)).from(7),
        f(Array(&[
            NAME.to(12),
            ID.from(13),
            f(Array(&[
                PARTITION,
                f(Fixed(4)).from(9),
                f(Fixed(8)),
                f(Fixed(4)).from(12),
                f(Fixed(8)).from(5),
                f(Fixed(4)),
                TAGS,
            ])),
            TAGS,
        ])),
        f(Array(&[
            f(Text).to(12),
            f(Fixed(16)).from(13),
            f(Array(&[f(Fixed(4))])),
            TAGS,
        ]))
        .from(7),
        f(Text).from(11),
        TAGS,
    ],
};

static LIST_OFFSETS_REQUEST: Schema = Schema {
    newest: 11,
    flexible_from: 6,
    fields: &[
        f(Fixed(4)),
        f(Fixed(1)).from(2),
        f(Array(&[
            NAME,
            f(Array(&[PARTITION, f(Fixed(4)).from(4), f(Fixed(8)), TAGS])),
            TAGS,
        ])),
        f(Fixed(4)).from(10),
        TAGS,
    ],
};

static METADATA_REQUEST: Schema = Schema {
    newest: 13,
    flexible_from: 9,
    fields: &[
        // A topic is asked for by its name or by its id; the other is null.
        f(Array(&[f(Fixed(16)).from(10), NAME, TAGS])),
        f(Fixed(1)).from(4),
        f(Fixed(1)).from(8).to(10),
        f(Fixed(1)).from(8),
        TAGS,
    ],
};

static OFFSET_COMMIT_REQUEST: Schema = Schema {
    newest: 10,
    flexible_from: 8,
    fields: &[
        GROUP,
        f(Fixed(4)),
        f(Text),
        f(Text).from(7),
        f(Fixed(8)).to(4),
        f(Array(&[
            NAME.to(9),
            ID.from(10),
            f(Array(&[
                PARTITION,
                f(Fixed(8)),
                f(Fixed(4)).from(6),
                f(Text),
                TAGS,
            ])),
            TAGS,
        ])),
        TAGS,
    ],
};

static OFFSET_FETCH_REQUEST: Schema = Schema {
    newest: 10,
    flexible_from: 6,
    fields: &[
        GROUP.to(7),
        f(Array(&[NAME, f(Array(&[PARTITION])), TAGS])).to(7),
        f(Array(&[
            GROUP,
            f(Text).from(9),
            f(Fixed(4)).from(9),
            f(Array(&[
                NAME.to(9),
                ID.from(10),
                f(Array(&[PARTITION])),
                TAGS,
            ])),
            TAGS,
        ]))
        .from(8),
        f(Fixed(1)).from(7),
        TAGS,
    ],
};

static FIND_COORDINATOR_REQUEST: Schema = Schema {
    newest: 6,
    flexible_from: 3,
    fields: &[
        f(Text).marked(Mark::Key).to(3),
        f(Fixed(1)).from(1),
        f(Array(&[f(Text).marked(Mark::Key)])).from(4),
        TAGS,
    ],
};

static JOIN_GROUP_REQUEST: Schema = Schema {
    newest: 9,
    flexible_from: 6,
    fields: &[
        GROUP,
        f(Fixed(4)),
        f(Fixed(4)).from(1),
        f(Text),
        f(Text).from(5),
        f(Text),
        f(Array(&[f(Text), f(Blob), TAGS])),
        f(Text).from(8),
        TAGS,
    ],
};

static HEARTBEAT_REQUEST: Schema = Schema {
    newest: 4,
    flexible_from: 4,
    fields: &[GROUP, f(Fixed(4)), f(Text), f(Text).from(3), TAGS],
};

static LEAVE_GROUP_REQUEST: Schema = Schema {
    newest: 5,
    flexible_from: 4,
    fields: &[
        GROUP,
        f(Text).to(2),
        f(Array(&[f(Text), f(Text), f(Text).from(5), TAGS])).from(3),
        TAGS,
    ],
};

static SYNC_GROUP_REQUEST: Schema = Schema {
    newest: 5,
    flexible_from: 4,
    fields: &[
        GROUP,
        f(Fixed(4)),
        f(Text),
        f(Text).from(3),
        f(Text).from(5),
        f(Text).from(5),
        f(Array(&[f(Text), f(Blob), TAGS])),
        TAGS,
    ],
};

static INIT_PRODUCER_ID_REQUEST: Schema = Schema {
    newest: 6,
    flexible_from: 2,
    fields: &[
        TRANSACTIONAL_ID,
        f(Fixed(4)),
        f(Fixed(10)).from(3),
        f(Fixed(2)).from(6),
        TAGS,
    ],
};

/// Newer versions are for brokers among themselves.
static ADD_PARTITIONS_TO_TXN_REQUEST: Schema = Schema {
    newest: 3,
    flexible_from: 3,
    fields: &[
        TRANSACTIONAL_ID,
        f(Fixed(10)),
        f(Array(&[NAME, f(Array(&[PARTITION])), TAGS])),
        TAGS,
    ],
};

static ADD_OFFSETS_TO_TXN_REQUEST: Schema = Schema {
    newest: 4,
    flexible_from: 3,
    fields: &[TRANSACTIONAL_ID, f(Fixed(10)), GROUP, TAGS],
};

static END_TXN_REQUEST: Schema = Schema {
    newest: 5,
    flexible_from: 3,
    fields: &[TRANSACTIONAL_ID, f(Fixed(11)), TAGS],
};

static TXN_OFFSET_COMMIT_REQUEST: Schema = Schema {
    newest: 5,
    flexible_from: 3,
    fields: &[
        TRANSACTIONAL_ID,
        GROUP,
        f(Fixed(10)),
        f(Fixed(4)).from(3),
        f(Text).from(3),
        f(Text).from(3),
        f(Array(&[
            NAME,
            f(Array(&[
                PARTITION,
                f(Fixed(8)),
                f(Fixed(4)).from(2),
                f(Text),
                TAGS,
            ])),
            TAGS,
        ])),
        TAGS,
    ],
};

static CONSUMER_GROUP_HEARTBEAT_REQUEST: Schema = Schema {
    newest: 1,
    flexible_from: 0,
    fields: &[
        GROUP,
        f(Text),
        f(Fixed(4)),
        f(Text),
        f(Text),
        f(Fixed(4)),
        f(Array(&[f(Text)])),
        f(Text).from(1),
        f(Text),
        f(Array(&[f(Fixed(16)), f(Array(&[f(Fixed(4))])), TAGS])),
        TAGS,
    ],
};

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{
        ApiKey, GroupId, OffsetCommitRequest, ProduceRequest, TopicName, TransactionalId,
        offset_commit_request, produce_request,
    };
    use kafka_protocol::protocol::StrBytes;
    use uuid::Uuid;

    use super::*;
    use crate::messages::{TOPIC_ID, encoded};

    /// The default of every API that is known, in every version, so far as the
    /// other code can write it.
    #[test]
    fn every_version_is_walked_along_to_its_last_byte() {
        use kafka_protocol::messages as m;
        use kafka_protocol::protocol::{Encodable, Message};
        fn walk<T: Default + Encodable + Message>(api: ApiKey) {
            let schema = schema(api as i16).unwrap();
            for version in T::VERSIONS.min..=T::VERSIONS.max.min(schema.newest) {
                let mut body = bytes::BytesMut::new();
                if T::default().encode(&mut body, version).is_err() {
                    continue;
                }
                let end = look_through(schema, version, &body, |_| Ok(()));
                assert_eq!(end, Ok(body.len()), "{api:?} version {version}");
            }
        }
        walk::<m::ProduceRequest>(ApiKey::Produce);
        walk::<m::FetchRequest>(ApiKey::Fetch);
        walk::<m::ListOffsetsRequest>(ApiKey::ListOffsets);
        walk::<m::MetadataRequest>(ApiKey::Metadata);
        walk::<m::OffsetCommitRequest>(ApiKey::OffsetCommit);
        walk::<m::OffsetFetchRequest>(ApiKey::OffsetFetch);
        walk::<m::FindCoordinatorRequest>(ApiKey::FindCoordinator);
        walk::<m::JoinGroupRequest>(ApiKey::JoinGroup);
        walk::<m::HeartbeatRequest>(ApiKey::Heartbeat);
        walk::<m::LeaveGroupRequest>(ApiKey::LeaveGroup);
        walk::<m::SyncGroupRequest>(ApiKey::SyncGroup);
        walk::<m::InitProducerIdRequest>(ApiKey::InitProducerId);
        walk::<m::AddPartitionsToTxnRequest>(ApiKey::AddPartitionsToTxn);
        walk::<m::AddOffsetsToTxnRequest>(ApiKey::AddOffsetsToTxn);
        walk::<m::EndTxnRequest>(ApiKey::EndTxn);
        walk::<m::TxnOffsetCommitRequest>(ApiKey::TxnOffsetCommit);
        walk::<m::ConsumerGroupHeartbeatRequest>(ApiKey::ConsumerGroupHeartbeat);
    }

    fn produce(version: i16, wanted: i16) -> Vec<u8> {
        let partition = |index| {
            produce_request::PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(vec![1; 500].into()))
        };
        let topic = produce_request::TopicProduceData::default()
            .with_partition_data(vec![partition(3), partition(8)]);
        let topic = if version >= 13 {
            topic.with_topic_id(Uuid::from_bytes(TOPIC_ID))
        } else {
            topic.with_name(TopicName(StrBytes::from_static_str("orders")))
        };
        let request = ProduceRequest::default()
            .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("tx"))))
            .with_acks(wanted)
            .with_topic_data(vec![topic]);
        encoded(&request, version)
    }

    #[test]
    fn a_produce_request_says_its_topics_partitions_and_acks() {
        for version in 3..=13 {
            let body = produce(version, -1);
            let read = content(&PRODUCE_REQUEST, version, &body).unwrap().unwrap();
            assert_eq!(read.transactional_ids, ["tx"]);
            assert_eq!(read.topics.len(), 1);
            assert_eq!(read.topics[0].partitions, [3, 8]);
            assert_eq!(read.topics[0].name.is_some(), version < 13);
            assert_eq!(read.topics[0].id, (version >= 13).then_some(TOPIC_ID));
            assert_eq!(acks(version, &body), Ok(Some(Acks::Wanted)));
            let without = produce(version, 0);
            assert_eq!(acks(version, &without), Ok(Some(Acks::Never)));
            assert_eq!(acks(version, &without[..3]), Ok(None));
        }
    }

    #[test]
    fn an_offset_commit_says_its_group_and_partitions() {
        for version in 2..=9 {
            let partition = offset_commit_request::OffsetCommitRequestPartition::default()
                .with_partition_index(4);
            let topic = offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(TopicName(StrBytes::from_static_str("orders")))
                .with_partitions(vec![partition]);
            let request = OffsetCommitRequest::default()
                .with_group_id(GroupId(StrBytes::from_static_str("readers")))
                .with_topics(vec![topic]);
            let read = content(&OFFSET_COMMIT_REQUEST, version, &encoded(&request, version));
            let read = read.unwrap().unwrap();
            assert_eq!(read.groups, ["readers"]);
            assert_eq!(read.topics[0].partitions, [4]);
        }
    }

    #[test]
    fn a_request_for_more_than_any_cluster_has_is_not_remembered() {
        // OffsetFetch, the only one that can name many groups.
        let groups = |count: usize| {
            let mut body = Vec::new();
            crate::schema::put_varint(&mut body, u32::try_from(count + 1).unwrap());
            body.extend([2, b'g', 1, 0].repeat(count));
            body.extend([0, 0]);
            content(&OFFSET_FETCH_REQUEST, 8, &body).unwrap()
        };
        assert_eq!(groups(ASKED_MAX).unwrap().groups.len(), ASKED_MAX);
        assert_eq!(groups(ASKED_MAX + 1), None);
    }
}
