//! Record batches of format 2 (Kafka documentation, "Record Batch"), decoded
//! from the bytes of a fetch with nothing left out: headers, control batches,
//! gaps. Checks the CRC of every batch. Knows nothing of where the bytes came
//! from.
//!
//! Decoding is ours, not kafka-protocol's, because there a batch's claimed
//! record count and decompressed size are allocated before they are believed,
//! record headers of one name overwrite each other, and the last offset delta,
//! which alone tells where a compacted batch ends, is dropped.

use bytes::{Buf, Bytes};
use model::ids::Offset;

use crate::compression::{self, Compression, DecompressError};

/// A limit for [`Batches::new`] that any sane broker stays below: 64 times
/// Kafka's default `max.message.bytes`.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Base offset and length, which the length does not count.
const PREFIX_BYTES: usize = 12;
/// Everything before the records.
const HEADER_BYTES: usize = 61;
/// Where the bytes begin that the CRC covers: at the attributes.
const CRC_START: usize = 21;
/// Length, attributes, timestamp, offset, key, value and headers of one byte each.
const RECORD_BYTES_MIN: usize = 7;

/// The meaning of a record's timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// When the client made the record.
    Create,
    /// When the broker appended it.
    LogAppend,
}

/// The producer of a batch with idempotence or in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// Kafka's producer id.
    pub id: i64,
    /// Its epoch: a fenced producer has a lower one.
    pub epoch: i16,
    /// The sequence of the batch's first record; -1 in control batches.
    pub base_sequence: i32,
}

/// The marker in a control batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlMarker {
    /// The producer's transaction was aborted.
    Abort,
    /// The producer's transaction was committed.
    Commit,
    /// Another marker, by its number in the protocol.
    Other(i16),
}

/// A record's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name; need not be unique, nor UTF-8 when it was written so.
    pub key: Bytes,
    /// Its value.
    pub value: Option<Bytes>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: Offset,
    /// Milliseconds since the epoch, or -1; see [`Batch::timestamp_type`].
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; none is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

/// One batch, with its header kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The first offset that the batch was written with.
    pub base_offset: Offset,
    /// The last offset that the batch was written with. Compaction takes
    /// records away and leaves this.
    pub last_offset: Offset,
    /// The epoch of the leader that appended it.
    pub leader_epoch: i32,
    /// Its producer, unless it has no id.
    pub producer: Option<ProducerStamp>,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
    /// Whether it is a marker of the broker's and not data.
    pub control: bool,
    /// How it was compressed.
    pub compression: Compression,
    /// The meaning of its timestamps.
    pub timestamp_type: TimestampType,
    /// The newest timestamp in it, in milliseconds since the epoch, or -1.
    pub max_timestamp_ms: i64,
    /// How many records it holds.
    pub record_count: u32,
    /// Its bytes in the log.
    pub size_bytes: u32,
    /// Its records in the order of their offsets, which may jump. A reader
    /// that began inside the batch has only those from there on.
    pub records: Vec<Record>,
}

impl Batch {
    /// The offset to read on from.
    pub fn next_offset(&self) -> Offset {
        Offset::new(self.last_offset.get().saturating_add(1))
    }

    /// The marker in a control batch; `None` for data.
    pub fn control_marker(&self) -> Option<ControlMarker> {
        if !self.control {
            return None;
        }
        // Key: version, then type, both of 2 bytes.
        let key = self.records.first()?.key.as_ref()?;
        let kind = key.get(2..4)?;
        Some(match i16::from_be_bytes([kind[0], kind[1]]) {
            0 => ControlMarker::Abort,
            1 => ControlMarker::Commit,
            other => ControlMarker::Other(other),
        })
    }

    /// Drops the records outside `from..end`.
    pub(crate) fn keep(&mut self, from: Offset, end: Offset) {
        self.records
            .retain(|record| record.offset >= from && record.offset < end);
    }
}

