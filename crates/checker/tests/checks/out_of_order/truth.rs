//! What becomes of the log of a random history before it is read, and how it is
//! read.

use model::event::{BatchKind, Body, Content};
use model::ids::{Offset, PartitionRef, TransactionRef};

use super::{Observation, Spoil};
use crate::story::Slot;

impl Spoil {
    pub(super) fn befall(self, log: &mut Vec<Slot>) {
        let is_there = |at: usize| at < log.len();
        match self {
            Self::Swap(one, other) if is_there(one) && is_there(other) => log.swap(one, other),
            Self::Remove(at) if is_there(at) => log[at] = Slot::Gap,
            Self::Pass(at) => {
                let marker = log.iter_mut().skip(at).find_map(|slot| match slot {
                    Slot::Commit(producer) => {
                        let turned = Slot::Abort(*producer);
                        Some((slot, turned))
                    }
                    Slot::Abort(producer) => {
                        let turned = Slot::Commit(*producer);
                        Some((slot, turned))
                    }
                    _ => None,
                });
                if let Some((slot, turned)) = marker {
                    *slot = turned;
                }
            }
            Self::Copy(at) if is_there(at) => log.push(log[at]),
            Self::Damage(at) if is_there(at) => log[at] = log[at].holding(Content::Corrupt),
            Self::Replace(at) if is_there(at) => log[at] = log[at].holding(Content::Foreign),
            _ => {}
        }
    }
}

impl Slot {
    /// The same place with something else in it; markers stay.
    fn holding(self, content: Content) -> Self {
        match self {
            Self::Is(_) => Self::Is(content),
            Self::In(producer, _) => Self::In(producer, content),
            other => other,
        }
    }

    fn batch(self) -> Option<(i64, BatchKind)> {
        match self {
            Self::Gap => None,
            Self::Is(_) => Some((-1, BatchKind::Plain)),
            Self::In(producer, _) => Some((producer, BatchKind::Transactional)),
            Self::Commit(producer) => Some((producer, BatchKind::CommitMarker)),
            Self::Abort(producer) => Some((producer, BatchKind::AbortMarker)),
        }
    }

    pub(super) fn content(self) -> Option<Content> {
        match self {
            Self::Is(content) | Self::In(_, content) => Some(content),
            _ => None,
        }
    }
}

impl Observation {
    /// A batch holds records of one transaction: its producer begins none before
    /// everything of the last was sent.
    pub(super) fn tell(
        self,
        partition: PartitionRef,
        log: &[Slot],
        of: impl Fn(Slot) -> Option<TransactionRef>,
        bodies: &mut Vec<Body>,
    ) {
        let end = log.len().saturating_sub(self.short);
        let start = self.start.min(end);
        let offset = |at: usize| Offset::new(i64::try_from(at).unwrap());
        if self.pinned {
            bodies.push(Body::Pinned {
                partition,
                log_start: offset(start),
                end: offset(end),
            });
        }
        let mut at = start;
        while at < end {
            let mut last = at;
            let is_data = |at: usize| log[at].content().is_some();
            while self.together
                && is_data(at)
                && last + 1 < end
                && is_data(last + 1)
                && log[last + 1].batch() == log[at].batch()
                && of(log[last + 1]) == of(log[at])
            {
                last += 1;
            }
            if let Some((producer_id, kind)) = log[at].batch() {
                bodies.push(Body::StoredBatch {
                    partition,
                    base_offset: offset(at),
                    last_offset: offset(last),
                    producer_id,
                    producer_epoch: 0,
                    base_sequence: -1,
                    kind,
                });
            }
            for (stored, slot) in log.iter().enumerate().take(last + 1).skip(at) {
                bodies.extend(slot.content().map(|content| Body::Stored {
                    partition,
                    offset: offset(stored),
                    content,
                }));
            }
            at = last + 1;
        }
        if self.read {
            bodies.push(Body::PartitionRead { partition });
        }
    }
}
