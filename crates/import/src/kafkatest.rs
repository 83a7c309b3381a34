//! What Kafka's own test clients print, `VerifiableProducer` and
//! `VerifiableConsumer --verbose`, told as events: one JSON object a line, one
//! file for each client. Knows nothing of what is wrong with a history.
//!
//! What the lines mean:
//!
//! - A producer numbers its records in its values, `N`, or `PREFIX.N` with
//!   `--value-prefix`. That is its order of sending: it prints outcomes, in
//!   the order in which they arrive.
//! - A producer that has not said how much it sent (`tool_data`) was killed:
//!   records that nobody announced may be its.
//! - After an error that says what is wrong with the record or its sender
//!   (too large, not to be serialised, no such topic, not authorised) it was
//!   certainly not written. After any other, it may have been.
//! - A consumer's lines do not name its group: the file's name does, or the
//!   user. Assignments add to what a member has, as cooperative ones do; eager
//!   ones revoke everything first. What a member lost is told as revoked.
//! - A commit names the next offset to read, and may be refused.
//! - Another `startup_complete` in a file is another process: another member,
//!   or another producer that counts from 0 again.
//! - `records_consumed` sums up what `record_data` told. Where it counts more,
//!   records were read that are not told, and nothing may be called lost. Nor
//!   where facts contradict one another: see docs/guides/imports.md.
//! - A record that was read with another key than it was acknowledged with is
//!   damaged. What a later record of its key may have replaced may be gone.
//!   `--max-messages` leaves records of the last poll untouched, which only
//!   its `count` includes.
//!
//! - An acknowledgement stands for its send, too, which is not told by itself.
//!
//! Files are read by a thread each, up to a number, each line once where the
//! first events of each file tell who is who, and in bounded memory.

// A key may be absent, which says nothing of it, or null, which is one.
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

pub use error::{Error, Flaw};
pub use source::Source;
pub use summary::{Note, Summary};

/// Files of verifiable clients that belong together.
#[derive(Debug)]
pub struct Recording {
    sources: Vec<Source>,
    heads: Vec<Head>,
    participants: Participants,
    keys: Option<Keys>,
    /// None before anybody asked for them.
    lives: Option<Lives>,
    /// How topics are cleaned, by name, where that is known.
    cleaning: BTreeMap<String, Cleaning>,
}

/// What may take records out of a topic (`cleanup.policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaning {
    /// Nothing, while it was recorded.
    Nothing,
    /// A policy of Kafka's.
    Policy(Cleanup),
}

/// How far the events of a recording were told.
#[derive(Debug)]
#[must_use]
pub enum Conversion {
    /// To the end.
    Complete(Summary),
    /// The files turned out to need a survey, which has been made: all that
    /// was told is void, and can be told anew.
    Repeat,
}

impl Recording {
    /// Looks at the first events of each file, and at all of them where those
    /// do not tell who is who.
    ///
    /// # Errors
    /// When a file cannot be read, is given twice, is neither a producer's nor
    /// a consumer's, or is a consumer's of a group that nobody names.
    pub fn open(sources: Vec<Source>) -> Result<Self, Error> {
        let mut known = BTreeSet::new();
        for source in &sources {
            let path = fs::canonicalize(&source.path).map_err(|error| Error::Io {
                path: source.name.clone(),
                source: error,
            })?;
            if !known.insert(path) {
                return Err(Error::Twice {
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

    /// The same, of topics of which it is known how they are cleaned.
    #[must_use]
    pub fn cleaned(self, cleaning: BTreeMap<String, Cleaning>) -> Self {
        Self { cleaning, ..self }
    }

    /// Tells apart what stood at offsets that were given a second time, where
    /// that explains why two records have one offset. Whether it does: then all
    /// that was told so far is void, and can be told anew.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn split_log_lives(&mut self) -> Result<bool, Error> {
        if self.lives.is_some() {
            return Ok(false);
        }
        let lives = lives::survey(&self.sources, &mut self.participants)?;
        let any = !lives.is_empty();
        self.lives = Some(lives);
        Ok(any)
    }

    /// Those of the topics that are said to be cleaned in some way of which the
    /// files do not tell.
    pub fn unknown_topics(&self) -> Vec<&str> {
        let known = |name: &str| self.participants.topics.find(name.as_bytes()).is_some();
        let names = self.cleaning.keys().map(String::as_str);
        names.filter(|name| !known(name)).collect()
    }

    /// Tells every event, from the beginning; may be asked for again, and
    /// tells the same in the same order. Events of one file come in their
    /// order, those of different files as their clocks say, as far as they are
    /// read at the same time.
    ///
    /// # Errors
    /// When a file cannot be read, or a line is malformed: the first one of
    /// the first file that has any.
    pub fn convert(&mut self, sink: impl FnMut(&Event)) -> Result<Conversion, Error> {
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
        Ok(Conversion::Repeat)
    }
}
