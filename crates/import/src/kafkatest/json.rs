//! Reads any line of a verifiable client, by the rules of JSON. Slow and thorough:
//! [`quick`](super::quick) reads most lines, and must agree.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::KafkatestFlaw;
use super::numbers::NO_OFFSET;

/// A line of a client, by its `name`.
#[derive(Debug, PartialEq)]
pub(super) enum ToolEvent<'l> {
    /// `startup_complete`
    Started,
    /// `shutdown_complete`
    Ended,
    /// `producer_send_success`
    Sent(Placed<'l>),
    /// `producer_send_error`
    Unsent(Unsent<'l>),
    /// `tool_data`, a producer's last words.
    Total(Total),
    /// `record_data`
    Read(Placed<'l>),
    /// `records_consumed`
    Consumed(Consumed<'l>),
    /// `partitions_assigned`
    Assigned(Partitions<'l>),
    /// `partitions_revoked`
    Revoked(Partitions<'l>),
    /// `offsets_committed`
    Committed(Committed<'l>),
    /// Known, and nothing that matters here.
    Idle,
    /// Of another kind than those above, of this name.
    Unknown(Cow<'l, str>),
}

/// A line, and the number of its unknown fields.
#[derive(Debug, PartialEq)]
pub(super) struct Line<'l> {
    /// By the clock of its machine; none in a line of unknown kind.
    pub(super) at_ms: Option<u64>,
    pub(super) said: ToolEvent<'l>,
    pub(super) unknown_fields: u64,
}

/// A record at its place.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Placed<'l> {
    #[serde(borrow)]
    pub(super) topic: Cow<'l, str>,
    pub(super) partition: i64,
    pub(super) offset: i64,
    /// Clients of one's own may leave it out.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) key: Option<Option<Cow<'l, str>>>,
    /// A record may have none (a tombstone).
    #[serde(borrow, deserialize_with = "nullable")]
    pub(super) value: Option<Cow<'l, str>>,
}

/// A record of which the application was told success.
#[derive(Deserialize)]
struct Acknowledged<'l> {
    #[serde(borrow)]
    topic: Cow<'l, str>,
    partition: i64,
    /// Clients that were told of no offset print none, or -1.
    #[serde(deserialize_with = "Option::deserialize")]
    offset: Option<i64>,
    #[serde(borrow, default, deserialize_with = "present")]
    key: Option<Option<Cow<'l, str>>>,
    #[serde(borrow, deserialize_with = "nullable")]
    value: Option<Cow<'l, str>>,
}

impl<'l> From<Acknowledged<'l>> for Placed<'l> {
    fn from(said: Acknowledged<'l>) -> Self {
        Self {
            topic: said.topic,
            partition: said.partition,
            offset: said.offset.unwrap_or(NO_OFFSET),
            key: said.key,
            value: said.value,
        }
    }
}

/// A record that was not acknowledged.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Unsent<'l> {
    #[serde(borrow)]
    pub(super) topic: Cow<'l, str>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(super) value: Option<Cow<'l, str>>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub(super) exception: Option<Cow<'l, str>>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub(super) message: Option<Cow<'l, str>>,
}

/// A producer's sums.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(super) struct Total {
    pub(super) sent: u64,
    pub(super) acked: u64,
}

/// The sum of one poll.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Consumed<'l> {
    /// Records that the poll returned.
    pub(super) count: u64,
    /// The records that the client took: fewer where `--max-messages` ended it.
    #[serde(borrow)]
    pub(super) partitions: Vec<Share<'l>>,
}

/// A partition's share of a poll.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Share<'l> {
    #[serde(borrow)]
    pub(super) topic: Cow<'l, str>,
    pub(super) partition: i64,
    pub(super) count: u64,
    #[serde(default, rename = "minOffset")]
    pub(super) first: Option<i64>,
    #[serde(default, rename = "maxOffset")]
    pub(super) last: Option<i64>,
}

/// Partitions given or taken.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Partitions<'l> {
    #[serde(borrow)]
    pub(super) partitions: Vec<Partition<'l>>,
}

/// A partition.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Partition<'l> {
    #[serde(borrow)]
    pub(super) topic: Cow<'l, str>,
    pub(super) partition: i64,
}

/// The answer to a commit.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Committed<'l> {
    #[serde(borrow)]
    pub(super) offsets: Vec<Position<'l>>,
    pub(super) success: bool,
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub(super) error: Option<Cow<'l, str>>,
}

