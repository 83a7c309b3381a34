//! Histories of Jepsen's Kafka workload (`jepsen.tests.kafka`), converted to events: EDN
//! operations, one after the other or in one vector. Knows nothing of errors in a history.
//!
//! Operations have the meaning that they have in Jepsen:
//!
//! - A key is a partition of the one topic `jepsen`, numbered in order of appearance
//!   ([`JepsenSummary::keys`] has the names). A record is identified by its key and value.
//! - A process is a producer, and a member of the one group `jepsen`. After a
//!   `:crash` the same number is another process.
//! - Every operation is a transaction, whether its client ran it in one or not, as in
//!   Jepsen.
//! - `:fail` has certainly written nothing, `:info` may have. `:ok` has been
//!   acknowledged, even where it does not say at which offset.
//! - `:assign` and `:subscribe` keep the positions of the keys that they name, and reset
//!   all others, with the order of the records sent to them. An `:assign` with
//!   `:seek-to-beginning?` resets all. A process that subscribed, or has a
//!   `:rebalance-log`, may lose its partitions between any two operations, at an unknown
//!   time; keys in a `:rebalance-log` may jump within one.
//! - Records that a `:fail` or `:info` polled are in the log, and were not processed. They
//!   are polled again: the position goes back to where the last `:ok` left it.
//! - A record that was polled before its send was sent before: a first conversion finds
//!   such sends, and a second puts them in their place.
//!
//! One operation is in memory at a time, and for each record sent its identity.

mod convert;
mod edn;
mod error;
mod foresight;
mod form_length;
mod forms;
mod identities;
mod interpreter;
mod operation;
mod process;
mod summary;

use std::io::BufRead;

use model::event::{Event, Isolation};

pub use crate::Conversion;
pub use error::{JepsenError, JepsenFlaw};
pub use summary::{JepsenNote, JepsenSummary};

use error::{Located, Place};
use foresight::Foreseen;
use forms::{Forms, Next};
use interpreter::Interpreter;
use operation::Operation;

/// Settings that a history does not contain.
#[derive(Clone, Copy, Debug, Default)]
pub struct JepsenSettings {
    /// The consumers' `isolation.level`. Where it is not given it is taken to
    /// be `read_committed` if transactions send, as in Jepsen's tests, and
    /// `read_uncommitted` otherwise.
    pub isolation: Option<Isolation>,
}

/// Sends that stand in a history behind a poll of their record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foresight(Foreseen);

/// Reads a history to its end and gives each operation's events as it goes. Messages call
/// the input `name`.
///
/// # Errors
/// When it cannot be read, and when an operation is malformed: the events of those
/// before it have been given by then. An operation that the end of the input cuts short is
/// no error, but a note.
pub fn convert(
    input: impl BufRead,
    name: &str,
    settings: JepsenSettings,
    foresight: &Foresight,
    sink: &mut dyn FnMut(Event),
) -> Result<Conversion<JepsenSummary, Foresight>, JepsenError> {
    let mut forms = Forms::new(input);
    let mut interpreter = Interpreter::new(settings, &foresight.0, sink);
    let located = |place: Place, flaw| JepsenError::Malformed {
        name: name.to_owned(),
        line: place.line,
        column: place.column,
        flaw,
    };
    loop {
        let next = forms.next().map_err(|stop| match stop {
            forms::Stop::Io(source) => JepsenError::Io {
                name: name.to_owned(),
                source,
            },
            forms::Stop::Flaw(place, flaw) => located(place, flaw),
        })?;
        match next {
            Next::Form { bytes, place } => {
                let told = Operation::read(bytes, interpreter.summary())
                    .and_then(|operation| interpreter.tell(operation, place.line));
                told.map_err(|Located { at, flaw }| located(place.after(&bytes[..at]), flaw))?;
            }
            Next::End(tail) => {
                let foreseen = interpreter.foresee();
                let summary = interpreter.finish(tail);
                return Ok(if foreseen.is_empty() {
                    Conversion::Complete(summary)
                } else {
                    Conversion::Repeat(Foresight(foreseen))
                });
            }
        }
    }
}
