//! Histories that other tools recorded, converted to events. Each tool is a module that
//! knows its format and what its operations mean; nothing here judges.

pub mod jepsen;
pub mod kafkatest;
mod name_counts;

/// How far a recording was converted.
#[derive(Debug)]
#[must_use]
pub enum Conversion<S, R = ()> {
    /// To its end.
    Complete(S),
    /// Something stood where it was not expected: all events so far are void. The next
    /// conversion, with the second value where it needs one, gives all events anew.
    Repeat(R),
}
