//! Change events decoded as data. `debezium/VERSION.tsv` holds what real
//! connectors wrote (table, key, value; `-` for a tombstone): a row found by
//! the snapshot, then inserts, insert-and-touches, a COPY of three rows, a
//! delete, a change of a primary key, and two rows that others wrote.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

use std::sync::Arc;

use cdc::debezium::{EventDecoder, RawRecord};
use cdc::form::Form;
use cdc::schema::Table;
use model::event::{Body, ChangeContent, RowOp};
use model::ids::{ChangeId, Lsn, Offset, PartitionIndex, PartitionRef, RunId, TableIx, TopicIx};
use model::scenario::Capture;

const RUN: RunId = RunId::new(0x00ac_4900_f000_0001);

const RECORDED: [(&str, &str); 2] = [
    ("3.7.0.Final", include_str!("debezium/3.7.0.Final.tsv")),
    ("3.6.3.Final", include_str!("debezium/3.6.3.Final.tsv")),
];

/// One event, as far as these tests compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DecodedEvent {
    table: TableIx,
    key: i64,
    op: RowOp,
    content: ChangeContent,
    lsn: Lsn,
}

fn decode(topic: Table, key: Option<&str>, value: Option<&str>) -> Option<DecodedEvent> {
    decode_as(&[], topic, key, value, &[])
}

/// The form that a connector's configuration gives to events.
fn form(config: &[(&str, &str)]) -> Form {
    let config = config.iter();
    Form::of(&Capture {
        connector: "c".to_owned(),
        slot: "s".to_owned(),
        publication: "p".to_owned(),
        prefix: "db".to_owned(),
        debezium: None,
        config: config
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        worker_config: model::scenario::Config::new(),
        database_config: model::scenario::Config::new(),
    })
}

fn decode_as(
    config: &[(&str, &str)],
    topic: Table,
    key: Option<&str>,
    value: Option<&str>,
    headers: &[(&str, &str)],
) -> Option<DecodedEvent> {
    let partition = PartitionRef {
        topic: TopicIx::new(7),
        partition: PartitionIndex::new(0),
    };
    let record = RawRecord {
        offset: Offset::new(41),
        key: key.map(str::as_bytes),
        value: value.map(str::as_bytes),
        headers: headers
            .iter()
            .map(|(key, value)| (key.as_bytes(), value.as_bytes()))
            .collect(),
    };
    let form = Arc::new(form(config));
    let told = EventDecoder::new(RUN, partition, topic.ix(), form).decode(&record)?;
    let Body::ChangeEvent {
        partition: at,
        offset,
        table,
        key,
        op,
        content,
        lsn,
    } = told
    else {
        panic!("not a change event: {told:?}");
    };
    assert_eq!((at, offset), (partition, Offset::new(41)));
    Some(DecodedEvent {
        table,
        key: key.get(),
        op,
        content,
        lsn,
    })
}

/// The recorded events of one table, tombstones as none.
fn recorded(text: &str, table: Table) -> Vec<Option<DecodedEvent>> {
    text.lines()
        .map(|line| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().unwrap();
            (field(), field(), field())
        })
        .filter(|(name, _, _)| *name == table.name())
        .map(|(_, key, value)| decode(table, Some(key), (value != "-").then_some(value)))
        .collect()
}

fn ours(change: u64) -> ChangeContent {
    ChangeContent::Ours(ChangeId::new(change))
}

