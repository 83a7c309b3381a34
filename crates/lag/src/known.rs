//! Numbers that may be unknown, and times that may never come. Knows nothing of what they
//! measure.

use std::fmt;

use serde::{Serialize, Serializer};

/// A number, or why it could not be established. In JSON it is the number, or
/// `{"unknown": "…"}`.
pub type Known<T> = Result<T, Reason>;

/// Why a number could not be established.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reason {
    unknown: String,
}

impl Reason {
    /// A reason in words.
    pub fn new(words: impl Into<String>) -> Self {
        Self {
            unknown: words.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.unknown)
    }
}

/// How long it takes until something happens. In JSON it is the number of milliseconds, or
/// `"never"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// Milliseconds from the observation.
    In(u64),
    /// Not at the measured rates.
    Never,
}

impl Until {
    /// After so many seconds; never where that is no number.
    pub(crate) fn seconds(seconds: f64) -> Self {
        if seconds.is_finite() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a cast of a float saturates, and no time is negative here"
            )]
            let ms = (seconds.max(0.0) * 1000.0) as u64;
            Self::In(ms)
        } else {
            Self::Never
        }
    }
}

impl Serialize for Until {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::In(ms) => serializer.serialize_u64(*ms),
            Self::Never => serializer.serialize_str("never"),
        }
    }
}

/// The number, or `{"unknown": "…"}`.
pub(crate) fn serialize<T: Serialize, S: Serializer>(
    known: &Known<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match known {
        Ok(value) => value.serialize(serializer),
        Err(reason) => reason.serialize(serializer),
    }
}
