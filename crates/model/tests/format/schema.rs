//! `docs/reference/scenario.schema.json` against the parser: it takes what the parser
//! takes, and refuses what it refuses, as far as one table can show it.

use std::collections::BTreeSet;

use model::record::OVERHEAD_BYTES_MAX;
use model::scenario::{EMBEDDED, OccurrenceKind};
use serde_json::{Map, Value, json};
use toml::Table;

use super::{document, grammar};

const SCHEMA: &str = include_str!("../../../../docs/reference/scenario.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn validator() -> jsonschema::Validator {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::draft202012::new(&schema).unwrap()
}

fn errors(document: &Table) -> Vec<String> {
    let value = serde_json::to_value(document).unwrap();
    validator()
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Both take it, or both refuse it.
fn agree(validator: &jsonschema::Validator, document: &Table, what: &str) {
    let parsed = grammar::read(document);
    let value = serde_json::to_value(document).unwrap();
    assert_eq!(
        validator.is_valid(&value),
        parsed.is_ok(),
        "{what}: the parser says {:?}, the schema {:?}",
        parsed.map(|_| ()),
        errors(document),
    );
}

fn definition(name: &str) -> Value {
    schema()["$defs"][name].clone()
}

fn properties(schema: &Value) -> BTreeSet<String> {
    schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

fn words(schema: &Value) -> BTreeSet<String> {
    let words = schema["enum"].as_array().into_iter().flatten();
    words.map(|it| it.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_scenario_that_there_is_fits() {
    for (name, text) in EMBEDDED {
        assert_eq!(errors(&grammar::table(text)), [""; 0], "{name}");
    }
    for example in document::scenarios() {
        assert_eq!(errors(&example), [""; 0], "{example}");
    }
    assert_eq!(errors(&grammar::skeleton()), [""; 0]);
}

#[test]
fn it_knows_the_keys_that_the_parser_knows() {
    assert_eq!(properties(&schema()), grammar::top_level());
    assert_eq!(properties(&definition("fault")), grammar::fault_keys());
    for table in grammar::tables() {
        assert_eq!(
            properties(&definition(table)),
            grammar::keys(table),
            "{table}"
        );
    }
}

#[test]
fn it_knows_the_words_that_the_parser_knows() {
    for table in grammar::tables() {
        let properties = definition(table)["properties"].clone();
        for (key, _) in grammar::full(table).iter().filter(|it| it.1.is_str()) {
            let mut probe = grammar::full(table);
            probe.insert(key.clone(), "no-such-word".into());
            // The tables of the database are no words of the grammar.
            if table != "write" || key != "table" {
                let known = grammar::expected(&grammar::with(table, probe)).unwrap_or_default();
                assert_eq!(words(&properties[key]), known, "{table}: {key}");
            }
        }
    }
    let fault = definition("fault")["properties"].clone();
    assert_eq!(words(&fault["kind"]), grammar::kinds());
    for kind in grammar::kinds() {
        let fullest = grammar::fullest(&kind, None).unwrap();
        for key in fullest.keys().filter(|key| fullest[*key].is_str()) {
            let mut probe = fullest.clone();
            probe.insert(key.clone(), "no-such-word".into());
            let Some(known) = grammar::expected(&grammar::with("fault", probe)) else {
                assert_eq!(words(&fault[key]), BTreeSet::new(), "{key}");
                continue;
            };
            if key == "pick" {
                let pick = &fault["pick"];
                let some = properties(&pick["oneOf"][1]);
                assert_eq!(&words(&pick["oneOf"][0]) | &some, known);
            } else {
                assert_eq!(words(&fault[key]), known, "{kind}: {key}");
            }
        }
    }
    let parts = grammar::brokers().into_iter().flatten();
    let parts = parts.filter_map(|it| Some(it.as_str()?.to_owned()));
    assert_eq!(words(&fault["broker"]["oneOf"][1]), parts.collect());
}

#[test]
fn it_knows_what_may_have_to_happen() {
    let mut probe = grammar::skeleton();
    probe.insert("must_happen".to_owned(), vec!["no-such-word"].into());
    let known = grammar::expected(&probe).unwrap();
    assert_eq!(
        words(&schema()["properties"]["must_happen"]["items"]),
        known
    );
    let all = OccurrenceKind::ALL.iter().map(|it| it.name().to_owned());
    assert_eq!(known, all.collect());
}

#[test]
fn it_asks_for_the_keys_that_the_parser_asks_for() {
    let validator = validator();
    for key in grammar::skeleton().keys() {
        let mut document = grammar::skeleton();
        document.remove(key);
        // That a table is named elsewhere, or that a fault needs it, is more
        // than a schema can tell.
        if !["topology", "topic", "group"].contains(&key.as_str()) {
            agree(&validator, &document, &format!("no {key}"));
        }
    }
    for table in grammar::tables() {
        let full = grammar::full(table);
        agree(&validator, &grammar::with(table, full.clone()), table);
        // Fewer brokers cannot hold the topics' replicas.
        for key in full.keys().filter(|it| *it != "brokers") {
            let mut less = full.clone();
            less.remove(key);
            agree(
                &validator,
                &grammar::with(table, less),
                &format!("{table} without {key}"),
            );
        }
    }
}

/// For every kind of fault and every way to name a broker: the fullest fault,
/// each key less, and each key more.
#[test]
fn it_knows_which_keys_each_kind_of_fault_has_and_needs() {
    let validator = validator();
    for kind in grammar::kinds() {
        for broker in grammar::brokers() {
            let what = format!("{kind} of {broker:?}");
            let Some(fullest) = grammar::fullest(&kind, broker.as_ref()) else {
                let mut refused = grammar::fullest(&kind, None).unwrap();
                refused.insert("broker".to_owned(), broker.unwrap());
                agree(&validator, &grammar::with("fault", refused), &what);
                continue;
            };
            agree(&validator, &grammar::with("fault", fullest.clone()), &what);
            for key in fullest.keys() {
                let mut less = fullest.clone();
                less.remove(key);
                agree(
                    &validator,
                    &grammar::with("fault", less),
                    &format!("{what} without {key}"),
                );
            }
            for (key, value) in grammar::every_fault_key() {
                let mut more = fullest.clone();
                more.insert(key.clone(), value);
                agree(
                    &validator,
                    &grammar::with("fault", more),
                    &format!("{what} with {key}"),
                );
            }
        }
    }
}

#[test]
fn it_knows_triggers_and_picks() {
    let validator = validator();
    let cases = [
        "after = { acknowledged = 1 }",
        "after = { acknowledged = -1 }",
        "after = { acknowledged = 1, captured = 1 }",
        "after = {}",
        "after = \"acknowledged\"",
        "after = { acknowleged = 1 }",
        "after = { processed = { group = \"billing\", percent = 100 } }",
        "after = { processed = { group = \"billing\", percent = 101 } }",
        "after = { processed = { group = \"billing\" } }",
        "after = { processed = { group = \"billing\", percent = 1, topic = \"orders\" } }",
        "after = { captured = 1 }",
        "after = { elapsed_ms = 1 }",
        "after = { elapsed_ms = 1 }",
        "after = { injected = 0 }",
        "after = { healed = 0 }",
        "after = { in_sync = { topic = \"orders\", replicas = 2 } }",
        "after = { in_sync = { topic = \"orders\", replicas = 3 } }",
        "after = { in_sync = { topic = \"orders\", partition = -1, replicas = 2 } }",
        "pick = \"every\"",
        "pick = \"first\"",
        "pick = { nth = 1 }",
        "pick = { nth = 0 }",
        "pick = { first = 0 }",
        "pick = { first = 1, nth = 1 }",
        "pick = { probability = 0.0 }",
        "pick = { probability = 1.0 }",
        "pick = { probability = 1.1 }",
    ];
    for case in cases {
        let mut fault = grammar::fullest("answer-lost", None).unwrap();
        fault.extend(grammar::table(case));
        agree(&validator, &grammar::with("fault", fault), case);
    }
}

#[test]
fn it_knows_the_bounds_that_the_parser_knows() {
    let validator = validator();
    let cases = [
        ("topology", "brokers", [1, 3]),
        ("topic", "partitions", [1, 1000]),
        ("topic", "replication_factor", [1, 3]),
        ("producer", "records", [1, 1_000_000_000]),
        ("producer", "records_per_s", [1, i64::from(u32::MAX)]),
        ("producer", "keys", [1, 100_000]),
        ("group", "members", [1, 64]),
        ("group", "records_per_s", [1, i64::from(u32::MAX)]),
        ("transform", "members", [1, 64]),
        ("transform", "records_per_s", [1, i64::from(u32::MAX)]),
        ("write", "rows", [1, 10_000_000]),
        ("write", "rows_per_s", [0, i64::from(u32::MAX)]),
    ];
    for (table, key, [least, most]) in cases {
        for value in [least - 1, least, most, most + 1] {
            let mut content = grammar::full(table);
            content.insert(key.to_owned(), value.into());
            if ["records", "rows"].contains(&key) {
                // At any other pace, there is no time for it.
                content.insert("records_per_s".replace("records", key), u32::MAX.into());
            }
            let mut document = grammar::with(table, content);
            if key == "brokers" {
                // One broker holds one replica.
                for topic in document["topic"].as_array_mut().unwrap() {
                    let topic = topic.as_table_mut().unwrap();
                    topic.insert("replication_factor".to_owned(), 1.into());
                }
            }
            agree(&validator, &document, &format!("{table}: {key} = {value}"));
        }
        let bounds = &definition(table)["properties"][key];
        assert_eq!(
            (&bounds["minimum"], &bounds["maximum"]),
            (&json!(least), &json!(most))
        );
    }
    for key in ["times", "pause_ms", "delay_ms", "jitter_ms"] {
        for value in [-1, 0, 1, 100, 101] {
            let mut fault = grammar::fullest("rolling-bounce", None).unwrap();
            fault.insert(key.to_owned(), value.into());
            agree(
                &validator,
                &grammar::with("fault", fault),
                &format!("{key} = {value}"),
            );
        }
    }
    // The name of the topic, of one letter at least, comes on top.
    let least = json!(OVERHEAD_BYTES_MAX + 1);
    assert_eq!(
        definition("producer")["properties"]["record_bytes"]["minimum"],
        least
    );
    assert_eq!(
        definition("producer")["properties"]["large_bytes"]["minimum"],
        least
    );
    assert_eq!(
        definition("transform")["properties"]["record_bytes"]["minimum"],
        least
    );
    for (table, key, most) in [
        ("producer", "record_bytes", 900_000),
        ("producer", "large_bytes", 10_000_000),
        ("transform", "record_bytes", 900_000),
    ] {
        for value in [1, most, most + 1] {
            let mut content = grammar::full(table);
            content.insert(key.to_owned(), value.into());
            agree(
                &validator,
                &grammar::with(table, content),
                &format!("{table}: {key} = {value}"),
            );
        }
    }
}

/// What cannot be, each by one line: `TABLE KEY = VALUE`, or a key of the top
/// level.
#[test]
fn it_refuses_what_the_parser_refuses() {
    let validator = validator();
    let cases = [
        ("", "name = \".hidden\""),
        ("", "name = \"two words\""),
        ("", "title = 1"),
        ("", "drain_timeout_ms = -1"),
        ("", "guarantee = []"),
        ("", "topics = []"),
        ("", "must_happen = [\"compact\"]"),
        ("", "must_happen = \"compaction\""),
        ("topology", "link = \"prox\""),
        ("topology", "config = { \"a\" = 1 }"),
        ("topic", "name = \"or/ders\""),
        ("topic", "partitions = \"3\""),
        ("producer", "large_every = 0"),
        ("producer", "steps_per_s = [-1]"),
        ("producer", "compressible_percent = 101"),
        ("producer", "config = { retries = 3 }"),
        ("group", "commit = \"never\""),
        ("group", "commit_every_records = 0"),
        ("group", "max_poll_records = 0"),
        ("group", "commit = \"before\"\nfence = \"commit\""),
        ("transform", "transactions = \"yes\""),
        ("transform", "commit_every_records = 0"),
        ("capture", "prefix = 1"),
        ("write", "table = \"orders\""),
        ("write", "how = \"copy\"\nrows_per_s = 4"),
        ("write", "table = \"users\"\nhow = \"insert-and-touch\""),
        ("guarantee", "claim = \"no-lost\""),
        ("guarantee", "claim = \"no-loss\""),
        ("guarantee", "level = \"maybe\""),
    ];
    for (table, case) in cases {
        let change = grammar::table(case);
        let document = if table.is_empty() {
            let mut document = grammar::skeleton();
            document.extend(change);
            document
        } else {
            let mut content = grammar::full(table);
            content.extend(change);
            grammar::with(table, content)
        };
        assert!(grammar::read(&document).is_err(), "{table} {case}");
        agree(&validator, &document, &format!("{table} {case}"));
    }
}

/// What an editor shows, and what keeps a mistyped key from being taken.
#[test]
fn every_key_is_described_and_every_table_is_closed() {
    fn look(at: &str, value: &Value, undescribed: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                // Conditions speak of keys that are described elsewhere.
                let is_table = object.get("type") == Some(&json!("object"));
                if let Some(Value::Object(properties)) =
                    object.get("properties").filter(|_| is_table)
                {
                    assert_eq!(object["additionalProperties"], json!(false), "{at}");
                    described(at, properties, undescribed);
                }
                for (key, value) in object {
                    look(&format!("{at}/{key}"), value, undescribed);
                }
            }
            Value::Array(all) => all.iter().for_each(|it| look(at, it, undescribed)),
            _ => {}
        }
    }
    fn described(at: &str, properties: &Map<String, Value>, undescribed: &mut Vec<String>) {
        for (key, property) in properties {
            let by_reference = property["$ref"]
                .as_str()
                .map(|it| it.trim_start_matches("#/$defs/"));
            let described = property["description"].is_string()
                || by_reference.is_some_and(|it| definition(it)["description"].is_string());
            if !described {
                undescribed.push(format!("{at}/{key}"));
            }
        }
    }
    let mut undescribed = Vec::new();
    look("", &schema(), &mut undescribed);
    assert_eq!(undescribed, [""; 0]);
}
