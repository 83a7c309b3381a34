//! Sends without an outcome, and when each was made. Knows nothing of what the
//! outcomes are.
//!
//! A producer's records are sent in the order of their sequences and settled
//! nearly so: a queue for each, in which what was settled out of turn leaves a
//! hole for a while, finds each at once.

use std::collections::{BTreeMap, VecDeque};

use model::ids::{Micros, RecordId};

use crate::sets::record_set::RecordSet;
use crate::sets::table::Table;

/// Sends whose time is kept, at most. Where more are outstanding, those made
/// last are counted, and their latency is not measured.
const TIMED_MAX: u64 = 1 << 20;
/// A queue with fewer holes is left as it is.
const HOLES_MIN: usize = 64;

/// The sends without an outcome.
#[derive(Default)]
pub(crate) struct Outstanding {
    queues: Table<Queue>,
    timed: u64,
    /// Those whose time is not kept.
    untimed: RecordSet,
    untimed_len: u64,
}

/// One producer's.
#[derive(Default)]
struct Queue {
    /// By sequence; without a time once it is settled.
    sent: VecDeque<(u64, Option<Micros>)>,
    holes: usize,
    /// Those that were not sent in turn.
    odd: BTreeMap<u64, Micros>,
}

impl Outstanding {
    pub(crate) const fn len(&self) -> u64 {
        self.timed + self.untimed_len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A record is sent, maybe again.
    pub(crate) fn add(&mut self, record: RecordId, at: Micros) {
        if self.untimed_len > 0 && self.untimed.contains(record) {
            return;
        }
        let queue = self.queues.entry(record.producer.get().into());
        let sequence = record.sequence.get();
        if queue.resend(sequence, at) {
            return;
        }
        if self.timed == TIMED_MAX {
            self.untimed.insert(record);
            self.untimed_len += 1;
            return;
        }
        self.timed += 1;
        queue.add(sequence, at);
    }

    /// A record has its outcome; when it was sent, where that is known.
    pub(crate) fn settle(&mut self, record: RecordId) -> Option<Micros> {
        let queue = self.queues.get_mut(record.producer.get().into());
        let sent = queue.and_then(|queue| queue.settle(record.sequence.get()));
        if sent.is_some() {
            self.timed -= 1;
        } else if self.untimed_len > 0 && self.untimed.remove(record) {
            self.untimed_len -= 1;
        }
        sent
    }
}

impl Queue {
    fn place(&self, sequence: u64) -> Option<usize> {
        if self
            .sent
            .front()
            .is_some_and(|(first, _)| *first == sequence)
        {
            return Some(0);
        }
        let place = self.sent.binary_search_by_key(&sequence, |(of, _)| *of);
        place.ok()
    }

    /// Changes the time of a record that is outstanding; whether it is.
    fn resend(&mut self, sequence: u64, at: Micros) -> bool {
        if let Some(sent) = self.odd.get_mut(&sequence) {
            *sent = at;
            return true;
        }
        if self.sent.back().is_none_or(|(last, _)| *last < sequence) {
            return false;
        }
        let place = self.place(sequence);
        let sent = place.and_then(|place| self.sent[place].1.as_mut());
        sent.is_some_and(|sent| {
            *sent = at;
            true
        })
    }

    /// Adds a record that is not outstanding.
    fn add(&mut self, sequence: u64, at: Micros) {
        if self.sent.back().is_none_or(|(last, _)| *last < sequence) {
            self.sent.push_back((sequence, Some(at)));
        } else {
            self.odd.insert(sequence, at);
        }
    }

    fn settle(&mut self, sequence: u64) -> Option<Micros> {
        if !self.odd.is_empty()
            && let Some(sent) = self.odd.remove(&sequence)
        {
            return Some(sent);
        }
        let place = self.place(sequence)?;
        let sent = self.sent[place].1.take()?;
        self.holes += 1;
        while self.sent.front().is_some_and(|(_, at)| at.is_none()) {
            self.sent.pop_front();
            self.holes -= 1;
        }
        if self.holes > HOLES_MIN && self.holes > self.sent.len() / 2 {
            self.sent.retain(|(_, at)| at.is_some());
            self.holes = 0;
        }
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use model::ids::{ProducerIx, Sequence};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_knows_when_each_was_sent(
            steps in prop::collection::vec((0u32..2, 0u64..300, 0u8..10), 0..2000),
        ) {
            let mut outstanding = Outstanding::default();
            let mut model = HashMap::new();
            let mut next = [0; 2];
            for (at, (producer, number, kind)) in (0..).zip(steps) {
                let at = Micros::new(at);
                let next = &mut next[producer as usize];
                let sequence = if kind < 5 { *next } else { number };
                let record = RecordId {
                    producer: ProducerIx::new(producer),
                    sequence: Sequence::new(sequence),
                };
                if kind < 6 {
                    *next = (*next).max(sequence + 1);
                    outstanding.add(record, at);
                    model.insert(record, at);
                } else {
                    prop_assert_eq!(outstanding.settle(record), model.remove(&record));
                }
                prop_assert_eq!(outstanding.len(), model.len() as u64);
            }
        }
    }

    #[test]
    fn one_that_is_never_settled_keeps_no_others() {
        let mut outstanding = Outstanding::default();
        let record = |sequence| RecordId {
            producer: ProducerIx::new(0),
            sequence: Sequence::new(sequence),
        };
        outstanding.add(record(0), Micros::new(0));
        for sequence in 1..10_000 {
            outstanding.add(record(sequence), Micros::new(sequence));
            assert_eq!(
                outstanding.settle(record(sequence)),
                Some(Micros::new(sequence))
            );
        }
        let queue = outstanding.queues.get(0).unwrap();
        assert!(queue.sent.len() <= 2 * HOLES_MIN);
        assert_eq!(outstanding.len(), 1);
    }

    #[test]
    fn beyond_the_limit_they_are_counted() {
        let mut outstanding = Outstanding::default();
        let record = |sequence| RecordId {
            producer: ProducerIx::new(0),
            sequence: Sequence::new(sequence),
        };
        for sequence in 0..=TIMED_MAX {
            outstanding.add(record(sequence), Micros::new(1));
        }
        assert_eq!(outstanding.len(), TIMED_MAX + 1);
        assert_eq!(outstanding.settle(record(TIMED_MAX)), None);
        assert_eq!(outstanding.len(), TIMED_MAX);
        assert_eq!(outstanding.settle(record(0)), Some(Micros::new(1)));
    }
}
