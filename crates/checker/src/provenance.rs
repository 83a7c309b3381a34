//! Where a history comes from, and what it is known to lack. Knows nothing of
//! what happened in it.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{Body, Isolation, Restart};
use model::ids::{GroupIx, Offset, PartitionRef, ProducerIx};

use crate::sets::ranges::Ranges;

/// Conclusions that an incomplete history forbids: every one of these
/// is the absence of an event that may only not have been recorded.
pub(crate) const ABSENCES: [Anomaly; 6] = [
    Anomaly::LostWrite,
    Anomaly::Unseen,
    Anomaly::PollSkip,
    Anomaly::GroupGap,
    Anomaly::GroupIncomplete,
    Anomaly::IntPollSkip,
];

/// What a history says of itself and of its groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provenance {
    /// The tool that recorded it, where that was another one.
    pub(crate) imported: Option<String>,
    /// What it lacks, and how that is known.
    pub(crate) lacking: Vec<String>,
    unrecorded: BTreeSet<ProducerIx>,
    isolation: BTreeMap<GroupIx, Isolation>,
    /// Groups that rely on being given committed records only.
    relying: BTreeSet<GroupIx>,
    /// Groups that may have been rebalanced between any two polls.
    rebalanced: BTreeSet<GroupIx>,
    /// What compaction may take.
    replaceable: BTreeMap<PartitionRef, Ranges>,
    /// Partitions whose offsets were given again, from where on, and how that
    /// came.
    pub(crate) given_again: BTreeMap<PartitionRef, (Offset, Restart)>,
    /// Sends of which nothing but their number is known.
    pub(crate) untold_sends: u64,
}

impl Provenance {
    pub(crate) fn observe(&mut self, body: &Body) {
        match body {
            Body::Imported { tool } => self.imported = Some(tool.clone()),
            Body::Incomplete { description } => self.lacking.push(description.clone()),
            Body::SendsUnrecorded { producer } => {
                self.unrecorded.insert(*producer);
            }
            Body::IsolationDeclared { group, isolation } => {
                self.isolation.insert(*group, *isolation);
            }
            Body::ReadCommittedRequired { group } => {
                self.relying.insert(*group);
            }
            Body::RebalancesUnrecorded { group } => {
                self.rebalanced.insert(*group);
            }
            Body::Replaceable {
                partition,
                first,
                last,
            } => {
                let of = self.replaceable.entry(*partition).or_default();
                of.add(first.get(), last.get());
            }
            Body::OffsetsReused {
                before, first, how, ..
            } => {
                self.given_again.insert(*before, (*first, *how));
            }
            Body::SendsWithoutOutcome { sends, .. } => {
                self.untold_sends = self.untold_sends.saturating_add(*sends);
            }
            _ => {}
        }
    }

    /// Whether another tool recorded it, so that no observer read the truth.
    pub(crate) const fn is_imported(&self) -> bool {
        self.imported.is_some()
    }

    /// What compaction may take of a partition.
    pub(crate) fn replaceable(&self, partition: PartitionRef) -> Option<&Ranges> {
        self.replaceable.get(&partition)
    }

    /// Whether compaction may have taken what stood at an offset.
    pub(crate) fn is_replaceable(&self, partition: PartitionRef, offset: Offset) -> bool {
        let of = self.replaceable(partition);
        of.is_some_and(|of| of.contains(offset))
    }

    /// Whether an offset was given again after the log was cut: what stood there
    /// is gone for good.
    pub(crate) fn was_cut_away(&self, partition: PartitionRef, offset: Offset) -> bool {
        let cut = self.given_again.get(&partition);
        cut.is_some_and(|(first, how)| *how == Restart::Cut && offset >= *first)
    }

    /// Whether any group may have been rebalanced between any two polls.
    pub(crate) fn has_untold_rebalances(&self) -> bool {
        !self.rebalanced.is_empty()
    }

    /// Whether every send of a producer is on record.
    pub(crate) fn announces(&self, producer: ProducerIx) -> bool {
        !self.unrecorded.contains(&producer)
    }

    /// Which records the members of a group are given.
    pub(crate) fn isolation(&self, group: GroupIx) -> Isolation {
        self.isolation.get(&group).copied().unwrap_or_default()
    }

    /// Whether a group is held to being given committed records only: because
    /// it reads with that level, or because it relies on it.
    pub(crate) fn must_read_committed(&self, group: GroupIx) -> bool {
        self.reads_committed(group) || self.relying.contains(&group)
    }

    /// Whether a group is given committed records only.
    pub(crate) fn reads_committed(&self, group: GroupIx) -> bool {
        self.isolation(group) == Isolation::ReadCommitted
    }
}
