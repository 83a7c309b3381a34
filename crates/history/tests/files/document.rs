//! Holds `docs/reference/history-format.md` to the truth.

use std::collections::BTreeSet;

use history::{Tail, VERSION};

use super::layout::{
    EVENT_BYTES_MAX, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, HEADER_BYTES, NAMED_BYTES,
};
use super::{every_event, in_time, read_bytes, recorded};

const DOCUMENT: &str = include_str!("../../../../docs/reference/history-format.md");

/// The cells of every table row that begins with a number.
fn numbered_rows(section: &str) -> Vec<Vec<&'static str>> {
    let heading = format!("\n## {section}\n");
    let begins = DOCUMENT.find(&heading).unwrap() + heading.len();
    let text = &DOCUMENT[begins..];
    let text = &text[..text.find("\n## ").unwrap_or(text.len())];
    text.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line
                .strip_prefix("| ")?
                .split(" | ")
                .map(str::trim)
                .collect();
            cells[0].parse::<u64>().is_ok().then_some(cells)
        })
        .collect()
}

fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_variant_has_its_number_its_name_and_its_fields() {
    let rows = numbered_rows("Events");
    let events = every_event();
    assert_eq!(rows.len(), events.len());
    for (row, event) in rows.iter().zip(&events) {
        let encoded = postcard::to_stdvec(&event.body).unwrap();
        // Numbers below 128 are one byte.
        assert_eq!(row[0], encoded[0].to_string());
        assert_eq!(in_backticks(row[1]), [event.body.kind()]);
        let value = serde_json::to_value(&event.body).unwrap();
        let fields: BTreeSet<&str> = match value.as_object().and_then(|it| it.values().next()) {
            Some(fields) => fields
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect(),
            None => BTreeSet::new(),
        };
        let documented: BTreeSet<&str> = in_backticks(row[2]).into_iter().collect();
        assert_eq!(documented, fields, "{}", row[1]);
    }
}

#[test]
fn variants_have_the_names_that_json_gives_them() {
    for event in every_event() {
        let name = match serde_json::to_value(&event.body).unwrap() {
            serde_json::Value::String(name) => name,
            value => value.as_object().unwrap().keys().next().unwrap().clone(),
        };
        assert_eq!(name, event.body.kind());
    }
}

#[test]
fn the_example_is_a_history() {
    let block = DOCUMENT.split("```hex\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    let bytes: Vec<u8> = block
        .lines()
        .flat_map(|line| line.split("  ").next().unwrap().split(' '))
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let (events, tail) = read_bytes(&bytes).unwrap();
    assert_eq!(tail, Some(Tail::Whole));
    let (_folder, path) = recorded(&events);
    assert_eq!(std::fs::read(path).unwrap(), bytes);
    let told: Vec<&str> = DOCUMENT
        .split("```json\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap()
        .lines()
        .collect();
    assert_eq!(told.len(), events.len());
    for (told, event) in told.iter().zip(&events) {
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        assert_eq!(told["at_us"], event.at.get());
        assert_eq!(told["event"], event.body.kind());
    }
}

#[test]
fn the_figures_are_the_programs() {
    for figure in [
        format!("version is {VERSION}"),
        format!("{HEADER_BYTES} bytes"),
        format!("{NAMED_BYTES} bytes"),
        format!("{FRAME_HEADER_BYTES} bytes"),
        format!("{} MiB", FRAME_BYTES_MAX / 1024 / 1024),
        format!("{} MiB", EVENT_BYTES_MAX / 1024 / 1024),
    ] {
        assert!(DOCUMENT.contains(&figure), "{figure}");
    }
}

#[test]
fn the_order_of_the_samples_is_that_of_the_numbers() {
    let numbers: Vec<u8> = in_time(every_event().into_iter().map(|event| event.body))
        .iter()
        .map(|event| postcard::to_stdvec(&event.body).unwrap()[0])
        .collect();
    let expected: Vec<u8> = (0..u8::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers, expected);
}
