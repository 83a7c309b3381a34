//! A transaction watched from outside while it is open, and after.

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProducerId,
    TransactionalId as WireTransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use model::ids::Offset;
use wire::{Isolation, OffsetSpec, Topics, TransactionalId};

use super::{WireCompression, cluster, new_topic, produce_request, raw, wire_topic};

/// Who writes in a transaction.
pub(super) struct Producer {
    pub(super) transactional_id: WireTransactionalId,
    pub(super) id: ProducerId,
    pub(super) epoch: i16,
}

#[tokio::test]
async fn an_open_transaction_holds_back_what_is_stable() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "transacted", &[]).await;
    let id = TransactionalId::new("mover");
    let coordinator = cluster.find_transaction_coordinator(&id).await.unwrap();
    let brokers = cluster.metadata(Topics::Named(&[])).await.unwrap().brokers;
    assert_eq!(coordinator.id, brokers[0].id);

    let wire_id = WireTransactionalId(StrBytes::from_static_str("mover"));
    let init = InitProducerIdRequest::default()
        .with_transactional_id(Some(wire_id.clone()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    cluster.await_transaction_coordinator(&id).await.unwrap();
    let init = raw(init, 4).await;
    assert_eq!(init.error_code, 0, "it was waited for");
    let producer = Producer {
        transactional_id: wire_id.clone(),
        id: init.producer_id,
        epoch: init.producer_epoch,
    };
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(wire_topic(&place.topic))
        .with_partitions(vec![place.partition.get()]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(wire_id.clone())
        .with_v3_and_below_producer_id(producer.id)
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(vec![topic]);
    let added = raw(add, 3).await;
    let added = &added.results_by_topic_v3_and_below[0].results_by_partition[0];
    assert_eq!(added.partition_error_code, 0);
    let values: [&[u8]; 2] = [b"a", b"b"];
    let request = produce_request(&place, &values, WireCompression::None, Some(&producer));
    let appended = raw(request, 9).await;
    assert_eq!(appended.responses[0].partition_responses[0].error_code, 0);

    let partitions = [place.clone()];
    let stable = OffsetSpec::Latest(Isolation::ReadCommitted);
    let listed = cluster.list_offsets(&partitions, stable).await.unwrap();
    assert_eq!(listed[&place], Offset::new(0));

    let end = EndTxnRequest::default()
        .with_transactional_id(wire_id)
        .with_producer_id(producer.id)
        .with_producer_epoch(producer.epoch)
        .with_committed(true);
    assert_eq!(raw(end, 3).await.error_code, 0);
    // The answer comes before the markers are written.
    while cluster.list_offsets(&partitions, stable).await.unwrap()[&place] != Offset::new(3) {}
}
