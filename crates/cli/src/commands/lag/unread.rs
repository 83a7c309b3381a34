//! The next unread record of each position: what a fetch from there gives first. A partition
//! is read once for all positions that lie near each other, so that a topic with a thousand
//! groups is not read a thousand times. Knows nothing of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lag::{Known, NextUnread, Reason, UnreadRecord};
use model::ids::{BrokerId, Offset, TopicPartition};
use wire::{
    Batch, Batches, Connection, DECOMPRESSED_BYTES_MAX, FetchOptions, FetchPosition,
    FetchedPartition, FetchedSlice, TopicId, WireError,
};

use super::brokers::Brokers;

/// Room for a batch of a producer with Kafka's default `batch.size`.
const BYTES_OF_ONE: u32 = 32 * 1024;
/// For positions of several groups, which may lie in the batches that follow.
const BYTES_OF_MANY: u32 = 256 * 1024;
/// A batch that is longer than this is not read.
const BYTES_MAX: u32 = 32 * 1024 * 1024;
/// The most that is asked for in one request.
const REQUEST_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// After as many requests to a broker, what is still open stays unknown.
const ROUNDS_MAX: u32 = 32;

/// The positions of a partition whose next record is wanted.
pub(super) struct Wanted {
    pub(super) leader: BrokerId,
    pub(super) topic_id: Option<TopicId>,
    pub(super) positions: BTreeSet<Offset>,
    /// Where what was there ends: what was written later is not waited for.
    pub(super) end: Offset,
}

pub(super) type NextByPosition = BTreeMap<(TopicPartition, Offset), Known<NextUnread>>;

/// One partition that is being read.
struct Reading {
    wanted: Wanted,
    from: Offset,
    bytes_max: u32,
}

pub(super) async fn next_unread(
    brokers: &mut Brokers,
    wanted: BTreeMap<TopicPartition, Wanted>,
) -> NextByPosition {
    let mut found = NextByPosition::new();
    let mut open: BTreeMap<TopicPartition, Reading> = wanted
        .into_iter()
        .filter_map(|(partition, wanted)| Some((partition, Reading::new(wanted)?)))
        .collect();
    for _ in 0..ROUNDS_MAX {
        let mut questions: BTreeMap<BrokerId, Vec<FetchPosition>> = BTreeMap::new();
        for (partition, reading) in &open {
            let of_leader = questions.entry(reading.wanted.leader).or_default();
            of_leader.push(FetchPosition {
                partition: partition.clone(),
                topic_id: reading.wanted.topic_id,
                offset: reading.from,
                bytes_max: reading.bytes_max,
            });
        }
        if questions.is_empty() {
            break;
        }
        let answers = brokers.ask(questions, fetch).await;
        for (leader, answer) in answers {
            match answer {
                Ok(fetched) => {
                    for FetchedPartition { partition, slice } in fetched {
                        let Some(reading) = open.get_mut(&partition) else {
                            continue;
                        };
                        match slice {
                            Ok(slice) => reading.read(&partition, slice, &mut found),
                            Err(code) => reading.give_up(
                                &partition,
                                &Reason::new(format!("{partition} cannot be fetched: {code}")),
                                &mut found,
                            ),
                        }
                    }
                }
                Err(reason) => {
                    for (partition, reading) in &mut open {
                        if reading.wanted.leader == leader {
                            reading.give_up(partition, &reason, &mut found);
                        }
                    }
                }
            }
        }
        open.retain(|_, reading| !reading.wanted.positions.is_empty());
    }
    let reason = Reason::new(format!(
        "the next unread record was not found in {ROUNDS_MAX} fetches"
    ));
    for (partition, reading) in &mut open {
        reading.give_up(partition, &reason, &mut found);
    }
    found
}

/// Fetches from these positions, in as many requests as the bytes need.
async fn fetch(
    connection: &mut Connection,
    mut positions: Vec<FetchPosition>,
) -> Result<Vec<FetchedPartition>, WireError> {
    let options = FetchOptions {
        max_wait: Duration::ZERO,
        bytes_max: REQUEST_BYTES_MAX,
        ..FetchOptions::default()
    };
    let mut fetched = Vec::new();
    while !positions.is_empty() {
        let mut bytes = 0;
        let fit = positions.iter().take_while(|it| {
            bytes += it.bytes_max;
            bytes <= REQUEST_BYTES_MAX
        });
        let fit = fit.count().max(1);
        let rest = positions.split_off(fit);
        fetched.extend(connection.fetch(&positions, &options).await?);
        positions = rest;
    }
    Ok(fetched)
}

impl Reading {
    fn new(wanted: Wanted) -> Option<Self> {
        let from = *wanted.positions.first()?;
        let bytes_max = bytes_for(wanted.positions.len());
        Some(Self {
            wanted,
            from,
            bytes_max,
        })
    }

    fn give_up(&mut self, partition: &TopicPartition, why: &Reason, found: &mut NextByPosition) {
        for position in std::mem::take(&mut self.wanted.positions) {
            found.insert((partition.clone(), position), Err(why.clone()));
        }
    }

    /// Takes what a fetch gave, and decides where the next one begins.
    fn read(
        &mut self,
        partition: &TopicPartition,
        slice: FetchedSlice,
        found: &mut NextByPosition,
    ) {
        let is_empty = slice.records.is_empty();
        let before = self.from;
        for batch in Batches::new(slice.records, DECOMPRESSED_BYTES_MAX) {
            match batch {
                Ok(batch) => self.take(partition, &batch, found),
                Err(error) => {
                    let reason = Reason::new(crate::failure::chain(&error));
                    return self.give_up(partition, &reason, found);
                }
            }
        }
        if self.from >= self.wanted.end {
            for position in std::mem::take(&mut self.wanted.positions) {
                found.insert((partition.clone(), position), Ok(NextUnread::None));
            }
        }
        let Some(next) = self.wanted.positions.first() else {
            return;
        };
        self.from = self.from.max(*next);
        if !is_empty && self.from > before {
            self.bytes_max = bytes_for(self.wanted.positions.len());
        } else if self.bytes_max < BYTES_MAX {
            // A broker gives no part of a batch.
            self.bytes_max = (self.bytes_max * 8).min(BYTES_MAX);
        } else {
            let reason = Reason::new(format!(
                "the batch at offset {} is longer than {BYTES_MAX} bytes",
                self.from
            ));
            self.give_up(partition, &reason, found);
        }
    }

    fn take(&mut self, partition: &TopicPartition, batch: &Batch, found: &mut NextByPosition) {
        while !batch.control
            && let Some(position) = self.wanted.positions.first().copied()
            && let Some(record) = batch.records.iter().find(|it| it.offset >= position)
        {
            let next = if record.offset < self.wanted.end {
                NextUnread::Record(UnreadRecord {
                    timestamp_ms: (record.timestamp_ms >= 0).then_some(record.timestamp_ms),
                    transactional: batch.transactional,
                })
            } else {
                NextUnread::None
            };
            found.insert((partition.clone(), position), Ok(next));
            self.wanted.positions.pop_first();
        }
        self.from = self.from.max(batch.next_offset());
    }
}

fn bytes_for(positions: usize) -> u32 {
    if positions > 1 {
        BYTES_OF_MANY
    } else {
        BYTES_OF_ONE
    }
}
