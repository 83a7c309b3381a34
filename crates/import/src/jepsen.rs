//! Histories of Jepsen's Kafka workload (`jepsen.tests.kafka`), told as
//! events: EDN operations, one after the other or in one vector. Knows nothing
//! of what is wrong with a history.
//!
//! What an operation means here is what it means to Jepsen:
//!
//! - A key is a partition of the one topic `jepsen`, numbered in order of
//!   appearance ([`Summary::keys`] has the names). A record is told from
//!   others by its key and value.
//! - A process is a producer, and a member of the one group `jepsen`. After a
//!   `:crash` the same number is another process.
//! - An operation of several micro-operations is a transaction, as is every
//!   `:txn`, and every `:send` and `:poll` after the first of these: Jepsen
//!   only makes them where each operation runs in a transaction.
//! - `:fail` has certainly written nothing, `:info` may have.
//! - `:assign` and `:subscribe` reset positions. Who subscribed may lose its
//!   partitions between any two operations, so that nothing is expected of the
//!   step from one to the next; nor of keys in a `:rebalance-log` within one.
//! - What a `:fail` or `:info` polled is polled again: the position goes back
//!   to where the last `:ok` left it.
//!
//! One operation is in memory at a time, and for each record sent its identity.

mod edn;
mod error;
mod extent;
mod forms;
mod identities;
mod interpreter;
mod operation;
mod process;
mod summary;
mod telling;

use std::io::BufRead;

use model::event::{Event, Isolation};

pub use error::{Error, Flaw};
pub use summary::{Note, Summary};

use error::{Located, Place};
use forms::{Forms, Next};
use interpreter::Interpreter;
use operation::Operation;

/// What a history does not say of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// The consumers' `isolation.level`. Where it is not given it is taken to
    /// be `read_committed` if transactions send, as in Jepsen's tests, and
    /// `read_uncommitted` otherwise.
    pub isolation: Option<Isolation>,
}

/// Reads a history to its end and tells each operation's events as it goes.
/// `name` stands for the input in messages.
///
/// # Errors
/// When it cannot be read, and when an operation is malformed: the events of
/// those before it have been told by then. An operation that the end of the
/// input cuts short is no error, but a note.
pub fn import(
    input: impl BufRead,
    name: &str,
    settings: Settings,
    sink: &mut dyn FnMut(Event),
) -> Result<Summary, Error> {
    let mut forms = Forms::new(input);
    let mut interpreter = Interpreter::new(settings, sink);
    let located = |place: Place, flaw| Error::Malformed {
        name: name.to_owned(),
        line: place.line,
        column: place.column,
        flaw,
    };
    loop {
        let next = forms.next().map_err(|stop| match stop {
            forms::Stop::Io(source) => Error::Io {
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
            Next::End(tail) => return Ok(interpreter.finish(tail)),
        }
    }
}
