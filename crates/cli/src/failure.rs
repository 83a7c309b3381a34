//! The one shape in which every failure reaches the user: what, where and why
//! in one message, and what to do about it. Knows nothing of single errors
//! beyond how to join their sources.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// Why a command ends without having done what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// The user asked for something that cannot be.
    pub(crate) fn usage(error: &(dyn Error + 'static)) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// The machine, the network or a process did not do its part.
    pub(crate) fn environment(error: &(dyn Error + 'static)) -> Self {
        Self::new(Exit::Environment, error)
    }

    /// Ctrl-C before there was anything to judge.
    pub(crate) fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            message: "interrupted".to_owned(),
            hint: None,
        }
    }

    fn new(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        Self {
            exit,
            message: chain(error),
            hint: None,
        }
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The messages of an error and all its sources, without those that only
/// repeat the one before.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut message = plain(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_says = plain(&cause.to_string());
        if !message.ends_with(&cause_says) {
            message = format!("{message}: {cause_says}");
        }
        source = cause.source();
    }
    message
}

/// Without the system's numbers of errors, whose words stand before them.
fn plain(message: &str) -> String {
    let mut rest = message;
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once(" (os error ") {
        out.push_str(before);
        match after.split_once(')') {
            Some((number, after)) if number.bytes().all(|it| it.is_ascii_digit()) => rest = after,
            _ => {
                out.push_str(" (os error ");
                rest = after;
            }
        }
    }
    out + rest
}
