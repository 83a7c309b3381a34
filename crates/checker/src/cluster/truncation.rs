//! log-truncation: how far a partition is known to have reached, against an
//! end that was pinned later. Knows nothing of what stood there.
//!
//! A partition had reached as far as: an end that the observer saw or pinned
//! at that moment or before; an offset that a member had processed by then;
//! and the offset of an acknowledged record that stands nowhere any more. An
//! acknowledgement whose record stands elsewhere proves nothing here: it is
//! *inconsistent-offsets*. Each partition counts once.
//!
//! A log that was cut off may have grown beyond its old end by the time it is
//! pinned. Then the producers tell: of a producer's records the one that was
//! acknowledged highest stands nowhere any more, and one that it sent after that
//! acknowledgement stands at its offset or below.
//!
//! Held: a few numbers for each partition, and each pinned end; for each
//! producer the highest sequence that it sent, and the highest offset that it
//! was told of each partition. Of the readings of a partition only the farthest
//! is kept, so a reading proves nothing where a farther one came behind the pin.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event, Outcome};
use model::ids::{Micros, Offset, PartitionRef, ProducerIx, RecordId, Sequence};

use crate::analyzer::{Analyzer, Need, OUTCOMES, PROCESSED, SENDS};
use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};
use crate::log::Ledger;
use crate::sets::table::{PartitionTable, Table};

/// A moment at which a partition reached up to an end.
#[derive(Clone, Copy, Debug)]
struct Reach {
    at: Micros,
    end: Offset,
}

impl Reach {
    fn extend(known: &mut Option<Self>, at: Micros, end: Offset) {
        if known.is_none_or(|known| end > known.end) {
            *known = Some(Self { at, end });
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Reaches {
    seen: Option<Reach>,
    processed: Option<Reach>,
    pinned: Vec<Reach>,
    /// The highest offset that each producer was told.
    told: BTreeMap<ProducerIx, HighestAck>,
    overtaken: BTreeMap<ProducerIx, Overtaken>,
}

/// A record that was acknowledged above all others of its producer.
#[derive(Clone, Copy, Debug)]
struct HighestAck {
    record: RecordId,
    offset: Offset,
    /// The highest sequence that the producer had sent when it heard of it.
    sent: Sequence,
}

/// A record that was sent after another's acknowledgement, and acknowledged
/// at its offset or below.
#[derive(Clone, Copy, Debug)]
struct Overtaken {
    before: HighestAck,
    record: RecordId,
    offset: Offset,
    /// Whether the later record was read where its acknowledgement says.
    stands: bool,
}

/// How far partitions reached, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truncation {
    partitions: PartitionTable<Reaches>,
    /// The highest sequence that each producer has sent.
    sent: Table<Sequence>,
    stage: Stage,
}

/// What has to be read for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing: no log can have been written over.
    #[default]
    Nothing,
    /// The history once more, to see whether later records stand where their
    /// acknowledgements say.
    Wanted,
    /// It is being read.
    Looking,
    Done,
}

/// How much there was to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TruncationCoverage {
    /// Partitions that were pinned.
    pub pinned: u64,
    /// Of these, the ones that were known to have reached somewhere before,
    /// and so could have been found shorter.
    pub compared: u64,
}

