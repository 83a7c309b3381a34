//! What a fault has met, as far as the proxy saw it with its own eyes. Knows
//! nothing of what faults do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::counters::Counter;
use crate::fault::RequestApi;

/// What one fault has met so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficEvidence {
    /// Connections that felt it.
    pub connections: u64,
    /// Requests that it was done to, by API. Faults on connections count none:
    /// they do not look at requests.
    pub requests: BTreeMap<RequestApi, u64>,
    /// Requests that it passed over because they were too large to look into.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub requests_too_large: u64,
    /// Bytes swallowed, delayed or replaced; under a limited rate those that it held up
    /// for a millisecond or longer.
    pub bytes: u64,
    /// When it first met something, in microseconds since 1970.
    pub first_us: Option<u64>,
    /// When it last did.
    pub last_us: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The counters behind a [`TrafficEvidence`].
#[derive(Debug, Default)]
pub(crate) struct EvidenceCounters {
    pub(crate) connections: Counter,
    pub(crate) bytes: Counter,
    pub(crate) too_large: Counter,
    requests: Mutex<BTreeMap<RequestApi, u64>>,
    /// 0 while there is none.
    first_us: AtomicU64,
    last_us: AtomicU64,
}

impl EvidenceCounters {
    /// It met something now.
    pub(crate) fn touch(&self) {
        let now_us = now_us();
        // Only the first one succeeds.
        let _ = self.first_us.compare_exchange(0, now_us, Relaxed, Relaxed);
        self.last_us.fetch_max(now_us, Relaxed);
    }

    /// It was done to a request.
    pub(crate) fn request(&self, api: i16) {
        self.touch();
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(RequestApi(api)).or_default() += 1;
    }

    /// It was done to bytes.
    pub(crate) fn bytes(&self, bytes: usize) {
        if bytes > 0 {
            self.touch();
            self.bytes.add(bytes);
        }
    }

    pub(crate) fn evidence(&self) -> TrafficEvidence {
        let some = |us: &AtomicU64| Some(us.load(Relaxed)).filter(|it| *it > 0);
        TrafficEvidence {
            connections: self.connections.get(),
            requests: self
                .requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            requests_too_large: self.too_large.get(),
            bytes: self.bytes.get(),
            first_us: some(&self.first_us),
            last_us: some(&self.last_us),
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX))
}
