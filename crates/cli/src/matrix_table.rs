//! A comparison of runs as a table for a terminal. Knows nothing of how the
//! runs came about.

use std::fmt::Write as _;

use model::claim::Level;
use report::{Matrix, MatrixCell};

use crate::style::{FAINT, STRONG, of_verdict};

/// Wide enough for every verdict.
const VERDICT_CHARS: usize = 12;

/// A row for each claim, under its scenario, and a column for each run. Where
/// the terminal is too narrow for the columns' names, numbers stand for them.
pub(crate) fn table(matrix: &Matrix, terminal: Option<usize>) -> String {
    let claims = matrix.rows.iter().map(|row| row.claim.name().len());
    let claim_chars = claims.max().unwrap_or(0);
    let names: Vec<String> = matrix.columns.iter().map(|it| it.name.clone()).collect();
    let is_wide = |names: &[String]| {
        let widths = widths(matrix, names).iter().map(|it| it + 2).sum::<usize>();
        terminal.is_some_and(|columns| 4 + claim_chars + widths > columns)
    };
    let mut out = String::new();
    let heads = if is_wide(&names) {
        for (number, column) in (1..).zip(&matrix.columns) {
            let _ = writeln!(out, "  {STRONG}({number}){STRONG:#} {}", column.name);
        }
        (1..=names.len()).map(|it| format!("({it})")).collect()
    } else {
        names
    };
    let widths = widths(matrix, &heads);
    let mut line = format!("    {:claim_chars$}", "");
    for (head, width) in heads.iter().zip(&widths) {
        let _ = write!(line, "  {STRONG}{head:width$}{STRONG:#}");
    }
    let _ = writeln!(out, "{line}");
    let mut scenario = "";
    for row in &matrix.rows {
        if row.scenario != scenario {
            scenario = &row.scenario;
            let _ = writeln!(out, "  {scenario}");
        }
        let mut line = format!("    {:claim_chars$}", row.claim);
        for (cell, width) in row.cells.iter().zip(&widths) {
            match cell {
                Some(cell) => {
                    let style = of_verdict(cell.verdict);
                    let _ = write!(line, "  {style}{:width$}{style:#}", cell.words());
                }
                None => {
                    let _ = write!(line, "  {FAINT}{:width$}{FAINT:#}", "—");
                }
            }
        }
        let notes = [row.mark(), level(&row.cells)];
        let notes: Vec<&str> = notes.into_iter().filter(|it| !it.is_empty()).collect();
        if !notes.is_empty() {
            let _ = write!(line, "  {}", notes.join(", "));
        }
        let _ = writeln!(out, "{line}");
    }
    out
}

/// How much hangs on a claim, where that is not everything.
fn level(cells: &[Option<MatrixCell>]) -> &'static str {
    let mut levels = cells.iter().flatten().map(|it| it.level);
    match levels.next() {
        Some(Level::Observed) => "only observed",
        Some(Level::ExpectViolated) if levels.all(|it| it == Level::ExpectViolated) => {
            "VIOLATED is expected"
        }
        _ => "",
    }
}

fn widths(matrix: &Matrix, heads: &[String]) -> Vec<usize> {
    let heads = heads.iter().map(|it| it.chars().count()).enumerate();
    heads
        .map(|(column, head)| {
            let cells = matrix
                .rows
                .iter()
                .filter_map(|row| row.cells.get(column)?.as_ref());
            let words = cells.map(|cell| cell.words().len());
            words.max().unwrap_or(0).max(VERDICT_CHARS).max(head)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::claim::Claim;
    use model::verdict::Verdict;
    use report::{Change, MATRIX_SCHEMA, MatrixColumn, MatrixRow};

    use super::*;

    fn matrix() -> Matrix {
        let columns = ["java:3.1.0", "java:4.3.1"].map(|name| MatrixColumn {
            name: name.to_owned(),
            dir: name.replace(':', "-"),
            versions: BTreeMap::new(),
            skipped: BTreeMap::new(),
        });
        let cell = |level, verdict| {
            Some(MatrixCell {
                verdict,
                repetitions: vec![verdict],
                level,
                reason: String::new(),
                evidence: String::new(),
            })
        };
        let row = |claim, cells: [Option<MatrixCell>; 2]| {
            let verdicts = cells.each_ref().map(|it| it.as_ref().map(|it| it.verdict));
            let [before, after] = verdicts;
            MatrixRow {
                scenario: "broker-restart".to_owned(),
                claim,
                differs: before != after,
                change: Some(Change::between(before, after)),
                cells: cells.into(),
            }
        };
        let (held, violated) = (Verdict::Held, Verdict::Violated);
        let required = |verdict| cell(Level::Required, verdict);
        Matrix {
            schema: MATRIX_SCHEMA,
            seed: 7,
            columns: columns.into(),
            rows: vec![
                row(Claim::NoLoss, [required(held), required(held)]),
                row(Claim::Ordered, [required(held), required(violated)]),
                row(
                    Claim::NoDuplicates,
                    [cell(Level::Observed, violated), cell(Level::Observed, held)],
                ),
                row(
                    Claim::NoGroupGap,
                    [required(held), required(Verdict::Inconclusive)],
                ),
                row(Claim::GroupComplete, [required(held), None]),
            ],
        }
    }

    #[test]
    fn a_table_says_what_changed() {
        let plain =
            |terminal| anstream::adapter::strip_str(&table(&matrix(), terminal)).to_string();
        insta::assert_snapshot!(plain(None));
        insta::assert_snapshot!(plain(Some(40)));
    }
}
