//! The output of Kafka's own test clients, `VerifiableProducer` and `VerifiableConsumer
//! --verbose`, converted to events: one JSON object a line, one file for each client. Knows
//! nothing of errors in a history.
//!
//! The meaning of the lines:
//!
//! - A producer numbers its records in its values, `N`, or `PREFIX.N` with
//!   `--value-prefix`. That is its order of sending: it prints outcomes, in
//!   the order in which they arrive.
//! - A producer without a final count (`tool_data`) was killed: records without an
//!   acknowledgement may be its.
//! - After an error about the record or its sender (too large, not to be serialised, no
//!   such topic, not authorised) it was certainly not written. After any other, it may have
//!   been.
//! - A consumer's lines do not name its group: the file's name does, or the user.
//!   Assignments add to a member's partitions, as cooperative ones do; eager ones revoke
//!   everything first. Partitions that a member lost become `revoked`.
//! - A commit names the next offset to read, and may be refused.
//! - Another `startup_complete` in a file is another process: another member,
//!   or another producer that counts from 0 again.
//! - `records_consumed` is the sum of the `record_data` lines. Where it counts more, some
//!   reads are missing, and no record may be called lost; nor where lines contradict one
//!   another: see docs/guides/imports.md.
//! - A record that was read with another key than it was acknowledged with is damaged. A
//!   record that a later one of its key may have replaced may be gone. `--max-messages`
//!   leaves records of the last poll untouched, which only its `count` includes.
//!
//! - An acknowledgement stands for its send, too, which has no line of its own.
//!
//! Files are read by a thread each, up to a number, each line once where the first events
//! of each file identify its client, and in bounded memory.

// A key may be absent (unknown) or null (a record without a key).
#![allow(clippy::option_option)]

mod consumer;
mod convert;
mod error;
mod event_channel;
mod head;
mod json;
mod keys;
mod lines;
mod lives;
mod names;
mod numbers;
mod participants;
mod producer;
mod quick;
mod reading;
mod source;
mod summary;
mod survey;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use model::event::{Cleanup, Event};

use convert::Context;
use head::Head;
use keys::Keys;
use lives::Lives;
use participants::Participants;

pub use crate::Conversion;
pub use error::{KafkatestError, KafkatestFlaw};
pub use source::Source;
pub use summary::{KafkatestNote, KafkatestSummary};

/// Files of verifiable clients that belong together.
#[derive(Debug)]
pub struct Recording {
    sources: Vec<Source>,
    heads: Vec<Head>,
    participants: Participants,
    keys: Option<Keys>,
    /// None before they are needed.
    lives: Option<Lives>,
    /// The `cleanup.policy` of topics, by name, where it is known.
    cleaning: BTreeMap<String, Cleaning>,
}

/// The reasons why records may leave a topic (`cleanup.policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaning {
    /// Nothing, while it was recorded.
    Nothing,
    /// A policy of Kafka's.
    Policy(Cleanup),
}

impl Recording {
    /// Looks at the first events of each file, and at all of them where those do not
    /// identify its client.
    ///
    /// # Errors
    /// When a file cannot be read, is given twice, is neither a producer's nor a
    /// consumer's, or is a consumer's without the name of its group.
    pub fn open(sources: Vec<Source>) -> Result<Self, KafkatestError> {
        let mut known = BTreeSet::new();
        for source in &sources {
            let path = fs::canonicalize(&source.path).map_err(|error| KafkatestError::Io {
                path: source.name.clone(),
                source: error,
            })?;
            if !known.insert(path) {
                return Err(KafkatestError::Twice {
                    path: source.name.clone(),
                });
            }
        }
        let heads = sources
            .iter()
            .map(head::recognise)
            .collect::<Result<Vec<_>, _>>()?;
        let participants = match Participants::guess(&sources, &heads)? {
            Some(guess) => guess,
            None => survey::survey(&sources, &heads)?,
        };
        let keyed = heads.iter().any(|head| head.is_keyed);
        let keys = if keyed {
            Some(keys::survey(&sources, &participants)?)
        } else {
            None
        };
        Ok(Self {
            sources,
            heads,
            participants,
            keys,
            lives: None,
            cleaning: BTreeMap::new(),
        })
    }

    /// The same, with the `cleanup.policy` of topics.
    #[must_use]
    pub fn cleaned(self, cleaning: BTreeMap<String, Cleaning>) -> Self {
        Self { cleaning, ..self }
    }

    /// Separates the records at offsets that were used twice, where that explains why two
    /// records have one offset. True if it does: all events so far are void then, and can
    /// be converted anew.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn split_log_lives(&mut self) -> Result<bool, KafkatestError> {
        if self.lives.is_some() {
            return Ok(false);
        }
        let lives = lives::survey(&self.sources, &mut self.participants)?;
        let any = !lives.is_empty();
        self.lives = Some(lives);
        Ok(any)
    }

    /// The topics with a given `cleanup.policy` that are not in the files.
    pub fn unknown_topics(&self) -> Vec<&str> {
        let known = |name: &str| self.participants.topics.find(name.as_bytes()).is_some();
        let names = self.cleaning.keys().map(String::as_str);
        names.filter(|name| !known(name)).collect()
    }

    /// Gives every event, from the beginning; another call gives the same events in the
    /// same order. Events of one file come in their order, those of different files by
    /// their clocks, as far as the files are read at the same time.
    ///
    /// # Errors
    /// When a file cannot be read, or a line is malformed: the first one of
    /// the first file that has any.
    pub fn convert(
        &mut self,
        sink: impl FnMut(&Event),
    ) -> Result<Conversion<KafkatestSummary>, KafkatestError> {
        let known = Context {
            participants: &self.participants,
            keys: self.keys.as_ref(),
            lives: self.lives.as_ref().filter(|lives| !lives.is_empty()),
            cleaning: &self.cleaning,
        };
        if let Some(summary) = convert::convert((&self.sources, &self.heads), known, sink)? {
            return Ok(Conversion::Complete(summary));
        }
        self.participants = survey::survey(&self.sources, &self.heads)?;
        self.keys = Some(keys::survey(&self.sources, &self.participants)?);
        self.lives = None;
        Ok(Conversion::Repeat(()))
    }
}
