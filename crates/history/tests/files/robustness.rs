//! Histories that a crash cut short, that a disk damaged, and that were
//! forged: never a panic, never other events.

use std::fs;

use history::{Damage, Tail, VERSION};
use proptest::prelude::*;

use super::layout::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, HEADER_BYTES, MAGIC, file_header, frame_of,
};
use super::{every_event, forged, read_bytes, record, some_events};

fn bytes_of(events: &[model::event::Event], events_per_frame: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h");
    record(&path, events, events_per_frame);
    fs::read(path).unwrap()
}

/// Where each frame begins, and the end.
fn frames(file: &[u8]) -> Vec<usize> {
    let mut places = vec![HEADER_BYTES];
    while let Some(length) = file
        .get(places[places.len() - 1]..)
        .and_then(|it| it.get(..4))
    {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        places.push(places[places.len() - 1] + FRAME_HEADER_BYTES + length);
    }
    places
}

#[test]
fn cut_anywhere_it_is_readable_up_to_the_last_whole_frame() {
    let mut events = every_event();
    events.extend(some_events(60));
    let bytes = bytes_of(&events, 20);
    let frames = frames(&bytes);
    for cut in 0..=bytes.len() {
        let whole = frames.iter().filter(|place| **place <= cut).count();
        let (left, tail) = read_bytes(&bytes[..cut]).unwrap();
        let expected = match whole {
            0 => Tail::CutOff { at: 0 },
            _ if frames.contains(&cut) => Tail::Whole,
            _ => Tail::CutOff {
                at: frames[whole - 1] as u64,
            },
        };
        assert_eq!(tail, Some(expected), "cut at {cut}");
        let count = (whole.saturating_sub(1) * 20).min(events.len());
        assert_eq!(left, events[..count], "cut at {cut}");
    }
}

#[test]
fn a_flipped_byte_is_an_error_that_names_the_place_of_its_frame() {
    let mut events = every_event();
    events.extend(some_events(60));
    let bytes = bytes_of(&events, 20);
    let frames = frames(&bytes);
    for at in 0..bytes.len() {
        // Every other byte there can be in the header of the file, the bits
        // one by one elsewhere.
        let masks = match at {
            0..HEADER_BYTES => (1..=255).collect(),
            _ => (0..8).map(|bit| 1 << bit).collect::<Vec<u8>>(),
        };
        for mask in masks {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            let error = read_bytes(&flipped).unwrap_err();
            if at < MAGIC.len() {
                assert!(matches!(error, Damage::NotAHistory { .. }), "{error}");
                continue;
            }
            let Damage::Frame { at: named, .. } = error else {
                panic!("byte {at}: {error}");
            };
            let begins = frames.iter().rfind(|place| **place <= at);
            let begins = begins.map_or(0, |place| *place as u64);
            assert_eq!(named, begins, "byte {at}: {error}");
        }
    }
}

#[test]
fn another_version_is_refused_by_its_number() {
    for version in [1, VERSION + 1] {
        let mut bytes = bytes_of(&some_events(1), 1);
        bytes[8..10].copy_from_slice(&version.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..10]);
        bytes[10..14].copy_from_slice(&checksum.to_le_bytes());
        let error = read_bytes(&bytes).unwrap_err();
        let named = matches!(error, Damage::OtherVersion { found, .. } if found == version);
        assert!(named, "{error}");
    }
}

#[test]
fn what_is_no_history_is_refused() {
    for bytes in [&b"ACKPROVE"[..], b"x", b"ACKPROOX\x02\x00", &[0; 100]] {
        let error = read_bytes(bytes).unwrap_err();
        assert!(matches!(error, Damage::NotAHistory { .. }), "{error}");
    }
}

#[test]
fn a_frame_that_is_missing_doubled_or_moved_is_an_error() {
    let bytes = bytes_of(&some_events(60), 20);
    let places = frames(&bytes);
    let [header, first, second, third] = [
        &bytes[..places[0]],
        &bytes[places[0]..places[1]],
        &bytes[places[1]..places[2]],
        &bytes[places[2]..places[3]],
    ];
    let orders: [&[&[u8]]; 4] = [
        &[second, third],
        &[first, third],
        &[first, first, second, third],
        &[first, third, second],
    ];
    for order in orders {
        let moved = [header].iter().chain(order).copied().collect::<Vec<_>>();
        assert!(read_bytes(&moved.concat()).is_err());
    }
    let two_files = [bytes.as_slice(), bytes.as_slice()].concat();
    assert!(read_bytes(&two_files).is_err());
}

