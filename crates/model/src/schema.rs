//! The JSON Schemas that other programs read, generated from the types: this
//! holds the files to them, and `make schemas` writes them.

pub(crate) mod rules;

use std::borrow::Cow;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, json};

use crate::anomaly::Anomaly;
use crate::claim::Claim;
use crate::scenario::Scenario;
use crate::verdict::RunVerdict;

/// The longest duration in a scenario: seven days.
pub(crate) const DURATION_MS_MAX: u64 = 604_800_000;

/// Holds a file to a schema, or writes it where it is asked to.
fn is_current(file: &str, schema: &Schema) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file);
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, text).unwrap();
    } else {
        let is = fs::read_to_string(&path).unwrap() == text;
        assert!(is, "{file} is not what the types say: `make schemas`");
    }
}

/// An enumeration of names with their meanings.
fn one_of<'n>(all: impl Iterator<Item = (&'n str, &'n str)>) -> Schema {
    let all = all.map(|(name, meaning)| json_schema!({"const": name, "description": meaning}));
    json_schema!({"type": "string", "oneOf": all.collect::<Vec<_>>()})
}

impl JsonSchema for Anomaly {
    fn schema_name() -> Cow<'static, str> {
        "Anomaly".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(Self::ALL.iter().map(|it| (it.name(), it.meaning())))
    }
}

impl JsonSchema for Claim {
    fn schema_name() -> Cow<'static, str> {
        "Claim".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(Self::ALL.iter().map(|it| (it.name(), it.meaning())))
    }
}

/// Makes a schema describe files rather than types: no widths of integers, no `null` where
/// a property is left out instead, and comments in one line without links.
#[derive(Clone)]
struct OfFiles;

impl Transform for OfFiles {
    fn transform(&mut self, schema: &mut Schema) {
        if schema.get("type").is_some_and(|it| it != "string") {
            schema.remove("format");
        }
        if let Some(Value::String(words)) = schema.get_mut("description") {
            *words = words
                .replace("[`", "`")
                .replace("`]", "`")
                .replace('\n', " ");
        }
        let required = schema.get("required").cloned().unwrap_or_default();
        let is_required = |name: &str| {
            let required = required.as_array();
            required.is_some_and(|it| it.iter().any(|it| it == name))
        };
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            let optional = properties.iter_mut().filter(|(name, _)| !is_required(name));
            optional.for_each(|(_, property)| not_null(property));
        }
        transform_subschemas(self, schema);
    }
}

/// Makes a schema say what people write: one list of words with what they mean,
/// one table of keys of which one is given, and no default that is empty.
#[derive(Clone)]
struct OfScenarios;

impl Transform for OfScenarios {
    fn transform(&mut self, schema: &mut Schema) {
        let is_empty = |it: &Value| match it {
            Value::Null | Value::Object(_) => true,
            Value::Array(all) => all.is_empty(),
            Value::String(text) => text.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if schema.get("default").is_some_and(is_empty) {
            schema.remove("default");
        }
        let each = schema.get("oneOf").and_then(Value::as_array).cloned();
        let (words, tables): (Vec<Value>, Vec<Value>) = each
            .into_iter()
            .flatten()
            .partition(|it| it["const"].is_string());
        match (words.is_empty(), tables.is_empty()) {
            (false, true) => {
                schema.remove("oneOf");
                let one = one_word(schema, &words);
                schema.ensure_object().extend(one);
            }
            (true, false) if tables.iter().all(|it| it["properties"].is_object()) => {
                schema.remove("oneOf");
                schema.ensure_object().extend(one_key(&tables));
            }
            (false, false) => {
                let word = json_schema!({"description": words[0]["description"]});
                let mut table = one_key(&tables);
                table.insert("description".to_owned(), "Exactly one of these.".into());
                let each = json!([one_word(&word, &words), table]);
                schema.insert("oneOf".to_owned(), each);
            }
            _ => {}
        }
        transform_subschemas(self, schema);
    }
}

/// More words than these are explained elsewhere.
const EXPLAINED_MAX: usize = 6;

fn one_word(whole: &Schema, words: &[Value]) -> Map<String, Value> {
    let names = words.iter().map(|it| it["const"].clone());
    let mut one = Map::from_iter([
        ("type".to_owned(), "string".into()),
        ("enum".to_owned(), names.collect()),
    ]);
    let mut meaning = whole
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if (2..=EXPLAINED_MAX).contains(&words.len()) {
        for word in words {
            if let (Some(name), Some(means)) =
                (word["const"].as_str(), word["description"].as_str())
            {
                let _ = write!(meaning, " `{name}`: {means}");
            }
        }
    }
    one.insert("description".to_owned(), meaning.trim().into());
    one
}

fn one_key(tables: &[Value]) -> Map<String, Value> {
    let keys = tables.iter().flat_map(|table| {
        let properties = table["properties"].as_object().into_iter().flatten();
        properties.map(|(key, property)| {
            let mut property = property.clone();
            property["description"] = table["description"].clone();
            (key.clone(), property)
        })
    });
    let one = json!({
        "type": "object",
        "properties": Value::Object(keys.collect()),
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    });
    one.as_object().cloned().unwrap_or_default()
}

/// Removes `null` from a property's types.
fn not_null(property: &mut Value) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = types.as_slice() {
            property["type"] = only.clone();
        }
    }
    let others = property["anyOf"].as_array().map(|all| {
        let others = all.iter().filter(|it| it["type"] != "null");
        others.cloned().collect::<Vec<_>>()
    });
    if let (Some([Value::Object(only)]), Some(property)) =
        (others.as_deref(), property.as_object_mut())
    {
        property.remove("anyOf");
        property.extend(only.clone());
    }
}

#[test]
fn of_verdicts() {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(OfFiles);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<RunVerdict>();
    let title = "ackproof verdict, version 1";
    schema.insert("$id".to_owned(), "urn:ackproof:verdict:1".into());
    schema.insert("title".to_owned(), title.into());
    is_current("crates/report/schema/verdict.schema.json", &schema);
}

#[test]
fn of_scenarios() {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(OfScenarios)
        .with_transform(OfFiles);
    let mut schema = settings.into_generator().into_root_schema_for::<Scenario>();
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        definitions.extend(rules::of_picks().map(|(name, it)| (name.to_owned(), it)));
    }
    is_current("docs/reference/scenario.schema.json", &schema);
}

/// The schema of a fault's parameters, complete in itself.
pub(crate) fn of_parameters<T: JsonSchema>() -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>()
}

/// The names of a type's fields, in order: a schema sorts them.
pub(crate) fn field_names<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    struct Names<'n>(&'n mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Names<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            Err(Error::custom("only its fields were asked for"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }

    let mut names: &[&str] = &[];
    let _ = T::deserialize(Names(&mut names));
    names.to_vec()
}
