//! The way of events from the thread that reads a file to the one that takes
//! them in: in batches, so that neither waits for the other at each event, and
//! in a bounded queue, so that neither runs ahead. Knows nothing of files.

use std::sync::mpsc::SyncSender;

use model::event::{Body, Event};
use model::ids::Micros;

/// Small enough for a processor's own cache.
const BATCH_EVENTS: usize = 1024;
/// Batches under way, at most.
pub(super) const BATCHES_MAX: usize = 16;

/// Where a reader of a file puts its events.
pub(super) struct Outlet {
    batch: Vec<Event>,
    queue: SyncSender<Vec<Event>>,
}

impl Outlet {
    pub(super) fn new(queue: SyncSender<Vec<Event>>) -> Self {
        Self {
            batch: Vec::with_capacity(BATCH_EVENTS),
            queue,
        }
    }

    pub(super) fn tell(&mut self, at: Micros, body: Body) {
        self.batch.push(Event { at, body });
        if self.batch.len() >= BATCH_EVENTS {
            self.send(Vec::with_capacity(BATCH_EVENTS));
        }
    }

    fn send(&mut self, next: Vec<Event>) {
        let batch = std::mem::replace(&mut self.batch, next);
        // Nobody takes events any more where the other thread has panicked.
        let _ = self.queue.send(batch);
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.send(Vec::new());
    }
}
