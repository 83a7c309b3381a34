//! Where it was lost: puts each record that did not arrive to the hop that lost
//! it, as far as that can be told. Knows nothing of how the losses were found:
//! it takes their names from the findings, and is shown the history again.
//!
//! A record is known by its identity: two lost records may have been told one
//! offset, in two lives of the log. What it keeps are bits, where so many of
//! them were acknowledged, and the names of the findings, which are bounded;
//! what has no name any more is said not to have been traced.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, Content, Outcome};
use model::ids::{Offset, PartitionRef, ProducerIx, RecordId};
use model::verdict::{Finding, Hop, LostAt};

use crate::analysis::Coverage;
use crate::sets::record_set::RecordSet;
use crate::sets::sparse_set::SparseSet;

/// Lost records whose acknowledged place is kept, at most.
const PLACED_MAX: usize = 1 << 20;

/// What is known of the records that were lost, while the history is read
/// again.
#[derive(Default)]
pub(crate) struct LossLocation {
    /// By producer, in order: the sequences of what was lost.
    lost: BTreeMap<ProducerIx, Vec<(i64, i64)>>,
    partitions: BTreeMap<PartitionRef, LostOffsets>,
    /// Where lost records were acknowledged, of so many of them.
    placed: BTreeMap<RecordId, (PartitionRef, Offset)>,
    /// Lost records that a reader was given, or a replica held, wherever in
    /// their topic.
    seen: RecordSet,
    /// Committed row changes without an event, and those of them of which a
    /// group was given one.
    missing: RecordSet,
    missing_seen: RecordSet,
    /// Records that a group passed over and that had been deleted before.
    passed_expired: u64,
    /// Records that a group passed over, and those that it left, which a member
    /// had processed without effect.
    passed_in_vain: u64,
    left_in_vain: u64,
}

/// The offsets at which lost records were acknowledged in one partition.
#[derive(Default)]
struct LostOffsets {
    pinned: Option<(Offset, Offset)>,
    acknowledged: SparseSet,
    /// Another record stands there.
    replaced: SparseSet,
}

impl LossLocation {
    pub(crate) fn new(findings: &[Finding], coverage: &Coverage) -> Self {
        let groups = &coverage.groups;
        let missing = coverage
            .capture
            .iter()
            .flat_map(|capture| capture.missing.iter());
        let mut lacking = RecordSet::default();
        for change in missing {
            lacking.insert(RecordId::of_change(*change));
        }
        let mut lost: BTreeMap<ProducerIx, Vec<(i64, i64)>> = BTreeMap::new();
        let of_records = findings
            .iter()
            .filter(|finding| finding.anomaly == Anomaly::LostWrite);
        for range in of_records.flat_map(|finding| &finding.ranges) {
            let number = range.of.strip_prefix('p').and_then(|it| it.parse().ok());
            if let Some(producer) = number.map(ProducerIx::new) {
                let of = lost.entry(producer).or_default();
                of.push((range.first, range.last));
            }
        }
        for of in lost.values_mut() {
            of.sort_unstable();
        }
        Self {
            lost,
            partitions: BTreeMap::new(),
            placed: BTreeMap::new(),
            seen: RecordSet::default(),
            missing: lacking,
            missing_seen: RecordSet::default(),
            passed_expired: groups.iter().map(|group| group.gaps_expired).sum(),
            passed_in_vain: groups.iter().map(|group| group.gaps_in_vain).sum(),
            left_in_vain: groups
                .iter()
                .filter(|group| group.waited)
                .map(|group| group.behind_in_vain)
                .sum(),
        }
    }

    /// Whether no record was lost.
    pub(crate) fn is_idle(&self) -> bool {
        self.lost.is_empty() && self.missing.is_empty()
    }

    fn is_lost(&self, record: RecordId) -> bool {
        let sequence = record.sequence.get().cast_signed();
        self.lost.get(&record.producer).is_some_and(|ranges| {
            let after = ranges.partition_point(|(first, _)| *first <= sequence);
            after > 0 && ranges[after - 1].1 >= sequence
        })
    }

