//! Looks up a figure of an analysis or a verdict by its path, as
//! `coverage.groups[0].stored`: the path that it has in the debugging output.

use checker::Analysis;
use model::verdict::ScenarioVerdict;

/// The figure, or that there is none.
pub(super) fn value(path: &str, analysis: &Analysis, verdict: &ScenarioVerdict) -> String {
    let root = path.split(['.', '[']).next().unwrap_or(path);
    let printed = match root {
        "counts" => format!("{:#?}", analysis.counts),
        "completeness" => format!("{:#?}", analysis.completeness),
        "coverage" => format!("{:#?}", analysis.coverage),
        "measurements" => format!("{:#?}", analysis.measurements),
        "faults" => {
            let faults: Vec<_> = analysis.faults.values().collect();
            format!("{faults:#?}")
        }
        "findings" => format!("{:#?}", analysis.findings),
        _ => format!("{verdict:#?}"),
    };
    let mut leaves = leaves(root, &printed).into_iter();
    let leaf = leaves.find(|(leaf, _)| leaf == path);
    leaf.map_or("nowhere".to_owned(), |(_, value)| value)
}

enum Inside {
    /// `{`: fields with their names.
    Named,
    /// `[` or `(`: values in order, so many so far.
    Listed(usize),
    /// `Some(` and the like, which are passed over.
    Wrapped,
}

/// Every value of pretty debugging output, each on a line of its own, with its
/// path.
fn leaves(root: &str, printed: &str) -> Vec<(String, String)> {
    let mut open: Vec<(String, Inside)> = Vec::new();
    let mut leaves = Vec::new();
    for line in printed.lines().map(str::trim) {
        let line = line.strip_suffix(',').unwrap_or(line);
        let closed = line
            .starts_with(['}', ']', ')'])
            .then(|| open.pop())
            .flatten();
        let (path, value) = match (closed, open.last_mut()) {
            // The end of a key, as in `GroupIx( 0 ): ReadsMet {`.
            (Some((path, _)), _) => match (line.strip_prefix("): "), leaves.last()) {
                (Some(value), Some((_, key))) => (format!("{path}[{key}]"), value),
                _ => continue,
            },
            (None, None) => (root.to_owned(), line),
            (None, Some((path, Inside::Wrapped))) => (path.clone(), line),
            (None, Some((path, Inside::Listed(count)))) => {
                *count += 1;
                (format!("{path}[{}]", *count - 1), line)
            }
            (None, Some((path, Inside::Named))) => match line.split_once(": ") {
                Some((name, value)) => (format!("{path}.{name}"), value),
                None => (path.clone(), line),
            },
        };
        let inside = match value {
            _ if value.ends_with('{') => Inside::Named,
            "[" | "(" => Inside::Listed(0),
            _ if value.ends_with('(') => Inside::Wrapped,
            _ => {
                leaves.push((path, value.to_owned()));
                continue;
            }
        };
        open.push((path, inside));
    }
    leaves
}
