//! The summary of an import. Knows nothing of how the history was read.

use std::collections::BTreeMap;
use std::fmt;

use crate::name_counts;

const NAMES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 64;

/// Counts of what was read and skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JepsenSummary {
    /// Operations read: invocations and completions, those skipped included.
    pub operations: u64,
    /// Operations that say nothing of records, by their `:f`: those of the
    /// nemesis, and others of unknown kinds.
    pub skipped_operations: BTreeMap<String, u64>,
    /// Fields of operations that mean nothing here, by their names.
    pub skipped_fields: BTreeMap<String, u64>,
    /// The keys: the first one is partition 0.
    pub keys: Vec<String>,
    /// Notes for readers of the verdict.
    pub notes: Vec<JepsenNote>,
}

/// Something about a history that is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum JepsenNote {
    /// The input ends inside an operation, which was skipped.
    CutOff {
        /// Where that operation begins.
        line: u64,
    },
    /// The input ends inside the vector, after a whole operation.
    Unclosed,
    /// Completions without an invocation, which were taken to be invoked when
    /// they completed.
    Uninvoked { operations: u64 },
    /// Operations that no completion was found for: their outcome is unknown.
    Uncompleted { operations: u64 },
    /// Sends that completed with another value than they were invoked with;
    /// the completion counts.
    Renamed { sends: u64 },
    /// Operations without a time, which were told right after the one before.
    Timeless { operations: u64 },
    /// Reads that do not tell their offset.
    Unplaced { reads: u64 },
    /// Acknowledged sends that do not tell their offset, and were never read.
    Unlocated { sends: u64 },
}

impl fmt::Display for JepsenNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, count) = match self {
            Self::CutOff { line } => {
                return write!(f, "the operation in line {line} is cut off: skipped");
            }
            Self::Unclosed => return f.write_str("the vector of operations is cut off"),
            Self::Uninvoked { operations } => ("completed without an invocation", operations),
            Self::Uncompleted { operations } => {
                ("never completed, so of unknown outcome", operations)
            }
            Self::Renamed { sends } => (
                "sends completed with another value than invoked with",
                sends,
            ),
            Self::Timeless { operations } => (
                "operations without a time, told right after the one before",
                operations,
            ),
            Self::Unplaced { reads } => ("reads without an offset", reads),
            Self::Unlocated { sends } => ("acknowledged without an offset, and never read", sends),
        };
        write!(f, "{what}: {count}")
    }
}

impl JepsenSummary {
    pub(super) fn skip_operation(&mut self, name: &[u8]) {
        count(&mut self.skipped_operations, name);
    }

    pub(super) fn skip_field(&mut self, name: &[u8]) {
        count(&mut self.skipped_fields, name);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &[u8]) {
    name_counts::count(counts, text(name, NAME_BYTES_MAX), NAMES_MAX);
}

/// Bytes of a history for people to read: no more than so many of them.
pub(super) fn text(bytes: &[u8], bytes_max: usize) -> String {
    let shown = &bytes[..bytes.len().min(bytes_max)];
    let ellipsis = if shown.len() < bytes.len() { "..." } else { "" };
    format!("{}{ellipsis}", String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(text(b"abcdef", 6), "abcdef");
        assert_eq!(text(b"abcdefg", 6), "abcdef...");
        assert_eq!(text("aé".as_bytes(), 2), "a\u{fffd}...");
    }
}
