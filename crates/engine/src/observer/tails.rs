//! How far change topics could be read while traffic ran, and the newest event
//! of each.

use std::collections::BTreeMap;
use std::time::Duration;

use cdc::debezium::EventDecoder;
use model::event::{Body, ChangeContent};
use model::ids::{ChangeId, Offset, PartitionRef, TableIx, TopicPartition};
use model::plan::ScenarioPlan;
use wire::{Batch, ControlMarker, OffsetSpec, PinnedReader, ReadOptions};

use super::change_topics::{ChangeTopics, change_events};
use super::{NamedPartition, Observer, latest};
use crate::connect::Direct;
use crate::error::EngineError;
use crate::recorder::HistoryRecorder;
use crate::wait::beat;

/// How often the ends of change topics are looked at during the run.
const TAIL_INTERVAL: Duration = Duration::from_millis(10);

/// How far change topics had come when they were looked at last.
#[derive(Default)]
struct Tails {
    ends: BTreeMap<PartitionRef, Offset>,
    /// How many events were below, where not every offset is one.
    events: BTreeMap<PartitionRef, u64>,
}

/// Looks for the last event that has come out, while batches pass.
#[derive(Default)]
struct Newest {
    found: Option<(Offset, ChangeContent)>,
    /// The last event of each open transaction, by producer id.
    open: BTreeMap<i64, (Offset, ChangeContent)>,
}

impl Newest {
    fn see(&mut self, decoder: &EventDecoder, batch: &Batch) {
        let producer = batch.producer.map_or(-1, |producer| producer.id);
        if batch.control {
            let last = self.open.remove(&producer);
            if batch.control_marker() == Some(ControlMarker::Commit) {
                self.find(last);
            }
            return;
        }
        let last = change_events(decoder, batch).last();
        let Some(Body::ChangeEvent {
            offset, content, ..
        }) = last
        else {
            return;
        };
        if batch.transactional {
            self.open.insert(producer, (offset, content));
        } else {
            self.find(Some((offset, content)));
        }
    }

    fn find(&mut self, last: Option<(Offset, ChangeContent)>) {
        let known = self.found.map(|(offset, _)| offset);
        if let Some((offset, content)) = last
            && known.is_none_or(|known| offset > known)
        {
            self.found = Some((offset, content));
        }
    }
}

impl Observer {
    /// Writes down how far the change topics can be read now.
    pub(crate) async fn note_tails(&mut self) -> Result<(), EngineError> {
        self.follow_ends(&mut Tails::default()).await
    }

    /// Writes down how far the change topics can be read now, where that is
    /// news.
    async fn follow_ends(&mut self, tails: &mut Tails) -> Result<(), EngineError> {
        let places = self.places().into_iter();
        let places: Vec<NamedPartition> = places
            .filter(|place| self.table_of(place.number).is_some())
            .collect();
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let ends = self.offsets(&names, latest()).await?;
        for place in &places {
            let Some(end) = ends.get(&place.name).copied() else {
                continue;
            };
            let before = tails.ends.insert(place.number, end).unwrap_or_default();
            if before == end {
                continue;
            }
            let partition = place.number;
            if self.change_topics == ChangeTopics::Events {
                self.recorder.note(Body::TailSeen { partition, end });
                continue;
            }
            let mut events = tails.events.get(&partition).copied().unwrap_or(0);
            let options = ReadOptions::default();
            let mut reader = PinnedReader::new(place.name.clone(), before, end, options);
            while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
                let data = batch.records.iter().filter(|_| !batch.control);
                events += data.filter(|found| found.offset >= before).count() as u64;
            }
            if tails.events.insert(partition, events) != Some(events) {
                self.recorder.note(Body::EventsSeen { partition, events });
            }
        }
        Ok(())
    }

    /// Whether the newest event of each table is the one of the change given
    /// for it.
    pub(crate) async fn newest_are(
        &mut self,
        last: &BTreeMap<TableIx, ChangeId>,
    ) -> Result<bool, EngineError> {
        for place in self.places() {
            let table = self.table_of(place.number);
            let (Some(decoder), Some(expected)) = (
                self.decoder(place.number),
                table.and_then(|table| last.get(&table)),
            ) else {
                continue;
            };
            let newest = self.newest(&place, &decoder).await?;
            if newest != Some(ChangeContent::Ours(*expected)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the last event of a change topic carries that has come out: one of
    /// an open or aborted transaction has not. Markers may stand behind it.
    async fn newest(
        &mut self,
        place: &NamedPartition,
        decoder: &EventDecoder,
    ) -> Result<Option<ChangeContent>, EngineError> {
        let name = std::slice::from_ref(&place.name);
        let one = |found: BTreeMap<TopicPartition, Offset>| found.get(&place.name).copied();
        let start = one(self.offsets(name, OffsetSpec::Earliest).await?).unwrap_or_default();
        let end = one(self.offsets(name, latest()).await?).unwrap_or_default();
        let mut back = 1;
        loop {
            let from = start.max(Offset::new(end.get().saturating_sub(back)));
            let options = ReadOptions::default();
            let mut reader = PinnedReader::new(place.name.clone(), from, end, options);
            let mut newest = Newest::default();
            while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
                newest.see(decoder, &batch);
            }
            if newest.found.is_some() || from == start {
                return Ok(newest.found.map(|(_, content)| content));
            }
            back = back.saturating_mul(16);
        }
    }
}

/// Follows the ends of the change topics until dropped, and writes down every
/// step forward. While brokers are away there is nothing to follow, however
/// long a fault keeps them so.
pub(crate) async fn follow_tails(to: &Direct, plan: &ScenarioPlan, recorder: &HistoryRecorder) {
    let mut tails = Tails::default();
    let mut ticks = beat(TAIL_INTERVAL);
    loop {
        ticks.tick().await;
        let Ok(mut observer) = Observer::connect(to, plan, recorder).await else {
            continue;
        };
        while observer.follow_ends(&mut tails).await.is_ok() {
            ticks.tick().await;
        }
    }
}
