//! What one cut of a link has done so far. Knows nothing of sockets.

use std::sync::Arc;
use std::time::Instant;

use crate::active_fault::ActiveFault;
use crate::counters::{BytesByWay, Counter, CutReport, Direction};

/// What one cut, or one reset, has done so far.
#[derive(Debug)]
pub(crate) struct CutCounters {
    pub(crate) since: Instant,
    pub(crate) connections_affected: u64,
    pub(crate) connections_unanswered: Counter,
    pub(crate) swallowed: BytesByWay,
    /// Of the fault that the cut is a part of.
    evidence: Option<Arc<ActiveFault>>,
}

impl CutCounters {
    pub(crate) fn new(connections_affected: u64, evidence: Option<Arc<ActiveFault>>) -> Self {
        if let Some(fault) = evidence.as_ref().filter(|_| connections_affected > 0) {
            fault.evidence.touch();
            fault.evidence.connections.add_many(connections_affected);
        }
        Self {
            since: Instant::now(),
            connections_affected,
            connections_unanswered: Counter::default(),
            swallowed: BytesByWay::default(),
            evidence,
        }
    }

    /// A connection came while it lasted.
    pub(crate) fn count_hit(&self) {
        self.connections_unanswered.add(1);
        if let Some(fault) = &self.evidence {
            fault.evidence.touch();
            fault.evidence.connections.add(1);
        }
    }

    /// It swallowed bytes.
    pub(crate) fn swallow(&self, direction: Direction, bytes: usize) {
        self.swallowed.add(direction, bytes);
        if let Some(fault) = &self.evidence {
            fault.evidence.bytes(bytes);
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
