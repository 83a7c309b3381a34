//! The anomalies of readers and groups where records and readings may belong
//! to transactions: a reader of committed records is given nothing else, and
//! what was done for a transaction counts when the transaction does.

use std::collections::{BTreeMap, BTreeSet};

use checker::GroupCoverage;
use model::anomaly::Anomaly;
use model::event::{Event, Isolation};
use model::ids::{GroupIx, MemberIx, PartitionRef, TransactionRef};

use super::Declared;
use super::said::{Fate, How, Move, Said};

/// From one offset that a member processed to the next, in one assignment.
struct Step {
    group: GroupIx,
    partition: PartitionRef,
    from: i64,
    to: i64,
    /// Both were processed for the same transaction.
    inside: bool,
}

pub(super) fn count(said: &Said, declared: &Declared) -> BTreeMap<Anomaly, usize> {
    let mut counts = BTreeMap::new();
    let mut add = |anomaly, count: usize| *counts.entry(anomaly).or_insert(0) += count;
    for step in steps(said) {
        let expected = said.visible(step.group, step.partition).into_iter();
        let skipped = expected.filter(|offset| step.from < *offset && *offset < step.to);
        let (skip, back) = if step.inside {
            (Anomaly::IntPollSkip, Anomaly::IntNonmonotonicPoll)
        } else {
            (Anomaly::PollSkip, Anomaly::NonmonotonicPoll)
        };
        add(skip, skipped.count());
        add(back, usize::from(step.to <= step.from));
    }
    for group in &declared.groups {
        for partition in &declared.partitions {
            let progress = Progress::of(said, *group, *partition);
            add(Anomaly::Reprocessed, progress.again());
            add(
                Anomaly::GroupGap,
                progress.gaps().len() + progress.gaps_expired().len(),
            );
            if said.waited.contains(group) {
                add(Anomaly::GroupIncomplete, progress.behind().len());
            }
        }
    }
    counts
}

fn steps(said: &Said) -> Vec<Step> {
    type Last = (i64, Option<TransactionRef>);
    let mut steps = Vec::new();
    let mut last: BTreeMap<(MemberIx, PartitionRef), Last> = BTreeMap::new();
    for it in &said.moves {
        match it {
            Move::Start(member) => last.retain(|(of, _), _| of != member),
            Move::Assign(member, partition) | Move::Revoke(member, partition) => {
                last.remove(&(*member, *partition));
            }
            Move::Set(member, partition, next) => {
                last.remove(&(*member, *partition));
                if let Some(next) = next {
                    last.insert((*member, *partition), (next - 1, None));
                }
            }
            Move::Undo(transaction) => last.retain(|_, (_, inside)| *inside != Some(*transaction)),
            Move::Read(at) => {
                let reading = &said.readings[*at];
                let (partition, to) = reading.place;
                let now = (to, reading.inside);
                let before = last.insert((reading.member, partition), now);
                steps.extend(before.map(|(from, inside)| Step {
                    group: reading.group,
                    partition,
                    from,
                    to,
                    inside: inside.is_some() && inside == reading.inside,
                }));
            }
        }
    }
    steps
}

impl Said {
    /// Where records stand in the pinned range that a reader of the group's
    /// isolation level is given.
    fn visible(&self, group: GroupIx, partition: PartitionRef) -> Vec<i64> {
        let committed = self.reads_committed(group);
        let here = self.standing_in(partition).into_iter();
        // Where two were given at one place, both have to be visible.
        let hidden: BTreeSet<i64> = here
            .clone()
            .filter(|it| committed && matches!(it.how, How::Aborted | How::Open))
            .map(|it| it.place.1)
            .collect();
        let given: BTreeSet<i64> = here
            .filter(|it| self.is_there(it) && !hidden.contains(&it.place.1))
            .map(|it| it.place.1)
            .collect();
        given.into_iter().collect()
    }

    /// Those of them to which such a reader gets.
    fn expected(&self, group: GroupIx, partition: PartitionRef) -> Vec<i64> {
        let stable = self.first_open(partition);
        let stable = stable.filter(|_| self.reads_committed(group));
        let visible = self.visible(group, partition).into_iter();
        let reached = visible.filter(|offset| stable.is_none_or(|stable| *offset < stable));
        reached.collect()
    }

    fn reads_committed(&self, group: GroupIx) -> bool {
        self.isolation.get(&group) == Some(&Isolation::ReadCommitted)
    }

    /// Where the first transaction begins that no marker closes. A reader of
    /// committed records is given nothing from there on.
    fn first_open(&self, partition: PartitionRef) -> Option<i64> {
        let here = self.standing_in(partition);
        let mut open = here.iter().filter(|it| it.how == How::Open);
        let open = open.next().map(|it| it.place.1);
        open.filter(|_| !self.imported)
    }
}

