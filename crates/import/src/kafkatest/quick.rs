//! The two lines that a recording consists of, an acknowledged record and one
//! that was read, from their bytes: no allocation, no copy, each byte looked
//! at once. Whatever is not plainly such a line is left to
//! [`json`](super::json), which this must agree with.

use super::numbers::digits;

/// A record at its place, as a line tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'l> {
    pub(super) kind: Kind,
    /// By the clock of its machine.
    pub(super) at_ms: u64,
    pub(super) topic: &'l [u8],
    pub(super) partition: i64,
    pub(super) offset: i64,
    /// None where the line has none; inside, none for `null`.
    pub(super) key: Option<Option<&'l [u8]>>,
    pub(super) value: Option<&'l [u8]>,
}

/// Which of the two lines it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `producer_send_success`
    Sent,
    /// `record_data`
    Read,
}

// One bit for each field, so that a second one of a name is seen.
const TIMESTAMP: u8 = 1;
const NAME: u8 = 1 << 1;
const KEY: u8 = 1 << 2;
const VALUE: u8 = 1 << 3;
const TOPIC: u8 = 1 << 4;
const PARTITION: u8 = 1 << 5;
const OFFSET: u8 = 1 << 6;
const NEEDED: u8 = TIMESTAMP | NAME | VALUE | TOPIC | PARTITION | OFFSET;

/// Reads a line; none where that takes more than this knows.
pub(super) fn read(line: &[u8]) -> Option<Record<'_>> {
    as_kafka_prints(line).or_else(|| in_any_order(line))
}

/// Reads a line with its fields in the order of Kafka's own clients.
fn as_kafka_prints(line: &[u8]) -> Option<Record<'_>> {
    let (at_ms, rest) = digits(line.strip_prefix(b"{\"timestamp\":")?)?;
    if let Some(rest) = rest.strip_prefix(b",\"name\":\"producer_send_success\",\"key\":") {
        let (key, rest) = text_or_null(rest)?;
        let (value, rest) = text_or_null(rest.strip_prefix(b",\"value\":")?)?;
        let (partition, rest) = integer(rest.strip_prefix(b",\"partition\":")?)?;
        let (offset, rest) = integer(rest.strip_prefix(b",\"offset\":")?)?;
        let (topic, rest) = text(rest.strip_prefix(b",\"topic\":")?)?;
        return (rest == b"}").then_some(Record {
            kind: Kind::Sent,
            at_ms,
            topic,
            partition,
            offset,
            key: Some(key),
            value,
        });
    }
    let rest = rest.strip_prefix(b",\"name\":\"record_data\",\"key\":")?;
    let (key, rest) = text_or_null(rest)?;
    let (value, rest) = text_or_null(rest.strip_prefix(b",\"value\":")?)?;
    let (topic, rest) = text(rest.strip_prefix(b",\"topic\":")?)?;
    let (partition, rest) = integer(rest.strip_prefix(b",\"partition\":")?)?;
    let (offset, rest) = integer(rest.strip_prefix(b",\"offset\":")?)?;
    (rest == b"}").then_some(Record {
        kind: Kind::Read,
        at_ms,
        topic,
        partition,
        offset,
        key: Some(key),
        value,
    })
}

/// Reads a line with its fields in any order: that of the producer's differs
/// between Java machines, and clients of other languages have their own.
fn in_any_order(line: &[u8]) -> Option<Record<'_>> {
    let mut record = Record {
        kind: Kind::Sent,
        at_ms: 0,
        topic: &[],
        partition: 0,
        offset: 0,
        key: None,
        value: None,
    };
    let mut seen = 0;
    let mut rest = line.strip_prefix(b"{")?;
    loop {
        let field = match rest.get(1)? {
            b't' if rest.get(2) == Some(&b'o') => {
                (record.topic, rest) = text(name(rest, b"\"topic\":")?)?;
                TOPIC
            }
            b't' => {
                (record.at_ms, rest) = digits(name(rest, b"\"timestamp\":")?)?;
                TIMESTAMP
            }
            b'n' => {
                let kind;
                (kind, rest) = text(name(rest, b"\"name\":")?)?;
                record.kind = match kind {
                    b"producer_send_success" => Kind::Sent,
                    b"record_data" => Kind::Read,
                    _ => return None,
                };
                NAME
            }
            b'k' => {
                let key;
                (key, rest) = text_or_null(name(rest, b"\"key\":")?)?;
                record.key = Some(key);
                KEY
            }
            b'v' => {
                (record.value, rest) = text_or_null(name(rest, b"\"value\":")?)?;
                VALUE
            }
            b'p' => {
                (record.partition, rest) = integer(name(rest, b"\"partition\":")?)?;
                PARTITION
            }
            b'o' => {
                (record.offset, rest) = integer(name(rest, b"\"offset\":")?)?;
                OFFSET
            }
            _ => return None,
        };
        if seen & field != 0 {
            return None;
        }
        seen |= field;
        match rest.split_first()? {
            (b',', after) => rest = after.strip_prefix(b" ").unwrap_or(after),
            (b'}', []) if seen & NEEDED == NEEDED => return Some(record),
            _ => return None,
        }
    }
}

/// What follows a field's name.
#[inline]
fn name<'l>(rest: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let after = rest.strip_prefix(name)?;
    // Python's `json.dumps` leaves a space here.
    Some(after.strip_prefix(b" ").unwrap_or(after))
}

/// A text of plain characters, and what follows it.
#[inline]
fn text(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = rest.strip_prefix(b"\"")?;
    let mut end = 0;
    for eight in rest.chunks_exact(8) {
        let eight = u64::from_le_bytes(*eight.first_chunk()?);
        let found = not_plain(eight).trailing_zeros() / 8;
        end += found as usize;
        if found < 8 {
            break;
        }
    }
    let left = rest.get(end..)?;
    if left.first() != Some(&b'"') {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        end += left.iter().take_while(|byte| plain(byte)).count();
    }
    let (text, after) = rest.split_at_checked(end)?;
    Some((text, after.strip_prefix(b"\"")?))
}

const fn everywhere(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte that is no plain character, from the first one
/// on: those behind it may be wrong.
#[inline]
const fn not_plain(eight: u64) -> u64 {
    const ONES: u64 = everywhere(1);
    const HIGHEST: u64 = everywhere(0x80);
    let quotes = eight ^ everywhere(b'"');
    let escapes = eight ^ everywhere(b'\\');
    let zero = quotes.wrapping_sub(ONES) & !quotes | escapes.wrapping_sub(ONES) & !escapes;
    let control = eight.wrapping_sub(everywhere(b' '));
    let above = eight.wrapping_add(ONES);
    (zero | control | above | eight) & HIGHEST
}

#[inline]
fn text_or_null(rest: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if let Some(after) = rest.strip_prefix(b"null") {
        return Some((None, after));
    }
    let (text, after) = text(rest)?;
    Some((Some(text), after))
}

#[inline]
fn integer(rest: &[u8]) -> Option<(i64, &[u8])> {
    let (number, after) = digits(rest)?;
    Some((i64::try_from(number).ok()?, after))
}

#[cfg(test)]
mod tests;
