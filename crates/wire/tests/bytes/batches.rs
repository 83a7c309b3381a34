//! Batches as kafka-protocol's encoder builds them, whole and damaged.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as WireCompression, Record as WireRecord, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType as WireTimestampType,
};
use model::ids::Offset;
use proptest::prelude::*;
use wire::{
    Batch, BatchError, Batches, Compression, ControlMarker, DecompressError, Header, ProducerStamp,
    TimestampType,
};

/// Base offset and length, which the length does not count.
const PREFIX_BYTES: usize = 12;
/// Everything before the records.
const HEADER_BYTES: usize = 61;
/// The CRC covers the batch from its attributes on.
const CRC_START: usize = 21;
const LOG_APPEND_TIME: i16 = 1 << 3;

const LIMIT: usize = 1024 * 1024;
const CODECS: [(WireCompression, Compression); 5] = [
    (WireCompression::None, Compression::None),
    (WireCompression::Gzip, Compression::Gzip),
    (WireCompression::Snappy, Compression::Snappy),
    (WireCompression::Lz4, Compression::Lz4),
    (WireCompression::Zstd, Compression::Zstd),
];

/// A plain record; its sequence follows its offset, as one batch needs.
fn record(offset: i64, value: &[u8]) -> WireRecord {
    WireRecord {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 3,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: WireTimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).unwrap(),
        timestamp: 1_000 + offset,
        key: None,
        value: Some(Bytes::copy_from_slice(value)),
        headers: std::iter::empty::<(StrBytes, Option<Bytes>)>().collect(),
    }
}

fn encode(records: &[WireRecord], compression: WireCompression) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    RecordBatchEncoder::encode(&mut bytes, records, &options).unwrap();
    bytes.to_vec()
}

fn plain(offsets: &[i64]) -> Vec<u8> {
    let records: Vec<_> = offsets.iter().map(|&o| record(o, b"value")).collect();
    encode(&records, WireCompression::None)
}

