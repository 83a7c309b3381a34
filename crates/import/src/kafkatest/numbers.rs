//! The numbers that verifiable clients print: offsets and partitions within
//! their bounds, and values that count. Knows nothing of JSON.

use model::ids::{Offset, PartitionIndex, Sequence};

use super::error::KafkatestFlaw;

/// No cluster has a topic with more; a history that claims one would have
/// every reader of it walk through all of them.
pub(super) const PARTITION_MAX: i32 = 999_999;

/// Kafka's client prints this for an unknown offset, as with `acks=0`. librdkafka prints
/// -1001.
pub(super) const NO_OFFSET: i64 = -1;

/// The partition that a line names.
pub(super) fn partition(number: i64) -> Result<PartitionIndex, KafkatestFlaw> {
    i32::try_from(number)
        .ok()
        .filter(|index| (0..=PARTITION_MAX).contains(index))
        .map(PartitionIndex::new)
        .ok_or(KafkatestFlaw::Partition(number))
}

/// The place of a record. The largest number is none: no offset follows it.
pub(super) fn record_offset(number: i64) -> Result<Offset, KafkatestFlaw> {
    if (0..i64::MAX).contains(&number) {
        Ok(Offset::new(number))
    } else {
        Err(KafkatestFlaw::Offset(number))
    }
}

/// The place that an acknowledgement names, or that it names none.
pub(super) fn acknowledged_offset(number: i64) -> Result<Offset, KafkatestFlaw> {
    if number < 0 {
        return Ok(Offset::NONE);
    }
    record_offset(number)
}

/// A committed position: the next offset to read.
pub(super) fn position(number: i64) -> Result<Offset, KafkatestFlaw> {
    if number >= 0 {
        Ok(Offset::new(number))
    } else {
        Err(KafkatestFlaw::Offset(number))
    }
}

/// A value as `VerifiableProducer` makes them: `N`, or `PREFIX.N` with
/// `--value-prefix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counting {
    pub(super) prefix: Option<i32>,
    pub(super) count: Sequence,
}

/// The number and prefix of a value; none where the value is no number.
pub(super) fn counting(value: &[u8]) -> Option<Counting> {
    // Most values have no prefix.
    if let Some(count) = decimal(value) {
        return Some(Counting {
            prefix: None,
            count: Sequence::new(count),
        });
    }
    let point = value.iter().position(|byte| *byte == b'.')?;
    let (prefix, count) = (value.get(..point)?, value.get(point + 1..)?);
    let magnitude = |digits| decimal(digits).and_then(|it| i64::try_from(it).ok());
    let prefix = match prefix.strip_prefix(b"-") {
        Some(digits) => -magnitude(digits).filter(|it| *it > 0)?,
        None => magnitude(prefix)?,
    };
    Some(Counting {
        prefix: Some(i32::try_from(prefix).ok()?),
        count: Sequence::new(decimal(count)?),
    })
}

/// A number of at most 63 bits, as Java prints it: no sign, no zeros in front.
fn decimal(text: &[u8]) -> Option<u64> {
    let (number, after) = digits(text)?;
    (after.is_empty() && i64::try_from(number).is_ok()).then_some(number)
}

/// Nineteen digits do not overflow; Kafka prints thirteen for a time.
const DIGITS_MAX: usize = 19;
/// Eight times the digit 0.
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
/// What makes the highest bit of a byte say that it is more than 9.
const BEYOND_NINE: u64 = u64::from_ne_bytes([0x7f - 9; 8]);
const HIGHEST_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// A number of plain digits, without zeros in front, and what follows it; none
/// where there is no digit, or more than [`DIGITS_MAX`] of them. Eight bytes
/// are looked at at once.
#[inline]
pub(super) fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number: u64 = 0;
    let mut count = 0;
    let mut rest = text;
    while let Some(eight) = rest.first_chunk::<8>() {
        let values = u64::from_le_bytes(*eight) ^ ZEROS;
        let strange = (values.wrapping_add(BEYOND_NINE) | values) & HIGHEST_BITS;
        let found = strange.trailing_zeros() / 8;
        if found == 0 {
            break;
        }
        if count + found as usize > DIGITS_MAX {
            return None;
        }
        number = number
            .wrapping_mul(POWERS[found as usize])
            .wrapping_add(joined(values << (64 - 8 * found)));
        count += found as usize;
        (_, rest) = rest.split_at_checked(found as usize)?;
        if found < 8 {
            return is_plain(text, count).then_some((number, rest));
        }
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if count == DIGITS_MAX {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(digit.into());
        count += 1;
    }
    (_, rest) = text.split_at_checked(count)?;
    is_plain(text, count).then_some((number, rest))
}

