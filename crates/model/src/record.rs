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
//! recognised as corrupt. BYTES may be followed by `c` and a number: so many of
//! every 100 bytes of the padding are one letter, and the value compresses. The topic is part of the identity because clients
//! have put records into the wrong topic (KAFKA-19012).

use crate::event::{ChangeContent, Content};
use crate::ids::{ChangeId, ProducerIx, RecordId, RunId, Sequence};

const MAGIC: &str = "ackproof1|";
/// The letter of padding that compresses.
const ALIKE: u8 = b'=';

/// Bytes of a value that are not padding, at most, without the topic's name.
pub const OVERHEAD_BYTES_MAX: usize = 96;

/// The value of a record, exactly `bytes` long; longer where the identity
/// itself needs more.
pub fn encode(run: RunId, topic: &str, record: RecordId, bytes: usize) -> Vec<u8> {
    encode_compressible(run, topic, record, bytes, 0)
}

/// The same, where so many of every 100 bytes of the padding are one letter.
pub fn encode_compressible(
    run: RunId,
    topic: &str,
    record: RecordId,
    bytes: usize,
    percent: u8,
) -> Vec<u8> {
    let alike = match percent {
        0 => String::new(),
        percent => format!("c{percent}"),
    };
    let identity = |size: usize| {
        let head = format!(
            "{MAGIC}{run}|{topic}|{}|{}|{size}{alike}|",
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
    pad(&mut value[length..], crc, percent);
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
    let size = fields.next()?;
    let (bytes, percent) = match size.split_once('c') {
        None => (size, 0),
        Some((bytes, percent)) => (bytes, percent.parse().ok()?),
    };
    let bytes: usize = bytes.parse().ok()?;
    if bytes != value.len() {
        return None;
    }
    let padding = value.get(head_end + 1..)?;
    padding_matches(padding, crc, percent).then_some(Parsed {
        run,
        topic,
        record: RecordId {
            producer: ProducerIx::new(producer),
            sequence: Sequence::new(sequence),
        },
    })
}

/// A cheap stream of bytes from a seed (xorshift32): the padding neither
/// compresses to nothing nor repeats between records, but for so many of every
/// 100 bytes as are asked to.
fn padding_stream(crc: u32, percent: u8) -> impl Iterator<Item = u8> {
    let mut state = crc | 1;
    let random = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    })
    .flatten();
    let places = (0..100u8).cycle();
    places.zip(random).map(
        move |(place, byte)| {
            if place < percent { ALIKE } else { byte }
        },
    )
}

fn pad(padding: &mut [u8], crc: u32, percent: u8) {
    for (byte, made) in padding.iter_mut().zip(padding_stream(crc, percent)) {
        *byte = made;
    }
}

fn padding_matches(padding: &[u8], crc: u32, percent: u8) -> bool {
    padding
        .iter()
        .copied()
        .eq(padding_stream(crc, percent).take(padding.len()))
}
