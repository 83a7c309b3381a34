//! What faults do to all bytes of one way of a connection, and which faults have
//! counted the connection. Knows nothing of sockets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::active_fault::ActiveFault;
use crate::counters::Direction;
use crate::fault::FaultEffect;
use crate::link::Conditions;
use crate::write_queue::WriteQueue;

/// The faults that have counted one connection, by id.
#[derive(Debug, Default)]
pub(crate) struct Hits(Mutex<Vec<u64>>);

impl Hits {
    /// Counts the connection for a fault, once.
    pub(crate) fn count_hit(&self, fault: &ActiveFault) {
        let mut hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !hits.contains(&fault.id) {
            hits.push(fault.id);
            fault.evidence.touch();
            fault.evidence.connections.add(1);
        }
    }
}

/// What faults do to all bytes of one way.
pub(crate) struct Shape<'a> {
    pub(crate) hits: &'a Hits,
    faults: Vec<&'a Arc<ActiveFault>>,
    /// What they do to its end.
    pub(crate) slow_closes: Vec<&'a Arc<ActiveFault>>,
}

impl<'a> Shape<'a> {
    pub(crate) fn of(
        hits: &'a Hits,
        client_id: Option<&str>,
        conditions: &'a Conditions,
        direction: Direction,
    ) -> Self {
        let mut shape = Self {
            hits,
            faults: Vec::new(),
            slow_closes: Vec::new(),
        };
        for one in &conditions.shaping {
            match one.fault.effect {
                _ if !one.fault.is_for(client_id) => {}
                FaultEffect::Latency { ways, .. } | FaultEffect::Bandwidth { ways, .. }
                    if ways.include(direction) =>
                {
                    shape.faults.push(one);
                }
                FaultEffect::SlowClose { .. } => shape.slow_closes.push(one),
                _ => {}
            }
        }
        shape
    }

    /// Whether anything waits for a time.
    pub(crate) fn delays(&self) -> bool {
        !self.faults.is_empty() || !self.slow_closes.is_empty()
    }

    pub(crate) fn is_none(&self) -> bool {
        self.faults.is_empty()
    }

    /// Appends bytes to a queue as the faults have it. A limited rate has met only
    /// what it holds up.
    pub(crate) fn push(&self, write_queue: &mut WriteQueue, bytes: Vec<u8>, after: Duration) {
        let length = bytes.len();
        let mut latency = after;
        let mut narrowest: Option<(u64, &ActiveFault)> = None;
        for fault in &self.faults {
            if let FaultEffect::Bandwidth { bytes_per_s, .. } = fault.fault.effect {
                if narrowest.is_none_or(|(rate, _)| bytes_per_s < rate) {
                    narrowest = Some((bytes_per_s, fault));
                }
                continue;
            }
            latency += fault.latency();
            self.met(fault, length);
        }
        let held_up = write_queue.push(bytes, latency, narrowest.map(|(rate, _)| rate));
        if let Some((_, fault)) = narrowest
            && held_up > 0
        {
            self.met(fault, held_up);
        }
    }

    fn met(&self, fault: &ActiveFault, bytes: usize) {
        self.hits.count_hit(fault);
        fault.evidence.bytes(bytes);
    }
}
