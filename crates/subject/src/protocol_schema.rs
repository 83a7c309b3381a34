//! The JSON Schema of the subject protocol, out of its types: this holds the file to them,
//! and `make schemas` writes it.

use std::borrow::Cow;
use std::path::Path;
use std::{env, fs};

use model::event::ErrorCause;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::protocol::{Bytes, Request, SubjectEvent};

const FILE: &str = "docs/reference/subject-protocol.schema.json";

/// A partition of a topic.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct NamedPartition {
    /// The topic.
    topic: String,
    /// The partition.
    partition: i32,
}

/// What an error says of the client: `unable` (it cannot decode what it was given),
/// `not-allowed` (a right is missing) or `pipeline` (anything else).
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum Cause {
    Unable,
    NotAllowed,
    Pipeline,
}

/// A line of either side.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Line {
    /// A line of the subject's standard input.
    Request(Request),
    /// A line of the subject's standard output.
    Event(SubjectEvent),
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "contentEncoding": "base64"})
    }
}

fn schema() -> Value {
    // No widths of integers, and comments in one line without links.
    let plain = RecursiveTransform(|schema: &mut Schema| {
        if schema.get("type").is_some_and(|it| it != "string") {
            schema.remove("format");
        }
        if let Some(Value::String(words)) = schema.get_mut("description") {
            *words = words
                .replace("[`", "`")
                .replace("`]", "`")
                .replace('\n', " ");
        }
    });
    let settings = SchemaSettings::draft2020_12().with_transform(plain);
    let mut schema = settings.into_generator().into_root_schema_for::<Line>();
    schema.insert("$id".to_owned(), "urn:ackproof:subject-protocol:1".into());
    schema.insert(
        "title".to_owned(),
        "ackproof subject protocol, version 1".into(),
    );
    schema.to_value()
}

#[test]
fn the_schema_file_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(FILE);
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, text).unwrap();
    } else {
        let is = fs::read_to_string(&path).unwrap() == text;
        assert!(is, "{FILE} is not what the types say: `make schemas`");
    }
}

#[test]
fn the_schema_takes_the_lines_of_the_page_and_no_others() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let page = include_str!("../../../docs/reference/subject-protocol.md");
    let lines = page.lines().filter(|line| line.starts_with(['>', '<']));
    let mut count = 0;
    for line in lines {
        let value: Value = serde_json::from_str(&line[2..]).unwrap();
        assert!(schema.is_valid(&value), "{line}");
        count += 1;
    }
    assert!(count > 10);
    for cause in [
        ErrorCause::Unable,
        ErrorCause::NotAllowed,
        ErrorCause::Pipeline,
    ] {
        let error = json!({"name": "E", "message": "e"});
        let line = json!({"event": "error", "error": error, "cause": cause});
        assert!(schema.is_valid(&line), "{line}");
    }
    for wrong in [
        json!({"op": "dispatch", "id": 1, "topic": "t"}),
        json!({"op": "send", "id": "one", "topic": "t"}),
        json!({"op": "send", "topic": "t"}),
        json!({"event": "acknowledged", "id": 1}),
        json!({"event": "assigned", "partitions": [{"topic": "t"}]}),
        json!({"event": "error", "error": {"name": "E", "message": "e"}, "cause": "weather"}),
    ] {
        assert!(!schema.is_valid(&wrong), "{wrong}");
    }
}
