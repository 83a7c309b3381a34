//! Rules of the scenario schema beyond the types: which keys go together, and a fault as
//! one flat table of keys.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

use super::field_names;
use crate::scenario::{BrokerPick, Config, FEATURES, FaultKind, QUOTA_KEYS, Requests};

/// The keys that go with `broker`.
const OF_PICK: [&str; 4] = ["topic", "partition", "group", "transactional_id"];
/// Faults for one broker.
const FOR_ONE: [&str; 3] = ["broker-loss", "disk-loss", "disk-full"];

/// The meaning of keys of several faults.
const SHARED: [(&str, &str); 7] = [
    (
        "signal",
        "How the process is ended: SIGTERM lets it say goodbye, SIGKILL does not. `term` by default \
         for `rolling-bounce`.",
    ),
    ("down_ms", "How long it stays down, in milliseconds."),
    (
        "for_ms",
        "For how long, in milliseconds; for `answer-lost`, `request-refused` and `request-late` at most, and for \
         `consumer-zombie` at least.",
    ),
    (
        "topic",
        "The topic: of `broker = \"leader\"` or `\"follower\"`; whose directories or log a disk's \
         fault is about; or that requests must name.",
    ),
    (
        "partition",
        "The partition, from 0: of `broker = \"leader\"` or `\"follower\"` (0 by default), or that \
         requests must name.",
    ),
    (
        "group",
        "The group: whose member, whose coordinator (`broker = \"group-coordinator\"`), or that \
         requests must name.",
    ),
    (
        "broker",
        "Which broker: its number from 1, or the part that it plays when the fault is injected. \
         `leader` and `follower` need `topic` and take `partition`; `group-coordinator` needs \
         `group`; `transaction-coordinator` needs `transactional_id`.",
    ),
];

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "config".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": {"type": "string"}})
    }
}

impl JsonSchema for BrokerPick {
    fn schema_name() -> Cow<'static, str> {
        "broker".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": 3, "description": "Its number."},
                {
                    "type": "string",
                    "enum": [
                        "all",
                        "leader",
                        "follower",
                        "controller",
                        "group-coordinator",
                        "transaction-coordinator"
                    ],
                    "description": "Its part."
                }
            ]
        })
    }
}

/// Where a key has one of these words.
#[expect(clippy::needless_pass_by_value, reason = "it reads as the schema does")]
fn when(key: &str, words: &[&str], then: Value, otherwise: Value) -> Value {
    let is = match words {
        [word] => json!({"const": word}),
        words => json!({"enum": words}),
    };
    let mut rule = json!({"if": {"properties": {key: is}, "required": [key]}, "then": then});
    if otherwise != Value::Null {
        rule["else"] = otherwise;
    }
    rule
}

fn forbid(keys: &[&str]) -> Value {
    let keys = keys
        .iter()
        .map(|key| ((*key).to_owned(), Value::Bool(false)));
    json!({"properties": Value::Object(keys.collect())})
}

fn add(schema: &mut Schema, more: Value) {
    if let Value::Object(more) = more {
        schema.ensure_object().extend(more);
    }
}

pub(crate) fn of_scenario(schema: &mut Schema) {
    add(
        schema,
        json!({
            "required": ["name", "title", "guarantee"],
            "dependentRequired": {"write": ["capture"]},
            "anyOf": [{"required": ["producer"]}, {"required": ["write"]}],
        }),
    );
}

pub(crate) fn of_producer(schema: &mut Schema) {
    let pair = json!({
        "large_every": ["large_bytes"],
        "large_bytes": ["large_every"],
        "steps_per_s": ["step_ms"],
        "step_ms": ["steps_per_s"],
    });
    add(schema, json!({"dependentRequired": pair}));
}

pub(crate) fn of_group(schema: &mut Schema) {
    let after = json!({"properties": {"commit": {"const": "after"}}});
    let every = "commit_every_records";
    let rules = [
        when("fence", &["commit"], after, Value::Null),
        when(
            "commit",
            &["auto"],
            forbid(&[every]),
            json!({"required": [every]}),
        ),
    ];
    add(schema, json!({"allOf": rules}));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties[every].as_object_mut().unwrap().remove("default");
    }
}

pub(crate) fn of_write(schema: &mut Schema) {
    let is = |key: &str, value: Value| json!({"properties": {key: {"const": value}}});
    let rules = [
        when(
            "start",
            &["before-capture"],
            forbid(&["after"]),
            Value::Null,
        ),
        when(
            "how",
            &["insert-and-touch"],
            is("table", "comments".into()),
            Value::Null,
        ),
        when("how", &["copy"], is("rows_per_s", 0.into()), Value::Null),
        json!({
            "if": {"required": ["transaction"]},
            "then": {"properties": {
                "table": {"const": "comments"},
                "how": {"const": "insert"},
                "start": {"const": "after-capture"},
            }},
        }),
    ];
    add(
        schema,
        json!({"allOf": rules, "dependentRequired": {"commit_after": ["transaction"]}}),
    );
}

pub(crate) fn of_guarantee(schema: &mut Schema) {
    let limit = "limit_ms";
    let needs = json!({"required": [limit]});
    add(
        schema,
        when("claim", &["recovers-within"], needs, forbid(&[limit])),
    );
}

