//! Many groups in one request, of every type.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::{
    AlterShareGroupOffsetsRequest, ConsumerGroupHeartbeatRequest, GroupId as WireGroupId,
    ShareGroupHeartbeatRequest,
};
use kafka_protocol::protocol::StrBytes;
use model::ids::{GroupId, Offset, TopicName};
use wire::{
    ClientOptions, Connection, ErrorCode, GroupProtocol, GroupState, GroupType, RequestCounts,
};

use super::{WireCompression, bootstrap, cluster, commit, new_topic, produce, raw, wire_topic};

async fn connection(requests: &RequestCounts) -> Connection {
    let options = ClientOptions {
        requests: requests.clone(),
        ..ClientOptions::default()
    };
    Connection::connect(bootstrap(), options).await.unwrap()
}

fn groups<const N: usize>(names: [&str; N]) -> [GroupId; N] {
    names.map(GroupId::new)
}

fn wire_group(name: &'static str) -> WireGroupId {
    WireGroupId(StrBytes::from_static_str(name))
}

#[tokio::test]
async fn many_groups_are_listed_described_and_read_in_a_request_each() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "many-groups", &[]).await;
    let all = groups(["many-1", "many-2", "many-3"]);
    let newer = GroupId::new("many-newer");
    for group in all.iter().chain([&newer]) {
        // Until its coordinator is ready.
        cluster.describe_group(group).await.unwrap();
    }
    for (next, group) in (1..).zip(&all) {
        commit(group, &place, next).await;
    }
    let heartbeat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(wire_group("many-newer"))
        .with_member_id(StrBytes::from_static_str("2Zdq2ZPJQHm6bT2Md8sE0g"))
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![wire_topic(&place.topic)]))
        .with_topic_partitions(Some(Vec::new()));
    let joined = raw(heartbeat, 1).await;
    assert_eq!(joined.error_code, 0, "{:?}", joined.error_message);

    let requests = RequestCounts::default();
    let mut connection = connection(&requests).await;
    let listed = connection.list_groups().await.unwrap();
    let listed: BTreeMap<_, _> = listed
        .into_iter()
        .map(|it| (it.group.clone(), it))
        .collect();
    let simple = &listed[&all[0]];
    assert_eq!(simple.group_type, Some(GroupType::Classic));
    assert_eq!(simple.protocol_type, "");
    assert_eq!(simple.state, Some(GroupState::Empty));
    assert_eq!(listed[&newer].group_type, Some(GroupType::Consumer));
    assert_eq!(listed[&newer].protocol_type, "consumer");

    let asked = groups(["many-1", "many-2", "many-3", "many-none"]);
    let described = connection.describe_classic_groups(&asked).await.unwrap();
    let states = described
        .values()
        .map(|it| it.as_ref().unwrap().state.clone());
    let (empty, dead) = (GroupState::Empty, GroupState::Dead);
    assert_eq!(
        states.collect::<Vec<_>>(),
        [empty.clone(), empty.clone(), empty, dead]
    );
    let asked = groups(["many-newer", "many-none"]);
    let described = connection.describe_consumer_groups(&asked).await.unwrap();
    let description = described[&newer].as_ref().unwrap();
    assert_eq!(description.protocol, GroupProtocol::Consumer);
    assert_eq!(description.members.len(), 1);
    assert_eq!(description.members[0].assigned.len(), 2);
    let none = described[&asked[1]].as_ref().unwrap_err();
    assert_eq!(none.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));

    let offsets = connection.offset_fetch_groups(&all).await.unwrap();
    let next = |group| {
        offsets[group].as_ref().unwrap()[&place]
            .as_ref()
            .unwrap()
            .next
    };
    assert_eq!(all.each_ref().map(|it| next(it).get()), [1, 2, 3]);
    let asked = groups(["many-newer", "many-none"]);
    let offsets = connection.offset_fetch_groups(&asked).await.unwrap();
    assert!(offsets.values().all(|it| it.as_ref().unwrap().is_empty()));

    let counts = requests.by_name();
    assert_eq!(counts["OffsetFetch"], 2);
    assert_eq!(counts["ListGroups"], 1);
    assert_eq!(counts["DescribeGroups"], 1);
    assert_eq!(counts["ConsumerGroupDescribe"], 1);
}

#[tokio::test]
async fn a_share_group_has_members_and_start_offsets() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "shared", &[]).await;
    produce(&place, &[b"a", b"b", b"c"], WireCompression::None).await;
    let share = [GroupId::new("sharers")];
    cluster.describe_group(&share[0]).await.unwrap();
    let mut heartbeat = ShareGroupHeartbeatRequest::default()
        .with_group_id(wire_group("sharers"))
        .with_member_id(StrBytes::from_static_str("9b1uVvO0Qf2Q8j7bXz9h7w"))
        .with_member_epoch(0)
        .with_subscribed_topic_names(Some(vec![wire_topic(&place.topic)]));
    let joined = raw(heartbeat.clone(), 1).await;
    assert_eq!(joined.error_code, 0, "{:?}", joined.error_message);

    let mut connection = connection(&RequestCounts::default()).await;
    let listed = connection.list_groups().await.unwrap();
    let found = listed.iter().find(|it| it.group == share[0]).unwrap();
    assert_eq!(found.group_type, Some(GroupType::Share));
    let described = connection.describe_share_groups(&share).await.unwrap();
    let description = described[&share[0]].as_ref().unwrap();
    assert_eq!(description.protocol, GroupProtocol::Share);
    assert_eq!(description.members.len(), 1);

    // Start offsets can be set while there are no members.
    heartbeat.member_epoch = -1;
    assert_eq!(raw(heartbeat, 1).await.error_code, 0);
    let partition = AlterShareGroupOffsetsRequestPartition::default()
        .with_partition_index(place.partition.get())
        .with_start_offset(2);
    let topic = AlterShareGroupOffsetsRequestTopic::default()
        .with_topic_name(wire_topic(&place.topic))
        .with_partitions(vec![partition]);
    let alter = AlterShareGroupOffsetsRequest::default()
        .with_group_id(wire_group("sharers"))
        .with_topics(vec![topic]);
    let altered = raw(alter, 0).await;
    assert_eq!(altered.error_code, 0, "{:?}", altered.error_message);
    let offsets = connection.share_group_offsets(&share).await.unwrap();
    let offsets = offsets[&share[0]].as_ref().unwrap();
    assert_eq!(offsets[&place].as_ref().unwrap().next, Offset::new(2));
}

#[tokio::test]
async fn logs_have_sizes_and_topics_their_settings_in_a_request_each() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "sized", &[("retention.bytes", "1000")]).await;
    produce(&place, &[&[7; 5000]], WireCompression::None).await;
    let mut connection = connection(&RequestCounts::default()).await;
    let sizes = connection
        .log_sizes(std::slice::from_ref(&place))
        .await
        .unwrap();
    assert!(sizes[&place] > 5000, "{sizes:?}");

    let topics = [place.topic.clone(), TopicName::new("sized-none")];
    let keys = ["retention.bytes", "cleanup.policy"];
    let configs = connection
        .describe_topics_configs(&topics, &keys)
        .await
        .unwrap();
    let known = configs[&place.topic].as_ref().unwrap();
    assert_eq!(known.len(), 2);
    assert!(format!("{:?}", known["retention.bytes"].value).contains("1000"));
    let refusal = configs[&topics[1]].as_ref().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}