/// A batch that cannot be believed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum BatchError {
    /// The length cannot be one; nothing after it can be read.
    #[error("the batch at offset {base_offset} claims a length of {length} bytes")]
    Length { base_offset: Offset, length: i32 },
    /// A message format that Kafka 4 no longer has.
    #[error(
        "the batch at offset {base_offset} has message format {magic}; only format 2 can be read"
    )]
    Magic { base_offset: Offset, magic: i8 },
    /// The bytes changed after the batch was written.
    #[error(
        "the batch at offset {base_offset} is corrupt: its checksum is {stored:#010x} \
         and its bytes give {computed:#010x}"
    )]
    Crc {
        /// The claimed base offset (outside what the CRC covers).
        base_offset: Offset,
        stored: u32,
        computed: u32,
    },
    /// The records cannot be decompressed.
    #[error("the batch at offset {base_offset} cannot be decompressed")]
    Compression {
        base_offset: Offset,
        source: DecompressError,
    },
    /// The checksum is right, but the contents break the format.
    #[error("the batch at offset {base_offset} is malformed: {reason}")]
    Malformed {
        base_offset: Offset,
        reason: &'static str,
    },
}

/// The batches in the bytes of a fetch, in order. After an error it goes on
/// with the next batch where that can be found.
#[derive(Debug)]
pub struct Batches {
    rest: Bytes,
    decompressed_bytes_max: usize,
}

impl Batches {
    /// Batches from `bytes`, none decompressed to more than the limit.
    pub fn new(bytes: Bytes, decompressed_bytes_max: usize) -> Self {
        Self {
            rest: bytes,
            decompressed_bytes_max,
        }
    }

    /// Bytes of an incomplete batch after the last one.
    pub fn truncated_bytes(&self) -> usize {
        self.rest.len()
    }

    /// The bytes of the next batch, when all of them are there.
    fn next_whole(&mut self) -> Option<Result<Bytes, BatchError>> {
        let mut prefix = self.rest.get(..PREFIX_BYTES)?;
        let base_offset = Offset::new(prefix.get_i64());
        let length = prefix.get_i32();
        let bytes = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(PREFIX_BYTES))
            .filter(|&bytes| bytes >= HEADER_BYTES);
        let Some(bytes) = bytes else {
            self.rest.clear();
            return Some(Err(BatchError::Length {
                base_offset,
                length,
            }));
        };
        (bytes <= self.rest.len()).then(|| Ok(self.rest.split_to(bytes)))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let whole = self.next_whole()?;
        Some(whole.and_then(|bytes| decode(bytes, self.decompressed_bytes_max)))
    }
}

fn decode(whole: Bytes, decompressed_bytes_max: usize) -> Result<Batch, BatchError> {
    let size_bytes = u32::try_from(whole.len()).unwrap_or(u32::MAX);
    let covered = whole.slice(CRC_START..);
    let mut head = whole;

    let base_offset = Offset::new(head.get_i64());
    let malformed = |reason| BatchError::Malformed {
        base_offset,
        reason,
    };
    head.advance(4);
    let leader_epoch = head.get_i32();
    let magic = head.get_i8();
    if magic != 2 {
        return Err(BatchError::Magic { base_offset, magic });
    }
    let stored = head.get_u32();
    let computed = crc32c::crc32c(&covered);
    if stored != computed {
        return Err(BatchError::Crc {
            base_offset,
            stored,
            computed,
        });
    }
    let attributes = Attributes(head.get_i16());
    let last_offset_delta = head.get_i32();
    let base_timestamp = head.get_i64();
    let max_timestamp_ms = head.get_i64();
    let producer_id = head.get_i64();
    let epoch = head.get_i16();
    let base_sequence = head.get_i32();
    let record_count = u32::try_from(head.get_i32())
        .map_err(|_| malformed("its number of records is negative"))?;

    let last_offset = base_offset
        .get()
        .checked_add(i64::from(last_offset_delta))
        .filter(|&last| last >= base_offset.get() && base_offset.get() >= 0)
        .map(Offset::new)
        .ok_or_else(|| malformed("its last offset is before its first"))?;
    let compression = attributes
        .compression()
        .ok_or_else(|| malformed("its compression is unknown"))?;
    let timestamp_type = attributes.timestamp_type();

    let body = if record_count == 0 {
        head
    } else {
        compression::decompress(compression, head, decompressed_bytes_max).map_err(|source| {
            BatchError::Compression {
                base_offset,
                source,
            }
        })?
    };
    let frame = RecordFrame {
        base_offset,
        last_offset,
        base_timestamp,
        appended_ms: (timestamp_type == TimestampType::LogAppend).then_some(max_timestamp_ms),
    };
    let records = frame.decode_all(body, record_count).map_err(malformed)?;

    Ok(Batch {
        base_offset,
        last_offset,
        leader_epoch,
        producer: (producer_id >= 0).then_some(ProducerStamp {
            id: producer_id,
            epoch,
            base_sequence,
        }),
        transactional: attributes.has(TRANSACTIONAL),
        control: attributes.has(CONTROL),
        compression,
        timestamp_type,
        max_timestamp_ms,
        record_count,
        size_bytes,
        records,
    })
}

