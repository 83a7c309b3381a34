//! Reads one partition batch by batch: on and on, or to a pinned end. Reports when the log
//! no longer has the records. Knows nothing of the records' meaning.

use std::collections::VecDeque;
use std::time::Duration;

use model::ids::{BrokerId, Offset, TopicPartition};
use tokio::time::Instant;

use crate::batch::{Batch, BatchError, Batches, DECOMPRESSED_BYTES_MAX};
use crate::cluster::Cluster;
use crate::error::{ErrorCode, Refusal, WireError};
use crate::fetch::{FetchOptions, FetchPosition, FetchedSlice};
use crate::list_offsets::{OffsetSpec, ReplicaEnds};

/// Which replica to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The current leader.
    Leader,
    /// This broker's replica, leader or not.
    Replica {
        /// The broker.
        broker: BrokerId,
        /// The rack to name (KIP-392). A follower answers whatever it is, and
        /// empty too; a leader with a `replica.selector.class` may send readers
        /// of a certain rack elsewhere, but answers those of the empty one.
        rack: String,
    },
}

impl ReadFrom {
    /// This broker's replica, leader or not, whatever the brokers' settings.
    pub fn replica(broker: BrokerId) -> Self {
        Self::Replica {
            broker,
            rack: String::new(),
        }
    }
}

/// How to read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Which replica.
    pub from: ReadFrom,
    /// How much to ask for at once.
    pub fetch_bytes: u32,
    /// How much to ask for when one batch is longer than `fetch_bytes`.
    pub fetch_bytes_max: u32,
    /// The most that one batch may decompress to.
    pub decompressed_bytes_max: usize,
    /// How long a [`PinnedReader`] waits for the next batch before it says
    /// that the end cannot be reached.
    pub stalled_after: Duration,
}

impl Default for ReadOptions {
    /// The leader, 4 MiB growing to 48 MiB, [`DECOMPRESSED_BYTES_MAX`], 30 s.
    fn default() -> Self {
        Self {
            from: ReadFrom::Leader,
            fetch_bytes: 4 * 1024 * 1024,
            fetch_bytes_max: 48 * 1024 * 1024,
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
            stalled_after: Duration::from_secs(30),
        }
    }
}

/// Why reading cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ReadError {
    /// The log start has passed the position: retention, or deleted records.
    #[error(
        "{partition} begins at offset {log_start} now and was to be read from {position}; \
         the records between are gone (retention, or deleted)"
    )]
    LogStartMoved {
        partition: TopicPartition,
        position: Offset,
        log_start: Offset,
    },
    /// The log ends before the position: it was truncated or made anew.
    #[error(
        "{partition} ends at offset {log_end} and was read up to {position} already; \
         the log was truncated or made anew"
    )]
    LogTruncated {
        partition: TopicPartition,
        position: Offset,
        log_end: Offset,
    },
    /// Nothing came for a while, and the pinned end is not reached.
    #[error(
        "{partition} gave nothing at offset {position} for {stalled_ms} ms, \
         with its high watermark at {high_watermark}, and was to be read to {end}"
    )]
    EndNotReached {
        partition: TopicPartition,
        position: Offset,
        end: Offset,
        /// How far a consumer may read, as last heard.
        high_watermark: Offset,
        stalled_ms: u128,
    },
    /// The bytes at the position are not a batch that can be believed. Reading
    /// again gives the same, unless they were damaged on the way.
    #[error("{partition} cannot be read at offset {position}")]
    Batch {
        partition: TopicPartition,
        position: Offset,
        source: BatchError,
    },
    /// The broker gave a batch that does not lead on.
    #[error(
        "{partition} gave a batch of offsets {base_offset} to {last_offset} at offset {position}"
    )]
    NotForward {
        partition: TopicPartition,
        position: Offset,
        base_offset: Offset,
        last_offset: Offset,
    },
    /// One batch is longer than may be asked for.
    #[error(
        "{partition} holds a batch at offset {position} longer than {bytes_max} bytes; \
         raise the limit"
    )]
    BatchTooLong {
        partition: TopicPartition,
        position: Offset,
        bytes_max: u32,
    },
    /// The broker refuses the partition for good.
    #[error("{partition} cannot be fetched at offset {position}")]
    Refused {
        partition: TopicPartition,
        position: Offset,
        source: Refusal,
    },
    /// The cluster could not be asked.
    #[error("{partition} cannot be read at offset {position}")]
    Wire {
        partition: TopicPartition,
        position: Offset,
        source: Box<WireError>,
    },
}