/// Ten to the power of each place.
const POWERS: [u64; 9] = {
    let mut powers = [1; 9];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Eight digits, the first in the lowest byte, as a number.
const fn joined(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// Whether so many digits are a number, and the only way to write it.
fn is_plain(text: &[u8], count: usize) -> bool {
    count == 1 || (count > 1 && text.first() != Some(&b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Option<(Option<i32>, u64)> {
        counting(value.as_bytes()).map(|it| (it.prefix, it.count.get()))
    }

    #[test]
    fn values_count_with_and_without_a_prefix() {
        assert_eq!(shown("0"), Some((None, 0)));
        assert_eq!(shown("42"), Some((None, 42)));
        assert_eq!(shown("7.42"), Some((Some(7), 42)));
        assert_eq!(shown("-3.0"), Some((Some(-3), 0)));
        let last = i64::MAX.to_string();
        assert_eq!(shown(&last), Some((None, i64::MAX.unsigned_abs())));
    }

    #[test]
    fn other_values_do_not_count() {
        for value in [
            "",
            ".",
            "1.",
            ".1",
            "a",
            "01",
            "1.01",
            "+1",
            "-1",
            "-0.1",
            "1.2.3",
            " 1",
            "1e3",
            "9223372036854775808",
            "18446744073709551616",
            "2147483648.1",
            "99999999999999999999",
        ] {
            assert_eq!(shown(value), None, "{value:?}");
        }
    }

    #[test]
    fn an_offset_leaves_room_for_the_next_one() {
        assert!(record_offset(i64::MAX).is_err());
        assert!(record_offset(-1).is_err());
        assert!(position(i64::MAX).is_ok());
        assert_eq!(acknowledged_offset(-1).ok(), Some(Offset::NONE));
        assert_eq!(acknowledged_offset(-1001).ok(), Some(Offset::NONE));
        assert!(acknowledged_offset(i64::MAX).is_err());
    }

    #[test]
    fn a_partition_is_one_that_a_cluster_could_have() {
        assert!(partition(999_999).is_ok());
        for number in [-1, 1_000_000, i64::from(i32::MAX), i64::MAX] {
            assert!(partition(number).is_err(), "{number}");
        }
    }

    #[test]
    fn digits_are_what_they_look_like() {
        for (text, expected) in [
            ("", None),
            ("x", None),
            ("0", Some((0, ""))),
            ("00", None),
            ("01", None),
            ("0,1", Some((0, ",1"))),
            ("7}", Some((7, "}"))),
            ("1234567", Some((1_234_567, ""))),
            ("12345678", Some((12_345_678, ""))),
            ("12345678:", Some((12_345_678, ":"))),
            (
                "1795446836164,\"name\"",
                Some((1_795_446_836_164, ",\"name\"")),
            ),
            ("9223372036854775807", Some((i64::MAX.unsigned_abs(), ""))),
            (
                "9999999999999999999/",
                Some((9_999_999_999_999_999_999, "/")),
            ),
            ("10000000000000000000", None),
            ("000000000000000000000", None),
        ] {
            let expected = expected.map(|(number, rest)| (number, rest.as_bytes()));
            assert_eq!(digits(text.as_bytes()), expected, "{text:?}");
        }
        // Every byte that is no digit ends it, wherever it stands.
        for place in 1..20 {
            for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut text = b"1234567891234567891234".to_vec();
                text[place] = byte;
                let (number, rest) = digits(&text).unwrap();
                assert_eq!(rest, &text[place..]);
                let digits = std::str::from_utf8(&text[..place]).unwrap();
                assert_eq!(number.to_string(), digits);
            }
        }
    }
}