#[test]
fn recorded_events_tell_of_the_changes_that_were_made() {
    use ChangeContent::{Absent, Foreign};
    use RowOp::{Delete, Insert, Snapshot, Update};
    let expected = [
        (
            Table::Videos,
            vec![
                Some((1, Insert, ours(3))),
                Some((2, Insert, ours(4))),
                Some((2, Update, ours(6))),
                Some((2, Update, ours(8))),
                Some((3, Insert, ours(12))),
            ],
        ),
        (
            Table::Users,
            vec![
                Some((70, Snapshot, ours(700))),
                Some((1, Insert, ours(0))),
                Some((2, Insert, ours(1))),
                Some((3, Insert, ours(2))),
                Some((1, Update, Foreign)),
                Some((90, Insert, Foreign)),
                Some((4, Insert, ours(13))),
            ],
        ),
        (
            Table::Comments,
            vec![
                Some((1, Insert, ours(5))),
                Some((2, Insert, ours(7))),
                Some((3, Insert, ours(9))),
                Some((4, Insert, ours(10))),
                Some((5, Insert, ours(11))),
                Some((2, Delete, Absent)),
                None,
                // A primary key that changes is a delete and an insert.
                Some((3, Delete, Absent)),
                None,
                Some((50, Insert, ours(9))),
                Some((6, Insert, ours(14))),
            ],
        ),
    ];
    for (version, text) in RECORDED {
        for (table, expected) in &expected {
            let told: Vec<_> = recorded(text, *table)
                .into_iter()
                .map(|told| {
                    told.map(|told| {
                        assert_eq!(told.table, table.ix());
                        (told.key, told.op, told.content)
                    })
                })
                .collect();
            assert_eq!(&told, expected, "{} by {version}", table.name());
        }
    }
}

#[test]
fn the_lsn_is_the_changes_own_and_shared_by_the_rows_of_one_copied_page() {
    for (version, text) in RECORDED {
        let lsn = |table, change| {
            let told = recorded(text, table).into_iter().flatten();
            let mut found = told.filter(|told| told.content == ours(change));
            found.next().unwrap().lsn
        };
        let comment = |change| lsn(Table::Comments, change);
        // Change 6 updates the video in the transaction that inserts change 5.
        assert!(comment(5) < lsn(Table::Videos, 6), "{version}");
        assert!(lsn(Table::Videos, 6) < comment(7), "{version}");
        // Changes 9 to 11 are one COPY.
        assert_eq!(comment(9), comment(10), "{version}");
        assert_eq!(comment(9), comment(11), "{version}");
    }
}

