//! Which group's reading of which partition is checked, and what of the partition
//! the group's members are given.

use model::anomaly::Anomaly;
use model::ids::{GroupIx, Offset, PartitionRef};

use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};
use crate::invariants::without;
use crate::log::PartitionLog;
use crate::names::Names;
use crate::sets::ranges::Ranges;

/// What of a partition a group's members are given.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the group or the topic"
)]
#[derive(Clone, Copy)]
pub(super) struct Bounds<'r> {
    /// What they are not given, though others are.
    hidden: Option<&'r Ranges>,
    /// Where they cannot get past, if anywhere.
    pub(super) stable_end: Option<Offset>,
    /// Whether they are given committed records only.
    pub(super) committed_only: bool,
    /// Whether anything was sent in transactions.
    pub(super) transactional: bool,
    /// Whether a member's client reported that it cannot read what stands
    /// there: what it cannot read it jumps over.
    pub(super) beyond_client: bool,
    /// What compaction may have taken before they came to it.
    pub(super) replaceable: Option<&'r Ranges>,
    /// Whether the topic is said to be compacted.
    pub(super) compacts: bool,
}

impl<'r> Bounds<'r> {
    pub(super) fn of(context: &'r Context, group: GroupIx, partition: PartitionRef) -> Self {
        let txn_outcomes = &context.txn_outcomes;
        let committed_only = context.provenance.reads_committed(group);
        Self {
            hidden: committed_only
                .then(|| txn_outcomes.hidden(partition))
                .flatten(),
            stable_end: committed_only
                .then(|| txn_outcomes.stable_end(partition))
                .flatten(),
            committed_only,
            transactional: !txn_outcomes.transactions.is_empty(),
            beyond_client: context.waits.limit(group, partition).is_some(),
            replaceable: context.provenance.replaceable(partition),
            compacts: context.names.compacts(partition.topic),
        }
    }

    pub(super) fn hides(self, offset: i64) -> bool {
        let hidden = self.hidden;
        hidden.is_some_and(|hidden| hidden.contains(Offset::new(offset)))
    }

    /// Whether compaction may have taken what stood there.
    pub(super) fn may_have_lost(self, offset: i64) -> bool {
        let replaceable = self.replaceable;
        replaceable.is_some_and(|of| of.contains(Offset::new(offset)))
    }

    /// How many records they are given below an offset.
    pub(super) fn count(self, log: &PartitionLog, end: i64) -> u64 {
        let hidden = self.hidden.into_iter().flat_map(Ranges::iter);
        let hidden = hidden
            .map(|(first, last)| log.data_count(first.max(0), end.min(last.saturating_add(1))));
        without(
            log.data_count(0, end),
            hidden.sum(),
            "records hidden, of those stored",
        )
    }
}

/// The group and the partition that are being settled.
#[derive(Clone, Copy)]
pub(super) struct GroupScope<'r> {
    pub(super) group: GroupIx,
    pub(super) partition: PartitionRef,
    pub(super) names: &'r Names,
}

impl<'r> GroupScope<'r> {
    pub(super) const fn of(group: GroupIx, partition: PartitionRef, names: &'r Names) -> Self {
        Self {
            group,
            partition,
            names,
        }
    }

    pub(super) fn add(
        self,
        collector: &mut FindingCollector,
        anomaly: Anomaly,
        at: Offset,
        watch: &[Watch],
        what: impl FnOnce() -> String,
    ) {
        collector.add(anomaly, Scope::Partition(self.partition), at.get(), || {
            let group = self.names.group(self.group);
            let partition = self.names.partition(self.partition);
            let mut all = vec![Watch::Position(self.partition, at)];
            all.extend(watch);
            (format!("{partition}@{at}: {} ({group})", what()), all)
        });
    }

    /// commit-regression: an accepted commit below what was committed when its
    /// member was given the partition, or below what the member itself
    /// committed since; and a final position below the last accepted commit.
    /// Answers that reach two members at about the same time prove no order,
    /// so a commit is never held against another member's that was answered
    /// after the assignment.
    pub(super) fn regress(
        self,
        collector: &mut FindingCollector,
        from: Offset,
        to: Option<Offset>,
    ) {
        let at = to.unwrap_or(from);
        let watch = [from, at].map(|of| Watch::CommitOf(self.group, self.partition, of));
        self.add(
            collector,
            Anomaly::CommitRegression,
            at,
            &watch,
            || match to {
                Some(_) => format!("the committed position went back from {from}"),
                None => format!("the committed position {from} was forgotten"),
            },
        );
    }
}