/// Reads one partition onwards from a position.
#[derive(Debug)]
pub struct LogReader {
    partition: TopicPartition,
    position: Offset,
    high_watermark: Offset,
    fetch_bytes: u32,
    options: ReadOptions,
}

impl LogReader {
    /// A reader whose first record is the first at or after `position`.
    pub fn new(partition: TopicPartition, position: Offset, options: ReadOptions) -> Self {
        Self {
            partition,
            position,
            high_watermark: position,
            fetch_bytes: options.fetch_bytes.max(1),
            options,
        }
    }

    /// The next offset to read.
    pub fn position(&self) -> Offset {
        self.position
    }

    /// How far a consumer may read, as last heard from the broker.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The batches at the position, and moves behind them; none when there are
    /// none within `max_wait`. Records before the position are left out of the
    /// first batch. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ReadError`]; the position stays at the error, and the batches before it
    /// have been given.
    pub async fn poll(
        &mut self,
        cluster: &mut Cluster,
        max_wait: Duration,
    ) -> Result<Vec<Batch>, ReadError> {
        match self.fetch(cluster, max_wait).await? {
            Ok(slice) => {
                self.high_watermark = slice.high_watermark;
                self.take(slice)
            }
            Err(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                self.explain_out_of_range(cluster).await?;
                Ok(Vec::new())
            }
            Err(code) => Err(ReadError::Refused {
                partition: self.partition.clone(),
                position: self.position,
                source: code.into(),
            }),
        }
    }

    async fn fetch(
        &self,
        cluster: &mut Cluster,
        max_wait: Duration,
    ) -> Result<Result<FetchedSlice, ErrorCode>, ReadError> {
        let positions = [FetchPosition {
            partition: self.partition.clone(),
            topic_id: None,
            offset: self.position,
            bytes_max: self.fetch_bytes,
        }];
        let mut options = FetchOptions {
            max_wait,
            bytes_min: 1,
            bytes_max: self.fetch_bytes,
            rack: None,
        };
        let fetched = match &self.options.from {
            ReadFrom::Leader => cluster.fetch(&positions, &options).await,
            ReadFrom::Replica { broker, rack } => {
                options.rack = Some(rack.clone());
                cluster.fetch_from(*broker, &positions, &options).await
            }
        };
        let fetched = fetched.map_err(|source| self.wire(source))?;
        // A broker leaves out partitions without news.
        Ok(fetched
            .into_iter()
            .find(|answer| answer.partition == self.partition)
            .map_or_else(
                || {
                    Ok(FetchedSlice {
                        high_watermark: self.high_watermark,
                        log_start: self.position,
                        last_stable: self.high_watermark,
                        preferred_replica: None,
                        records: bytes::Bytes::new(),
                    })
                },
                |answer| answer.slice,
            ))
    }

    fn take(&mut self, slice: FetchedSlice) -> Result<Vec<Batch>, ReadError> {
        let mut taken: Vec<Batch> = Vec::new();
        let mut batches = Batches::new(slice.records, self.options.decompressed_bytes_max);
        for batch in &mut batches {
            let batch = batch
                .map_err(|source| ReadError::Batch {
                    partition: self.partition.clone(),
                    position: self.position,
                    source,
                })
                .and_then(|batch| self.check_forward(batch, taken.is_empty()));
            match batch {
                Ok(mut batch) => {
                    assert!(
                        batch.next_offset() > self.position,
                        "a reader only goes forward"
                    );
                    batch.keep(self.position, batch.next_offset());
                    self.position = batch.next_offset();
                    taken.push(batch);
                }
                // Good batches go first; the next poll meets the error.
                Err(_) if !taken.is_empty() => return Ok(taken),
                Err(error) => return Err(error),
            }
        }
        if !taken.is_empty() {
            self.fetch_bytes = self.options.fetch_bytes.max(1);
        } else if batches.truncated_bytes() > 0 {
            self.ask_for_more()?;
        }
        Ok(taken)
    }

    /// Only the first batch of a fetch may begin before what was asked for.
    fn check_forward(&self, batch: Batch, first: bool) -> Result<Batch, ReadError> {
        let leads_on = batch.last_offset >= self.position;
        if leads_on && (first || batch.base_offset >= self.position) {
            return Ok(batch);
        }
        Err(ReadError::NotForward {
            partition: self.partition.clone(),
            position: self.position,
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
        })
    }

