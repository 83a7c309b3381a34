//! Records whose values are made of a template of the user's, and how they carry
//! their identity: as a text that an application stores as it is. Knows nothing of
//! what the application makes of it.
//!
//! `{id}` becomes such a text:
//!
//! ```text
//! ap1-RUN-PRODUCER-SEQUENCE-CRC32
//! ```
//!
//! `{number}` is the record's number, from 0, and `{key}` its key. Other braces are
//! the template's own, as those of JSON are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Content;
use crate::ids::{ProducerIx, RecordId, RunId, Sequence};
use crate::plan::key_turn;

/// What an identity begins with.
const MAGIC: &str = "ap1-";
/// The placeholder of the identity.
const ID: &str = "{id}";
/// All placeholders.
const PLACEHOLDERS: [&str; 3] = [ID, "{number}", "{key}"];

/// What records are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTemplate {
    /// The template of the value.
    pub value: String,
    /// That of the key.
    pub key: Option<String>,
    /// Those of the headers, by their keys.
    pub headers: BTreeMap<String, String>,
    /// How many keys each producer's records have in turn, by number.
    pub keys: Vec<Option<u64>>,
}

/// A record made of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeRecord {
    /// Its value.
    pub value: String,
    /// Its key.
    pub key: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
}

impl RecordTemplate {
    /// The record of that identity.
    pub fn make(&self, run: RunId, record: RecordId) -> MadeRecord {
        let key = self.own_key(record);
        let fill = |template: &str| fill(template, run, record, &key);
        let headers = self.headers.iter();
        MadeRecord {
            value: fill(&self.value),
            key: self.key.as_deref().map_or_else(|| key.clone(), fill),
            headers: headers.map(|(key, it)| (key.clone(), fill(it))).collect(),
        }
    }

    /// Recognises a value: the whole of it must be the record of the identity in it.
    pub fn content(&self, run: RunId, value: &[u8]) -> Content {
        let Ok(text) = std::str::from_utf8(value) else {
            return Content::Foreign;
        };
        match find_id(run, text) {
            Content::Ours(record) if self.make(run, record).value != text => Content::Corrupt,
            content => content,
        }
    }

    /// The key that a record has where the template says nothing of keys.
    fn own_key(&self, record: RecordId) -> String {
        let keys = self.keys.get(record.producer.get() as usize);
        record_key(record, keys.copied().flatten())
    }
}

/// The key of a record of a producer with so many keys in turn: no other producer has
/// it. Its own number where each record has a key of its own.
pub fn record_key(record: RecordId, keys: Option<u64>) -> String {
    let turn = key_turn(record.sequence, keys);
    match keys {
        Some(_) => format!("p{}-{turn}", record.producer),
        None => turn.to_string(),
    }
}

/// The error in a template, if it has one: a placeholder that there is not.
pub fn unknown_placeholder(template: &str) -> Option<&str> {
    let open = template.match_indices('{').map(|(at, _)| at);
    let words = open.filter_map(|at| {
        let rest = template.get(at..)?;
        let word = rest.get(..=rest.find('}')?)?;
        let inner = word.get(1..word.len() - 1)?;
        let is_word = !inner.is_empty() && inner.chars().all(|c| c == '_' || c.is_alphanumeric());
        is_word.then_some(word)
    });
    let mut unknown = words.filter(|word| !PLACEHOLDERS.contains(word));
    unknown.next()
}

/// Whether a template carries the identity.
pub fn carries_id(template: &str) -> bool {
    template.contains(ID)
}

fn fill(template: &str, run: RunId, record: RecordId, key: &str) -> String {
    let [id, number, own_key] = PLACEHOLDERS;
    template
        .replace(number, &record.sequence.to_string())
        .replace(own_key, key)
        .replace(id, &encode_id(run, record))
}

/// The identity of a record as a text.
pub fn encode_id(run: RunId, record: RecordId) -> String {
    let head = format!("{MAGIC}{run}-{}-{}-", record.producer, record.sequence);
    format!("{head}{:08x}", crc32fast::hash(head.as_bytes()))
}

