//! What one way of a connection has read and not dealt with, in a buffer that is
//! shared with others while there is nothing. Knows nothing of what the bytes
//! mean.

use std::cell::RefCell;
use std::io;

use crate::stream::Stream;

/// How much is read at once. A connection whose receiver is slow holds as much.
const CHUNK_BYTES: usize = 128 * 1024;

/// What a thread keeps for the next that reads: both ways of a few connections
/// are busy at once.
const SPARE_MAX: usize = 8;

thread_local! {
    /// An idle connection holds no buffer, and a busy one allocates none.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes, taken from the front and read to the back.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    buffer: Vec<u8>,
    /// How much of it has been dealt with.
    taken: usize,
}

impl Incoming {
    /// What has not been dealt with.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Reads once, so many bytes at most; `None` when there is nothing yet, 0 at
    /// the end.
    pub(crate) fn read(&mut self, from: &Stream, most: usize) -> io::Result<Option<usize>> {
        self.make_room();
        from.read_now(&mut self.buffer, most)
    }

    /// These have been dealt with.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.taken = 0;
        }
    }

    /// All have been; says how many that were.
    pub(crate) fn clear(&mut self) -> usize {
        let bytes = self.bytes().len();
        self.take(bytes);
        bytes
    }

    /// Holds no more memory than what is left needs: nothing more comes for a
    /// while.
    pub(crate) fn rest(&mut self) {
        let left = self.bytes().len();
        if left <= self.buffer.capacity() / 4 && self.buffer.capacity() > 0 {
            let rest = self.bytes().to_vec();
            give_back(std::mem::replace(&mut self.buffer, rest));
            self.taken = 0;
        }
    }

    /// Room for a chunk, behind what is there.
    fn make_room(&mut self) {
        let left = self.bytes().len();
        if self.buffer.capacity() < CHUNK_BYTES {
            let mut buffer = spare();
            buffer.extend_from_slice(self.bytes());
            self.buffer = buffer;
        } else if self.taken > 0 {
            self.buffer.copy_within(self.taken.., 0);
            self.buffer.truncate(left);
        }
        self.taken = 0;
        // What is held as a whole grows to that.
        if self.buffer.len() >= self.buffer.capacity() - CHUNK_BYTES / 4 {
            self.buffer.reserve(CHUNK_BYTES);
        }
    }
}

fn spare() -> Vec<u8> {
    let kept = SPARE.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES))
}

fn give_back(mut buffer: Vec<u8>) {
    // What grew beyond that was for one large answer.
    if buffer.capacity() == CHUNK_BYTES {
        buffer.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_MAX {
                spare.push(buffer);
            }
        });
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // A connection may end when its thread does.
        let buffer = std::mem::take(&mut self.buffer);
        if SPARE.try_with(|_| ()).is_ok() {
            give_back(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(bytes: &[u8]) -> Incoming {
        let mut incoming = Incoming::default();
        incoming.make_room();
        incoming.buffer.extend_from_slice(bytes);
        incoming
    }

    #[test]
    fn bytes_that_never_come_to_an_end_take_no_more_memory() {
        let mut incoming = Incoming::default();
        let piece = vec![1; 64 * 1024];
        for _ in 0..1000 {
            incoming.make_room();
            incoming.buffer.extend_from_slice(&piece);
            // All but the beginning of the next frame.
            let whole = incoming.bytes().len() - 3;
            incoming.take(whole);
        }
        assert_eq!(incoming.bytes(), [1; 3]);
        assert!(incoming.buffer.capacity() <= 2 * CHUNK_BYTES);
    }

    #[test]
    fn a_few_bytes_that_wait_hold_no_buffer() {
        let mut incoming = with(b"a frame begins");
        incoming.take(2);
        incoming.rest();
        assert_eq!(incoming.bytes(), b"frame begins");
        assert!(incoming.buffer.capacity() < 100);
        incoming.clear();
        incoming.rest();
        assert_eq!(incoming.buffer.capacity(), 0);
    }

    #[test]
    fn a_buffer_that_is_given_back_is_used_again() {
        let mut first = with(b"x");
        let place = first.buffer.as_ptr();
        first.clear();
        first.rest();
        assert_eq!(with(b"y").buffer.as_ptr(), place);
    }
}