/// A whole event, and what it becomes with `from` replaced by `to`.
fn altered(from: &str, to: &str) -> DecodedEvent {
    let value = r#"{"before":null,"after":{"id":1,"video_id":2,"user_id":3,"body":"b","proof":"ackproof1|00ac4900f0000001|5|9337752f"},"source":{"schema":"public","table":"comments","lsn":77},"op":"c"}"#;
    assert!(value.contains(from), "{from}");
    let value = value.replace(from, to);
    decode(Table::Comments, Some(r#"{"id":1}"#), Some(&value)).unwrap()
}

#[test]
fn what_debezium_would_not_write_is_told_as_corrupt() {
    let whole = altered("ackproof1", "ackproof1");
    assert_eq!(whole.content, ours(5));
    for (from, to) in [
        (r#""lsn":77"#, r#""lsn":null"#),
        (r#""lsn":77"#, r#""lsn":-1"#),
        (r#""op":"c""#, r#""op":"t""#),
        (r#""op":"c""#, r#""op":"d""#),
        (r#""op":"c""#, r#""ap":"c""#),
        (r#""schema":"public""#, r#""schema":"other""#),
        (r#""table":"comments""#, r#""table":"likes""#),
        (r#""after":{"id":1,"#, r#""after":{"id":2,"#),
        (r#""after":{"id":1,"#, r#""after":{"#),
        (r#""after":{"id":1,"#, r#""aftr":{"id":1,"#),
        (r#""proof":"#, r#""poof":"#),
        ("|5|", "|6|"),
        (r#""op":"c"}"#, r#""op":"c""#),
    ] {
        let told = altered(from, to);
        assert_eq!(told.content, ChangeContent::Corrupt, "{from} -> {to}");
        assert_eq!(told.key, 1, "{from} -> {to}");
        assert_eq!(told.table, Table::Comments.ix(), "{from} -> {to}");
    }
}

#[test]
fn what_can_be_read_of_a_corrupt_event_is_kept() {
    let value = r#"{"after":{"id":8,"proof":"x"},"source":{"schema":"public","table":"users","lsn":5},"op":"r"}"#;
    let told = decode(Table::Comments, None, Some(value)).unwrap();
    assert_eq!(
        told,
        DecodedEvent {
            table: Table::Users.ix(),
            key: 8,
            op: RowOp::Snapshot,
            content: ChangeContent::Corrupt,
            lsn: Lsn::new(5),
        }
    );
    let nothing = DecodedEvent {
        table: Table::Comments.ix(),
        key: 0,
        op: RowOp::Update,
        content: ChangeContent::Corrupt,
        lsn: Lsn::new(0),
    };
    for garbage in ["", "null", "[1]", "\u{0}"] {
        let told = decode(Table::Comments, Some("?"), Some(garbage));
        assert_eq!(told, Some(nothing), "{garbage:?}");
    }
    // A flattened event of which nothing is left does not tell its operation.
    let empty = DecodedEvent {
        op: RowOp::Untold,
        ..nothing
    };
    let told = decode(Table::Comments, Some("?"), Some("{}"));
    assert_eq!(told, Some(empty));
}

const PROOF: &str = "ackproof1|00ac4900f0000001|5|9337752f";
const ROW: &str = r#"{"id":1,"body":"b","proof":"ackproof1|00ac4900f0000001|5|9337752f"}"#;
const ENVELOPE: &str = r#"{"before":null,"after":{"id":1,"proof":"ackproof1|00ac4900f0000001|5|9337752f"},"source":{"schema":"public","table":"comments","lsn":77},"op":"c"}"#;
const FLAT: &[(&str, &str)] = &[
    ("transforms", "f"),
    (
        "transforms.f.type",
        "io.debezium.transforms.ExtractNewRecordState",
    ),
    ("transforms.f.add.fields", "op,table,source.lsn"),
    ("transforms.f.add.headers", "op,lsn"),
    ("transforms.f.delete.tombstone.handling.mode", "rewrite"),
];

fn of_comment(config: &[(&str, &str)], value: &str) -> DecodedEvent {
    decode_as(
        config,
        Table::Comments,
        Some(r#"{"id":1}"#),
        Some(value),
        &[],
    )
    .unwrap()
}

#[test]
fn a_flattened_event_tells_of_its_change_and_what_it_was_asked_to() {
    let bare = of_comment(FLAT, ROW);
    let whole = DecodedEvent {
        table: Table::Comments.ix(),
        key: 1,
        op: RowOp::Untold,
        content: ours(5),
        lsn: Lsn::new(0),
    };
    assert_eq!(bare, whole);
    let with = ROW.replace('}', r#","__op":"u","__table":"comments","__source_lsn":9}"#);
    let told = DecodedEvent {
        op: RowOp::Update,
        lsn: Lsn::new(9),
        ..whole
    };
    assert_eq!(of_comment(FLAT, &with), told);
    let headers = [("__op", "r"), ("__lsn", "9")];
    let key = Some(r#"{"id":1}"#);
    let told = decode_as(FLAT, Table::Comments, key, Some(ROW), &headers).unwrap();
    assert_eq!((told.op, told.lsn), (RowOp::Snapshot, Lsn::new(9)));
    let gone = r#"{"id":1,"__deleted":"true"}"#;
    let told = of_comment(FLAT, gone);
    assert_eq!(
        (told.op, told.content),
        (RowOp::Delete, ChangeContent::Absent)
    );
}

#[test]
fn a_damaged_flattened_event_is_corrupt() {
    for (from, to) in [
        ("|5|", "|6|"),
        (r#""id":1"#, r#""id":2"#),
        (r#""id":1,"#, ""),
        ("}", ""),
        (r#""proof""#, r#""poof""#),
    ] {
        let told = of_comment(FLAT, &ROW.replace(from, to));
        assert_eq!(told.content, ChangeContent::Corrupt, "{from} -> {to}");
    }
}

#[test]
fn a_tombstone_tells_of_a_delete_where_nothing_else_does() {
    let tombstone = |mode: &str| {
        let key = "transforms.f.delete.tombstone.handling.mode";
        let config: Vec<_> = FLAT.iter().copied().filter(|(it, _)| *it != key).collect();
        let config = [&config[..], &[(key, mode)]].concat();
        decode_as(&config, Table::Comments, Some(r#"{"id":1}"#), None, &[])
    };
    let told = tombstone("tombstone").unwrap();
    assert_eq!(
        (told.op, told.content),
        (RowOp::Delete, ChangeContent::Absent)
    );
    assert_eq!(tombstone("rewrite-with-tombstone"), None);
    assert_eq!(decode(Table::Comments, Some(r#"{"id":1}"#), None), None);
}

#[test]
fn an_event_may_carry_its_schema() {
    let plain = of_comment(&[], ENVELOPE);
    assert_eq!(plain.content, ours(5));
    let schema = r#"{"type":"struct","fields":[]}"#;
    let wrapped = format!(r#"{{"schema":{schema},"payload":{ENVELOPE}}}"#);
    let key = format!(r#"{{"schema":{schema},"payload":{{"id":1}}}}"#);
    let told = decode_as(&[], Table::Comments, Some(&key), Some(&wrapped), &[]).unwrap();
    assert_eq!(told, plain);
    let flat = format!(r#"{{"schema":{schema},"payload":{ROW}}}"#);
    assert_eq!(of_comment(FLAT, &flat).content, ours(5));
    let nothing = r#"{"schema":null,"payload":null}"#;
    assert_eq!(decode(Table::Comments, Some(&key), Some(nothing)), None);
}

#[test]
fn what_the_configuration_explains_is_unreadable_and_not_corrupt() {
    let converter = [(
        "value.converter",
        "org.apache.kafka.connect.storage.StringConverter",
    )];
    let masked = [("column.mask.with.5.chars", "public.comments.proof")];
    let left_out = [("column.exclude.list", "public.comments.proof")];
    let cases = [
        (&converter[..], "Struct{id=1}".to_owned()),
        (&masked[..], ENVELOPE.replace(PROOF, "*****")),
        (
            &left_out[..],
            ENVELOPE.replace(r#","proof":"#, r#","body":"#),
        ),
    ];
    for (config, value) in cases {
        let told = of_comment(config, &value);
        assert_eq!(told.content, ChangeContent::Unreadable, "{value}");
        let plain = of_comment(&[], &value).content;
        assert_ne!(plain, ChangeContent::Unreadable, "{value}");
        // What can be read all the same is read.
        assert_eq!(of_comment(config, ENVELOPE).content, ours(5));
    }
}

#[test]
fn the_row_says_which_it_is_where_keys_are_made_of_something_else() {
    let rekeyed = [("message.key.columns", "public.comments:video_id")];
    for key in [
        Some(r#"{"video_id":7}"#),
        Some(r#"{"id":7}"#),
        Some("7"),
        None,
    ] {
        let told = decode_as(&rekeyed, Table::Comments, key, Some(ENVELOPE), &[]).unwrap();
        assert_eq!((told.key, told.content), (1, ours(5)), "{key:?}");
        let told = decode(Table::Comments, key, Some(ENVELOPE)).unwrap();
        assert_eq!(told.content, ChangeContent::Corrupt, "{key:?}");
    }
    // The bare value of the primary key is one.
    let told = decode(Table::Comments, Some("1"), Some(ENVELOPE)).unwrap();
    assert_eq!(told.content, ours(5));
}
