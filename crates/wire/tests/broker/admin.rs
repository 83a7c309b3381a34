//! A cluster looked into and changed, on one broker.

use std::collections::BTreeMap;
use std::slice;
use std::time::Instant;

use kafka_protocol::messages::OffsetCommitRequest;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::protocol::StrBytes;
use model::ids::{GroupId, PartitionIndex, TopicName, TopicPartition};
use wire::{BrokerId, ClientIds, ElectionType, ErrorCode, QuotaEntity, Topics};

use super::{WireGroupId, cluster, new_topic, raw, wire_topic};

#[tokio::test]
async fn a_cluster_has_the_features_that_the_storage_tool_gives_a_new_one() {
    let features = cluster().await.finalized_features().await.unwrap();
    // What `kafka-storage.sh format` of 4.3.1 prints; 30 is 4.3-IV0.
    let expected = [
        ("eligible.leader.replicas.version", 1),
        ("group.version", 1),
        ("metadata.version", 30),
        ("share.version", 1),
        ("streams.version", 1),
        ("transaction.version", 2),
    ];
    let expected = expected.map(|(name, level)| (name.to_owned(), level));
    assert_eq!(features, BTreeMap::from(expected));
}

#[tokio::test]
async fn quotas_are_set_and_removed_and_unknown_keys_are_refused() {
    let mut cluster = cluster().await;
    let alone = QuotaEntity {
        user: None,
        client_id: ClientIds::One("quota-test".to_owned()),
    };
    let of_user = QuotaEntity {
        user: Some("quota-test".to_owned()),
        client_id: ClientIds::Default,
    };
    let quotas = |key: &str, value| BTreeMap::from([(key.to_owned(), value)]);
    for entity in [&alone, &of_user] {
        for key in [
            "producer_byte_rate",
            "consumer_byte_rate",
            "request_percentage",
        ] {
            // Removed once more: doing it twice is doing it once.
            for value in [Some(1e9), Some(1e9), None, None] {
                let quotas = quotas(key, value);
                cluster.alter_client_quotas(entity, &quotas).await.unwrap();
            }
        }
    }
    let unknown = quotas("producer_byte_rates", Some(1.0));
    let error = cluster.alter_client_quotas(&alone, &unknown).await;
    let error = error.unwrap_err();
    let code = error.code().unwrap().to_string();
    assert_eq!(code, "INVALID_REQUEST", "{error}");
    let negative = quotas("producer_byte_rate", Some(-1.0));
    let error = cluster.alter_client_quotas(&alone, &negative).await;
    let error = error.unwrap_err();
    let code = error.code().unwrap().to_string();
    assert_eq!(code, "INVALID_REQUEST", "{error}");
}

#[tokio::test]
async fn a_group_is_deleted_with_its_offsets() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "forgotten", &[]).await;
    let group = GroupId::new("forgetful");
    cluster.find_coordinator(&group).await.unwrap();
    commit(&group, &place).await;
    assert_eq!(cluster.offset_fetch(&group).await.unwrap().len(), 1);

    let unknown = GroupId::new("no-such-group");
    let groups = [group.clone(), unknown.clone()];
    let outcomes = cluster.delete_groups(&groups).await.unwrap();
    assert_eq!(outcomes[&group], Ok(()));
    let refusal = outcomes[&unknown].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::GROUP_ID_NOT_FOUND);
    assert!(cluster.offset_fetch(&group).await.unwrap().is_empty());
}

async fn commit(group: &GroupId, place: &TopicPartition) {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(place.partition.get())
        .with_committed_offset(42);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(wire_topic(&place.topic))
        .with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(WireGroupId(StrBytes::from_string(
            group.as_str().to_owned(),
        )))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let answer = raw(commit, 8).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn a_deleted_topic_goes_and_one_that_never_was_is_not_called_deleted() {
    let mut cluster = cluster().await;
    let topic = new_topic(&mut cluster, "short-lived", &[]).await.topic;
    let never = TopicName::new("never-there");
    let topics = [topic.clone(), never.clone()];
    let since = Instant::now();
    let outcomes = cluster.delete_topics(&topics).await.unwrap();
    assert!(since.elapsed().as_secs() < 10, "an answer is not retried");
    assert_eq!(outcomes[&topic], Ok(()));
    let refusal = outcomes[&never].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let since = Instant::now();
    let asked = Topics::Named(slice::from_ref(&topic));
    while cluster.metadata(asked).await.unwrap().topics[0].partitions
        != Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    {
        assert!(since.elapsed().as_secs() < 10, "still there");
    }
}

#[tokio::test]
async fn an_election_that_changes_nothing_is_called_so_for_each_partition() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "elected", &[]).await;
    let nowhere = TopicPartition {
        partition: PartitionIndex::new(9),
        ..place.clone()
    };
    for election in [ElectionType::Preferred, ElectionType::Unclean] {
        let asked = [place.clone(), nowhere.clone()];
        let outcomes = cluster.elect_leaders(election, &asked).await.unwrap();
        let codes = asked.map(|it| outcomes[&it].clone().unwrap_err().code);
        let expected = [
            ErrorCode::ELECTION_NOT_NEEDED,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ];
        assert_eq!(codes, expected, "{election:?}");
    }
}

#[tokio::test]
async fn the_quorum_of_one_is_led_by_the_one() {
    let mut cluster = cluster().await;
    let quorum = cluster.describe_quorum().await.unwrap();
    let one = BrokerId::new(1);
    assert_eq!(quorum.leader, one);
    let voters: Vec<_> = quorum.voters.iter().map(|it| it.id).collect();
    assert_eq!(voters, [one]);
    assert!(quorum.high_watermark.get() > 0);
}
