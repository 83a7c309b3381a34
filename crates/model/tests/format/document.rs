//! `docs/reference/scenarios.md` against the parser: every key is told, with an example
//! that parses, and nothing else is.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::scenario::{FaultKind, OccurrenceKind, parse};
use toml::{Table, Value};

use super::grammar;

const DOCUMENT: &str = include_str!("../../../../docs/reference/scenarios.md");

/// What stands between a heading and the next one.
fn section(heading: &str) -> &'static str {
    let start = format!("\n{heading}\n");
    let (_, rest) = DOCUMENT
        .split_once(&start)
        .unwrap_or_else(|| panic!("no section `{heading}`"));
    rest.split_once("\n#").map_or(rest, |it| it.0)
}

/// The TOML blocks in a part of the document. Fences are lines of their own, so
/// that a block may hold what looks like a heading.
fn examples(part: &str) -> Vec<&str> {
    let blocks = part.split("\n```toml\n").skip(1);
    blocks
        .map(|block| block.split_once("\n```").unwrap().0)
        .collect()
}

/// The names in the first column of a section's first table.
fn first_column(heading: &str) -> BTreeSet<String> {
    let lines = section(heading).lines();
    let table = lines.skip_while(|it| !it.starts_with('|'));
    let rows = table.take_while(|it| it.starts_with('|'));
    let rows = rows.filter(|it| it.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned())
        .collect()
}

pub(crate) fn is_complete(example: &Table) -> bool {
    example.contains_key("name")
}

/// A fragment in the skeleton, in place of the tables of the same name.
pub(crate) fn completed(fragment: Table) -> Table {
    let mut document = grammar::skeleton_of(fragment.contains_key("app"));
    for (name, content) in fragment {
        match (document.get_mut(&name), content) {
            // Others name what the first of several is.
            (Some(Value::Array(all)), Value::Array(mut some)) if name == "topic" => {
                all[0] = some.remove(0);
            }
            (_, content) => {
                document.insert(name, content);
            }
        }
    }
    document
}

fn heading_of(table: &str) -> String {
    if grammar::is_single(table) {
        format!("## `[{table}]`")
    } else {
        format!("## `[[{table}]]`")
    }
}

/// All examples, each as a whole scenario.
pub(crate) fn scenarios() -> Vec<Table> {
    let parsed = examples(DOCUMENT).into_iter().map(grammar::table);
    parsed
        .map(|it| if is_complete(&it) { it } else { completed(it) })
        .collect()
}

#[test]
fn every_example_parses() {
    for text in examples(DOCUMENT) {
        let example = grammar::table(text);
        let read = if is_complete(&example) {
            parse("example.toml", text)
        } else {
            grammar::read(&completed(example))
        };
        read.unwrap_or_else(|error| panic!("{error}\n\nin\n{text}"));
    }
}

#[test]
fn the_top_level_is_told_whole() {
    assert_eq!(first_column("## Top level"), grammar::top_level());
    let examples = examples(DOCUMENT).into_iter().map(grammar::table);
    let shown: BTreeSet<String> = examples
        .flat_map(|it| it.into_iter().map(|it| it.0))
        .collect();
    assert_eq!(shown, grammar::top_level());
}

#[test]
fn every_key_of_every_table_is_told_and_no_other() {
    for table in grammar::tables() {
        assert_eq!(
            first_column(&heading_of(table)),
            grammar::keys(table),
            "{table}"
        );
    }
}

#[test]
fn every_key_of_every_table_has_an_example() {
    for table in grammar::tables() {
        let mut shown = BTreeSet::new();
        for example in examples(section(&heading_of(table))) {
            match grammar::table(example).remove(table) {
                Some(Value::Table(it)) => shown.extend(it.keys().cloned()),
                Some(Value::Array(all)) => {
                    let all = all.iter().filter_map(Value::as_table);
                    shown.extend(all.flat_map(Table::keys).cloned());
                }
                _ => {}
            }
        }
        assert_eq!(shown, grammar::keys(table), "{table}");
    }
}

