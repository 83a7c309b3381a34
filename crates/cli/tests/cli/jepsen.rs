//! The small histories of Jepsen's workload, each held to what the table
//! beside them says must be found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fixture::Bench;

fn histories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/jepsen/histories")
}

/// A row of the table.
struct Row {
    file: String,
    found: BTreeSet<String>,
    /// Other names for the same thing, which may be given as well.
    allowed: BTreeSet<String>,
    verdict: String,
}

fn names(text: &str) -> BTreeSet<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

fn table() -> Vec<Row> {
    let page = fs::read_to_string(histories().join("README.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (found, allowed) = cells[2].split_once('(').unwrap_or((cells[2], ""));
        Row {
            file: cells[1].trim_matches('`').to_owned(),
            found: names(found),
            allowed: names(allowed),
            verdict: cells[3].to_owned(),
        }
    })
    .collect()
}

#[test]
fn each_history_is_judged_as_the_table_says() {
    let rows = table();
    assert!(rows.len() > 25, "the table was not understood");
    for row in rows {
        let ran = Bench::new()
            .ackproof(&["check", "--from", "jepsen", "--format", "json"])
            .arg(histories().join(&row.file))
            .output()
            .unwrap();
        let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(document["verdict"], row.verdict.as_str(), "{}", row.file);
        let found: BTreeSet<String> = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["anomaly"].as_str().unwrap().to_owned())
            .filter(|name| name != "reprocessed")
            .collect();
        assert!(found.is_superset(&row.found), "{}: {found:?}", row.file);
        let extra: Vec<&String> = found.difference(&row.found).collect();
        assert!(
            extra.iter().all(|name| row.allowed.contains(*name)),
            "{}: {extra:?}",
            row.file
        );
    }
}
