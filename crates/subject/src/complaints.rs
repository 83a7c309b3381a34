//! What a client complains of: its errors beside the outcomes of sends. Knows
//! nothing of what comes of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::event::ErrorCause;
use model::ids::Micros;

use crate::log;
use crate::protocol::ClientError;
use crate::reporter::Reporter;
use crate::role::ClientEvent;

/// An error that goes on is told again after so long, in microseconds: an
/// outage repeats itself many times a second.
const TOLD_AGAIN_US: u64 = 2_000_000;
/// Different errors that are told, at most.
const ERRORS_MAX: usize = 100;
/// Characters of the client's own words that are kept.
const REASON_CHARS_MAX: usize = 300;

/// Tells of errors, each at once and then now and then, with how often it came.
#[derive(Default)]
pub(crate) struct Complaints {
    errors: Mutex<BTreeMap<String, Heard>>,
}

struct Heard {
    cause: ErrorCause,
    reason: String,
    /// How often it came since it was told last.
    times: u64,
    told: Micros,
}

impl Complaints {
    /// Tells of an error of the client.
    pub(crate) fn hear(&self, reporter: &Reporter, error: &ClientError, cause: ErrorCause) {
        log::line("ERROR", &error.to_string());
        let now = reporter.clock().now();
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() >= ERRORS_MAX && !errors.contains_key(&error.name) {
            return;
        }
        let is_new = !errors.contains_key(&error.name);
        let heard = errors.entry(error.name.clone()).or_insert_with(|| Heard {
            cause,
            reason: String::new(),
            times: 0,
            told: now,
        });
        heard.times += 1;
        heard.cause = cause;
        heard.reason = error.message.chars().take(REASON_CHARS_MAX).collect();
        if is_new || now.since(heard.told).get() >= TOLD_AGAIN_US {
            heard.told = now;
            heard.tell(&error.name, reporter);
        }
    }

    /// Tells of what was not told yet: nothing more is going to come.
    pub(crate) fn finish(&self, reporter: &Reporter) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, heard) in errors.iter_mut().filter(|(_, heard)| heard.times > 0) {
            heard.tell(name, reporter);
        }
    }
}

impl Heard {
    fn tell(&mut self, name: &str, reporter: &Reporter) {
        reporter.say(ClientEvent::ClientError {
            cause: self.cause,
            error: name.to_owned(),
            reason: self.reason.clone(),
            times: std::mem::take(&mut self.times),
        });
    }
}