/// A committed position.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Position<'l> {
    #[serde(borrow)]
    pub(super) topic: Cow<'l, str>,
    pub(super) partition: i64,
    pub(super) offset: i64,
    /// Some clients answer for each partition.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub(super) error: Option<Cow<'l, str>>,
}

/// Reads a line.
pub(super) fn read(bytes: &[u8]) -> Result<Line<'_>, KafkatestFlaw> {
    let head: Head<'_> = parse(bytes, "an event with a name")?;
    let said = match head.name.as_ref() {
        "startup_complete" => ToolEvent::Started,
        "shutdown_complete" => ToolEvent::Ended,
        "shutdown_requested" => ToolEvent::Idle,
        "producer_send_success" => {
            ToolEvent::Sent(parse::<Acknowledged<'_>>(bytes, "an acknowledged record")?.into())
        }
        "producer_send_error" => ToolEvent::Unsent(parse(bytes, "a record that failed")?),
        "tool_data" => ToolEvent::Total(parse(bytes, "a producer's sums")?),
        "record_data" => ToolEvent::Read(parse(bytes, "a record")?),
        "records_consumed" => ToolEvent::Consumed(parse(bytes, "the sum of a poll")?),
        "partitions_assigned" => ToolEvent::Assigned(parse(bytes, "assigned partitions")?),
        "partitions_revoked" => ToolEvent::Revoked(parse(bytes, "revoked partitions")?),
        "offsets_committed" => ToolEvent::Committed(parse(bytes, "committed offsets")?),
        _ => {
            return Ok(Line {
                at_ms: None,
                said: ToolEvent::Unknown(head.name),
                unknown_fields: 0,
            });
        }
    };
    let moment: Moment = parse(bytes, "an event with a timestamp")?;
    Ok(Line {
        at_ms: Some(moment.timestamp),
        said,
        unknown_fields: head.unknown_fields,
    })
}

fn parse<'l, T: Deserialize<'l>>(
    bytes: &'l [u8],
    expected: &'static str,
) -> Result<T, KafkatestFlaw> {
    serde_json::from_slice(bytes).map_err(|source| KafkatestFlaw::Json { expected, source })
}

/// Borrows a text where it can; none for `null`.
fn nullable<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

    Ok(Option::<Text<'de>>::deserialize(input)?.map(|text| text.0))
}

/// A text that may be `null`, where it is there at all.
fn present<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Option<Cow<'de, str>>>, D::Error> {
    nullable(input).map(Some)
}

/// When, in milliseconds since 1970.
#[derive(Deserialize)]
struct Moment {
    timestamp: u64,
}

/// The name of a line's event, and the number of unknown fields.
struct Head<'l> {
    name: Cow<'l, str>,
    unknown_fields: u64,
}

impl<'de> Deserialize<'de> for Head<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Head<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head<'de>, A::Error> {
                #[derive(Deserialize)]
                struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

                let mut name = None;
                let mut unknown_fields = 0;
                while let Some(Text(key)) = map.next_key()? {
                    if key == "name" {
                        name = Some(map.next_value::<Text<'de>>()?.0);
                    } else {
                        map.next_value::<Anything>()?;
                        unknown_fields += u64::from(!KNOWN_FIELDS.contains(&key.as_ref()));
                    }
                }
                Ok(Head {
                    name: name.ok_or_else(|| serde::de::Error::missing_field("name"))?,
                    unknown_fields,
                })
            }
        }

        input.deserialize_map(Fields)
    }
}

/// Whether a line is an object that no client here prints: it has no name, or is not JSON.
/// The beginning of a client's line is not foreign.
pub(super) fn is_foreign(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        name: Option<serde::de::IgnoredAny>,
    }

    match serde_json::from_slice::<Anything>(line) {
        Ok(_) => match serde_json::from_slice::<Named>(line) {
            Ok(named) => named.name.is_none(),
            Err(_) => false,
        },
        Err(_) => !OURS.iter().any(|ours| contains(line, ours)),
    }
}

/// A line with one of these was a client's, even if it is damaged.
const OURS: [&[u8]; 3] = [b"{\"timestamp\"", b"\"name\":\"", b"\"name\": \""];

/// Whether something stands in a line that a client prints.
pub(super) fn holds_event(line: &[u8]) -> bool {
    contains(line, OURS[0])
}

fn contains(line: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(line, what).is_some()
}

