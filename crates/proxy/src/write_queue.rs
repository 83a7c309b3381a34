//! What waits to be written to one end of a connection: because the receiver
//! does not keep up, or because a fault delays it. Knows nothing of what the
//! bytes mean.

use std::collections::VecDeque;
use std::io;

use tokio::time::{Duration, Instant};

use crate::stream::Stream;

/// The most that one way of a connection holds for later. Under a latency it
/// bounds the throughput of a connection: 40 MB/s at 100 ms.
pub(crate) const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a piece lasts under a bandwidth limit: smaller pieces cost wakes,
/// larger ones come in bursts.
const PIECE_OF_A_SECOND: u64 = 50;

#[derive(Debug)]
enum Item {
    Bytes(Vec<u8>),
    End,
}

/// A queue of bytes with the times at which they may go, in order.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    items: VecDeque<(Instant, Item)>,
    /// Written of the first item.
    written: usize,
    bytes: usize,
    /// When the last one goes: what follows goes no earlier.
    last: Option<Instant>,
    /// When a limited link is free again.
    free: Option<Instant>,
}

/// What a delivery came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Nothing is left.
    Empty,
    /// The receiver takes no more now.
    Blocked,
    /// The next piece goes then.
    NotBefore(Instant),
    /// The end has been passed on.
    Ended,
}

impl WriteQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= QUEUE_BYTES_MAX
    }

    /// Appends bytes that go after the given time, at the given rate if there
    /// is one.
    pub(crate) fn push(&mut self, bytes: Vec<u8>, after: Duration, bytes_per_s: Option<u64>) {
        let Some(rate) = bytes_per_s else {
            self.free = None;
            self.append(Instant::now() + after, Item::Bytes(bytes));
            return;
        };
        let piece = usize::try_from((rate / PIECE_OF_A_SECOND).max(1)).unwrap_or(usize::MAX);
        for piece in bytes.chunks(piece) {
            let begins = self
                .free
                .map_or_else(Instant::now, |it| it.max(Instant::now()));
            let nanos = (piece.len() as u128 * 1_000_000_000) / u128::from(rate);
            let ends = begins + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            self.free = Some(ends);
            self.append(ends + after, Item::Bytes(piece.to_vec()));
        }
    }

    /// Appends the end of the stream.
    pub(crate) fn push_end(&mut self, after: Duration) {
        self.append(Instant::now() + after, Item::End);
    }

    fn append(&mut self, due: Instant, item: Item) {
        if let Item::Bytes(bytes) = &item {
            if bytes.is_empty() {
                return;
            }
            self.bytes += bytes.len();
        }
        let due = self.last.map_or(due, |last| last.max(due));
        self.last = Some(due);
        self.items.push_back((due, item));
    }

    /// Nothing waits for a time any longer.
    pub(crate) fn hasten(&mut self) {
        let now = Instant::now();
        for (due, _) in &mut self.items {
            *due = now;
        }
        self.last = None;
        self.free = None;
    }

    /// Forgets everything, and says how many bytes that was.
    pub(crate) fn clear(&mut self) -> usize {
        let bytes = self.bytes;
        *self = Self::default();
        bytes
    }

    /// Writes what may go; tells `delivered` how much.
    pub(crate) fn deliver(
        &mut self,
        to: &Stream,
        mut delivered: impl FnMut(usize),
    ) -> io::Result<Delivery> {
        loop {
            let Some((due, item)) = self.items.front() else {
                *self = Self {
                    free: self.free,
                    ..Self::default()
                };
                return Ok(Delivery::Empty);
            };
            if *due > Instant::now() {
                return Ok(Delivery::NotBefore(*due));
            }
            match item {
                Item::End => {
                    to.finish()?;
                    return Ok(Delivery::Ended);
                }
                Item::Bytes(bytes) => {
                    let written = to.write_now(&bytes[self.written..])?;
                    delivered(written);
                    self.bytes -= written;
                    self.written += written;
                    if self.written < bytes.len() {
                        return Ok(Delivery::Blocked);
                    }
                    self.written = 0;
                    self.items.pop_front();
                }
            }
        }
    }
}
