//! Jepsen's own unit tests of its Kafka workload: each history gives Jepsen's
//! classes, and what it gives besides is listed with its reason in
//! docs/guides/imports.md, whose table this holds to the histories beside the
//! importer's tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use checker::{Analysis, Checker, Expectation, Pass, expect};
use import::jepsen::{Conversion, Foresight, JepsenSettings, convert};

const PAGE: &str = include_str!("../../../../docs/guides/imports.md");

fn histories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/jepsen/unit")
}

/// A row of the table.
struct Row {
    file: String,
    jepsen: BTreeSet<String>,
    more: BTreeSet<String>,
    less: BTreeSet<String>,
    verdict: String,
}

fn names(cell: &str) -> BTreeSet<String> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

fn table() -> Vec<Row> {
    let rows = PAGE.lines().filter(|line| line.contains(".edn` |"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        Row {
            file: cells[2].trim_matches('`').to_owned(),
            jepsen: names(cells[3]),
            more: names(cells[4]),
            less: names(cells[5]),
            verdict: cells[6].to_owned(),
        }
    })
    .collect()
}

/// Reads a history as often as the importer and the checker ask for.
pub(crate) fn check(edn: &[u8]) -> Analysis {
    let mut foresight = Foresight::default();
    let mut checker = Checker::new();
    loop {
        let settings = JepsenSettings::default();
        let mut sink = |event| checker.observe(&event);
        match convert(edn, "h.edn", settings, &foresight, &mut sink).unwrap() {
            Conversion::Repeat(more) => {
                foresight = more;
                checker = Checker::new();
            }
            Conversion::Complete(_) => match checker.end_pass() {
                Pass::Done(analysis) => return *analysis,
                Pass::Repeat(next) => checker = *next,
            },
        }
    }
}

fn found(analysis: &Analysis) -> BTreeSet<String> {
    let findings = analysis.findings.iter();
    let names = findings.map(|finding| finding.anomaly.name().to_owned());
    names.filter(|name| name != "reprocessed").collect()
}

#[test]
fn each_history_of_its_unit_tests_gives_jepsens_classes() {
    let mut wrong = Vec::new();
    for row in table() {
        let edn = fs::read(histories().join(&row.file)).unwrap();
        let analysis = check(&edn);
        let found = found(&analysis);
        let mut expected: BTreeSet<String> = row.jepsen.difference(&row.less).cloned().collect();
        expected.extend(row.more.iter().cloned());
        let verdict = expect(&analysis, Expectation::Default);
        if found != expected || verdict.verdict.to_string() != row.verdict {
            wrong.push(format!(
                "{}: {found:?}, not {expected:?}; {} ({:?}), not {}",
                row.file, verdict.verdict, verdict.reasons, row.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_every_history() {
    let files = fs::read_dir(histories()).unwrap();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let rows: BTreeSet<String> = table().into_iter().map(|row| row.file).collect();
    assert_eq!(rows, files.collect());
}

/// What Jepsen does not say is not what its default verdict rests on.
#[test]
fn the_default_verdict_rests_on_nothing_that_jepsen_does_not_say() {
    for row in table() {
        let edn = fs::read(histories().join(&row.file)).unwrap();
        let analysis = check(&edn);
        let verdict = expect(&analysis, Expectation::Default);
        if verdict.verdict == model::verdict::Verdict::Violated {
            let named = verdict.reasons.iter().filter_map(|reason| {
                let (_, anomaly) = reason.split_once(' ')?;
                Some(anomaly.to_owned())
            });
            let named: Vec<String> = named.collect();
            let known = named.iter().filter(|it| row.jepsen.contains(*it));
            assert!(known.count() > 0, "{}: {named:?}", row.file);
        }
    }
}
