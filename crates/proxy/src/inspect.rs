//! What both ways of a connection have in common when they are looked into:
//! what to do with the bytes at hand, and why a connection cannot go on. Knows
//! nothing of sockets.

use std::sync::Arc;
use std::time::Duration;

use crate::active_fault::ActiveFault;
use crate::addresses::RewriteError;
use crate::fault::RequestApi;
use crate::late_request::LateRequest;
use crate::limits::{HEAD_BYTES, UNSEEN_BYTES_MIN};
use crate::link::Conditions;
use crate::schema::{Malformed, varint};

/// What to do with the bytes at hand.
#[derive(Debug)]
pub(crate) enum Next {
    /// Wait until there are more.
    More,
    /// Wait until the other way has made room.
    Wait,
    /// Deliver this many as they are, this much later.
    Deliver { bytes: usize, after: Duration },
    /// Deliver something else in place of this many.
    Instead {
        bytes: usize,
        with: Vec<u8>,
        after: Duration,
    },
    /// Throw this many away.
    Swallow(usize),
    /// Neither side hears anything from now on.
    Silence,
    /// Reset both ends: a fault wants it.
    Reset,
    /// The same, and this request is delivered all the same, later.
    Late(Box<LateRequest>),
}

impl Next {
    pub(crate) fn pass(bytes: usize) -> Self {
        Self::Deliver {
            bytes,
            after: Duration::ZERO,
        }
    }
}

/// Why a connection was closed by the proxy itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// A frame's length cannot be.
    #[error("a {of} says that it is {bytes} bytes long")]
    Length {
        /// A request or an answer.
        of: &'static str,
        /// As the frame says.
        bytes: i64,
    },
    /// What follows is not what the API and version say.
    #[error("a {of} of {api} version {version} cannot be read: {reason}")]
    Malformed {
        /// A request or an answer.
        of: &'static str,
        /// The API.
        api: RequestApi,
        /// Its version.
        version: i16,
        /// What is wrong.
        reason: String,
    },
    /// A header cannot be read.
    #[error("a request's header cannot be read")]
    Header,
    /// The answer would hold addresses that cannot be rewritten.
    #[error("{api} version {version} is too new to rewrite addresses in; ApiVersions said so")]
    TooNew {
        /// The API.
        api: RequestApi,
        /// Its version.
        version: i16,
    },
    /// An answer that has to be held is too large.
    #[error("an answer of {api} is {bytes} bytes long, more than are held")]
    TooLarge {
        /// The API.
        api: RequestApi,
        /// Its length.
        bytes: usize,
    },
    /// An answer to nothing.
    #[error("the broker answered {got}, and {} was to be answered", .wanted.map_or("nothing".to_owned(), |it| it.to_string()))]
    Unasked {
        /// The answer's correlation id.
        got: i32,
        /// The one that was next.
        wanted: Option<i32>,
    },
    /// SASL as before Kafka 1.0, whose tokens have no header.
    #[error("SaslHandshake version 0 is followed by bytes that are no requests")]
    BareSasl,
    /// One side does not speak TLS, or does not trust the other.
    #[error("TLS failed: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
    /// The connection ended in the middle of a frame.
    #[error("the connection ended in the middle of a frame, {bytes} bytes of which were held")]
    HalfFrame {
        /// How much of it had come and not been passed on.
        bytes: usize,
    },
    /// The head of a request, or an answer that has to be held, does not come.
    #[error("{bytes} bytes into a frame, what it is judged by did not come in time")]
    Slow {
        /// How much of it had come.
        bytes: usize,
    },
    /// The broker cannot be dialled.
    #[error("no file descriptor is left for the connection to the broker")]
    NoDescriptors,
    /// A broker cannot be put behind the proxy.
    #[error("{0}")]
    NoListener(String),
    /// The proxy is stopping.
    #[error("the proxy is stopping")]
    Stopping,
}

impl CloseReason {
    pub(crate) fn malformed(of: &'static str, api: i16, version: i16, why: Malformed) -> Self {
        Self::Malformed {
            of,
            api: RequestApi(api),
            version,
            reason: why.to_string(),
        }
    }

    pub(crate) fn not_rewritten(api: i16, version: i16, why: RewriteError) -> Self {
        match why {
            RewriteError::Malformed(why) => Self::malformed("answer", api, version, why),
            RewriteError::NoListener(why) => Self::NoListener(why.to_string()),
        }
    }
}

/// What becomes of the addresses in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// The proxy's take their place.
    Rewritten,
    /// They are none of the proxy's.
    Kept,
}

/// How long the stretches have been lately that pass whatever they are. What is
/// alike comes again: most connections carry records, or do not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Stretches {
    #[default]
    Short,
    /// There was a long one, and this many bytes of short ones since.
    Long { since: usize },
}

impl Stretches {
    /// Another one of this many bytes.
    pub(crate) fn add(&mut self, bytes: usize) {
        if bytes >= HEAD_BYTES + UNSEEN_BYTES_MIN {
            *self = Self::Long { since: 0 };
        } else if let Self::Long { since } = self {
            *since += bytes;
            if *since > HEAD_BYTES {
                *self = Self::Short;
            }
        }
    }

    /// Whether a long one is to be expected.
    pub(crate) fn are_long(self) -> bool {
        matches!(self, Self::Long { .. })
    }
}

/// What an inspection goes by.
pub(crate) struct Surroundings<'a> {
    pub(crate) conditions: &'a Conditions,
    pub(crate) addresses: Addresses,
    /// Counts the connection for a fault that meets it.
    pub(crate) count_hit: &'a dyn Fn(&Arc<ActiveFault>),
}

/// The length of a frame, its own four bytes not counted.
pub(crate) fn frame_length(front: &[u8]) -> Option<i32> {
    front.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

pub(crate) fn int32(front: &[u8], at: usize) -> Option<i32> {
    frame_length(front.get(at..)?)
}

pub(crate) fn int16(front: &[u8], at: usize) -> Option<i16> {
    let bytes = front.get(at..)?.first_chunk()?;
    Some(i16::from_be_bytes(*bytes))
}

/// Where a header's tagged fields end, which begin at `at`; `None` while that
/// is not at hand.
pub(crate) fn after_tags(front: &[u8], mut at: usize) -> Result<Option<usize>, Malformed> {
    let next = |at: &mut usize| -> Result<Option<usize>, Malformed> {
        let Some(rest) = front.get(*at..) else {
            return Ok(None);
        };
        Ok(varint(rest)?.map(|(value, bytes)| {
            *at += bytes;
            value as usize
        }))
    };
    let Some(count) = next(&mut at)? else {
        return Ok(None);
    };
    for _ in 0..count {
        let Some(_tag) = next(&mut at)? else {
            return Ok(None);
        };
        let Some(size) = next(&mut at)? else {
            return Ok(None);
        };
        at += size;
    }
    Ok((at <= front.len()).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stretch_is_expected_after_one_until_many_are_short() {
        let mut stretches = Stretches::default();
        stretches.add(HEAD_BYTES + UNSEEN_BYTES_MIN - 1);
        assert!(!stretches.are_long());
        stretches.add(HEAD_BYTES + UNSEEN_BYTES_MIN);
        stretches.add(HEAD_BYTES);
        assert!(stretches.are_long());
        stretches.add(1);
        assert!(!stretches.are_long());
    }
}
