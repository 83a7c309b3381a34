//! The counters that are a proxy's evidence. Knows nothing of sockets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A counter that tasks add to and anyone reads. The counters are independent
/// figures, each exact; a reader gets no snapshot across them.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, amount: usize) {
        self.0.fetch_add(amount as u64, Relaxed);
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
    to_upstream: Count,
    to_client: Count,
}

impl BytesByWay {
    pub(crate) fn add(&self, direction: Direction, bytes: usize) {
        match direction {
            Direction::ToUpstream => self.to_upstream.add(bytes),
            Direction::ToClient => self.to_client.add(bytes),
        }
    }
}

/// What one cut has done so far.
#[derive(Debug)]
pub(crate) struct CutTally {
    pub(crate) since: Instant,
    pub(crate) connections_affected: u64,
    pub(crate) connections_unanswered: Count,
    pub(crate) swallowed: BytesByWay,
}

impl CutTally {
    pub(crate) fn new(connections_affected: u64) -> Self {
        Self {
            since: Instant::now(),
            connections_affected,
            connections_unanswered: Count::default(),
            swallowed: BytesByWay::default(),
        }
    }

    pub(crate) fn report(&self) -> CutReport {
        CutReport {
            lasted: self.since.elapsed(),
            connections_affected: self.connections_affected,
            connections_unanswered: self.connections_unanswered.get(),
            bytes_swallowed_from_clients: self.swallowed.to_upstream.get(),
            bytes_swallowed_from_upstream: self.swallowed.to_client.get(),
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
    /// Connections opened during the cut, which nobody answered.
    pub connections_unanswered: u64,
    /// Bytes that clients sent and the upstream never got.
    pub bytes_swallowed_from_clients: u64,
    /// Bytes that the upstream sent and no client got.
    pub bytes_swallowed_from_upstream: u64,
}

/// Totals since the proxy started.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) accepted: Count,
    pub(crate) open: Count,
    pub(crate) unanswered: Count,
    pub(crate) upstream_refused: Count,
    pub(crate) cuts: Count,
    pub(crate) delivered: BytesByWay,
    pub(crate) swallowed: BytesByWay,
}

impl Totals {
    pub(crate) fn stats(&self, cut: Option<CutReport>) -> ProxyStats {
        ProxyStats {
            connections_accepted: self.accepted.get(),
            connections_open: self.open.get(),
            connections_unanswered: self.unanswered.get(),
            upstream_refused: self.upstream_refused.get(),
            cuts: self.cuts.get(),
            bytes_delivered_to_upstream: self.delivered.to_upstream.get(),
            bytes_delivered_to_clients: self.delivered.to_client.get(),
            bytes_swallowed_from_clients: self.swallowed.to_upstream.get(),
            bytes_swallowed_from_upstream: self.swallowed.to_client.get(),
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
    /// How often the link was cut.
    pub cuts: u64,
    /// Bytes passed on from clients.
    pub bytes_delivered_to_upstream: u64,
    /// Bytes passed on from the upstream.
    pub bytes_delivered_to_clients: u64,
    /// Bytes from clients that cuts swallowed.
    pub bytes_swallowed_from_clients: u64,
    /// Bytes from the upstream that cuts swallowed.
    pub bytes_swallowed_from_upstream: u64,
    /// What the cut that lasts now has done so far.
    pub cut: Option<CutReport>,
}
