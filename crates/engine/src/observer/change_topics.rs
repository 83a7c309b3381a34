//! What change topics hold, and the events that their records stand for.

use cdc::debezium::{EventDecoder, RawRecord};
use model::event::{Body, Content};
use model::ids::PartitionRef;
use model::plan::ScenarioPlan;
use wire::{Batch, Header, Record};

/// What change topics hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeTopics {
    /// Events, one at each offset.
    Events,
    /// The markers of transactions, too.
    Transactions,
}

impl ChangeTopics {
    pub(super) fn of(plan: &ScenarioPlan) -> Self {
        let capture = plan.scenario.capture.as_ref();
        let support = capture.and_then(|it| it.worker_config.get("exactly.once.source.support"));
        match support.map(String::as_str) {
            Some("enabled") => Self::Transactions,
            _ => Self::Events,
        }
    }
}

pub(super) fn change_events<'b>(
    decoder: &'b EventDecoder,
    batch: &'b Batch,
) -> impl Iterator<Item = Body> + 'b {
    let records = batch.records.iter();
    records.filter_map(|found| decoder.decode(&raw(found)))
}

/// What stands in a change topic, tombstones included.
pub(super) fn all_in_change_topic<'b>(
    decoder: &'b EventDecoder,
    partition: PartitionRef,
    batch: &'b Batch,
) -> impl Iterator<Item = Body> + 'b {
    batch.records.iter().map(move |found| {
        let stored = Body::Stored {
            partition,
            offset: found.offset,
            content: Content::Nameless,
        };
        decoder.decode(&raw(found)).unwrap_or(stored)
    })
}

fn raw(found: &Record) -> RawRecord<'_> {
    RawRecord {
        offset: found.offset,
        key: found.key.as_deref(),
        value: found.value.as_deref(),
        headers: headers(&found.headers),
    }
}

fn headers(headers: &[Header]) -> Vec<(&[u8], &[u8])> {
    let headers = headers.iter();
    headers
        .filter_map(|header| Some((header.key.as_ref(), header.value.as_deref()?)))
        .collect()
}