/// Recognises a text that is an identity and nothing else.
pub fn decode_id(run: RunId, text: &str) -> Content {
    let Some(rest) = text.strip_prefix(MAGIC) else {
        return Content::Foreign;
    };
    match parsed(rest) {
        Some((of, record)) if encode_id(of, record) == text => {
            if of == run {
                Content::Ours(record)
            } else {
                Content::Foreign
            }
        }
        _ => Content::Corrupt,
    }
}

/// The run and the record that the fields of an identity name.
fn parsed(fields: &str) -> Option<(RunId, RecordId)> {
    let mut fields = fields.split('-');
    let run = fields.next()?.parse().ok()?;
    let producer = ProducerIx::new(fields.next()?.parse().ok()?);
    let sequence = Sequence::new(fields.next()?.parse().ok()?);
    Some((run, RecordId { producer, sequence }))
}

/// Recognises the first identity in a text.
pub fn find_id(run: RunId, text: &str) -> Content {
    let Some(at) = text.find(MAGIC) else {
        return Content::Foreign;
    };
    let rest = text.get(at..).unwrap_or_default();
    let is_of_id = |c: char| c == '-' || c.is_ascii_alphanumeric();
    let end = rest.find(|c| !is_of_id(c)).unwrap_or(rest.len());
    decode_id(run, rest.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = RunId::new(0x1d);

    fn template(value: &str) -> RecordTemplate {
        RecordTemplate {
            value: value.to_owned(),
            key: Some("customer-{key}".to_owned()),
            headers: BTreeMap::from([("x-id".to_owned(), "{id}".to_owned())]),
            keys: vec![Some(3)],
        }
    }

    fn record(sequence: u64) -> RecordId {
        RecordId {
            producer: ProducerIx::new(0),
            sequence: Sequence::new(sequence),
        }
    }

    #[test]
    fn a_record_is_made_and_recognised() {
        let template = template(r#"{"order": {"id": "{id}"}, "amount": {number}, "by": "{key}"}"#);
        let made = template.make(RUN, record(7));
        let id = encode_id(RUN, record(7));
        assert_eq!(
            made.value,
            format!(r#"{{"order": {{"id": "{id}"}}, "amount": 7, "by": "p0-1"}}"#)
        );
        assert_eq!(made.key, "customer-p0-1");
        assert_eq!(made.headers, [("x-id".to_owned(), id)]);
        let content = |value: &str| template.content(RUN, value.as_bytes());
        assert_eq!(content(&made.value), Content::Ours(record(7)));
        assert_eq!(
            content(&made.value.replace(": 7", ": 8")),
            Content::Corrupt,
            "its other fields are as they were sent"
        );
        assert_eq!(content(r#"{"order": 1}"#), Content::Foreign);
        let other = template.make(RunId::new(2), record(7));
        assert_eq!(content(&other.value), Content::Foreign);
    }

    #[test]
    fn an_identity_that_was_changed_is_corrupt() {
        let id = encode_id(RUN, record(7));
        assert_eq!(decode_id(RUN, &id), Content::Ours(record(7)));
        for changed in [
            id.replace("-7-", "-8-"),
            id.to_uppercase()
                .replace("AP1", "ap1")
                .replace("-7-", "-6-"),
            id.get(..id.len() - 1).unwrap().to_owned(),
            format!("{id}-1"),
            "ap1-".to_owned(),
        ] {
            assert_eq!(decode_id(RUN, &changed), Content::Corrupt, "{changed}");
        }
        assert_eq!(decode_id(RUN, "4711"), Content::Foreign);
        assert_eq!(
            find_id(RUN, &format!("order {id}, new")),
            Content::Ours(record(7))
        );
    }

    #[test]
    fn braces_of_json_are_no_placeholders() {
        assert_eq!(
            unknown_placeholder(r#"{"a": {"b": "{id}"}, "c": {}}"#),
            None
        );
        assert_eq!(unknown_placeholder(r#"{"a": "{uuid}"}"#), Some("{uuid}"));
        assert!(carries_id("x {id}") && !carries_id("{number}"));
    }
}
