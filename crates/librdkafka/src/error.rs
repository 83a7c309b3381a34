//! librdkafka's errors, with what it says that follows from them.

use std::ffi::c_int;

use crate::Code;
use crate::functions::NativeError;
use crate::library::{Librdkafka, text};

/// An error of librdkafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Error {
    /// Which.
    pub code: Code,
    /// Its name (`rd_kafka_err2name`): Kafka's for those of brokers, with a
    /// `_` in front for the client's own.
    pub name: String,
    /// Its words about this case.
    pub message: String,
    /// The client cannot go on.
    pub is_fatal: bool,
    /// The same call may be made again.
    pub is_retriable: bool,
    /// The transaction has to be aborted.
    pub requires_abort: bool,
}

impl Error {
    /// What a code says; none where it is no error.
    pub(crate) fn of_code(library: Librdkafka, code: c_int) -> Result<(), Self> {
        match code {
            0 => Ok(()),
            _ => Err(Self::new(library, Code(code), None)),
        }
    }

    /// A code, with the client's words about this case where it has any.
    pub(crate) fn new(library: Librdkafka, code: Code, message: Option<String>) -> Self {
        let functions = library.functions;
        // SAFETY: as documented: any number; both return constants, or for a
        // number that they do not know a text of the thread's own.
        let (name, general) = unsafe {
            (
                text((functions.rd_kafka_err2name)(code.0)),
                text((functions.rd_kafka_err2str)(code.0)),
            )
        };
        Self {
            code,
            name,
            message: message.filter(|it| !it.is_empty()).unwrap_or(general),
            is_fatal: false,
            is_retriable: false,
            requires_abort: false,
        }
    }

    /// Takes over what a call returned.
    ///
    /// # Safety
    /// `error` is null or an error that the caller owns.
    pub(crate) unsafe fn take(library: Librdkafka, error: *mut NativeError) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        let functions = library.functions;
        // SAFETY: alive until it is destroyed, after all of it was copied.
        unsafe {
            let taken = Self {
                is_fatal: (functions.rd_kafka_error_is_fatal)(error) != 0,
                is_retriable: (functions.rd_kafka_error_is_retriable)(error) != 0,
                requires_abort: (functions.rd_kafka_error_txn_requires_abort)(error) != 0,
                ..Self::new(
                    library,
                    Code((functions.rd_kafka_error_code)(error)),
                    Some(text((functions.rd_kafka_error_string)(error))),
                )
            };
            (functions.rd_kafka_error_destroy)(error);
            Err(taken)
        }
    }
}
