//! How a record carries its identity, so that it is recognised and never
//! merely counted. Knows nothing of topics beyond their names.
//!
//! A value is readable in any Kafka tool:
//!
//! ```text
//! ackproof1|RUN|TOPIC|PRODUCER|SEQUENCE|BYTES|CRC32|padding…
//! ```
//!
//! The checksum covers everything before it, the padding is derived from the
//! checksum and the size is named, so a flipped, cut or grown value is
//! recognised as corrupt. The topic is part of the identity because clients
//! have put records into the wrong topic (KAFKA-19012).

use crate::event::{ChangeContent, Content};
use crate::ids::{ChangeId, ProducerIx, RecordId, RunId, Sequence};

const MAGIC: &str = "ackproof1|";

/// Bytes of a value that are not padding, at most, without the topic's name.
pub const OVERHEAD_BYTES_MAX: usize = 96;

/// The value of a record, exactly `bytes` long; longer where the identity
/// itself needs more.
pub fn encode(run: RunId, topic: &str, record: RecordId, bytes: usize) -> Vec<u8> {
    let identity = |size: usize| {
        let head = format!(
            "{MAGIC}{run}|{topic}|{}|{}|{size}|",
            record.producer, record.sequence
        );
        let crc = crc32fast::hash(head.as_bytes());
        (format!("{head}{crc:08x}|").into_bytes(), crc)
    };
    let (mut value, mut crc) = identity(bytes);
    // The size is part of what it measures: a longer number may need one more
    // byte, so it settles after at most a few rounds.
    let mut size = bytes;
    while value.len() > size {
        size = value.len();
        (value, crc) = identity(size);
    }
    let length = value.len();
    value.resize(size, 0);
    pad(&mut value[length..], crc);
    value
}

/// Recognises a value that was read from `topic` during `run`.
pub fn decode(run: RunId, topic: &str, value: &[u8]) -> Content {
    if !value.starts_with(MAGIC.as_bytes()) {
        return Content::Foreign;
    }
    let Some(parsed) = parse(value) else {
        return Content::Corrupt;
    };
    if parsed.run != run {
        Content::Foreign
    } else if parsed.topic == topic {
        Content::Ours(parsed.record)
    } else {
        Content::Misplaced(parsed.record)
    }
}

/// The text that marks a database row as left by `change`.
pub fn encode_change(run: RunId, change: ChangeId) -> String {
    let head = format!("{MAGIC}{run}|{change}|");
    format!("{head}{:08x}", crc32fast::hash(head.as_bytes()))
}

/// Recognises the mark of a row, or of the row image of an event.
pub fn decode_change(run: RunId, mark: &str) -> ChangeContent {
    if !mark.starts_with(MAGIC) {
        return ChangeContent::Foreign;
    }
    let parsed = mark.rsplit_once('|').and_then(|(head, crc)| {
        let whole = mark.get(..=head.len())?;
        let matches = crc == format!("{:08x}", crc32fast::hash(whole.as_bytes()));
        let (marked_run, change) = head.get(MAGIC.len()..)?.split_once('|')?;
        matches.then_some((marked_run.parse::<RunId>().ok()?, change.parse().ok()?))
    });
    match parsed {
        None => ChangeContent::Corrupt,
        Some((marked_run, _)) if marked_run != run => ChangeContent::Foreign,
        Some((_, change)) => ChangeContent::Ours(ChangeId::new(change)),
    }
}

struct Parsed<'v> {
    run: RunId,
    topic: &'v str,
    record: RecordId,
}

fn parse(value: &[u8]) -> Option<Parsed<'_>> {
    // Padding is arbitrary bytes, so only the identity is text.
    let head_end = value
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'|')
        .map(|(at, _)| at)
        .nth(6)?;
    let head = std::str::from_utf8(value.get(..head_end)?).ok()?;
    let (covered, crc_text) = head.rsplit_once('|')?;
    let crc = crc32fast::hash(value.get(..=covered.len())?);
    if crc_text != format!("{crc:08x}") {
        return None;
    }
    let mut fields = covered.get(MAGIC.len()..)?.split('|');
    let run = fields.next()?.parse().ok()?;
    let topic = fields.next()?;
    let producer = fields.next()?.parse().ok()?;
    let sequence = fields.next()?.parse().ok()?;
    let bytes: usize = fields.next()?.parse().ok()?;
    if bytes != value.len() {
        return None;
    }
    let padding = value.get(head_end + 1..)?;
    padding_matches(padding, crc).then_some(Parsed {
        run,
        topic,
        record: RecordId {
            producer: ProducerIx::new(producer),
            sequence: Sequence::new(sequence),
        },
    })
}

/// A cheap stream of bytes from a seed (xorshift32): the padding neither
/// compresses to nothing nor repeats between records.
fn padding_stream(crc: u32) -> impl Iterator<Item = u8> {
    let mut state = crc | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    })
    .flatten()
}

fn pad(padding: &mut [u8], crc: u32) {
    for (byte, made) in padding.iter_mut().zip(padding_stream(crc)) {
        *byte = made;
    }
}

fn padding_matches(padding: &[u8], crc: u32) -> bool {
    padding
        .iter()
        .copied()
        .eq(padding_stream(crc).take(padding.len()))
}