const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

#[derive(Clone, Copy)]
struct Attributes(i16);

impl Attributes {
    fn has(self, flag: i16) -> bool {
        self.0 & flag != 0
    }

    fn compression(self) -> Option<Compression> {
        match self.0 & 0x7 {
            0 => Some(Compression::None),
            1 => Some(Compression::Gzip),
            2 => Some(Compression::Snappy),
            3 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            _ => None,
        }
    }

    fn timestamp_type(self) -> TimestampType {
        if self.has(LOG_APPEND_TIME) {
            TimestampType::LogAppend
        } else {
            TimestampType::Create
        }
    }
}

/// The values that records are relative to.
struct RecordFrame {
    base_offset: Offset,
    last_offset: Offset,
    base_timestamp: i64,
    /// Overrides each record's own timestamp.
    appended_ms: Option<i64>,
}

impl RecordFrame {
    fn decode_all(&self, mut body: Bytes, count: u32) -> Result<Vec<Record>, &'static str> {
        let room_for = body.len() / RECORD_BYTES_MIN;
        if count as usize > room_for {
            return Err("it claims more records than its bytes can hold");
        }
        let mut records: Vec<Record> = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let length = varint_length(&mut body)?;
            if length > body.len() {
                return Err("a record is longer than the batch");
            }
            let record = self.decode(body.split_to(length))?;
            if records
                .last()
                .is_some_and(|last| last.offset >= record.offset)
            {
                return Err("its offsets do not ascend");
            }
            records.push(record);
        }
        if body.has_remaining() {
            return Err("bytes are left over after its records");
        }
        Ok(records)
    }

    fn decode(&self, mut bytes: Bytes) -> Result<Record, &'static str> {
        let _attributes = bytes.try_get_i8().map_err(|_| "a record is cut short")?;
        let timestamp_delta = varlong(&mut bytes)?;
        let offset = self
            .base_offset
            .get()
            .checked_add(varlong(&mut bytes)?)
            .map(Offset::new)
            .filter(|&offset| (self.base_offset..=self.last_offset).contains(&offset))
            .ok_or("a record's offset is outside the batch")?;
        let timestamp_ms = match self.appended_ms {
            Some(appended) => appended,
            None => self.base_timestamp.wrapping_add(timestamp_delta),
        };
        let key = optional_bytes(&mut bytes)?;
        let value = optional_bytes(&mut bytes)?;
        let header_count = varint_length(&mut bytes)?;
        // A header has two lengths of at least one byte.
        if header_count > bytes.len() / 2 {
            return Err("a record claims more headers than its bytes can hold");
        }
        let mut headers = Vec::with_capacity(header_count);
        for _ in 0..header_count {
            headers.push(Header {
                key: optional_bytes(&mut bytes)?.ok_or("a header has no key")?,
                value: optional_bytes(&mut bytes)?,
            });
        }
        if bytes.has_remaining() {
            return Err("bytes are left over in a record");
        }
        Ok(Record {
            offset,
            timestamp_ms,
            key,
            value,
            headers,
        })
    }
}

/// A zigzag-encoded integer of at most 64 bits (the protocol guide's VARLONG;
/// a VARINT is the same with fewer bits).
fn varlong(bytes: &mut Bytes) -> Result<i64, &'static str> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().map_err(|_| "a record is cut short")?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    Err("a number in a record is too long")
}

fn varint_length(bytes: &mut Bytes) -> Result<usize, &'static str> {
    usize::try_from(varlong(bytes)?).map_err(|_| "a length in a record is negative")
}

fn optional_bytes(bytes: &mut Bytes) -> Result<Option<Bytes>, &'static str> {
    let length = varlong(bytes)?;
    if length == -1 {
        return Ok(None);
    }
    match usize::try_from(length) {
        Ok(length) if length <= bytes.len() => Ok(Some(bytes.split_to(length))),
        Ok(_) => Err("a field is longer than its record"),
        Err(_) => Err("a length in a record is negative"),
    }
}