#[test]
fn every_kind_of_fault_is_told_with_its_own_keys_its_evidence_and_examples() {
    let headings = DOCUMENT.lines().filter_map(|it| it.strip_prefix("### `"));
    let told: BTreeSet<String> = headings.map(|it| it.trim_end_matches('`').into()).collect();
    assert_eq!(told, grammar::kinds());
    let defined = FaultKind::ALL.iter().map(|it| it.name.to_owned());
    assert_eq!(told, defined.collect());
    let common = grammar::common_fault_keys();
    for kind in told {
        let heading = format!("### `{kind}`");
        let numbered = Value::from(1);
        let own = grammar::fullest(&kind, Some(&numbered))
            .or_else(|| grammar::fullest(&kind, None))
            .unwrap();
        let own: BTreeSet<String> = own.keys().cloned().collect();
        assert_eq!(first_column(&heading), &own - &common, "{kind}");

        let one_line = section(&heading).replace('\n', " ");
        let mut shown = BTreeSet::new();
        for example in examples(section(&heading)) {
            let document = completed(grammar::table(example));
            let scenario = grammar::read(&document).unwrap();
            for fault in &scenario.faults {
                let written = serde_json::to_value(&fault.kind).unwrap();
                assert_eq!(written["kind"], fault.kind.name());
                let evidence = fault.kind.parameters().evidence(&scenario);
                assert!(one_line.contains(evidence), "{kind}: {evidence}");
            }
            let faults = document["fault"].as_array().unwrap().iter();
            shown.extend(faults.flat_map(|it| it.as_table().unwrap().keys().cloned()));
        }
        let told = &common | &told_of_requests(&kind);
        let missing = &(&own - &shown) - &told;
        assert_eq!(missing, BTreeSet::new(), "{kind} without an example");
    }
}

/// What `request-refused` and `request-late` have in common with `answer-lost` has
/// its examples there.
fn told_of_requests(kind: &str) -> BTreeSet<String> {
    let other = grammar::fullest("answer-lost", None).unwrap();
    let same = ["request-refused", "request-late"].contains(&kind);
    let others = other.keys().filter(|_| same);
    others.cloned().collect()
}

#[test]
fn what_all_faults_have_is_told_with_an_example() {
    let common = grammar::common_fault_keys();
    assert_eq!(first_column("## `[[fault]]`"), common);
    let example = grammar::table(examples(section("## `[[fault]]`"))[0]);
    let shown = example["fault"][0].as_table().unwrap();
    assert!(common.iter().all(|key| shown.contains_key(key)));
}

#[test]
fn every_trigger_is_told_with_an_example() {
    let probe = "table = \"users\"\nrows = 1\nafter = { no-such-trigger = 1 }";
    let known = grammar::expected(&grammar::with("write", grammar::table(probe))).unwrap();
    assert_eq!(first_column("### Triggers"), known);
    let mut shown = BTreeSet::new();
    for example in examples(section("### Triggers")) {
        for fault in grammar::table(example)["fault"].as_array().unwrap() {
            shown.extend(fault["after"].as_table().unwrap().keys().cloned());
        }
    }
    assert_eq!(shown, known);
}

#[test]
fn every_part_of_a_broker_is_told_with_its_keys() {
    let rows = section("### Which broker").lines();
    let rows: Vec<&str> = rows.filter(|it| it.starts_with("| `")).collect();
    let base = grammar::fullest("broker-pause", None).unwrap();
    for broker in grammar::brokers().into_iter().flatten() {
        let shown = format!("`{broker}`");
        let row = rows.iter().find(|row| row.contains(&shown));
        let row = row.unwrap_or_else(|| panic!("{shown} is not told"));
        let keys = row.split('|').nth(3).unwrap();
        let told: BTreeSet<&str> = keys.split('`').skip(1).step_by(2).collect();
        let taken = grammar::fullest("broker-pause", Some(&broker)).unwrap();
        let taken: BTreeSet<&str> = taken
            .keys()
            .filter(|key| *key != "broker" && !base.contains_key(*key))
            .map(String::as_str)
            .collect();
        assert_eq!(told, taken, "{shown}");
    }
    assert_eq!(rows.len(), grammar::brokers().len() - 1);
}

