//! Several runs of the same scenarios beside each other, one column each:
//! which guarantee has which verdict where. Pure; the verdicts are the runs'
//! own, and this only compares them.

use std::collections::BTreeMap;

use model::claim::{Claim, Level};
use model::verdict::{RunVerdict, Verdict};
use serde::Serialize;

use crate::document::{Document, Item, Table, Text, code, strong, text};
use crate::json::JsonError;
use crate::markdown;

/// The value of `schema` in a `matrix.json` of this version.
pub const MATRIX_SCHEMA: &str = "ackproof.matrix/1";

/// One run of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct MatrixRun<'r> {
    /// What distinguishes it from the others, in words: `java:3.1.0`.
    pub name: &'r str,
    /// Its folder in the matrix's own.
    pub dir: &'r str,
    /// What came out.
    pub verdict: &'r RunVerdict,
}

/// The comparison: `matrix.json`. Readers ignore properties that they do not
/// know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// [`MATRIX_SCHEMA`].
    pub schema: &'static str,
    /// The seed of every run.
    pub seed: u64,
    /// The runs.
    pub columns: Vec<MatrixColumn>,
    /// A row for each claim of each scenario, in the order of running.
    pub rows: Vec<MatrixRow>,
}

/// What a column is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixColumn {
    /// [`MatrixRun::name`].
    pub name: String,
    /// Its run directory, in the matrix's own.
    pub dir: String,
    /// The versions of everything that took part, by name.
    pub versions: BTreeMap<String, String>,
    /// The scenarios that this column does not have, with the reasons.
    pub skipped: BTreeMap<String, Vec<String>>,
}

/// A claim of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// The scenario.
    pub scenario: String,
    /// The claim.
    pub claim: Claim,
    /// How it came out in each column; `null` where the column does not have
    /// the scenario, or it was not started.
    pub cells: Vec<Option<MatrixCell>>,
    /// Whether two cells have different verdicts.
    pub differs: bool,
    /// From the first column to the second, where there are two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// How a claim came out in a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixCell {
    /// The worst of all repetitions.
    pub verdict: Verdict,
    /// The verdict of each repetition.
    pub repetitions: Vec<Verdict>,
    /// How much hangs on it.
    pub level: Level,
    /// Why, with the figures, in the repetition of that verdict.
    pub reason: String,
    /// The folder with its evidence, in the matrix's own.
    pub evidence: String,
}

/// What becomes of a guarantee from one column to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The same verdict, HELD or VIOLATED.
    Same,
    /// VIOLATED before, and HELD now.
    Better,
    /// HELD before, and VIOLATED now.
    Worse,
    /// HELD before, and INCONCLUSIVE now.
    NotConfirmed,
    /// INCONCLUSIVE before, and not HELD now: it may have become worse.
    Unknown,
    /// INCONCLUSIVE on one side, and it cannot have become worse.
    NotWorse,
    /// One column does not have it.
    NotCompared,
}

impl Change {
    /// From one verdict to another.
    pub const fn between(before: Option<Verdict>, after: Option<Verdict>) -> Self {
        use Verdict::{Held, Inconclusive, Violated};
        match (before, after) {
            (None, _) | (_, None) => Self::NotCompared,
            (Some(Held), Some(Held)) | (Some(Violated), Some(Violated)) => Self::Same,
            (Some(Violated), Some(Held)) => Self::Better,
            (Some(Held), Some(Violated)) => Self::Worse,
            (Some(Held), Some(Inconclusive)) => Self::NotConfirmed,
            (Some(Inconclusive), Some(Held)) | (Some(Violated), Some(Inconclusive)) => {
                Self::NotWorse
            }
            (Some(Inconclusive), Some(Violated | Inconclusive)) => Self::Unknown,
        }
    }

    /// In words; nothing where there is nothing to say.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Same | Self::NotWorse => "",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::NotConfirmed => "not confirmed",
            Self::Unknown => "not known",
            Self::NotCompared => "not compared",
        }
    }
}

/// What two columns say of an upgrade from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Upgrade {
    /// No guarantee became worse.
    NoneWorse,
    /// One may have, and it is not known.
    NotKnown,
    /// One did.
    Worse,
}

