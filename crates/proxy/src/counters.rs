//! The counters that are a proxy's evidence. Knows nothing of sockets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A counter that tasks add to and anyone reads. The counters are independent
/// figures, each exact; a reader gets no snapshot across them.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: usize) {
        self.add_many(amount as u64);
    }

    pub(crate) fn add_many(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    pub(crate) fn subtract_one(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToUpstream,
    ToClient,
}

/// One counter for each way.
#[derive(Debug, Default)]
pub(crate) struct BytesByWay {
    pub(crate) to_upstream: Counter,
    pub(crate) to_client: Counter,
}

impl BytesByWay {
    pub(crate) fn add(&self, direction: Direction, bytes: usize) {
        match direction {
            Direction::ToUpstream => self.to_upstream.add(bytes),
            Direction::ToClient => self.to_client.add(bytes),
        }
    }
}

/// What one cut did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutReport {
    /// From the cut to now, or to the heal.
    pub lasted: Duration,
    /// Connections that were open when the link was cut.
    pub connections_affected: u64,
    /// Connections opened during the cut, which got no answer.
    pub connections_unanswered: u64,
    /// Bytes that clients sent and the upstream never got.
    pub bytes_swallowed_from_clients: u64,
    /// Bytes that the upstream sent and no client got.
    pub bytes_swallowed_from_upstream: u64,
}

/// Totals since the proxy started.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) accepted: Counter,
    pub(crate) open: Counter,
    pub(crate) unanswered: Counter,
    pub(crate) upstream_refused: Counter,
    pub(crate) closed: Counter,
    pub(crate) cuts: Counter,
    pub(crate) delivered: BytesByWay,
    pub(crate) swallowed: BytesByWay,
    pub(crate) spliced: Counter,
}

impl Totals {
    pub(crate) fn stats(&self, cut: Option<CutReport>) -> ProxyStats {
        ProxyStats {
            connections_accepted: self.accepted.get(),
            connections_open: self.open.get(),
            connections_unanswered: self.unanswered.get(),
            upstream_refused: self.upstream_refused.get(),
            connections_closed: self.closed.get(),
            cuts: self.cuts.get(),
            bytes_delivered_to_upstream: self.delivered.to_upstream.get(),
            bytes_delivered_to_clients: self.delivered.to_client.get(),
            bytes_swallowed_from_clients: self.swallowed.to_upstream.get(),
            bytes_swallowed_from_upstream: self.swallowed.to_client.get(),
            bytes_spliced: self.spliced.get(),
            cut,
        }
    }
}

/// A proxy's totals since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyStats {
    /// Connections taken from clients, cut or not.
    pub connections_accepted: u64,
    /// Of those, the ones still open.
    pub connections_open: u64,
    /// Of those, the ones that came during a cut.
    pub connections_unanswered: u64,
    /// Connections closed because the upstream could not be reached.
    pub upstream_refused: u64,
    /// Connections closed by the proxy itself: what came over them was not
    /// Kafka's protocol, or could not be put behind the proxy.
    pub connections_closed: u64,
    /// How often the link was cut, or reset.
    pub cuts: u64,
    /// Bytes passed on from clients.
    pub bytes_delivered_to_upstream: u64,
    /// Bytes passed on from the upstream.
    pub bytes_delivered_to_clients: u64,
    /// Bytes from clients that cuts swallowed.
    pub bytes_swallowed_from_clients: u64,
    /// Bytes from the upstream that cuts swallowed.
    pub bytes_swallowed_from_upstream: u64,
    /// Bytes, either way, that went into a pipe within the system instead of the
    /// proxy's memory. Whether they were delivered then, or swallowed, is counted
    /// as for all others.
    pub bytes_spliced: u64,
    /// What the cut that lasts now has done so far.
    pub cut: Option<CutReport>,
}