    /// Takes in the next event of the same history.
    pub(crate) fn observe(&mut self, body: &Body) {
        if self.is_idle() {
            return;
        }
        match body {
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { at, offset },
            } if self.is_lost(*record) => {
                let places = self.partitions.entry(*at).or_default();
                places.acknowledged.insert(offset.get());
                if self.placed.len() < PLACED_MAX {
                    self.placed.insert(*record, (*at, *offset));
                }
            }
            Body::Processed {
                content: Content::Ours(record),
                ..
            }
            | Body::ReplicaStored {
                content: Content::Ours(record),
                ..
            } if self.is_lost(*record) => {
                self.seen.insert(*record);
            }
            Body::Processed {
                content: content @ Content::Change(_),
                ..
            } => {
                let change = content.identity();
                if let Some(change) = change.filter(|change| self.missing.contains(*change)) {
                    self.missing_seen.insert(change);
                }
            }
            Body::Stored {
                partition, offset, ..
            } => {
                if let Some(places) = self.partitions.get_mut(partition)
                    && places.acknowledged.contains(offset.get())
                {
                    places.replaced.insert(offset.get());
                }
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => {
                let places = self.partitions.entry(*partition).or_default();
                places.pinned = Some((*log_start, *end));
            }
            _ => {}
        }
    }

    /// Writes into the findings where what they count was lost.
    pub(crate) fn finish(self, findings: &mut [Finding]) {
        for finding in findings {
            finding.lost_at = match finding.anomaly {
                Anomaly::LostWrite => self.hops(finding.count),
                Anomaly::GroupIncomplete => {
                    let in_vain = (Hop::WithoutEffect, self.left_in_vain);
                    split(finding.count, &[in_vain], Hop::NotDelivered)
                }
                Anomaly::GroupGap => {
                    let expired = (Hop::Expired, self.passed_expired);
                    let in_vain = (Hop::WithoutEffect, self.passed_in_vain);
                    split(finding.count, &[expired, in_vain], Hop::CommittedPast)
                }
                Anomaly::EffectLost => split(finding.count, &[], Hop::CommittedPast),
                Anomaly::RowMissing => {
                    let seen = (Hop::StoredThenGone, self.missing_seen.len());
                    split(finding.count, &[seen], Hop::NoEvent)
                }
                _ => Vec::new(),
            };
        }
    }

    fn hops(&self, count: u64) -> Vec<LostAt> {
        let mut counts: BTreeMap<Hop, u64> = BTreeMap::new();
        let mut left = count;
        for (record, (partition, offset)) in &self.placed {
            // Without an offset, nothing but its being seen is known of it.
            let places = self.partitions.get(partition);
            let places = places.filter(|_| offset.is_given());
            let hop = if self.seen.contains(*record) {
                Some(Hop::StoredThenGone)
            } else {
                places.map(|places| places.hop(offset.get()))
            };
            if let Some(hop) = hop.filter(|_| left > 0) {
                left -= 1;
                *counts.entry(hop).or_default() += 1;
            }
        }
        if left > 0 {
            counts.insert(Hop::NotTraced, left);
        }
        counts
            .into_iter()
            .map(|(hop, count)| LostAt::new(hop, count))
            .collect()
    }
}

/// So many at each hop that is known, and the rest at another; in the
/// pipeline's order.
fn split(count: u64, known: &[(Hop, u64)], rest: Hop) -> Vec<LostAt> {
    let mut left = count;
    let mut counts: BTreeMap<Hop, u64> = BTreeMap::new();
    for (hop, at) in known {
        let at = (*at).min(left);
        left -= at;
        counts.insert(*hop, at);
    }
    counts.insert(rest, left);
    let at = counts.into_iter().filter(|(_, count)| *count > 0);
    at.map(|(hop, count)| LostAt::new(hop, count)).collect()
}

impl LostOffsets {
    fn hop(&self, offset: i64) -> Hop {
        if self.replaced.contains(offset) {
            return Hop::Replaced;
        }
        match self.pinned {
            Some((start, end)) if start >= end => Hop::Wiped,
            Some((_, end)) if offset >= end.get() => Hop::CutOff,
            _ => Hop::NeverSeen,
        }
    }
}
