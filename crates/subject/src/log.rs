//! Log lines on standard error, which the engine keeps in a file. Knows
//! nothing of reports.

use std::io::{self, Write};

/// Writes one line. A log that cannot be written must not stop the subject.
pub(crate) fn line(facility: &str, text: &str) {
    let _ = writeln!(io::stderr(), "{facility}: {text}");
}
