//! Twins: two scenarios of a run that are planned alike but for one key. What differs between
//! their verdicts is that key's doing.

use std::collections::{BTreeMap, BTreeSet};

use model::scenario::Scenario;
use serde_json::Value;

use crate::run::{Run, Test};

/// What a scenario says of itself and of its verdict, and not of what is done.
const TOLD: &[&str] = &[
    "about_client",
    "criterion",
    "drain_timeout_ms",
    "expect",
    "expected",
    "guarantee",
    "must_happen",
    "name",
    "suite",
    "title",
    "why",
];

/// Two scenarios, in the order of the plan.
pub(crate) struct Twins<'r, 'a> {
    pub(crate) one: &'r Test<'a>,
    pub(crate) other: &'r Test<'a>,
    /// The key that differs, as scenario files name it, without the table that it is in.
    pub(crate) key: String,
    /// Its two values; none where it is not set.
    pub(crate) values: [Option<String>; 2],
}

/// All twins among the scenarios that were run.
pub(crate) fn of<'r, 'a>(run: &'r Run<'a>) -> Vec<Twins<'r, 'a>> {
    let tests = run.tests.iter().filter(|test| !test.outcomes.is_empty());
    let planned: Vec<_> = tests
        .filter_map(|test| Some((test, planned(test.scenario?))))
        .collect();
    let mut twins = Vec::new();
    for (at, (one, first)) in planned.iter().enumerate() {
        for (other, second) in &planned[at + 1..] {
            if let Some((key, values)) = difference(first, second) {
                twins.push(Twins {
                    one,
                    other,
                    key,
                    values,
                });
            }
        }
    }
    twins
}

/// Each value by its path: a table with its number, then keys.
type Planned = BTreeMap<Vec<String>, String>;

fn planned(scenario: &Scenario) -> Planned {
    let mut all = Planned::new();
    if let Ok(Value::Object(keys)) = serde_json::to_value(scenario) {
        for (key, value) in keys {
            if !TOLD.contains(&key.as_str()) {
                flatten(vec![key], value, &mut all);
            }
        }
    }
    all
}

fn flatten(path: Vec<String>, value: Value, all: &mut Planned) {
    let below = |key: String| path.iter().cloned().chain([key]).collect();
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                flatten(below(key), value, all);
            }
        }
        Value::Array(values) => {
            for (number, value) in values.into_iter().enumerate() {
                flatten(below(number.to_string()), value, all);
            }
        }
        Value::Null => {}
        Value::String(words) => {
            all.insert(path, words);
        }
        other => {
            all.insert(path, other.to_string());
        }
    }
}

/// The one key that differs, where it is no fault's: that would be another experiment.
fn difference(one: &Planned, other: &Planned) -> Option<(String, [Option<String>; 2])> {
    let keys: BTreeSet<&Vec<String>> = one.keys().chain(other.keys()).collect();
    let mut differ = keys
        .into_iter()
        .filter(|key| one.get(*key) != other.get(*key));
    let (path, None) = (differ.next()?, differ.next()) else {
        return None;
    };
    let of_fault = path.first().is_some_and(|table| table == "fault");
    let key = path.last().filter(|_| !of_fault)?.clone();
    Some((key, [one.get(path).cloned(), other.get(path).cloned()]))
}