#[test]
fn zeros_behind_a_history_are_damage() {
    let mut bytes = bytes_of(&some_events(3), 20);
    let end = bytes.len() as u64;
    bytes.resize(bytes.len() + 4096, 0);
    let error = read_bytes(&bytes).unwrap_err();
    assert!(
        matches!(error, Damage::Frame { at, .. } if at == end),
        "{error}"
    );
}

#[test]
fn frames_without_an_event_mean_nothing() {
    let ended: &[u8] = &[0, 29];
    let mut empty: Vec<(u32, &[u8])> = vec![(0, &[]); 20_000];
    empty.push((1, ended));
    empty.extend(vec![(0, &[] as &[u8]); 20_000]);
    let (events, tail) = read_bytes(&forged(&empty)).unwrap();
    assert_eq!((events.len(), tail), (1, Some(Tail::Whole)));
}

#[test]
fn a_count_of_events_that_lies_is_damage() {
    let three: &[u8] = &[0, 29, 0, 30, 0, 29];
    assert_eq!(read_bytes(&forged(&[(3, three)])).unwrap().0.len(), 3);
    for lie in [0, 2, 4, u32::MAX] {
        let error = read_bytes(&forged(&[(lie, three)])).unwrap_err();
        assert!(matches!(error, Damage::Frame { at: 14, .. }), "{error}");
    }
}

#[test]
fn lengths_beyond_all_bounds_are_damage_and_take_no_memory() {
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let with = |begin: &[u8], end: &[u8]| [begin, &most, end].concat();
    let hostile = [
        // A reason of 2^64 - 1 bytes.
        with(&[0, 31], b"x"),
        // As many partitions for a member.
        with(&[0, 8, 5], &[1, 2]),
        // A variant, a sequence and an offset of eleven bytes.
        with(&[0], &[0]),
        with(&[0, 3, 0, 0xff], &[0, 0]),
        with(&[0, 14, 0, 0, 0xff], &[2]),
        // A partition beyond 32 bits, a producer beyond 32 bits.
        with(&[0, 15, 0], &[]),
        with(&[0, 3], &[0, 0, 0]),
        // No UTF-8; no variant; no outcome; nothing at all.
        vec![0, 31, 1, 0xff],
        vec![0, 46],
        vec![0, 4, 0, 0, 9],
        vec![],
    ];
    for bytes in hostile {
        let error = read_bytes(&forged(&[(1, &bytes)])).unwrap_err();
        assert!(matches!(error, Damage::Frame { at: 14, .. }), "{error}");
    }
}

#[test]
fn a_frame_larger_than_any_that_is_written_is_damage() {
    let zeros = vec![0; FRAME_BYTES_MAX + 1];
    let error = read_bytes(&forged(&[(1, &zeros)])).unwrap_err();
    assert!(error.to_string().contains("larger than any"), "{error}");
}

#[test]
fn a_payload_that_makes_fewer_bytes_than_announced_is_damage() {
    // The frame before leaves bytes in the buffer that would be events.
    let mut file = forged(&[(2, &[0, 29, 0, 30])]);
    let packed = lz4_flex::block::compress(&[0, 29]);
    let at = file.len();
    file.extend(frame_of(at, 2, 4, &packed));
    let error = read_bytes(&file).unwrap_err();
    assert!(
        matches!(error, Damage::Frame { at: named, .. } if named == at as u64),
        "{error}"
    );
}

#[test]
fn an_event_in_two_frames_is_damage() {
    let bytes = forged(&[(1, &[0]), (1, &[29])]);
    assert!(read_bytes(&bytes).is_err());
}

proptest! {
    #[test]
    fn whatever_a_frame_holds_is_events_or_damage(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        events in 0_u32..40,
    ) {
        if let Ok((found, _)) = read_bytes(&forged(&[(events, &bytes)])) {
            prop_assert_eq!(found.len(), events as usize);
        }
    }

    #[test]
    fn whatever_a_payload_is_it_is_a_block_or_damage(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        unpacked in 0_usize..70_000,
    ) {
        let mut file = file_header();
        file.extend(frame_of(HEADER_BYTES, 1, unpacked, &payload));
        let _ = read_bytes(&file);
    }

    #[test]
    fn bytes_of_another_kind_are_never_events(
        bytes in proptest::collection::vec(any::<u8>(), 1..400),
        keep in 0_usize..400,
    ) {
        let whole = bytes_of(&some_events(40), 10);
        let keep = keep.min(whole.len());
        let spliced = [&whole[..keep], &bytes].concat();
        if let Ok((found, _)) = read_bytes(&spliced) {
            prop_assert_eq!(&found[..], &some_events(40)[..found.len()]);
        }
    }
}
