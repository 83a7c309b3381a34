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

/// The least that a narrow link holds for later: a piece that was read at once.
const NARROW_BYTES_MIN: u64 = 64 * 1024;

/// How long the last byte waits at most in front of a narrow link, as in a
/// router whose buffer is full: the sender feels that the link is narrow.
const NARROW_WAIT: Duration = Duration::from_millis(200);

/// How long a piece lasts under a bandwidth limit: smaller pieces cost wakes,
/// larger ones come in bursts.
const PIECE_OF_A_SECOND: u64 = 50;

/// The shortest wait that a timer of this process carries out (tokio's resolution):
/// bytes that a narrow link would hold for less pass at once.
const WAIT_MIN: Duration = Duration::from_millis(1);

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
    /// Holds no more than this where the link is limited.
    narrow_bytes_max: Option<usize>,
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
        self.bytes >= self.narrow_bytes_max.unwrap_or(QUEUE_BYTES_MAX)
    }

    /// Appends bytes that go after the given time, at the given rate if there
    /// is one. Returns how many of them the rate holds up, behind others or for
    /// their own length.
    pub(crate) fn push(
        &mut self,
        bytes: Vec<u8>,
        after: Duration,
        bytes_per_s: Option<u64>,
    ) -> usize {
        let now = Instant::now();
        let Some(rate) = bytes_per_s else {
            self.free = None;
            self.narrow_bytes_max = None;
            self.append(now + after, Item::Bytes(bytes));
            return 0;
        };
        let wait_ms = u64::try_from((after + NARROW_WAIT).as_millis()).unwrap_or(u64::MAX);
        let held = (rate.saturating_mul(wait_ms) / 1000).max(NARROW_BYTES_MIN);
        let held = usize::try_from(held).unwrap_or(usize::MAX);
        self.narrow_bytes_max = Some(held.min(QUEUE_BYTES_MAX));
        let piece = usize::try_from((rate / PIECE_OF_A_SECOND).max(1)).unwrap_or(usize::MAX);
        let mut held_up = 0;
        for piece in bytes.chunks(piece) {
            let begins = self.free.map_or(now, |it| it.max(now));
            let nanos = (piece.len() as u128 * 1_000_000_000) / u128::from(rate);
            let ends = begins + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            self.free = Some(ends);
            if ends - now >= WAIT_MIN {
                held_up += piece.len();
            }
            self.append(ends + after, Item::Bytes(piece.to_vec()));
        }
        held_up
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
        self.narrow_bytes_max = None;
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
                    return Ok(if to.finish()? {
                        Delivery::Ended
                    } else {
                        Delivery::Blocked
                    });
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How much a queue takes before it is full.
    fn room(after: Duration, bytes_per_s: Option<u64>) -> usize {
        let mut queue = WriteQueue::default();
        let mut held = 0;
        while !queue.is_full() {
            queue.push(vec![0; 1024], after, bytes_per_s);
            held += 1024;
        }
        held
    }

    #[test]
    fn a_narrow_link_holds_what_passes_in_a_fifth_of_a_second() {
        let none = Duration::ZERO;
        assert_eq!(room(none, None), QUEUE_BYTES_MAX);
        assert_eq!(room(none, Some(1_024_000)), 204_800);
        // What is on its way under a latency is not what waits.
        assert_eq!(room(Duration::from_millis(300), Some(1_024_000)), 512_000);
        assert_eq!(room(none, Some(1000)), 65_536);
        assert_eq!(room(none, Some(u64::MAX)), QUEUE_BYTES_MAX);
    }

    #[test]
    fn only_bytes_that_wait_a_millisecond_are_held_up_by_a_rate() {
        let none = Duration::ZERO;
        let held_up = |bytes: usize, rate| {
            let mut queue = WriteQueue::default();
            queue.push(vec![0; bytes], none, Some(rate))
        };
        // Far above what comes: nothing waits.
        assert_eq!(held_up(100_000, 1_000_000_000), 0);
        assert_eq!(held_up(999, 1_000_000), 0);
        // For its own length.
        assert_eq!(held_up(1000, 1_000_000), 1000);
        // Behind others, each of which is too short to wait.
        let mut queue = WriteQueue::default();
        let each = [600; 3].map(|bytes| queue.push(vec![0; bytes], none, Some(1_000_000)));
        assert_eq!(each, [0, 600, 600]);
        // A latency is not the rate's doing.
        let after = Duration::from_secs(1);
        assert_eq!(queue.push(vec![0; 9], after, None), 0);
    }

    #[test]
    fn a_link_that_is_narrow_no_more_holds_as_much_as_before() {
        let mut queue = WriteQueue::default();
        queue.push(vec![0; 100_000], Duration::ZERO, Some(1000));
        assert!(queue.is_full());
        queue.hasten();
        assert!(!queue.is_full());
    }
}
