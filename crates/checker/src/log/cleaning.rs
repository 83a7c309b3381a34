//! What compaction did to the logs: which offsets it left empty, and where the
//! latest record of each key stands. Knows nothing of what was acknowledged.
//!
//! A log that nothing was taken out of has a record or a marker at every
//! offset; where one of a topic that compacts has not, compaction was there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::event::{Body, Cleanup, Content};
use model::ids::{Offset, PartitionRef, ProducerIx, RecordId, TopicIx};
use model::scenario::KEYS_MAX;

/// What is known of compaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cleaning {
    compacting: BTreeSet<TopicIx>,
    keys: BTreeMap<ProducerIx, LatestOfKeys>,
    logs: BTreeMap<PartitionRef, CompactedLog>,
    cleaned: BTreeSet<TopicIx>,
}

/// Where the latest record of each key of a producer stands in each partition.
#[derive(Clone, Debug, Default)]
struct LatestOfKeys {
    keys: u64,
    at: HashMap<(u64, PartitionRef), Offset>,
}

/// How far a log that compacts has been told.
#[derive(Clone, Copy, Debug, Default)]
struct CompactedLog {
    /// The next offset at which something has to stand.
    next: i64,
    /// The last offset of the batch that is being told.
    batch_last: Option<i64>,
}

/// What the keys say of a record that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Successor {
    /// A record of its key stands behind its offset: it was replaced.
    Stands,
    /// No record of its key stands behind its offset.
    None,
    /// Its key is not known, or its offset is not.
    Unknown,
}

impl Cleaning {
    #[inline]
    pub(crate) fn observe(&mut self, body: &Body) {
        match body {
            Body::TopicCleanup { topic, policy } if *policy != Cleanup::Delete => {
                self.compacting.insert(*topic);
            }
            Body::KeysDeclared { producer, keys } if (1..=KEYS_MAX).contains(keys) => {
                self.keys.entry(*producer).or_default().keys = *keys;
            }
            _ if self.compacting.is_empty() => {}
            Body::Stored {
                partition,
                offset,
                content,
            } if self.compacting.contains(&partition.topic) => {
                self.meet(*partition, offset.get());
                self.reach(*partition).next = offset.get().saturating_add(1);
                if let Content::Ours(record) = content {
                    self.stands(*record, *partition, *offset);
                }
            }
            Body::Pinned {
                partition,
                log_start,
                ..
            } if self.compacting.contains(&partition.topic) => {
                let next = log_start.get();
                self.logs.insert(
                    *partition,
                    CompactedLog {
                        next,
                        batch_last: None,
                    },
                );
            }
            Body::StoredBatch {
                partition,
                base_offset,
                last_offset,
                kind,
                ..
            } if self.compacting.contains(&partition.topic) => {
                self.close(*partition);
                let reach = self.reach(*partition);
                if kind.is_data() {
                    reach.batch_last = Some(last_offset.get());
                } else {
                    let next = last_offset.get().saturating_add(1);
                    self.meet(*partition, base_offset.get());
                    self.reach(*partition).next = next;
                }
            }
            Body::PartitionRead { partition } => self.close(*partition),
            _ => {}
        }
    }

    fn reach(&mut self, partition: PartitionRef) -> &mut CompactedLog {
        self.logs.entry(partition).or_default()
    }

    /// Something stands at an offset: what should stand before it is gone.
    fn meet(&mut self, partition: PartitionRef, offset: i64) {
        if offset > self.reach(partition).next {
            self.cleaned.insert(partition.topic);
        }
    }

    /// A batch was told to its end.
    fn close(&mut self, partition: PartitionRef) {
        let Some(reach) = self.logs.get_mut(&partition) else {
            return;
        };
        if let Some(last) = reach.batch_last.take()
            && last >= reach.next
        {
            reach.next = last.saturating_add(1);
            self.cleaned.insert(partition.topic);
        }
    }

    fn stands(&mut self, record: RecordId, partition: PartitionRef, offset: Offset) {
        let Some(latest) = self.keys.get_mut(&record.producer) else {
            return;
        };
        let key = record.sequence.get() % latest.keys;
        let at = latest.at.entry((key, partition)).or_insert(offset);
        *at = (*at).max(offset);
    }

    /// Whether a later record of its key stands behind the offset at which a
    /// record was acknowledged.
    pub(crate) fn successor(&self, record: RecordId, at: (PartitionRef, Offset)) -> Successor {
        let (partition, offset) = at;
        let Some(latest) = self.keys.get(&record.producer) else {
            return Successor::Unknown;
        };
        let key = record.sequence.get() % latest.keys;
        match latest.at.get(&(key, partition)) {
            Some(_) if offset.get() < 0 => Successor::Unknown,
            Some(behind) if *behind > offset => Successor::Stands,
            Some(_) | None => Successor::None,
        }
    }

    /// The topics out of which compaction took something.
    pub(crate) const fn cleaned(&self) -> &BTreeSet<TopicIx> {
        &self.cleaned
    }
}
