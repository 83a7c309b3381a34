//! The anomalies of readers and groups where records and readings may belong
//! to transactions: a reader of committed records is given nothing else, and
//! what was done for a transaction counts when the transaction does.

use std::collections::{BTreeMap, BTreeSet};

use checker::GroupCoverage;
use model::anomaly::Anomaly;
use model::event::{Content, Event, Isolation};
use model::ids::{GroupIx, MemberIx, PartitionRef, RecordId, TransactionRef};

use super::Declared;
use super::said::{Commit, How, Move, Reading, Said, TxnOutcome};

/// From what a member was given to the next, in one assignment: from what stands
/// to what stands, and from what is gone to what is gone.
struct Step {
    group: GroupIx,
    partition: PartitionRef,
    from: Option<i64>,
    to: i64,
    /// It does not stand there any more.
    gone: bool,
    /// The group had been given it before, and that is gone, too.
    known: bool,
    /// Both were processed for the same transaction.
    inside: bool,
}

pub(super) fn count(said: &Said, declared: &Declared) -> BTreeMap<Anomaly, usize> {
    let mut counts = BTreeMap::new();
    let mut add = |anomaly, count: usize| *counts.entry(anomaly).or_insert(0) += count;
    for step in steps(said) {
        let Some(from) = step.from else {
            continue;
        };
        let expected = said.visible(step.group, step.partition).into_iter();
        let skipped = expected.filter(|at| !step.gone && from < *at && *at < step.to);
        let (skip, back) = if step.inside {
            (Anomaly::IntPollSkip, Anomaly::IntNonmonotonicPoll)
        } else {
            (Anomaly::PollSkip, Anomaly::NonmonotonicPoll)
        };
        add(skip, skipped.count());
        let went_back = step.to <= from && (!step.gone || step.known);
        add(back, usize::from(went_back));
    }
    for group in &declared.groups {
        for partition in &declared.partitions {
            let progress = Progress::of(said, *group, *partition);
            add(Anomaly::Reprocessed, progress.again().0);
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

/// What a member was given of a partition: where, what, and for which
/// transaction. Nothing is known of what stood where it was set by hand.
type Last = (i64, Option<Content>, Option<TransactionRef>);
type Hands = BTreeMap<(MemberIx, PartitionRef), Vec<Last>>;

fn make(said: &Said, hands: &mut Hands, it: &Move) {
    match it {
        Move::Start(member) => hands.retain(|(of, _), _| of != member),
        Move::Assign(member, partition) | Move::Revoke(member, partition) => {
            hands.remove(&(*member, *partition));
        }
        Move::Set(member, partition, next) => {
            let next = next.iter().map(|next| (next - 1, None, None));
            hands.insert((*member, *partition), next.collect());
        }
        Move::Undo(transaction) => {
            // What was read for it last is to be read again.
            let undone = |given: &Vec<Last>| {
                let last = given.last().and_then(|(.., of)| *of);
                last == Some(*transaction)
            };
            hands.retain(|_, given| !undone(given));
        }
        Move::Read(at) => {
            let reading = &said.readings[*at];
            let (partition, to) = reading.place;
            let now = (to, Some(reading.content), reading.inside);
            let given = hands.entry((reading.member, partition)).or_default();
            given.push(now);
        }
    }
}

fn steps(said: &Said) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut hands = Hands::new();
    for it in &said.moves {
        if let Move::Read(at) = it {
            let reading = &said.readings[*at];
            let (partition, to) = reading.place;
            let before = hands.get(&(reading.member, partition));
            let before = before.map_or(&[][..], Vec::as_slice);
            let gone = said.is_past(reading.place, Some(reading.content));
            let past = |at: i64, content| said.is_past((partition, at), content);
            let mut same = before.iter().rev();
            let from = same.find(|(at, content, _)| gone == past(*at, *content));
            let mut earlier = said.readings[..*at].iter();
            let known = earlier.any(|it| {
                let named = matches!(it.content, Content::Ours(_));
                let same = it.group == reading.group && it.content == reading.content;
                named && same && said.is_past(it.place, Some(it.content))
            });
            if !before.is_empty() {
                steps.push(Step {
                    known,
                    group: reading.group,
                    partition,
                    from: from.map(|(at, ..)| *at),
                    to,
                    gone,
                    inside: reading.inside.is_some()
                        && from.is_some_and(|(.., inside)| *inside == reading.inside),
                });
            }
        }
        make(said, &mut hands, it);
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
    /// What it processed here and what counts, repetitions included.
    processed: Vec<&'s Reading>,
    /// What it processed for a transaction of unknown outcome.
    unsettled: BTreeSet<i64>,
    /// The highest position that is known to have been committed.
    committed: i64,
}

impl Said {
    /// What a group processed anywhere and what counts, or what it processed
    /// for transactions of unknown outcome.
    fn processed(&self, group: GroupIx, outcome: TxnOutcome) -> impl Iterator<Item = &Reading> {
        self.readings.iter().filter(move |it| {
            let of = it
                .inside
                .map_or(TxnOutcome::Committed, |of| self.outcome(of));
            it.group == group && of == outcome
        })
    }

    /// Whether any of these readings is of what stands, or stood, at a place.
    fn is_among(&self, place: (PartitionRef, i64), readings: &[&Reading]) -> bool {
        let here = readings.iter().filter(|it| it.place == place);
        let Some(Content::Ours(record)) = self.stands(place) else {
            return here.count() > 0;
        };
        let mut here = here.map(|it| it.content);
        readings
            .iter()
            .any(|it| it.content == Content::Ours(record))
            || here.any(|content| !matches!(content, Content::Ours(_)))
    }

    fn is_gone(&self, commit: &Commit) -> bool {
        let mut last = Hands::new();
        for it in &self.moves[..commit.moves] {
            make(self, &mut last, it);
        }
        let last = last.get(&(commit.member, commit.partition));
        let last = last.and_then(|given| given.last());
        let end = self.pinned.get(&commit.partition);
        let behind_end = end.is_some_and(|(_, end)| commit.next > *end);
        behind_end
            || last.is_some_and(|(at, content, _)| self.is_past((commit.partition, *at), *content))
    }

    /// Whether what a transaction read last of a partition is gone.
    fn read_the_past(&self, of: TransactionRef, partition: PartitionRef) -> bool {
        let readings = self.readings.iter();
        let mut readings = readings.filter(|it| it.inside == Some(of) && it.place.0 == partition);
        let last = readings.next_back();
        last.is_some_and(|last| self.is_past(last.place, Some(last.content)))
    }

    /// How far a group has committed. Where the log was cut, what was committed
    /// behind records that are gone counts only as the position from which the
    /// group starts.
    fn committed(&self, group: GroupIx, partition: PartitionRef) -> i64 {
        let commits = self.commits.iter();
        let commits: Vec<&Commit> = commits
            .filter(|it| it.group == group && it.partition == partition)
            .collect();
        let reported = self.reported.get(&(group, partition)).copied();
        let handed = self.handed.iter().filter(|(inside, of, at, _)| {
            *of == group && *at == partition && self.counts(Some(*inside))
        });
        let end = self.pinned.get(&partition).map(|(_, end)| *end);
        let beyond = |position: Option<i64>| {
            end.is_some_and(|end| position.is_some_and(|position| position > end))
        };
        let highest = commits.iter().map(|it| it.next).max();
        let here = self.readings.iter().filter(|it| it.place.0 == partition);
        let farthest = here.map(|it| it.place.1 + 1).max();
        let mut places = self.readings.iter().map(|it| it.place);
        let reused = places.any(|place| place.0 == partition && self.is_reused(place));
        let handed: Vec<_> = handed.collect();
        let taken = handed.iter().map(|(.., next)| *next).max();
        let position = highest.max(reported.flatten()).max(taken);
        let is_cut = !self.imported && (reused || beyond(farthest) || beyond(position));
        if !is_cut {
            return position.unwrap_or(0);
        }
        let present = commits.iter().filter(|it| !self.is_gone(it));
        let present = present.map(|it| it.next).max();
        let still = handed
            .iter()
            .filter(|(of, ..)| !self.read_the_past(*of, partition));
        let still = still.map(|(.., next)| *next);
        let still = still
            .filter(|next| end.is_none_or(|end| *next <= end))
            .max();
        let told = commits.iter().map(|it| (it.at, it.next));
        let told = told.max_by_key(|(at, _)| *at);
        let completed = handed.iter().map(|(of, _, _, next)| {
            let never = model::ids::Micros::new(u64::MAX);
            (self.completed.get(of).copied().unwrap_or(never), *next)
        });
        let completed = completed.max_by_key(|(at, _)| *at);
        let start = reported.unwrap_or(completed.max(told).map(|(_, next)| next));
        let start = start.filter(|start| end.is_none_or(|end| *start <= end));
        present.max(still).max(start).unwrap_or(0)
    }
}

impl<'s> Progress<'s> {
    fn of(said: &'s Said, group: GroupIx, partition: PartitionRef) -> Self {
        let here = |it: &&Reading| it.place.0 == partition;
        let unsettled = said.processed(group, TxnOutcome::Unknown).filter(here);
        Self {
            said,
            group,
            partition,
            unsettled: unsettled.map(|it| it.place.1).collect(),
            committed: said.committed(group, partition),
            processed: said
                .processed(group, TxnOutcome::Committed)
                .filter(here)
                .collect(),
        }
    }

    /// What was processed again, and how much of it at another place than
    /// before; what was done outside of transactions is seen first.
    fn again(&self) -> (usize, usize) {
        let all: Vec<&Reading> = self
            .said
            .processed(self.group, TxnOutcome::Committed)
            .collect();
        let (inside, outside): (Vec<&Reading>, Vec<&Reading>) =
            all.into_iter().partition(|it| it.inside.is_some());
        let mut records: BTreeSet<RecordId> = BTreeSet::new();
        let (mut places, mut nameless) = (BTreeSet::new(), BTreeSet::new());
        let (mut again, mut copies) = (0, 0);
        for it in outside.into_iter().chain(inside) {
            let elsewhere = places.insert(it.place);
            let repeated = match it.content {
                Content::Ours(record) => !records.insert(record),
                _ => !nameless.insert(it.place),
            };
            if it.place.0 == self.partition {
                again += usize::from(repeated);
                copies += usize::from(repeated && elsewhere);
            }
        }
        (again, copies)
    }

    fn has_processed(&self, offset: i64) -> bool {
        let all: Vec<&Reading> = self
            .said
            .processed(self.group, TxnOutcome::Committed)
            .collect();
        self.said.is_among((self.partition, offset), &all)
    }

    fn is_unsettled(&self, offset: i64) -> bool {
        self.was_in_hand(offset, TxnOutcome::Unknown)
    }

    /// How many of these it processed for transactions that were not committed.
    fn in_vain(&self, offsets: &[i64]) -> u64 {
        let vain = offsets.iter();
        let vain = vain.filter(|offset| self.was_in_hand(**offset, TxnOutcome::Aborted));
        vain.count() as u64
    }

    fn was_in_hand(&self, offset: i64, outcome: TxnOutcome) -> bool {
        let place = (self.partition, offset);
        let all: Vec<&Reading> = self.said.processed(self.group, outcome).collect();
        match self.said.stands(place) {
            Some(stands @ Content::Ours(_)) => all.iter().any(|it| it.content == stands),
            _ => all.iter().any(|it| it.place == place),
        }
    }

    fn is_missing(&self, offset: i64) -> bool {
        !self.has_processed(offset) && !self.is_unsettled(offset)
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
        let expected = self.expected().into_iter();
        expected.chain(self.beyond()).filter(below).collect()
    }

    /// Of a history without a log: acknowledged and visible above everything
    /// that anybody was given.
    fn beyond(&self) -> BTreeSet<i64> {
        let end = self.said.pinned.get(&self.partition).map_or(0, |it| it.1);
        let acknowledged = self.said.acknowledged.iter();
        let beyond = acknowledged.filter(|((at, offset), record)| {
            let of = self.said.transaction_of(*record);
            let visible = of.is_none_or(|of| self.said.outcome(of) == TxnOutcome::Committed);
            self.said.imported && *at == self.partition && *offset >= end && visible
        });
        let committed_only = self.said.reads_committed(self.group);
        let hidden = |offset: &i64| {
            let mut here = self.said.standing_in(self.partition).into_iter();
            here.any(|it| it.place.1 == *offset && matches!(it.how, How::Aborted | How::Open))
        };
        beyond
            .map(|((_, offset), _)| *offset)
            .filter(|offset| !(committed_only && hidden(offset)))
            .collect()
    }

    fn behind(&self) -> Vec<i64> {
        let above = |offset: &i64| *offset >= self.committed && self.is_missing(*offset);
        self.expected().into_iter().filter(above).collect()
    }

    /// Acknowledged below the log start, passed, and never processed. Of what
    /// a reader of committed records was to be given is unknown there, where
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
        let distinct = expected.iter().filter(|it| progress.has_processed(**it));
        covered.stored += expected.len() as u64;
        covered.below_committed += below.count() as u64;
        covered.distinct += distinct.count() as u64;
        covered.processed += progress.processed.len() as u64;
        let (again, copies) = progress.again();
        covered.reprocessed += again as u64;
        covered.copies += copies as u64;
        covered.gaps += (progress.gaps().len() + progress.gaps_expired().len()) as u64;
        covered.gaps_expired += progress.gaps_expired().len() as u64;
        covered.behind += progress.behind().len() as u64;
        covered.gaps_in_vain += progress.in_vain(&progress.gaps());
        covered.behind_in_vain += progress.in_vain(&progress.behind());
        covered.unsettled += progress.unsettled.len() as u64;
        let of = |of: GroupIx, at: PartitionRef| of == group && at == *partition;
        let commits = said.commits.iter().filter(|it| of(it.group, it.partition));
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
