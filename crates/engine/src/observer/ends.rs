//! How far a partition can be read, where transactions leave markers at the
//! end and aborted records before them. Knows nothing of groups.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::event::Isolation as Level;
use model::ids::{Offset, PartitionRef};
use wire::{Batch, ControlMarker, Isolation, OffsetSpec, PinnedReader, ReadOptions};

use super::{NamedPartition, Observer, latest};
use crate::error::EngineError;
use crate::wait::Wait;

/// How often the brokers are asked whether what is waited for is so.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// How many offsets are looked at first for the last record in a partition.
const TAIL_OFFSETS: i64 = 256;

/// The offset after the last record that a reader of each level is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadableEnd {
    all: Offset,
    committed: Offset,
}

impl ReadableEnd {
    pub(crate) const fn at(self, level: Level) -> Offset {
        match level {
            Level::ReadUncommitted => self.all,
            Level::ReadCommitted => self.committed,
        }
    }
}

impl From<Offset> for ReadableEnd {
    fn from(end: Offset) -> Self {
        Self {
            all: end,
            committed: end,
        }
    }
}

/// Follows the batches of a partition's tail.
#[derive(Default)]
struct Tail {
    readable: ReadableEnd,
    /// The offset after the last record of each open transaction, by producer
    /// id.
    open: HashMap<i64, Offset>,
}

impl Tail {
    fn see(&mut self, batch: &Batch) {
        let producer = batch.producer.map_or(-1, |producer| producer.id);
        if batch.control {
            let last = self.open.remove(&producer);
            if batch.control_marker() == Some(ControlMarker::Commit) {
                self.readable.committed = self.readable.committed.max(last.unwrap_or_default());
            }
            return;
        }
        let Some(last) = batch.records.last() else {
            return;
        };
        let next = Offset::new(last.offset.get() + 1);
        self.readable.all = next;
        if batch.transactional {
            self.open.insert(producer, next);
        } else {
            self.readable.committed = next;
        }
    }
}

impl Observer {
    /// Where the log of every partition ends for a reader of everything, now;
    /// without those that cannot be asked, where brokers have gone for good.
    pub(crate) async fn ends(&mut self) -> Result<BTreeMap<PartitionRef, Offset>, EngineError> {
        let places = self.reachable().await?;
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let ends = self.offsets(&names, latest()).await?;
        let missing = self.missing().into_iter().map(|it| (it, Offset::new(0)));
        Ok(places
            .into_iter()
            .filter_map(|place| Some((place.number, *ends.get(&place.name)?)))
            .chain(missing)
            .collect())
    }

    /// How far every partition can be read now, for a reader of each level.
    pub(crate) async fn readable(
        &mut self,
    ) -> Result<BTreeMap<PartitionRef, ReadableEnd>, EngineError> {
        let places = self.reachable().await?;
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let starts = self.offsets(&names, OffsetSpec::Earliest).await?;
        let ends = self.offsets(&names, latest()).await?;
        let missing = self.missing().into_iter();
        let mut readable: BTreeMap<_, _> = missing.map(|it| (it, ReadableEnd::default())).collect();
        for place in places {
            let range = (starts.get(&place.name), ends.get(&place.name));
            if let (Some(start), Some(end)) = range {
                let found = self.tail(&place, *start, *end).await?;
                readable.insert(place.number, found);
            }
        }
        Ok(readable)
    }

    /// Reads back from the end until a committed record is found. What closes
    /// a transaction stands behind its records, so that the fate of each that
    /// is read is known.
    async fn tail(
        &mut self,
        place: &NamedPartition,
        start: Offset,
        end: Offset,
    ) -> Result<ReadableEnd, EngineError> {
        let mut back = TAIL_OFFSETS;
        loop {
            let from = start.max(Offset::new(end.get().saturating_sub(back)));
            let options = ReadOptions::default();
            let mut reader = PinnedReader::new(place.name.clone(), from, end, options);
            let mut tail = Tail::default();
            while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
                tail.see(&batch);
            }
            assert!(
                tail.readable.committed <= tail.readable.all,
                "committed records are among all records"
            );
            if tail.readable.committed > Offset::new(0) || from == start {
                return Ok(tail.readable);
            }
            back = back.saturating_mul(4);
        }
    }

    /// Waits until no transaction is open in any partition: until the last
    /// stable offset has reached the high watermark. Kafka answers a commit
    /// before its markers are written. Gives up at the limit; what is open
    /// then shows in the log.
    pub(crate) async fn await_stable(&mut self, limit: Duration) -> Result<(), EngineError> {
        let stable = OffsetSpec::Latest(Isolation::ReadCommitted);
        let waits = self.recorder.waits();
        let waiting = waits.begin_for(Wait::Transactions, "", limit);
        let places = self.reachable().await?;
        let names: Vec<_> = places.into_iter().map(|place| place.name).collect();
        loop {
            let all = self.offsets(&names, latest()).await?;
            let closed = self.offsets(&names, stable).await? == all;
            if closed || !waiting.pause(ASK_INTERVAL).await {
                return Ok(());
            }
        }
    }
}