/// Makes the checksum right again after a change on purpose.
fn reseal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[CRC_START..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn decode_all(bytes: Vec<u8>) -> (Vec<Result<Batch, BatchError>>, usize) {
    let mut batches = Batches::new(bytes.into(), LIMIT);
    let decoded = batches.by_ref().collect();
    (decoded, batches.truncated_bytes())
}

fn decode_one(bytes: Vec<u8>) -> Result<Batch, BatchError> {
    let (mut decoded, truncated) = decode_all(bytes);
    assert_eq!((decoded.len(), truncated), (1, 0));
    decoded.remove(0)
}

fn offsets(batch: &Batch) -> Vec<i64> {
    batch.records.iter().map(|r| r.offset.get()).collect()
}

#[test]
fn every_codec_gives_the_same_records() {
    let long = vec![b'x'; 100_000];
    let records = [record(10, b"a"), record(11, &long), record(12, b"")];
    for (wire, ours) in CODECS {
        let batch = decode_one(encode(&records, wire)).unwrap();
        assert_eq!(batch.compression, ours);
        assert_eq!(batch.record_count, 3);
        let values: Vec<_> = batch.records.iter().map(|r| r.value.as_deref()).collect();
        assert_eq!(
            values,
            [Some(&b"a"[..]), Some(&long), Some(b"")],
            "{ours:?}"
        );
    }
}

#[test]
fn a_header_is_kept_whole() {
    let mut written = record(40, b"v");
    written.producer_id = 7;
    written.producer_epoch = 2;
    written.sequence = 900;
    written.transactional = true;
    written.key = Some(Bytes::from_static(b"k"));
    let batch = decode_one(encode(&[written], WireCompression::None)).unwrap();
    assert_eq!(
        batch.producer,
        Some(ProducerStamp {
            id: 7,
            epoch: 2,
            base_sequence: 900
        })
    );
    assert!(batch.transactional && !batch.control);
    assert_eq!(batch.leader_epoch, 3);
    assert_eq!(batch.max_timestamp_ms, 1_040);
    assert_eq!(batch.records[0].timestamp_ms, 1_040);
    assert_eq!(batch.records[0].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(batch.next_offset(), Offset::new(41));
}

#[test]
fn a_plain_producer_leaves_no_stamp() {
    assert_eq!(decode_one(plain(&[0])).unwrap().producer, None);
}

#[test]
fn the_brokers_time_replaces_the_records_own() {
    let mut bytes = plain(&[5, 6]);
    let attributes = LOG_APPEND_TIME.to_be_bytes();
    bytes[CRC_START..CRC_START + 2].copy_from_slice(&attributes);
    reseal(&mut bytes);
    let batch = decode_one(bytes).unwrap();
    assert_eq!(batch.timestamp_type, TimestampType::LogAppend);
    let times: Vec<_> = batch.records.iter().map(|r| r.timestamp_ms).collect();
    assert_eq!(times, [1_006, 1_006]);
}

#[test]
fn control_batches_are_given_with_their_marker() {
    for (kind, marker) in [
        (0, ControlMarker::Abort),
        (1, ControlMarker::Commit),
        (9, ControlMarker::Other(9)),
    ] {
        let mut written = record(3, b"");
        written.control = true;
        written.transactional = true;
        written.producer_id = 7;
        let mut key = BytesMut::new();
        key.put_i16(0);
        key.put_i16(kind);
        written.key = Some(key.freeze());
        let batch = decode_one(encode(&[written], WireCompression::None)).unwrap();
        assert!(batch.control);
        assert_eq!(batch.control_marker(), Some(marker));
    }
    assert_eq!(decode_one(plain(&[0])).unwrap().control_marker(), None);
}

#[test]
fn gaps_within_and_between_batches_are_kept() {
    let mut bytes = plain(&[5, 8, 20]);
    bytes.extend(plain(&[100]));
    let (decoded, truncated) = decode_all(bytes);
    assert_eq!(truncated, 0);
    let decoded: Vec<_> = decoded.into_iter().map(Result::unwrap).collect();
    assert_eq!(offsets(&decoded[0]), [5, 8, 20]);
    assert_eq!(decoded[0].next_offset(), Offset::new(21));
    assert_eq!(offsets(&decoded[1]), [100]);
}

#[test]
fn a_batch_emptied_by_compaction_still_tells_where_it_ends() {
    let mut bytes = plain(&[5, 6, 7]);
    bytes.truncate(HEADER_BYTES);
    bytes[8..12].copy_from_slice(&49_i32.to_be_bytes());
    bytes[57..61].copy_from_slice(&0_i32.to_be_bytes());
    reseal(&mut bytes);
    let batch = decode_one(bytes).unwrap();
    assert!(batch.records.is_empty());
    assert_eq!(batch.next_offset(), Offset::new(8));
}

#[test]
fn a_truncated_tail_is_left_and_counted() {
    let whole = plain(&[0, 1]);
    let tail = plain(&[2, 3]);
    for kept in 0..tail.len() {
        let mut bytes = whole.clone();
        bytes.extend_from_slice(&tail[..kept]);
        let (decoded, truncated) = decode_all(bytes);
        assert_eq!(decoded.len(), 1);
        assert!(decoded[0].is_ok());
        assert_eq!(truncated, kept);
    }
}

#[test]
fn every_flipped_bit_under_the_checksum_is_seen_and_the_next_batch_read() {
    let good = plain(&[0, 1]);
    for byte in CRC_START..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[byte] ^= 1 << bit;
            bytes.extend(plain(&[2]));
            let (decoded, _) = decode_all(bytes);
            assert!(
                matches!(decoded[0], Err(BatchError::Crc { .. })),
                "byte {byte} bit {bit}"
            );
            assert_eq!(offsets(decoded[1].as_ref().unwrap()), [2]);
        }
    }
}

#[test]
fn hostile_batch_lengths_end_the_reading_with_an_error() {
    for length in [-1, i32::MIN, 0, 48] {
        let mut bytes = plain(&[0]);
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let (decoded, truncated) = decode_all(bytes);
        assert_eq!((decoded.len(), truncated), (1, 0));
        assert!(matches!(decoded[0], Err(BatchError::Length { length: l, .. }) if l == length));
    }
}