impl Analyzer for Truncation {
    type Uses<'d> = (&'d Ledger,);
    type Coverage = TruncationCoverage;

    const FREQUENT: u8 = SENDS | OUTCOMES | PROCESSED;

    fn observe(&mut self, event: &Event, _context: &Context, _collector: &mut FindingCollector) {
        match &event.body {
            Body::TailSeen { partition, end } => {
                let reaches = self.partitions.entry(*partition);
                Reach::extend(&mut reaches.seen, event.at, *end);
            }
            Body::Processed { from, offset, .. } => {
                let reaches = self.partitions.entry(*from);
                let end = Offset::new(offset.get().saturating_add(1));
                Reach::extend(&mut reaches.processed, event.at, end);
            }
            Body::SendInvoked { record, .. } => {
                let sent = self.sent.entry(record.producer.get().into());
                *sent = (*sent).max(record.sequence);
            }
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { at, offset },
            } if offset.get() >= 0 => self.acknowledged(*record, *at, *offset),
            Body::Pinned { partition, end, .. } => {
                let reaches = self.partitions.entry(*partition);
                reaches.pinned.push(Reach {
                    at: event.at,
                    end: *end,
                });
            }
            _ => {}
        }
    }

    /// Takes in the next event of another reading of the same history.
    fn observe_again(
        &mut self,
        event: &Event,
        _context: &Context,
        _uses: Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) {
        if self.stage != Stage::Looking {
            return;
        }
        if let Body::Stored {
            partition,
            offset,
            content: Content::Ours(record),
        } = &event.body
        {
            let reaches = self.partitions.entry(*partition);
            let overtaken = reaches.overtaken.get_mut(&record.producer);
            let same = |it: &&mut Overtaken| it.record == *record && it.offset == *offset;
            if let Some(overtaken) = overtaken.filter(same) {
                overtaken.stands = true;
            }
        }
    }

    /// Whether the history has to be read once more, now that it was read to
    /// its end.
    fn end_pass(
        &mut self,
        _context: &Context,
        _uses: Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) -> Need {
        self.stage = match self.stage {
            Stage::Wanted => Stage::Looking,
            Stage::Nothing | Stage::Looking | Stage::Done => Stage::Done,
        };
        match self.stage {
            Stage::Looking => Need::AnotherPass,
            Stage::Nothing | Stage::Wanted | Stage::Done => Need::Nothing,
        }
    }

    /// Finds partitions whose end moved back. `gone` are the acknowledged
    /// records that stand nowhere, by the partition of the acknowledgement:
    /// for each the highest one at or above the pinned end.
    fn settle(
        &mut self,
        context: &Context,
        (log,): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Self::Coverage {
        let mut coverage = TruncationCoverage::default();
        if context.provenance.is_imported() {
            return coverage;
        }
        for (partition, reaches) in self.partitions.iter() {
            let Some(last) = reaches.pinned.last() else {
                continue;
            };
            let reached = reaches.seen.is_some()
                || reaches.processed.is_some()
                || reaches.pinned.len() > 1
                || log.was_acknowledged(partition);
            coverage.pinned += 1;
            coverage.compared += u64::from(reached);
            let gone = log
                .lost()
                .above_end
                .get(&partition)
                .filter(|(offset, _)| *offset >= last.end);
            let scope = Scope::Partition(partition);
            let Some((before, after, how)) = reaches.moved_back().or_else(|| {
                gone.map(|(offset, _)| (*offset, last.end, ReachedBy::Record("acknowledged")))
            }) else {
                let proven = |it: &&Overtaken| {
                    it.stands && log.is_read(partition) && !log.holds(it.before.record)
                };
                if let Some(overtaken) = reaches.overtaken.values().find(proven) {
                    let Overtaken {
                        before,
                        record,
                        offset,
                        ..
                    } = *overtaken;
                    collector.add(Anomaly::LogTruncation, scope, offset.get(), || {
                        let what = format!(
                            "{} was acknowledged at {}, and {record}, sent after that, stands at \
                             {offset}",
                            context.names.partition(partition),
                            before.offset
                        );
                        (what, [before.record, record].map(Watch::Record).to_vec())
                    });
                }
                continue;
            };
            collector.add(Anomaly::LogTruncation, scope, after.get(), || {
                let of = context.names.partition(partition);
                let what = match how {
                    ReachedBy::Record(was) => {
                        format!("{of}@{before} was {was}, and later the log ended before offset {after}")
                    }
                    ReachedBy::End => {
                        format!("the log of {of} ended before offset {before}, and later before offset {after}")
                    }
                };
                let mut watch = vec![Watch::Ends(partition)];
                match gone {
                    Some((_, record)) => watch.push(Watch::Record(*record)),
                    None => watch.push(Watch::Position(partition, before)),
                }
                (what, watch)
            });
        }
        coverage
    }
}

impl Truncation {
    fn acknowledged(&mut self, record: RecordId, at: PartitionRef, offset: Offset) {
        let sent = *self.sent.entry(record.producer.get().into());
        let reaches = self.partitions.entry(at);
        match reaches.told.get(&record.producer) {
            Some(before) if offset <= before.offset => {
                // Of many such records the last is the likeliest to stand.
                if before.sent < record.sequence && record.sequence <= sent {
                    self.stage = Stage::Wanted;
                    let overtaken = Overtaken {
                        before: *before,
                        record,
                        offset,
                        stands: false,
                    };
                    reaches.overtaken.insert(record.producer, overtaken);
                }
            }
            _ => {
                let told = HighestAck {
                    record,
                    offset,
                    sent,
                };
                reaches.told.insert(record.producer, told);
            }
        }
    }
}

/// How it is known how far a log reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReachedBy {
    /// A record stood there: what was said of it.
    Record(&'static str),
    /// Its end was seen.
    End,
}

impl Reaches {
    /// From where to where the end moved back, and how the former is known.
    fn moved_back(&self) -> Option<(Offset, Offset, ReachedBy)> {
        let mut highest: Option<Offset> = None;
        for pinned in &self.pinned {
            if let Some(before) = highest.filter(|before| *before > pinned.end) {
                return Some((before, pinned.end, ReachedBy::End));
            }
            highest = highest.max(Some(pinned.end));
            let farther = |reach: &Reach| reach.at <= pinned.at && reach.end > pinned.end;
            if let Some(seen) = self.seen.filter(farther) {
                return Some((seen.end, pinned.end, ReachedBy::End));
            }
            if let Some(processed) = self.processed.filter(farther) {
                let offset = Offset::new(processed.end.get() - 1);
                return Some((offset, pinned.end, ReachedBy::Record("read")));
            }
        }
        None
    }
}
