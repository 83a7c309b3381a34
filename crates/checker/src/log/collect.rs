//! Single claims about offsets, collected while a history is read: no more
//! than a limit allows, in windows of ascending places, one for each reading.
//! Knows nothing of what is done with them.

use model::ids::{Offset, PartitionRef, RecordId};

use crate::sets::table::PartitionTable;

/// The place of a record, or of a claim about one.
pub(crate) type Position = (PartitionRef, Offset);

/// In which way a record was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClaimKind {
    /// An acknowledgement says so.
    Acknowledged,
    /// The log holds it there.
    Stored,
    /// A reader was given it.
    Read,
    /// A reader was given it by a poll that was taken back.
    Glimpsed,
}

/// A record at an offset, as was said; ordered by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) partition: PartitionRef,
    pub(crate) offset: Offset,
    pub(crate) kind: ClaimKind,
    pub(crate) record: RecordId,
}

impl Claim {
    const fn place(&self) -> Position {
        (self.partition, self.offset)
    }
}

/// Collects the claims of one window.
#[derive(Debug)]
pub(crate) struct Collector {
    claims_max: usize,
    from: Option<Position>,
    until: Option<Position>,
    /// By partition: each one's come nearly in their order, so that putting them into
    /// it costs little more than looking at them.
    held: PartitionTable<Vec<Claim>>,
    len: usize,
}

impl Collector {
    pub(crate) fn new(claims_max: usize) -> Self {
        Self {
            claims_max,
            from: None,
            until: None,
            held: PartitionTable::default(),
            len: 0,
        }
    }

    /// Whether this is the first window.
    pub(crate) const fn is_first(&self) -> bool {
        self.from.is_none()
    }

    /// Takes a claim, where it lies in the window. The window is made smaller
    /// when it holds too many.
    pub(crate) fn offer(&mut self, claim: Claim) {
        let place = claim.place();
        if self.from.is_some_and(|from| place < from)
            || self.until.is_some_and(|until| place >= until)
        {
            return;
        }
        self.hold(claim);
        if self.len > self.claims_max {
            self.shed();
        }
    }

    fn hold(&mut self, claim: Claim) {
        self.held.entry(claim.partition).push(claim);
        self.len += 1;
    }

    /// Gives up the latter half, for a later reading.
    fn shed(&mut self) {
        let mut held = self.take();
        let half = self.claims_max / 2;
        if held.len() > half {
            let (first, middle) = (held[0].place(), held[half].place());
            let keep = if middle > first {
                held.partition_point(|claim| claim.place() < middle)
            } else {
                held.partition_point(|claim| claim.place() == first)
            };
            if let Some(cut) = held.get(keep) {
                self.until = Some(cut.place());
            }
            held.truncate(keep);
            // Claims about one offset that are too many by themselves: sorting
            // them again for each that comes would take for ever.
            self.claims_max = self.claims_max.max(2 * held.len());
        }
        for claim in held {
            self.hold(claim);
        }
    }

    /// Takes out what is held, sorted and each once.
    fn take(&mut self) -> Vec<Claim> {
        let mut all = Vec::with_capacity(self.len);
        for claims in self.held.values_mut() {
            claims.sort();
            claims.dedup();
            all.append(claims);
        }
        self.len = 0;
        // Numbers below zero are last in a table.
        all.sort();
        all
    }

    /// The claims of the window, sorted and each once, and a collector for the
    /// window behind it, where there is one.
    pub(crate) fn close(mut self) -> (Vec<Claim>, Option<Self>) {
        let held = self.take();
        let behind = self.until.is_none_or(|until| Some(until) > self.from);
        assert!(behind, "a window of claims ends where it begins, for ever");
        let next = self.until.map(|until| Self {
            from: Some(until),
            ..Self::new(self.claims_max)
        });
        (held, next)
    }
}

#[cfg(test)]
mod tests {
    use model::ids::{PartitionIndex, ProducerIx, Sequence, TopicIx};
    use proptest::prelude::*;

    use super::*;

    fn claim(partition: i32, offset: i64, sequence: u64) -> Claim {
        Claim {
            partition: PartitionRef {
                topic: TopicIx::new(0),
                partition: PartitionIndex::new(partition),
            },
            offset: Offset::new(offset),
            kind: ClaimKind::Stored,
            record: RecordId {
                producer: ProducerIx::new(0),
                sequence: Sequence::new(sequence),
            },
        }
    }

    proptest! {
        #[test]
        fn windows_hold_everything_once_and_in_order(
            claims in prop::collection::vec((-1i32..3, 0i64..9, 0u64..9), 0..200),
            claims_max in 1usize..40,
        ) {
            let claims: Vec<Claim> = claims
                .into_iter()
                .map(|(partition, offset, sequence)| claim(partition, offset, sequence))
                .collect();
            let mut all = Vec::new();
            let mut next = Some(Collector::new(claims_max));
            while let Some(mut collector) = next {
                for claim in &claims {
                    collector.offer(*claim);
                }
                let (held, behind) = collector.close();
                all.extend(held);
                next = behind;
            }
            let mut expected = claims;
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn no_more_is_held_than_the_limit_allows() {
        let mut collector = Collector::new(10);
        for offset in 0..1000 {
            collector.offer(claim(0, 999 - offset, 0));
            assert!(collector.len <= 10);
        }
        let (held, next) = collector.close();
        assert!(next.is_some());
        assert_eq!(held[0], claim(0, 0, 0));
    }
}