#[test]
fn a_length_beyond_the_bytes_is_a_truncated_batch() {
    let mut bytes = plain(&[0]);
    bytes[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    let size = bytes.len();
    let (decoded, truncated) = decode_all(bytes);
    assert_eq!((decoded.len(), truncated), (0, size));
}

#[test]
fn claims_that_the_bytes_cannot_hold_are_malformed() {
    let cases: BTreeMap<&str, (usize, &[u8])> = BTreeMap::from([
        (
            "a record count of two thousand million",
            (57, &[0x7f; 4][..]),
        ),
        ("a negative record count", (57, &[0xff; 4])),
        ("fewer records than there are", (57, &[0, 0, 0, 1])),
        ("a negative last offset delta", (23, &[0xff; 4])),
        ("a last offset before a record's", (23, &[0, 0, 0, 0])),
        ("an unknown codec", (22, &[7])),
        ("a record longer than the batch", (61, &[0x7e])),
    ]);
    for (claim, (at, lie)) in cases {
        let mut bytes = plain(&[0, 1]);
        bytes[at..at + lie.len()].copy_from_slice(lie);
        reseal(&mut bytes);
        let decoded = decode_one(bytes);
        assert!(
            matches!(decoded, Err(BatchError::Malformed { .. })),
            "{claim}: {decoded:?}"
        );
    }
}

#[test]
fn an_old_format_is_named() {
    let mut bytes = plain(&[0]);
    bytes[16] = 1;
    assert!(matches!(
        decode_one(bytes),
        Err(BatchError::Magic { magic: 1, .. })
    ));
}

#[test]
fn a_compression_bomb_stops_at_the_limit() {
    let bomb = [record(0, &vec![0; LIMIT + 1])];
    for (wire, ours) in &CODECS[1..] {
        let bytes = encode(&bomb, *wire);
        assert!(bytes.len() < LIMIT / 10);
        let decoded = decode_one(bytes);
        assert!(
            matches!(
                decoded,
                Err(BatchError::Compression {
                    source: DecompressError::TooLong { .. },
                    ..
                })
            ),
            "{ours:?}"
        );
    }
}

#[test]
fn bare_snappy_is_read_too() {
    let records = encode(&[record(0, b"value")], WireCompression::None);
    let body = snap::raw::Encoder::new()
        .compress_vec(&records[HEADER_BYTES..])
        .unwrap();
    let mut bytes = records[..HEADER_BYTES].to_vec();
    bytes.extend(body);
    let length = i32::try_from(bytes.len() - PREFIX_BYTES).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = 2;
    reseal(&mut bytes);
    let batch = decode_one(bytes).unwrap();
    assert_eq!(batch.records[0].value.as_deref(), Some(&b"value"[..]));
}

#[test]
fn headers_of_one_name_are_all_kept() {
    // One record by hand, since kafka-protocol's encoder cannot write this.
    let record = [
        0, 0, 0, 1, 1, // attributes, timestamp, offset, no key, no value
        4, 2, b'h', 2, b'1', 2, b'h', 1, // two headers named h: "1" and none
    ];
    let mut bytes = plain(&[0])[..HEADER_BYTES].to_vec();
    bytes.push(u8::try_from(record.len() * 2).unwrap());
    bytes.extend_from_slice(&record);
    let length = i32::try_from(bytes.len() - PREFIX_BYTES).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    reseal(&mut bytes);
    let batch = decode_one(bytes).unwrap();
    let values: Vec<_> = batch.records[0]
        .headers
        .iter()
        .map(|header| (&header.key[..], header.value.as_deref()))
        .collect();
    assert_eq!(values, [(&b"h"[..], Some(&b"1"[..])), (b"h", None)]);
}

proptest! {
    #[test]
    fn what_was_written_is_what_is_read(
        codec in 0_usize..5,
        first in 0_i64..1_000_000,
        fields in prop::collection::vec(
            (
                1_i64..50,
                prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
                prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
                prop::collection::btree_map("[a-z]{1,4}", prop::option::of("[a-z]{0,4}"), 0..3),
            ),
            1..20,
        ),
    ) {
        let mut offset = first;
        let mut written = Vec::new();
        for (gap, key, value, headers) in fields {
            let mut next = record(offset, b"");
            next.key = key.map(Bytes::from);
            next.value = value.map(Bytes::from);
            next.headers = headers
                .into_iter()
                .map(|(key, value)| (StrBytes::from_string(key), value.map(Bytes::from)))
                .collect();
            written.push(next);
            offset += gap;
        }
        let batch = decode_one(encode(&written, CODECS[codec].0)).unwrap();
        prop_assert_eq!(batch.base_offset.get(), first);
        prop_assert_eq!(batch.records.len(), written.len());
        for (read, written) in batch.records.iter().zip(&written) {
            prop_assert_eq!(read.offset.get(), written.offset);
            prop_assert_eq!(read.timestamp_ms, written.timestamp);
            prop_assert_eq!(&read.key, &written.key);
            prop_assert_eq!(&read.value, &written.value);
            let expected: Vec<_> = written
                .headers
                .iter()
                .map(|(key, value)| Header {
                    key: key.clone().into_bytes(),
                    value: value.clone(),
                })
                .collect();
            prop_assert_eq!(&read.headers, &expected);
        }
    }

    #[test]
    fn damage_with_a_right_checksum_never_panics(
        codec in 0_usize..5,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = encode(&[record(0, b"one"), record(1, b"two")], CODECS[codec].0);
        for (at, byte) in changes {
            let at = CRC_START + at.index(bytes.len() - CRC_START);
            bytes[at] = byte;
        }
        reseal(&mut bytes);
        let _ = decode_all(bytes);
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_all(bytes);
    }
}