    fn ask_for_more(&mut self) -> Result<(), ReadError> {
        let bytes_max = self.options.fetch_bytes_max;
        if self.fetch_bytes >= bytes_max {
            return Err(ReadError::BatchTooLong {
                partition: self.partition.clone(),
                position: self.position,
                bytes_max,
            });
        }
        self.fetch_bytes = self.fetch_bytes.saturating_mul(2).min(bytes_max);
        Ok(())
    }

    /// Why the position is out of range; `Ok` when it no longer is, as after a
    /// new leader has caught up with its high watermark.
    async fn explain_out_of_range(&self, cluster: &mut Cluster) -> Result<(), ReadError> {
        let log_start = self.listed(cluster, OffsetSpec::Earliest).await?;
        if log_start > self.position {
            return Err(ReadError::LogStartMoved {
                partition: self.partition.clone(),
                position: self.position,
                log_start,
            });
        }
        let log_end = self.listed(cluster, OffsetSpec::LogEnd).await?;
        if log_end < self.position {
            return Err(ReadError::LogTruncated {
                partition: self.partition.clone(),
                position: self.position,
                log_end,
            });
        }
        Ok(())
    }

    async fn listed(&self, cluster: &mut Cluster, spec: OffsetSpec) -> Result<Offset, ReadError> {
        let partitions = std::slice::from_ref(&self.partition);
        let offsets = match (&self.options.from, spec) {
            (ReadFrom::Replica { broker, .. }, OffsetSpec::LogEnd) => {
                cluster.list_offsets_of(*broker, partitions, spec).await
            }
            _ => cluster.list_offsets(partitions, spec).await,
        };
        let offsets = offsets.map_err(|source| self.wire(source))?;
        Ok(offsets
            .get(&self.partition)
            .copied()
            .unwrap_or(self.position))
    }

    fn wire(&self, source: WireError) -> ReadError {
        ReadError::Wire {
            partition: self.partition.clone(),
            position: self.position,
            source: Box::new(source),
        }
    }
}

/// The longest that one fetch of a [`PinnedReader`] waits at the broker.
const PINNED_WAIT: Duration = Duration::from_millis(500);

/// Reads one partition from a position to a pinned end, and exactly there.
#[derive(Debug)]
pub struct PinnedReader {
    reader: LogReader,
    end: Offset,
    ready: VecDeque<Batch>,
    progress: Option<Instant>,
}

impl PinnedReader {
    /// A reader of the records in `from..end`.
    pub fn new(partition: TopicPartition, from: Offset, end: Offset, options: ReadOptions) -> Self {
        Self {
            reader: LogReader::new(partition, from, options),
            end,
            ready: VecDeque::new(),
            progress: None,
        }
    }

    /// A reader of all that one broker's replica gives to consumers: from its
    /// own log start to its own high watermark, as `ends` has them.
    pub fn of_replica(
        partition: TopicPartition,
        broker: BrokerId,
        ends: ReplicaEnds,
        mut options: ReadOptions,
    ) -> Self {
        options.from = ReadFrom::replica(broker);
        Self::new(partition, ends.log_start, ends.high_watermark, options)
    }

    /// The pinned end: one behind the last offset to read.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The next batch; `None` once the end is reached. Records at or after the
    /// end are left out of the last batch. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ReadError`], of which [`ReadError::EndNotReached`] when nothing came
    /// for [`ReadOptions::stalled_after`].
    pub async fn next_batch(&mut self, cluster: &mut Cluster) -> Result<Option<Batch>, ReadError> {
        let mut progress = *self.progress.get_or_insert_with(Instant::now);
        loop {
            if let Some(mut batch) = self.ready.pop_front() {
                if batch.base_offset >= self.end {
                    self.ready.clear();
                    return Ok(None);
                }
                batch.keep(batch.base_offset, self.end);
                self.progress = Some(Instant::now());
                return Ok(Some(batch));
            }
            if self.reader.position() >= self.end {
                return Ok(None);
            }
            let asked_bytes = self.reader.fetch_bytes;
            self.ready
                .extend(self.reader.poll(cluster, PINNED_WAIT).await?);
            if self.reader.fetch_bytes > asked_bytes {
                progress = Instant::now();
            }
            let stalled = progress.elapsed();
            if self.ready.is_empty() && stalled >= self.reader.options.stalled_after {
                return Err(ReadError::EndNotReached {
                    partition: self.reader.partition.clone(),
                    position: self.reader.position(),
                    end: self.end,
                    high_watermark: self.reader.high_watermark(),
                    stalled_ms: stalled.as_millis(),
                });
            }
        }
    }
}
