//! Identities in the values of records and rows, whole and damaged.

use model::event::{ChangeContent, Content};
use model::ids::{ChangeId, ProducerIx, RecordId, RunId, Sequence};
use model::record::{
    OVERHEAD_BYTES_MAX, decode, decode_change, encode, encode_change, encode_compressible,
};
use proptest::prelude::*;

const RUN: RunId = RunId::new(0xfeed);

fn id(producer: u32, sequence: u64) -> RecordId {
    RecordId {
        producer: ProducerIx::new(producer),
        sequence: Sequence::new(sequence),
    }
}

#[test]
fn a_value_says_who_sent_it_where_and_as_which_one() {
    let value = encode(RUN, "videos", id(3, 41), 512);
    assert_eq!(value.len(), 512);
    assert_eq!(decode(RUN, "videos", &value), Content::Ours(id(3, 41)));
    assert_eq!(decode(RUN, "users", &value), Content::Misplaced(id(3, 41)));
    assert_eq!(decode(RunId::new(1), "videos", &value), Content::Foreign);
    assert_eq!(decode(RUN, "videos", b"hello"), Content::Foreign);
}

#[test]
fn padding_compresses_as_much_as_it_is_asked_to() {
    let alike = |percent| {
        let value = encode_compressible(RUN, "t", id(0, 5), 10_000, percent);
        let alike = value.split(|byte| *byte != b'=');
        alike.map(<[u8]>::len).sum::<usize>()
    };
    assert!(alike(0) < 100, "{}", alike(0));
    assert!((4900..5200).contains(&alike(50)), "{}", alike(50));
    assert!(alike(100) > 9900, "{}", alike(100));
}

#[test]
fn a_mark_says_which_change_left_the_row() {
    let mark = encode_change(RUN, ChangeId::new(7));
    assert_eq!(
        decode_change(RUN, &mark),
        ChangeContent::Ours(ChangeId::new(7))
    );
    assert_eq!(decode_change(RunId::new(1), &mark), ChangeContent::Foreign);
    assert_eq!(
        decode_change(RUN, &mark.replace("|7|", "|8|")),
        ChangeContent::Corrupt
    );
    assert_eq!(decode_change(RUN, "a title"), ChangeContent::Foreign);
}

proptest! {
    #[test]
    fn every_size_round_trips(
        sequence: u64, producer: u32, bytes in 0usize..2000, percent in 0u8..=100,
    ) {
        let value = encode_compressible(RUN, "t", id(producer, sequence), bytes, percent);
        prop_assert!(value.len() >= bytes);
        prop_assert!(value.len() <= bytes.max(OVERHEAD_BYTES_MAX + 1));
        prop_assert_eq!(decode(RUN, "t", &value), Content::Ours(id(producer, sequence)));
    }

    #[test]
    fn one_changed_byte_is_never_another_record(
        sequence in 0u64..100_000, at in 0usize..200, flip in 1u8..=255, percent in 0u8..=100,
    ) {
        let mut value = encode_compressible(RUN, "t", id(0, sequence), 200, percent);
        value[at] ^= flip;
        let content = decode(RUN, "t", &value);
        prop_assert!(matches!(content, Content::Corrupt | Content::Foreign), "{:?}", content);
    }

    #[test]
    fn a_cut_or_grown_value_is_corrupt(cut in 12usize..200, extra in 1usize..50) {
        let value = encode(RUN, "t", id(0, 5), 200);
        prop_assert_eq!(decode(RUN, "t", &value[..cut]), Content::Corrupt);
        let mut grown = value;
        grown.resize(200 + extra, b'x');
        prop_assert_eq!(decode(RUN, "t", &grown), Content::Corrupt);
    }

    #[test]
    fn arbitrary_bytes_are_never_ours(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let read = decode(RUN, "t", &bytes);
        prop_assert!(!matches!(read, Content::Ours(_) | Content::Misplaced(_)));
    }
}
