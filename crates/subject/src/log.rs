//! Log lines on standard error, which the engine keeps in a file. Knows
//! nothing of reports.

use std::io::{self, Write};

use rdkafka::config::RDKafkaLogLevel;

/// Which of librdkafka's lines are kept: those it writes by default.
pub(crate) const LEVEL: RDKafkaLogLevel = RDKafkaLogLevel::Info;

/// Writes one line. A log that cannot be written must not stop the subject.
pub(crate) fn line(facility: &str, text: &str) {
    let _ = writeln!(io::stderr(), "{facility}: {text}");
}
