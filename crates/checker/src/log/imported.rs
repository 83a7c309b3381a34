//! The truth of a history that another tool recorded. No observer read it, so
//! what the readers were given stands for it, up to the highest offset that
//! any reader was given of each partition. Knows nothing of the tools.
//!
//! A record exists at an offset when a reader was given it there, or when an
//! acknowledgement names the place and its transaction, if it was sent in one,
//! has committed.

use model::ids::{Offset, PartitionRef, RecordId};

use super::{Ledger, Placement};
use crate::fates::{Fate, Fates};
use crate::roster::Roster;

impl Ledger {
    /// Takes what the readers were given for what the log holds.
    pub(crate) fn stand_in(&mut self, roster: &Roster) {
        for topic in roster.topics.keys() {
            for partition in roster.partitions_of(*topic) {
                self.partitions.entry(partition).or_default();
            }
        }
        for log in self.partitions.values_mut() {
            for placements in [&mut log.acknowledged, &mut log.processed] {
                placements.sort_unstable();
                placements.dedup();
            }
            log.stored = std::mem::take(&mut log.processed);
            let read = log.stored.iter().map(|placement| placement.offset.get());
            for offset in read.chain(log.phantom.iter()).chain(log.corrupt.iter()) {
                log.data.insert(offset);
            }
            let end = log.data.last().map_or(0, |last| last.saturating_add(1));
            log.pinned = Some(Offset::new(0)..Offset::new(end.max(0)));
            log.read = true;
        }
    }

    /// Lets what was acknowledged exist, now that it is known what became of
    /// the transactions.
    pub(crate) fn believe_acknowledgements(&mut self, fates: &Fates) {
        for log in self.partitions.values_mut() {
            let range = log.pinned.clone().unwrap_or_default();
            for placement in &log.acknowledged {
                let committed = matches!(
                    fates.fate_of(placement.record),
                    None | Some(Fate::Committed)
                );
                if committed
                    && range.contains(&placement.offset)
                    && log.data.insert(placement.offset.get())
                {
                    log.only_acknowledged += 1;
                }
            }
        }
    }

    /// What was acknowledged or read in a partition, in the order of offsets;
    /// after [`Ledger::stand_in`].
    pub(crate) fn standing(
        &self,
        partition: PartitionRef,
    ) -> impl Iterator<Item = (Offset, RecordId)> + '_ {
        let log = self.partitions.get(&partition);
        let (acknowledged, read) =
            log.map_or((&[][..], &[][..]), |log| (&log.acknowledged, &log.stored));
        let mut acknowledged = acknowledged.iter().peekable();
        let mut read = read.iter().peekable();
        std::iter::from_fn(move || {
            let next: &Placement = match (acknowledged.peek(), read.peek()) {
                (Some(ack), Some(given)) if ack == given => {
                    read.next();
                    acknowledged.next()?
                }
                (Some(ack), Some(given)) if ack > given => read.next()?,
                (Some(_), _) => acknowledged.next()?,
                (None, _) => read.next()?,
            };
            Some((next.offset, next.record))
        })
    }
}