pub(crate) fn quotas(_: &mut SchemaGenerator) -> Schema {
    let meanings = [
        "Bytes a second that it may send to each broker.",
        "Bytes a second that it may fetch from each broker.",
        "Percent of one of the broker's threads that its requests may take.",
    ];
    let keys = QUOTA_KEYS.iter().zip(meanings);
    let keys = keys.map(|(key, meaning)| {
        let value = json!({"type": "string", "description": meaning});
        ((*key).to_owned(), value)
    });
    json_schema!({
        "type": "object",
        "properties": Value::Object(keys.collect()),
        "minProperties": 1,
        "additionalProperties": false,
    })
}

pub(crate) fn features(_: &mut SchemaGenerator) -> Schema {
    let keys = FEATURES.iter().map(|it| {
        let level = json!({
            "type": "integer",
            "minimum": 0,
            "maximum": it.level_max,
            "description": it.meaning,
        });
        (it.name.to_owned(), level)
    });
    json_schema!({
        "type": "object",
        "properties": Value::Object(keys.collect()),
        "additionalProperties": false,
    })
}

pub(crate) fn kinds(_: &mut SchemaGenerator) -> Schema {
    let names = FaultKind::ALL.iter().map(|it| it.name);
    json_schema!({"type": "string", "enum": names.collect::<Vec<_>>()})
}

/// Adds the parameters of every kind to the keys that all faults have, and
/// which of them each kind has and needs.
pub(crate) fn of_fault(schema: &mut Schema) {
    let common = [
        "kind",
        "after",
        "delay_ms",
        "jitter_ms",
        "times",
        "pause_ms",
        "effect",
    ];
    let mut properties = schema
        .get("properties")
        .unwrap()
        .as_object()
        .unwrap()
        .clone();
    let mut rules = Vec::new();
    for (kind, parameters, names) in FaultKind::schemas() {
        let Value::Object(of_kind) = &parameters.as_value()["properties"] else {
            continue;
        };
        let mut required: Vec<Value> = required(&parameters);
        let mut keys: Vec<&str> = Vec::new();
        for name in names {
            match name {
                "requests" => {
                    let of_requests = super::of_parameters::<Requests>();
                    properties.extend(
                        of_requests.as_value()["properties"]
                            .as_object()
                            .unwrap()
                            .clone(),
                    );
                    required.retain(|it| it != "requests");
                    required.splice(0..0, self::required(&of_requests));
                    keys.extend(field_names::<Requests>());
                }
                // It goes with `broker` too, and stands with its like.
                "topic" => {}
                key => keys.push(key),
            }
        }
        let own_topic = of_kind.contains_key("topic");
        let others = of_kind.iter().filter(|(key, _)| *key != "requests");
        properties.extend(others.map(|(key, it)| (key.clone(), it.clone())));
        let mut then = json!({});
        if of_kind.contains_key("broker") {
            keys.extend(OF_PICK);
            let rules = if own_topic { "pickedOfTopic" } else { "picked" };
            then["$ref"] = format!("#/$defs/{rules}").into();
        }
        if FOR_ONE.contains(&kind) {
            then["properties"] = json!({"broker": {"not": {"const": "all"}}});
        }
        let keys = common.into_iter().chain(keys);
        then["propertyNames"] = json!({"enum": keys.collect::<Vec<_>>()});
        if !required.is_empty() {
            then["required"] = required.into();
        }
        rules.push(when("kind", &[kind], then, Value::Null));
    }
    rules.push(json!({
        "if": {"properties": {"pause_ms": {"minimum": 1}}, "required": ["pause_ms"]},
        "then": {"required": ["times"]},
    }));
    properties.insert(
        "transactional_id".to_owned(),
        json!({
            "type": "string",
            "description": "The `transactional.id` whose coordinator is meant, with `broker = \
                            \"transaction-coordinator\"`.",
        }),
    );
    for (key, meaning) in SHARED {
        let property = properties[key].as_object_mut().unwrap();
        // A default of one fault is not another's.
        property.remove("default");
        property.insert("description".to_owned(), meaning.into());
    }
    add(
        schema,
        json!({"properties": properties, "required": ["kind", "after"], "allOf": rules}),
    );
}

fn required(schema: &Schema) -> Vec<Value> {
    let required = schema.get("required").and_then(Value::as_array);
    required.cloned().unwrap_or_default()
}

/// The keys that go with `broker`, also where the fault has a topic of its own.
pub(super) fn of_picks() -> [(&'static str, Value); 2] {
    let of = |topic_keys: &[&str]| {
        [
            when(
                "broker",
                &["leader", "follower"],
                json!({"required": ["topic"]}),
                forbid(topic_keys),
            ),
            when(
                "broker",
                &["group-coordinator"],
                json!({"required": ["group"]}),
                forbid(&["group"]),
            ),
            when(
                "broker",
                &["transaction-coordinator"],
                json!({"required": ["transactional_id"]}),
                forbid(&["transactional_id"]),
            ),
        ]
    };
    let meaning = "The keys that go with `broker`.";
    let with_topic = "The keys that go with `broker`, where the fault has a topic of its own.";
    [
        (
            "picked",
            json!({"description": meaning, "allOf": of(&["topic", "partition"])}),
        ),
        (
            "pickedOfTopic",
            json!({"description": with_topic, "allOf": of(&["partition"])}),
        ),
    ]
}
