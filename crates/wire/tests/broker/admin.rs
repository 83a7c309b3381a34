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
use wire::{
    BrokerId, ClientIds, ConfigChange, ConfigSource, ConfigTarget, ConfigValue, ElectionType,
    ErrorCode, QuotaEntity, Topics,
};

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
async fn partitions_are_added_and_never_taken_away() {
    let mut cluster = cluster().await;
    let topic = new_topic(&mut cluster, "growing", &[]).await.topic;
    cluster.create_partitions(&topic, 3).await.unwrap();
    // Brokers hear of it a little later, and the topic was there before.
    let since = Instant::now();
    loop {
        let metadata = cluster.await_topic(&topic).await.unwrap();
        let partitions = metadata.partitions.unwrap().len();
        if partitions == 3 {
            break;
        }
        assert!(since.elapsed().as_secs() < 10, "{partitions} partitions");
    }
    for total in [2, 3] {
        let error = cluster.create_partitions(&topic, total).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::INVALID_PARTITIONS));
    }
}

#[tokio::test]
async fn configurations_are_set_and_reset_and_nonsense_is_refused() {
    let mut cluster = cluster().await;
    let topic = new_topic(&mut cluster, "configured", &[]).await.topic;
    let target = ConfigTarget::Topic(topic.clone());
    let set = |key: &str, value: &str| ConfigChange::Set {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let changes = [set("retention.ms", "77000"), set("segment.ms", "9000")];
    cluster
        .incremental_alter_configs(&target, &changes)
        .await
        .unwrap();
    let reset = ConfigChange::Reset {
        key: "segment.ms".to_owned(),
    };
    cluster
        .incremental_alter_configs(&target, &[reset])
        .await
        .unwrap();
    // Brokers hear of it a little later.
    let since = Instant::now();
    loop {
        let configs = cluster.describe_topic_configs(&topic).await.unwrap();
        let retention = configs["retention.ms"].clone();
        if retention.value == ConfigValue::Known("77000".to_owned())
            && configs["segment.ms"].source == ConfigSource::Default
        {
            assert_eq!(retention.source, ConfigSource::Topic);
            break;
        }
        assert!(since.elapsed().as_secs() < 10, "{retention:?}");
    }

    let broker = cluster.brokers().next().unwrap().id;
    let key = "message.max.bytes";
    for (target, value) in [
        (ConfigTarget::AllBrokers, "1000001"),
        (ConfigTarget::Broker(broker), "1000002"),
    ] {
        cluster
            .incremental_alter_configs(&target, &[set(key, value)])
            .await
            .unwrap();
        let since = Instant::now();
        while cluster.describe_broker_configs(broker).await.unwrap()[key].value
            != ConfigValue::Known(value.to_owned())
        {
            assert!(since.elapsed().as_secs() < 10, "{target} is not in force");
        }
    }

    let nonsense = set("retention.ms", "soon");
    let error = cluster
        .incremental_alter_configs(&target, &[nonsense])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_CONFIG), "{error:?}");
    let nowhere = ConfigTarget::Topic(TopicName::new("nowhere"));
    let error = cluster
        .incremental_alter_configs(&nowhere, &changes)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
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
async fn a_groups_offsets_and_the_group_itself_are_deleted() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "forgotten", &[]).await;
    let group = GroupId::new("forgetful");
    cluster.find_coordinator(&group).await.unwrap();
    commit(&group, &place).await;
    assert_eq!(cluster.offset_fetch(&group).await.unwrap().len(), 1);

    let other = TopicPartition {
        partition: PartitionIndex::new(0),
        ..place.clone()
    };
    let outcomes = cluster
        .delete_group_offsets(&group, &[place.clone(), other.clone()])
        .await
        .unwrap();
    assert_eq!(
        outcomes,
        BTreeMap::from([(other, Ok(())), (place.clone(), Ok(()))])
    );
    assert!(cluster.offset_fetch(&group).await.unwrap().is_empty());

    commit(&group, &place).await;
    let unknown = GroupId::new("nobody");
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