#[test]
fn every_claim_is_told_in_its_own_words() {
    let (_, table) = section("## `[[guarantee]]`")
        .split_once("| claim | says |\n| --- | --- |\n")
        .unwrap();
    let rows: Vec<String> = Claim::ALL
        .iter()
        .map(|claim| format!("| `{claim}` | {} |\n", claim.meaning()))
        .collect();
    let expected = rows.concat();
    assert_eq!(table.trim_end(), expected.trim_end());
}

#[test]
fn everything_that_may_have_to_happen_is_told_in_its_own_words() {
    let told = section("## What has to happen");
    let (_, table) = told
        .split_once("| word | means |\n| --- | --- |\n")
        .unwrap();
    let rows = OccurrenceKind::ALL.iter();
    let rows: Vec<String> = rows
        .map(|it| format!("| `\"{it}\"` | {} |\n", it.meaning()))
        .collect();
    let (table, _) = table.split_once("\n\n").unwrap();
    assert_eq!(table.trim_end(), rows.concat().trim_end());
}

/// `docs/concepts/claims.md`: what each claim and each anomaly rests on.
#[test]
fn every_claim_and_every_anomaly_says_what_it_rests_on() {
    let page = include_str!("../../../../docs/concepts/claims.md");
    let rows = |heading: &str| -> Vec<String> {
        let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
        let part = rest.split_once("\n## ").map_or(rest, |it| it.0);
        let rows = part.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 5, "{row}");
            assert!(!cells[2].is_empty(), "{row}");
            cells[1].trim_matches('`').to_owned()
        })
        .collect()
    };
    let claims: Vec<&str> = Claim::ALL.iter().map(|claim| claim.name()).collect();
    assert_eq!(rows("The claims"), claims);
    let anomalies: Vec<&str> = Anomaly::ALL.iter().map(|it| it.name()).collect();
    assert_eq!(rows("The anomalies"), anomalies);
}

/// The words of `levels`, `how`, `signal` and so on: each stands in the section
/// of its key, as it is typed.
#[test]
fn every_word_that_a_key_takes_is_told() {
    for table in grammar::tables().filter(|it| !["capture", "topic"].contains(it)) {
        for (key, value) in grammar::full(table) {
            if !value.is_str() || key == "claim" {
                continue;
            }
            let mut probe = grammar::full(table);
            probe.insert(key.clone(), "no-such-word".into());
            for word in grammar::expected(&grammar::with(table, probe)).unwrap_or_default() {
                let told = section(&heading_of(table)).contains(&format!("\"{word}\""));
                assert!(told, "{table}: {key} = \"{word}\" is not told");
            }
        }
    }
    for kind in grammar::kinds() {
        let fullest = grammar::fullest(&kind, None).unwrap();
        for (key, value) in &fullest {
            if !value.is_str() || ["kind", "effect"].contains(&key.as_str()) {
                continue;
            }
            let mut probe = fullest.clone();
            probe.insert(key.clone(), "no-such-word".into());
            for word in grammar::expected(&grammar::with("fault", probe)).unwrap_or_default() {
                let part = format!("{}{}", section(&format!("### `{kind}`")), part_of(key));
                let told = [format!("\"{word}\""), format!("{{ {word} = ")];
                let told = told.iter().any(|it| part.contains(it));
                assert!(told, "{kind}: {key} = \"{word}\" is not told");
            }
        }
    }
}

/// What `request-refused` has in common with `answer-lost` is told there.
fn part_of(key: &str) -> &'static str {
    if key == "pick" {
        section("### `answer-lost`")
    } else {
        ""
    }
}