impl Matrix {
    /// Puts runs beside each other.
    pub fn of(runs: &[MatrixRun<'_>]) -> Self {
        let mut places: Vec<(&str, Claim)> = Vec::new();
        for run in runs {
            for scenario in &run.verdict.scenarios {
                for guarantee in &scenario.guarantees {
                    let place = (scenario.name.as_str(), guarantee.claim);
                    if places.contains(&place) {
                        continue;
                    }
                    // Beside the other claims of its scenario.
                    let after = places.iter().rposition(|(name, _)| *name == place.0);
                    places.insert(after.map_or(places.len(), |at| at + 1), place);
                }
            }
        }
        let rows = places.into_iter().map(|(scenario, claim)| {
            let cells: Vec<Option<MatrixCell>> =
                runs.iter().map(|run| cell(run, scenario, claim)).collect();
            let verdicts = || cells.iter().map(|it| it.as_ref().map(|it| it.verdict));
            let mut there = verdicts().flatten();
            let first = there.next();
            let change = match verdicts().collect::<Vec<_>>().as_slice() {
                [before, after] => Some(Change::between(*before, *after)),
                _ => None,
            };
            MatrixRow {
                scenario: scenario.to_owned(),
                claim,
                differs: there.any(|it| Some(it) != first),
                cells,
                change,
            }
        });
        Self {
            schema: MATRIX_SCHEMA,
            seed: runs.first().map_or(0, |run| run.verdict.seed),
            columns: runs.iter().map(column).collect(),
            rows: rows.collect(),
        }
    }

    /// What two columns say; none where there are not two. What is only
    /// observed does not count.
    pub fn upgrade(&self) -> Option<Upgrade> {
        let [_, _] = self.columns.as_slice() else {
            return None;
        };
        let counted = self.rows.iter().filter(|row| {
            let mut levels = row.cells.iter().flatten().map(|it| it.level);
            levels.any(|it| it != Level::Observed)
        });
        let each = counted.filter_map(|row| row.change).map(|it| match it {
            Change::Worse => Upgrade::Worse,
            Change::NotConfirmed | Change::Unknown => Upgrade::NotKnown,
            Change::Same | Change::Better | Change::NotWorse | Change::NotCompared => {
                Upgrade::NoneWorse
            }
        });
        Some(each.max().unwrap_or(Upgrade::NoneWorse))
    }

    /// `matrix.json`: indented, a line break at the end.
    ///
    /// # Errors
    /// When a value has no form in JSON, which none has.
    pub fn json(&self) -> Result<String, JsonError> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|source| JsonError::new("the matrix", source))?;
        Ok(text + "\n")
    }

    /// `matrix.md`, for people.
    pub fn markdown(&self) -> String {
        let mut document = Document::default();
        document.heading(1, "Guarantees by client and version");
        let seed = self.seed.to_string();
        document.paragraph(text![
            "Seed ",
            code(seed),
            ". Each column is a run of its own:"
        ]);
        let columns = self.columns.iter().map(|column| {
            let versions = column.versions.iter();
            let versions = versions.map(|(name, version)| format!("{name} {version}"));
            let versions = versions.collect::<Vec<_>>().join(", ");
            Item::new(text![
                code(&column.name),
                ": ",
                code(&column.dir),
                " (",
                versions,
                ")"
            ])
        });
        document.list(columns.collect());
        let head = [text!["Scenario"], text!["Claim"]].into_iter();
        let head = head.chain(self.columns.iter().map(|it| text![code(&it.name)]));
        let mut table = Table::new(head.chain([text!["Differs"]]));
        for row in &self.rows {
            let cells = row.cells.iter().map(|it| match it {
                None => text!["—"],
                Some(cell) if row.differs => text![strong(cell.words())],
                Some(cell) => text![cell.words()],
            });
            let names = [text![code(&row.scenario)], text![code(row.claim)]];
            table.row(names.into_iter().chain(cells).chain([text![row.mark()]]));
        }
        document.table(table);
        self.differences(&mut document);
        self.skipped(&mut document);
        markdown::render(&document)
    }

    fn differences(&self, document: &mut Document) {
        let rows: Vec<&MatrixRow> = self.rows.iter().filter(|it| it.differs).collect();
        document.heading(2, "Differences");
        if rows.is_empty() {
            document.paragraph("Every guarantee has the same verdict in all columns.");
        }
        let items = rows.into_iter().map(|row| {
            let mut item = Item::new(text![code(&row.scenario), ", ", code(row.claim)]);
            for (column, cell) in self.columns.iter().zip(&row.cells) {
                if let Some(cell) = cell {
                    let words = format!(": {}, {} (", cell.words(), cell.reason);
                    item = item.point(text![code(&column.name), words, code(&cell.evidence), ")"]);
                }
            }
            item
        });
        document.list(items.collect());
    }

    fn skipped(&self, document: &mut Document) {
        let items = self.columns.iter().flat_map(|column| {
            column.skipped.iter().map(|(scenario, reasons)| {
                let why = Text::from(format!(": {}", reasons.join("; ")));
                Item::new(text![code(scenario), " with ", code(&column.name), why])
            })
        });
        let items: Vec<Item> = items.collect();
        if !items.is_empty() {
            document.heading(2, "Not run");
            document.list(items);
        }
    }
}

impl MatrixRow {
    /// What is said of a row beside its cells.
    pub fn mark(&self) -> &'static str {
        match self.change {
            Some(change) if !change.words().is_empty() => change.words(),
            _ if self.differs => "differs",
            _ => "",
        }
    }
}

impl MatrixCell {
    /// `VIOLATED`, or `VIOLATED in 2 of 3`.
    pub fn words(&self) -> String {
        let agree = self.repetitions.iter().filter(|it| **it == self.verdict);
        let (agree, all) = (agree.count(), self.repetitions.len());
        if agree == all {
            self.verdict.to_string()
        } else {
            format!("{} in {agree} of {all}", self.verdict)
        }
    }
}

fn column(run: &MatrixRun<'_>) -> MatrixColumn {
    let skipped = run.verdict.skipped.iter();
    MatrixColumn {
        name: run.name.to_owned(),
        dir: run.dir.to_owned(),
        versions: run.verdict.versions.clone(),
        skipped: skipped
            .map(|it| (it.scenario.clone(), it.reasons.clone()))
            .collect(),
    }
}

fn cell(run: &MatrixRun<'_>, scenario: &str, claim: Claim) -> Option<MatrixCell> {
    let all = run.verdict.scenarios.iter();
    let all = all.filter(|it| it.name == scenario && !it.was_not_started());
    let each: Vec<_> = all
        .filter_map(|it| {
            let mut guarantees = it.guarantees.iter();
            Some((it.repetition, guarantees.find(|it| it.claim == claim)?))
        })
        .collect();
    // Of several of the same verdict, the first.
    let (repetition, worst) = each.iter().rev().max_by_key(|(_, it)| it.verdict)?;
    let folder = match repetition {
        1 => scenario.to_owned(),
        more => format!("{scenario}.{more}"),
    };
    Some(MatrixCell {
        verdict: worst.verdict,
        repetitions: each.iter().map(|(_, it)| it.verdict).collect(),
        level: worst.level,
        reason: worst.reason.clone(),
        evidence: format!("{}/{folder}", run.dir),
    })
}
