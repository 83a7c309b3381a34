//! One clock for all processes of a run: the machine's monotonic clock,
//! counted from the moment a scenario began. Knows nothing of calendars.

use model::ids::Micros;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The machine's monotonic clock, counted from a moment.
///
/// `CLOCK_MONOTONIC` is the same in all processes of a machine, so a subject
/// that is told the moment stamps its events on the engine's own scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clock {
    epoch_us: u64,
}

impl Clock {
    /// A clock that counts from now.
    pub fn start() -> Self {
        Self {
            epoch_us: monotonic_us(),
        }
    }

    /// The time since the clock was started.
    pub fn now(self) -> Micros {
        Micros::new(monotonic_us().saturating_sub(self.epoch_us))
    }
}

fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1_000_000 + nanos / 1000
}
