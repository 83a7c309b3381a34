//! GitHub's summary of a job's step: a file that the environment names, and to which Markdown
//! is appended. Elsewhere there is none. Knows nothing of what the Markdown says.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::output::note;

const VARIABLE: &str = "GITHUB_STEP_SUMMARY";
/// GitHub refuses more of a step (its documentation, workflow commands, job summaries).
const BYTES_MAX: usize = 1024 * 1024;

/// Appends a report, where the environment names a file. That it cannot be written changes no
/// result.
pub(crate) fn append(markdown: &str) {
    let place = env::var_os(VARIABLE).filter(|place| !place.is_empty());
    let Some(place) = place else { return };
    if let Err(error) = append_to(Path::new(&place), markdown) {
        let place = Path::new(&place).display();
        note(&format!("cannot write to {place} ({VARIABLE}): {error}\n"));
    }
}

fn append_to(place: &Path, markdown: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(place)?;
    file.write_all(cut(markdown, BYTES_MAX).as_bytes())
}

/// The lines that fit.
fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = text.as_bytes()[..bytes_max]
        .iter()
        .rposition(|byte| *byte == b'\n');
    &text[..end.map_or(0, |end| end + 1)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn a_report_comes_behind_what_is_there_and_ends_with_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("summary.md");
        append_to(&place, "# one\n").unwrap();
        append_to(&place, "# two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "# one\n# two\n");
        assert_eq!(cut("ä\nö\n", 5), "ä\n");
        assert_eq!(cut("ä\nö\n", 6), "ä\nö\n");
        assert_eq!(cut("ä", 1), "");
        assert!(append_to(folder.path(), "x").is_err());
    }
}
