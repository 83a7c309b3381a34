//! The numbers that verifiable clients print: offsets and partitions within
//! their bounds, and values that count. Knows nothing of JSON.

use model::ids::{Offset, PartitionIndex, Sequence};

use super::error::Flaw;

/// No cluster has a topic with more; a history that claims one would have
/// every reader of it walk through all of them.
pub(super) const PARTITION_MAX: i32 = 999_999;

/// What a client prints for an offset that it was not told, as with `acks=0`.
const NO_OFFSET: i64 = -1;

/// The partition that a line names.
pub(super) fn partition(number: i64) -> Result<PartitionIndex, Flaw> {
    i32::try_from(number)
        .ok()
        .filter(|index| (0..=PARTITION_MAX).contains(index))
        .map(PartitionIndex::new)
        .ok_or(Flaw::Partition(number))
}

/// The place of a record. The largest number is none: no offset follows it.
pub(super) fn record_offset(number: i64) -> Result<Offset, Flaw> {
    if (0..i64::MAX).contains(&number) {
        Ok(Offset::new(number))
    } else {
        Err(Flaw::Offset(number))
    }
}

/// The place that an acknowledgement names, if it names one.
pub(super) fn acknowledged_offset(number: i64) -> Result<Option<Offset>, Flaw> {
    if number == NO_OFFSET {
        return Ok(None);
    }
    record_offset(number).map(Some)
}

/// A committed position: the next offset to read.
pub(super) fn position(number: i64) -> Result<Offset, Flaw> {
    if number >= 0 {
        Ok(Offset::new(number))
    } else {
        Err(Flaw::Offset(number))
    }
}

/// A value as `VerifiableProducer` makes them: `N`, or `PREFIX.N` with
/// `--value-prefix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counting {
    pub(super) prefix: Option<i32>,
    pub(super) count: Sequence,
}

/// What a value counts; none where it is not one that counts.
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
fn decimal(digits: &[u8]) -> Option<u64> {
    let (first, rest) = digits.split_first()?;
    if !first.is_ascii_digit() || (*first == b'0' && !rest.is_empty()) || rest.len() > 18 {
        return None;
    }
    let mut number = u64::from(first - b'0');
    for digit in rest {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    (i64::try_from(number).is_ok()).then_some(number)
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
        assert_eq!(acknowledged_offset(-1).ok(), Some(None));
        assert!(acknowledged_offset(-2).is_err());
    }

    #[test]
    fn a_partition_is_one_that_a_cluster_could_have() {
        assert!(partition(999_999).is_ok());
        for number in [-1, 1_000_000, i64::from(i32::MAX), i64::MAX] {
            assert!(partition(number).is_err(), "{number}");
        }
    }
}