/// Whether a line is the beginning of a JSON object, and not the end.
pub(super) fn is_cut_off(line: &[u8]) -> bool {
    serde_json::from_slice::<Anything>(line).is_err_and(|error| error.is_eof())
}

/// Any value, passed over, unless it nests deeper than a parser's stack goes:
/// serde's own way of passing over has no such bound.
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Passing;

        impl<'de> Visitor<'de> for Passing {
            type Value = Anything;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_str<E>(self, _: &str) -> Result<Anything, E> {
                Ok(Anything)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Anything, A::Error> {
                while seq.next_element::<Anything>()?.is_some() {}
                Ok(Anything)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Anything, A::Error> {
                while map.next_entry::<Anything, Anything>()?.is_some() {}
                Ok(Anything)
            }
        }

        input.deserialize_any(Passing)
    }
}

/// The clients' fields beside `name`, used or not.
const KNOWN_FIELDS: [&str; 17] = [
    "timestamp",
    "topic",
    "partition",
    "offset",
    "key",
    "value",
    "exception",
    "message",
    "sent",
    "acked",
    "target_throughput",
    "avg_throughput",
    "count",
    "partitions",
    "offsets",
    "success",
    "error",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(line: &str) -> String {
        read(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn fields_may_stand_in_any_order_and_others_are_counted() {
        let line = r#"{"offset": 3, "x": [1], "value": "7", "name": "record_data", "y": null,
            "key": "k", "partition": 0, "topic": "a\u0062", "timestamp": 12}"#;
        let read = read(line.as_bytes()).unwrap();
        assert_eq!(read.unknown_fields, 2);
        assert_eq!(read.at_ms, Some(12));
        let expected = Placed {
            topic: "ab".into(),
            partition: 0,
            offset: 3,
            key: Some(Some("k".into())),
            value: Some("7".into()),
        };
        assert_eq!(read.said, ToolEvent::Read(expected));
    }

    #[test]
    fn what_is_of_another_type_is_refused() {
        assert_eq!(
            flaw(r#"{"timestamp":1,"name":"tool_data","sent":"5","acked":5}"#),
            "expected a producer's sums: invalid type: string \"5\", expected u64 (column 44)"
        );
        for line in [
            "[]",
            "1",
            "null",
            "{}",
            r#"{"name":null}"#,
            r#"{"name":"startup_complete"}"#,
            r#"{"name":"startup_complete","timestamp":-1}"#,
            r#"{"name":"startup_complete","timestamp":1,"timestamp":1}"#,
            r#"{"name":"partitions_assigned","timestamp":1}"#,
            r#"{"name":"record_data","timestamp":1,"topic":"t","partition":0,"offset":9223372036854775808,"value":"1"}"#,
            r#"{"name":"record_data","timestamp":1,"topic":"t","partition":0,"offset":1.5,"value":"1"}"#,
            r#"{"name":"record_data","timestamp":1,"topic":"t","partition":0,"offset":1,"value":1}"#,
            r#"{"name":"record_data","timestamp":1,"topic":null,"partition":0,"offset":1,"value":"1"}"#,
        ] {
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn an_unknown_kind_may_hold_anything() {
        let line = br#"{"name":"fresh","timestamp":"soon","offset":{}}"#;
        assert_eq!(read(line).unwrap().said, ToolEvent::Unknown("fresh".into()));
    }

    #[test]
    fn a_success_may_be_without_an_offset_and_a_record_that_was_read_may_not() {
        let line = |name: &str, offset: &str| {
            format!(
                r#"{{"timestamp":1,"name":"{name}","topic":"t","partition":0,{offset}"value":"1"}}"#
            )
        };
        let sent = line("producer_send_success", r#""offset":null,"#);
        let ToolEvent::Sent(placed) = read(sent.as_bytes()).unwrap().said else {
            unreachable!("a success is one");
        };
        assert_eq!(placed.offset, NO_OFFSET);
        let unsaid = line("producer_send_success", "");
        assert!(read(unsaid.as_bytes()).is_err());
        let nowhere = line("record_data", r#""offset":null,"#);
        assert!(read(nowhere.as_bytes()).is_err());
    }

    #[test]
    fn deep_nesting_is_an_error() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
            for field in ["x", "partitions"] {
                let line =
                    format!(r#"{{"timestamp":1,"name":"partitions_assigned","{field}":{deep}}}"#);
                assert!(read(line.as_bytes()).is_err());
            }
        }
    }
}
