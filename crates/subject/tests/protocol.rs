//! The transcript on the protocol's page is in the protocol.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use serde_json::Value;
use subject::protocol::{Request, SubjectEvent};

const PAGE: &str = include_str!("../../../docs/reference/subject-protocol.md");

/// Reads a line and writes it again; both as JSON, without empty fields.
fn written<T: serde::Serialize + serde::de::DeserializeOwned>(line: &str) -> (Value, Value) {
    let read: T = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let given: Value = serde_json::from_str(line).unwrap();
    (given, serde_json::to_value(read).unwrap())
}

/// Everything that was given is there again.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|there| contains(there, value))),
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(a, b)| contains(a, b))
        }
        (whole, part) => whole == part,
    }
}

#[test]
fn every_line_of_the_transcript_is_in_the_protocol() {
    let lines = PAGE.lines().filter(|line| line.starts_with(['>', '<']));
    let mut count = 0;
    for line in lines {
        let (given, again) = match line.split_at(2) {
            ("> ", request) => written::<Request>(request),
            (_, event) => written::<SubjectEvent>(event),
        };
        assert!(contains(&again, &given), "{line}: {again}");
        count += 1;
    }
    assert!(count > 10);
}

#[test]
fn every_example_is_a_request_or_an_event() {
    let mut count = 0;
    for block in PAGE.split("```json").skip(1) {
        let block = block.split("```").next().unwrap();
        for value in serde_json::Deserializer::from_str(block).into_iter::<Value>() {
            let line = value.unwrap().to_string();
            let (given, again) = match () {
                () if line.contains("\"op\":") && !line.contains("\"event\":") => {
                    written::<Request>(&line)
                }
                () if line.contains("\"event\":") => written::<SubjectEvent>(&line),
                () => continue,
            };
            assert!(contains(&again, &given), "{line}: {again}");
            count += 1;
        }
    }
    assert!(count >= 5, "{count}");
}
