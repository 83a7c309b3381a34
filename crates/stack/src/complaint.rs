//! What the failure of a tool that downloads means. Such tools have one exit
//! code for everything, so it is told from their output. Knows no tool.

use std::fs;
use std::path::Path;

use crate::process::Exit;

/// How a tool tells its failures.
pub(crate) struct Language {
    /// One of these phrases says that the network or the other side is not
    /// there. They come first: some tools then also say that nothing was found.
    pub(crate) unreachable: &'static [&'static str],
    /// One of these says that there is no such thing.
    pub(crate) not_found: &'static [&'static str],
    /// The one useful line of the output, without what surrounds it.
    pub(crate) line: fn(&str) -> Option<String>,
}

/// Why it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    NotFound,
    Unreachable,
    Other,
}

/// What a tool said when it failed.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) cause: Cause,
    /// The tool's own words, without the user's secrets.
    pub(crate) words: String,
    /// All that it said.
    pub(crate) output: String,
}

impl Language {
    pub(crate) fn classify(&self, output: &str) -> Cause {
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| output.contains(phrase));
        if says(self.unreachable) {
            Cause::Unreachable
        } else if says(self.not_found) {
            Cause::NotFound
        } else {
            Cause::Other
        }
    }

    /// Reads the output of a tool that has ended.
    pub(crate) fn explain(&self, exit: Exit, log: &Path) -> Complaint {
        let output = fs::read(log).unwrap_or_default();
        let output = String::from_utf8_lossy(&output).into_owned();
        let words = (self.line)(&output).unwrap_or_else(|| exit.to_string());
        Complaint {
            cause: self.classify(&output),
            // The user's own settings may name an address with a password.
            words: secret::redacted(&words).into_owned(),
            output,
        }
    }
}
