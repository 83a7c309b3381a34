//! The schema against what is really written.

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::scenario::EMBEDDED;
use model::verdict::{Certainty, Hop, RunVerdict, Verdict};
use serde_json::{Value, json};

use super::made;
use report::{VERDICT_SCHEMA, verdict_json};

/// The schema, made to refuse what it does not declare, so that a property
/// is not declared is noticed here.
fn strict() -> Value {
    fn close(schema: &mut Value) {
        if let Some(object) = schema.as_object_mut() {
            if object.contains_key("properties") {
                object.insert(String::from("additionalProperties"), json!(false));
            }
            object.values_mut().for_each(close);
        }
    }
    let mut schema: Value = serde_json::from_str(VERDICT_SCHEMA).unwrap();
    close(&mut schema);
    schema
}

fn validator(schema: &Value) -> jsonschema::Validator {
    assert!(jsonschema::meta::is_valid(schema));
    jsonschema::draft202012::new(schema).unwrap()
}

fn verdicts() -> Vec<RunVerdict> {
    let names: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
    let (_, violated) = made::violated();
    let (_, doubtful) = made::doubtful();
    vec![
        made::verdict(&made::plan(&names, 2)),
        made::verdict(&made::plan(&[], 1)),
        made::verdict(&made::plan(&names, 1).on_cluster(vec![String::from("k:1")], 3)),
        violated,
        doubtful,
    ]
}

#[test]
fn every_verdict_fits_the_schema() {
    let validator = validator(&strict());
    for verdict in verdicts() {
        let value: Value = serde_json::from_str(&verdict_json(&verdict).unwrap()).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn the_schema_refuses_what_is_not_a_verdict() {
    let validator = validator(&serde_json::from_str(VERDICT_SCHEMA).unwrap());
    let (_, verdict) = made::violated();
    let good: Value = serde_json::to_value(&verdict).unwrap();
    assert!(validator.is_valid(&good));
    let breaks: [(&str, Value); 8] = [
        ("/schema", json!("ackproof.verdict/2")),
        ("/verdict", json!("held")),
        ("/seed", json!(-1)),
        ("/scenarios/0/repetition", json!(0)),
        ("/scenarios/0/guarantees/0/claim", json!("no-lost")),
        ("/scenarios/0/findings/0/anomaly", json!("lost")),
        ("/scenarios/0/findings/0/lost_at/0/hop", json!("somewhere")),
        ("/scenarios/0/faults/0/evidence/0/found", json!(true)),
    ];
    for (at, value) in breaks {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap() = value;
        assert!(!validator.is_valid(&bad), "{at}");
    }
    let schema: Value = serde_json::from_str(VERDICT_SCHEMA).unwrap();
    for name in schema["required"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(name);
        assert!(!validator.is_valid(&bad), "without {name}");
    }
}

#[test]
fn the_schema_lists_the_names_that_the_program_uses() {
    let schema: Value = serde_json::from_str(VERDICT_SCHEMA).unwrap();
    let listed = |at: &str| -> Vec<String> {
        let one_of = schema.pointer(&format!("/$defs/{at}/oneOf")).unwrap();
        let names = one_of.as_array().unwrap().iter();
        names
            .map(|it| it["const"].as_str().unwrap().to_owned())
            .collect()
    };
    let claims: Vec<&str> = Claim::ALL.iter().map(|claim| claim.name()).collect();
    let anomalies: Vec<&str> = Anomaly::ALL.iter().map(|anomaly| anomaly.name()).collect();
    assert_eq!(listed("GuaranteeVerdict/properties/claim"), claims);
    assert_eq!(listed("Anomaly"), anomalies);
    let hops: Vec<&str> = Hop::ALL.iter().map(|hop| hop.name()).collect();
    assert_eq!(listed("Hop"), hops);
    let certainties = [Certainty::Proven, Certainty::Likely, Certainty::Open];
    assert_eq!(listed("Certainty"), certainties.map(Certainty::name));
    let verdicts = [Verdict::Held, Verdict::Inconclusive, Verdict::Violated];
    assert_eq!(listed("Verdict"), verdicts.map(Verdict::name));
}

#[test]
fn equal_verdicts_give_equal_bytes_and_survive() {
    for verdict in verdicts() {
        let text = verdict_json(&verdict).unwrap();
        let back: RunVerdict = serde_json::from_str(&text).unwrap();
        assert_eq!(back, verdict);
        assert_eq!(verdict_json(&back).unwrap(), text);
        assert!(
            text.starts_with("{\n  \"schema\": \"ackproof.verdict/1\",") && text.ends_with("}\n")
        );
    }
}
