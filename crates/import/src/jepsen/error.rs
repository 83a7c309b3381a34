//! Errors in the file of a Jepsen history, with their places. Knows nothing of how they are
//! found.

use std::io;

use super::form_length::NESTING_MAX;
use super::forms::FORM_BYTES_MAX;

/// Why a history could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum JepsenError {
    /// The operating system refused.
    #[error("cannot read {name}")]
    Io { name: String, source: io::Error },
    /// A part of the input is not a history of Jepsen's Kafka workload.
    #[error("{name}:{line}:{column}: {flaw}")]
    Malformed {
        name: String,
        /// The line, from 1.
        line: u64,
        /// The byte within the line, from 1.
        column: u64,
        flaw: JepsenFlaw,
    },
}

/// A flaw at one place of a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum JepsenFlaw {
    /// Brackets within brackets.
    #[error("nested deeper than {NESTING_MAX}")]
    TooDeep,
    /// An operation of absurd size.
    #[error("one operation is longer than {} MiB", FORM_BYTES_MAX / 1024 / 1024)]
    TooLong,
    /// A bracket closes that another one opened, or none.
    #[error("`{found}` closes nothing that is open here")]
    Unbalanced { found: char },
    /// An operation runs into the next one.
    #[error("the operation that begins here does not end, and others follow it")]
    Unclosed,
    /// Something else than an operation.
    #[error("expected an operation: a map, such as {{:type :invoke, :process 0, ...}}")]
    NotAnOperation,
    /// Something after the end of the vector that holds all operations.
    #[error("the vector of operations has ended, and something follows it")]
    AfterTheEnd,
    /// Bytes that no EDN value begins or goes on with.
    #[error("expected {expected}")]
    Expected { expected: &'static str },
    /// An operation lacks a field that every operation has.
    #[error("the operation has no `:{field}`")]
    Missing { field: &'static str },
    /// A map with two values for one key.
    #[error("the operation has two values for `:{field}`")]
    Repeated { field: &'static str },
    /// A number that Kafka's offsets, or times, do not reach.
    #[error("{number} is no {of}: it must be from 0 to 9223372036854775807")]
    OutOfRange { of: &'static str, number: String },
    /// The two halves of an operation differ.
    #[error("does not match its invocation in line {line}: {how}")]
    Mismatch {
        /// Where it was invoked.
        line: u64,
        how: &'static str,
    },
    /// Records can no longer be told apart.
    #[error("{value} is sent to key {key} twice: reads of it could mean either")]
    SentTwice { key: String, value: String },
    /// More than a history can number.
    #[error("there are more than {max} {what}")]
    TooMany { what: &'static str, max: u32 },
}

/// A flaw, and the byte of its operation where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) at: usize,
    pub(super) flaw: JepsenFlaw,
}

/// A place in a file as people name it, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// Where one is having read `bytes` from here.
    pub(super) fn after(self, bytes: &[u8]) -> Self {
        // Counted in bytes, as far as these reach, for many at a time.
        let newlines =
            |chunk: &[u8]| -> u8 { chunk.iter().map(|byte| u8::from(*byte == b'\n')).sum() };
        let chunks = bytes.chunks(usize::from(u8::MAX));
        let lines: u64 = chunks.map(|chunk| u64::from(newlines(chunk))).sum();
        let line = self.line + lines;
        if lines == 0 {
            let column = self.column + bytes.len() as u64;
            return Self { line, column };
        }
        let tail = bytes.iter().rev().take_while(|byte| **byte != b'\n');
        let column = 1 + tail.count() as u64;
        Self { line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_what_was_read() {
        let begin = Place { line: 3, column: 5 };
        for (read, line, column) in [("", 3, 5), ("ab", 3, 7), ("\n", 4, 1), ("a\n\nbc", 5, 3)] {
            assert_eq!(begin.after(read.as_bytes()), Place { line, column });
        }
        let lines = "\n".repeat(1000) + "abc";
        let place = Place {
            line: 1003,
            column: 4,
        };
        assert_eq!(begin.after(lines.as_bytes()), place);
    }
}
