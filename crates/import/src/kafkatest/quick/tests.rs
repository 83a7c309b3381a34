use proptest::prelude::*;

use super::super::json::{self, ToolEvent};
use super::*;

/// A line, in a shape that both readers have.
type ParsedLine = (
    Kind,
    u64,
    String,
    i64,
    i64,
    Option<Option<String>>,
    Option<String>,
);

fn thorough(line: &[u8]) -> Option<ParsedLine> {
    let line = json::read(line).ok()?;
    let (kind, placed) = match line.said {
        ToolEvent::Sent(placed) => (Kind::Sent, placed),
        ToolEvent::Read(placed) => (Kind::Read, placed),
        _ => return None,
    };
    Some((
        kind,
        line.at_ms?,
        placed.topic.into_owned(),
        placed.partition,
        placed.offset,
        placed.key.map(|key| key.map(std::borrow::Cow::into_owned)),
        placed.value.map(std::borrow::Cow::into_owned),
    ))
}

fn quick(line: &[u8]) -> Option<ParsedLine> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let record = read(line)?;
    Some((
        record.kind,
        record.at_ms,
        text(record.topic),
        record.partition,
        record.offset,
        record.key.map(|key| key.map(text)),
        record.value.map(text),
    ))
}

/// As Kafka 4.3.1 prints them.
const SENT: &str = r#"{"timestamp":1795446836164,"name":"producer_send_success","key":null,"value":"0","partition":2,"offset":0,"topic":"eager"}"#;
const READ: &str = r#"{"timestamp":1795446980907,"name":"record_data","key":"0","value":"7.0","topic":"coop2","partition":0,"offset":329}"#;

#[test]
fn the_lines_of_kafkas_own_clients_are_known() {
    for line in [SENT, READ] {
        let told = quick(line.as_bytes());
        assert!(told.is_some(), "{line}");
        assert_eq!(told, thorough(line.as_bytes()));
    }
}

#[test]
fn the_spaces_of_other_writers_are_known() {
    let line = READ.replace(',', ", ").replace("\":", "\": ");
    assert!(quick(line.as_bytes()).is_some());
    assert_eq!(quick(line.as_bytes()), quick(READ.as_bytes()));
}

#[test]
fn what_takes_more_is_left_to_the_thorough_reader() {
    for (from, to) in [
        ("\"7.0\"", "\"7\\u002e0\""),
        ("\"7.0\"", "\"é\""),
        ("329", "-1"),
        ("329", "0329"),
        ("329", "329.0"),
        ("329", "9223372036854775808"),
        ("329", ""),
        ("\"offset\"", "\"partition\""),
        (",\"offset\":329", ""),
        ("}", ",\"more\":1}"),
        ("}", "} "),
        ("}", ""),
        ("record_data", "records_consumed"),
    ] {
        let line = READ.replacen(from, to, 1);
        assert_eq!(quick(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn the_usual_order_is_read_as_any_other_is() {
    for line in [SENT, READ] {
        let usual = as_kafka_prints(line.as_bytes());
        assert!(usual.is_some(), "{line}");
        assert_eq!(usual, in_any_order(line.as_bytes()));
    }
    let other = SENT.replace(
        r#""partition":2,"offset":0,"topic":"eager""#,
        r#""topic":"eager","offset":0,"partition":2"#,
    );
    assert_eq!(as_kafka_prints(other.as_bytes()), None);
    assert_eq!(read(other.as_bytes()), read(SENT.as_bytes()));
}

fn fields() -> impl Strategy<Value = Vec<String>> {
    let text = prop_oneof![
        Just("null".to_owned()),
        "[a-z0-9.]{0,6}".prop_map(|it| format!("\"{it}\"")),
        any::<String>().prop_map(|it| serde_json::to_string(&it).unwrap()),
    ];
    let number = prop_oneof![
        any::<i64>().prop_map(|it| it.to_string()),
        (0..200i64).prop_map(|it| it.to_string()),
        Just("1e3".to_owned()),
        Just("007".to_owned()),
    ];
    let name = prop_oneof![
        Just("\"producer_send_success\"".to_owned()),
        Just("\"record_data\"".to_owned()),
    ];
    (
        number.clone(),
        name,
        text.clone(),
        text.clone(),
        text,
        number.clone(),
        number,
    )
        .prop_map(|(timestamp, name, key, value, topic, partition, offset)| {
            [
                ("timestamp", timestamp),
                ("name", name),
                ("key", key),
                ("value", value),
                ("topic", topic),
                ("partition", partition),
                ("offset", offset),
            ]
            .map(|(field, value)| format!("\"{field}\":{value}"))
            .to_vec()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_line_that_is_known_means_what_json_says(
        fields in prop_oneof![fields().prop_shuffle(), fields()],
        separator in prop_oneof![Just(","), Just(", "), Just(" ,")],
    ) {
        let line = format!("{{{}}}", fields.join(separator));
        if let Some(told) = quick(line.as_bytes()) {
            prop_assert_eq!(Some(told), thorough(line.as_bytes()));
        }
    }

    #[test]
    fn a_byte_out_of_place_never_makes_the_readers_disagree(
        line in prop_oneof![Just(SENT), Just(READ)],
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let mut line = line.as_bytes().to_vec();
        for (at, byte, how) in changes {
            let at = at.index(line.len());
            match how {
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                _ => drop(line.remove(at)),
            }
        }
        if let Some(told) = quick(&line) {
            prop_assert_eq!(Some(told), thorough(&line));
        }
    }
}
