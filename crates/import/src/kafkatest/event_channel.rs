//! A channel for events, from the thread that reads a file to the one that merges: in
//! batches, so that neither waits for the other at each event, and in a bounded queue, so
//! that neither runs ahead. Knows nothing of files.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender, sync_channel};

use model::event::{Body, Event};
use model::ids::Micros;

/// Small enough for a processor's own cache.
const BATCH_EVENTS: usize = 1024;
/// Batches under way, at most.
const BATCHES_MAX: usize = 4;

/// The sending end.
pub(super) struct EventSender {
    batch: Vec<Event>,
    queue: SyncSender<Vec<Event>>,
    used: Receiver<Vec<Event>>,
}

/// The receiving end.
pub(super) struct EventReceiver {
    batch: Vec<Event>,
    /// How many of the batch were taken.
    taken: usize,
    queue: Receiver<Vec<Event>>,
    used: Sender<Vec<Event>>,
}

/// Both ends of a new channel.
pub(super) fn channel() -> (EventSender, EventReceiver) {
    let (queue, batches) = sync_channel(BATCHES_MAX);
    let (used, to_refill) = mpsc::channel();
    let out = EventSender {
        batch: Vec::with_capacity(BATCH_EVENTS),
        queue,
        used: to_refill,
    };
    let lane = EventReceiver {
        batch: Vec::new(),
        taken: 0,
        queue: batches,
        used,
    };
    (out, lane)
}

impl EventSender {
    #[inline]
    pub(super) fn send(&mut self, at: Micros, body: Body) {
        self.batch.push(Event { at, body });
        if self.batch.len() >= BATCH_EVENTS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let next = self.used.try_recv();
        let mut next = next.unwrap_or_else(|_| Vec::with_capacity(BATCH_EVENTS));
        next.clear();
        let batch = std::mem::replace(&mut self.batch, next);
        // The receiver is gone where the other thread has panicked.
        let _ = self.queue.send(batch);
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.flush();
    }
}

impl EventReceiver {
    /// The next event; none behind the last.
    #[inline]
    pub(super) fn next(&mut self) -> Option<&Event> {
        while self.taken == self.batch.len() {
            let used = std::mem::replace(&mut self.batch, self.queue.recv().ok()?);
            self.taken = 0;
            if used.capacity() > 0 {
                // The other end is gone where nothing more is to come.
                let _ = self.used.send(used);
            }
        }
        self.batch.get(self.taken)
    }

    /// Goes on behind the next event.
    #[inline]
    pub(super) const fn advance(&mut self) {
        self.taken += 1;
    }
}
