//! Runs the cases of `tests/cases`: histories in words with what the checker
//! must find in them. `UPDATE_CASES=1` writes what was found into the files.

mod expectations;
mod file;
mod values;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use expectations::found;
pub(crate) use expectations::planted;
use file::{Case, File};

#[test]
fn check() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let update = std::env::var_os("UPDATE_CASES").is_some_and(|value| value != "0");
    let mut report = Report::default();
    for path in files_in(&folder) {
        let name = path.strip_prefix(&folder).unwrap();
        let name = format!("crates/checker/tests/cases/{}", name.display());
        let text = std::fs::read_to_string(&path).unwrap();
        let found = report.examine(&name, &text);
        if let Some(found) = found.filter(|found| update && *found != text) {
            std::fs::write(&path, found).unwrap();
        }
    }
    report.is_right(update);
}

/// The page that says how to write a case has one, which is checked too.
#[test]
fn the_cases_of_the_page_about_them_are_right() {
    let page = include_str!("../../../../CONTRIBUTING.md");
    let mut report = Report::default();
    for block in page.split("```case\n").skip(1) {
        let (text, _) = block.split_once("```").unwrap();
        report.examine("CONTRIBUTING.md, in its case", text);
    }
    report.is_right(false);
}

#[derive(Default)]
struct Report {
    cases: usize,
    /// What was found is not what is expected.
    wrong: String,
    /// No line of a case, or no answer of the checker.
    broken: String,
}

impl Report {
    /// The text of a file with what was found in the place of what is expected;
    /// none of a file that cannot be read.
    fn examine(&mut self, name: &str, text: &str) -> Option<String> {
        let mut file = match File::parse(text) {
            Ok(file) => file,
            Err((line, why)) => {
                writeln!(self.broken, "{name}:{line}: {why}\n").unwrap();
                return None;
            }
        };
        self.cases += file.cases.len();
        let mut differences = Vec::new();
        for (number, case) in file.cases.iter().enumerate() {
            let place = format!("{name}:{}: {}", case.line, case.name);
            match catch_unwind(AssertUnwindSafe(|| found(case))) {
                Ok(found) if found == case.expected => {}
                Ok(found) => {
                    self.wrong.push_str(&difference(&place, case, &found));
                    differences.push((number, found));
                }
                Err(_) => {
                    let why = "the checker contradicts itself, see above";
                    writeln!(self.broken, "{place}: {why}\n").unwrap();
                }
            }
        }
        file.replace(&differences);
        Some(file.text())
    }

    #[track_caller]
    fn is_right(&self, update: bool) {
        assert!(self.cases > 0 || !self.broken.is_empty(), "no case");
        assert!(self.broken.is_empty(), "\n{}{}", self.broken, self.wrong);
        assert!(
            self.wrong.is_empty() || update,
            "\n{}Right as found? `UPDATE_CASES=1 cargo test -p ackproof-checker --test checks \
             cases::check` writes it into the files.",
            self.wrong
        );
    }
}

/// All files below a folder, in the order of their names.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| files_in(folder));
    files.into_iter().chain(below).collect()
}

/// Both sides of a difference, below the history that they are about.
fn difference(place: &str, case: &Case, found: &[String]) -> String {
    let mut text = format!("{place}\n");
    for line in &case.history {
        writeln!(text, "            {line}").unwrap();
    }
    for line in case.expected.iter().filter(|line| !found.contains(line)) {
        writeln!(text, "  expected  {line}").unwrap();
    }
    for line in found.iter().filter(|line| !case.expected.contains(line)) {
        writeln!(text, "  found     {line}").unwrap();
    }
    text + "\n"
}