/// How a group did in one partition.
struct Progress<'s> {
    said: &'s Said,
    group: GroupIx,
    partition: PartitionRef,
    /// What it processed and what counts, repetitions included.
    processed: Vec<i64>,
    /// What it processed for a transaction of which nobody knows the end.
    unsettled: BTreeSet<i64>,
    /// The highest position that is known to have been committed.
    committed: i64,
}

impl<'s> Progress<'s> {
    fn of(said: &'s Said, group: GroupIx, partition: PartitionRef) -> Self {
        let readings = || {
            let readings = said.readings.iter();
            readings.filter(move |it| it.group == group && it.place.0 == partition)
        };
        let processed = readings().filter(|it| said.counts(it.inside));
        let processed: Vec<i64> = processed.map(|it| it.place.1).collect();
        let unsettled =
            readings().filter(|it| it.inside.map(|of| said.fate(of)) == Some(Fate::Unknown));
        let commits = said.commits.iter();
        let commits = commits.filter(|(of, at, _)| *of == group && *at == partition);
        let reported = said.reported.get(&(group, partition)).copied().flatten();
        let handed = said.handed.iter().filter(|(inside, of, at, _)| {
            *of == group && *at == partition && said.counts(Some(*inside))
        });
        let positions = commits.map(|(.., next)| *next).chain(reported);
        let positions = positions.chain(handed.map(|(.., next)| *next));
        Self {
            said,
            group,
            partition,
            unsettled: unsettled.map(|it| it.place.1).collect(),
            committed: positions.max().unwrap_or(0),
            processed,
        }
    }

    fn again(&self) -> usize {
        let distinct: BTreeSet<i64> = self.processed.iter().copied().collect();
        self.processed.len() - distinct.len()
    }

    fn is_missing(&self, offset: i64) -> bool {
        !self.processed.contains(&offset) && !self.unsettled.contains(&offset)
    }

    fn expected(&self) -> Vec<i64> {
        if self.said.is_whole(self.partition) {
            self.said.expected(self.group, self.partition)
        } else {
            Vec::new()
        }
    }

    fn gaps(&self) -> Vec<i64> {
        let below = |offset: &i64| *offset < self.committed && self.is_missing(*offset);
        self.expected().into_iter().filter(below).collect()
    }

    fn behind(&self) -> Vec<i64> {
        let above = |offset: &i64| *offset >= self.committed && self.is_missing(*offset);
        self.expected().into_iter().filter(above).collect()
    }

    /// Acknowledged below the log start, passed, and never processed. Of what
    /// a reader of committed records was to be given nobody knows there, where
    /// anything was sent in transactions.
    fn gaps_expired(&self) -> BTreeSet<i64> {
        let start = self.said.pinned.get(&self.partition).map_or(0, |it| it.0);
        let committed_only = self.said.reads_committed(self.group);
        let told =
            self.said.is_whole(self.partition) && (!committed_only || self.said.begun.is_empty());
        let acknowledged = self.said.acknowledged.iter().filter(|((at, offset), _)| {
            let below = (0..start.min(self.committed)).contains(offset);
            told && *at == self.partition && below
        });
        let offsets = acknowledged.map(|((_, offset), _)| *offset);
        offsets.filter(|offset| self.is_missing(*offset)).collect()
    }
}

/// How much there was of a group. What is not about its readings (its name) is
/// left as it is.
pub(crate) fn cover(events: &[Event], declared: &Declared, group: GroupIx) -> GroupCoverage {
    let said = Said::of(events, declared);
    let mut covered = GroupCoverage {
        waited: said.waited.contains(&group),
        steps: steps(&said).iter().filter(|it| it.group == group).count() as u64,
        ..GroupCoverage::default()
    };
    for partition in &declared.partitions {
        let progress = Progress::of(&said, group, *partition);
        let expected = progress.expected();
        let below = expected
            .iter()
            .filter(|offset| **offset < progress.committed);
        let distinct = expected.iter().filter(|it| progress.processed.contains(it));
        covered.stored += expected.len() as u64;
        covered.below_committed += below.count() as u64;
        covered.distinct += distinct.count() as u64;
        covered.processed += progress.processed.len() as u64;
        covered.reprocessed += progress.again() as u64;
        covered.gaps += (progress.gaps().len() + progress.gaps_expired().len()) as u64;
        covered.gaps_expired += progress.gaps_expired().len() as u64;
        covered.behind += progress.behind().len() as u64;
        covered.unsettled += progress.unsettled.len() as u64;
        let of = |of: GroupIx, at: PartitionRef| of == group && at == *partition;
        let commits = said.commits.iter().filter(|(it, at, _)| of(*it, *at));
        let handed = said.handed.iter();
        let handed = handed.filter(|(tx, it, at, _)| of(*it, *at) && said.counts(Some(*tx)));
        covered.commits += (commits.count() + handed.count()) as u64;
        if said.reads_committed(group)
            && said.is_whole(*partition)
            && let Some(stable) = said.first_open(*partition)
        {
            let here = said.standing_in(*partition).into_iter();
            covered.unstable += here.filter(|it| it.place.1 >= stable).count() as u64;
        }
    }
    covered
}
