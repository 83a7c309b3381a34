//! What a client complains of: its errors beside the outcomes of sends, and the
//! brokers' word that it has to wait. Knows nothing of what comes of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::event::ErrorCause;
use model::ids::Micros;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;

use crate::log;
use crate::reporter::Reporter;
use crate::role::ClientEvent;

/// How often a client counts what brokers told it (`statistics.interval.ms`).
pub(crate) const COUNT_INTERVAL_MS: &str = "1000";
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
    /// Tells of an error of the client, with its own words about it.
    pub(crate) fn hear(&self, reporter: &Reporter, error: &KafkaError, reason: &str) {
        log::line("ERROR", &format!("{error}: {reason}"));
        let name = error
            .rdkafka_error_code()
            .map_or_else(|| error.to_string(), |code| format!("{code:?}"));
        let cause = error
            .rdkafka_error_code()
            .map_or(ErrorCause::Pipeline, |code| cause_of(code, reason));
        let now = reporter.clock().now();
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() >= ERRORS_MAX && !errors.contains_key(&name) {
            return;
        }
        let is_new = !errors.contains_key(&name);
        let heard = errors.entry(name.clone()).or_insert_with(|| Heard {
            cause,
            reason: String::new(),
            times: 0,
            told: now,
        });
        heard.times += 1;
        heard.cause = cause;
        heard.reason = reason.chars().take(REASON_CHARS_MAX).collect();
        if is_new || now.since(heard.told).get() >= TOLD_AGAIN_US {
            heard.told = now;
            heard.tell(&name, reporter);
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

/// Tells how long brokers told the client to wait since it counted last.
pub(crate) fn tell_throttling(reporter: &Reporter, statistics: &Statistics) {
    let windows = statistics.brokers.values();
    let windows = windows.filter_map(|broker| broker.throttle.as_ref());
    let throttle_ms: i64 = windows.map(|window| window.sum.max(0)).sum();
    if throttle_ms > 0 {
        reporter.say(ClientEvent::Throttled {
            throttle_ms: throttle_ms.unsigned_abs(),
        });
    }
}

/// What an error says of what the client can do.
///
/// Where it cannot decode what it was given (a codec or a format that this
/// build lacks, a checksum that it does not agree with), what it does not read
/// says nothing of the pipeline: the observer decodes the same bytes with code
/// of its own, and where these are damaged it does not get to their end either.
/// Where the brokers do not allow it, they do not allow ackproof's client,
/// which is not the user's. Everything else is what the pipeline does, or what
/// the scenario's own configuration makes of the client: `auto.offset.reset`
/// that says "none", or limits of size below what the topic holds, make a user
/// lose records just so.
fn cause_of(code: RDKafkaErrorCode, reason: &str) -> ErrorCause {
    use RDKafkaErrorCode as Code;
    match code {
        // An answer larger than `receive.message.max.bytes` is called so too.
        Code::BadMessage if reason.contains("receive.message.max.bytes") => ErrorCause::Pipeline,
        Code::BadMessage
        | Code::BadCompression
        | Code::NotImplemented
        | Code::UnsupportedFeature
        | Code::UnsupportedCompressionType
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedVersion
        | Code::ValueDeserialization
        | Code::KeyDeserialization => ErrorCause::Unable,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication
        | Code::SSL => ErrorCause::NotAllowed,
        _ => ErrorCause::Pipeline,
    }
}

#[cfg(test)]
mod tests {
    use RDKafkaErrorCode as Code;

    use super::*;

    #[test]
    fn what_a_build_lacks_is_told_from_what_a_configuration_does() {
        let cases = [
            (Code::NotImplemented, "", ErrorCause::Unable),
            (Code::BadMessage, "failed CRC32C check", ErrorCause::Unable),
            (
                Code::BadMessage,
                "Invalid response size 9 (0..8): increase receive.message.max.bytes",
                ErrorCause::Pipeline,
            ),
            (Code::BadCompression, "", ErrorCause::Unable),
            (Code::GroupAuthorizationFailed, "", ErrorCause::NotAllowed),
            (Code::AutoOffsetReset, "", ErrorCause::Pipeline),
            (Code::MessageSizeTooLarge, "", ErrorCause::Pipeline),
            (Code::UnknownTopicOrPartition, "", ErrorCause::Pipeline),
            (Code::PollExceeded, "", ErrorCause::Pipeline),
            (Code::BrokerTransportFailure, "", ErrorCause::Pipeline),
        ];
        for (code, reason, expected) in cases {
            assert_eq!(cause_of(code, reason), expected, "{code:?} {reason}");
        }
    }
}
