//! What one group did with one partition: which offsets its members processed,
//! which they jumped over, and what they committed. Knows nothing of what the
//! group should have done.

use model::anomaly::Anomaly;
use model::event::Content;
use model::ids::{MemberIx, Micros, Offset};

use crate::derived::Outputs;
use crate::finding::FindingCollector;
use crate::groups::commits::{Commit, Commits};
use crate::groups::positions::Step;
use crate::groups::scope::{Bounds, GroupScope};
use crate::log::PartitionLog;
use crate::sets::record_set::RecordSet;
use crate::sets::sparse_set::SparseSet;
use crate::txn::reads::TxnCommit;

/// A jump over more offsets than this is kept by its ends.
const SHORT_JUMP_MAX: i64 = 64;

/// Long jumps of one reading that are kept, at most; where there are more,
/// all are looked at in another reading.
const LONG_JUMPS_MAX: usize = 256;

/// A committed position as the coordinator reports it at the end.
#[derive(Clone, Copy, Default)]
pub(super) enum Reported {
    /// It was not asked for.
    #[default]
    Nothing,
    /// The group has none.
    NoPosition,
    /// The next offset to read.
    Position(Offset),
}

/// The records that one group processed, wherever they stood.
#[derive(Default)]
pub(super) struct Records {
    pub(super) processed: RecordSet,
    /// In transactions of unknown outcome.
    pub(super) unsettled: RecordSet,
    /// In transactions that were not committed.
    pub(super) in_vain: RecordSet,
}

/// What one group did with one partition.
#[derive(Default)]
pub(super) struct PartitionReads {
    /// Offsets at which a member processed a record.
    pub(super) given: SparseSet,
    /// Those at which what it processed carries no identity.
    pub(super) nameless: SparseSet,
    /// The same, in transactions that were not, or may not have been, committed.
    pub(super) nameless_in_doubt: SparseSet,
    /// Records processed, repetitions included.
    pub(super) processed: u64,
    pub(super) reprocessed: u64,
    /// Of these, how many were processed at another offset than before: the
    /// log held them twice.
    pub(super) copies: u64,
    /// Offsets processed in a transaction of unknown outcome.
    pub(super) unsettled: SparseSet,
    /// Offsets processed in a transaction that was not committed.
    pub(super) in_vain: SparseSet,
    /// Whether a step went back.
    pub(super) went_back: bool,
    /// Positions that were committed with transactions.
    pub(super) joined: Vec<TxnCommit>,
    pub(super) commits: Commits,
    pub(super) reported: Reported,
    pub(super) jumps: Jumps,
    /// Which of the records that stand were processed, where that was looked
    /// up by their identities.
    pub(super) resolved: Option<Resolved>,
    /// What is known of commits of an earlier life of the log.
    pub(super) lives: Option<Lives>,
}

/// Offsets whose record, by its identity, a group has done something with.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) processed: SparseSet,
    pub(super) unsettled: SparseSet,
    pub(super) in_vain: SparseSet,
    /// Of a group that writes, what it made of the records.
    pub(super) outputs: Option<Outputs>,
}

/// Which of a group's commits were made behind records that stand.
#[derive(Clone, Copy, Default)]
pub(super) struct Lives {
    /// The highest of them.
    highest: Option<Offset>,
    /// The latest commit, and whether it was made behind a record that does
    /// not stand any more.
    pub(super) latest: Option<(Micros, bool)>,
}

impl PartitionReads {
    /// The highest position that the group is known to have committed. One
    /// that was committed behind a record that is gone says nothing of those
    /// that stand there now, unless the group is going to start from it.
    pub(super) fn committed(&self, end: Option<Offset>) -> Option<Offset> {
        let reported = match self.reported {
            Reported::Position(offset) => Some(offset),
            Reported::Nothing | Reported::NoPosition => None,
        };
        let joined = |past: bool| {
            let of = self
                .joined
                .iter()
                .filter(move |commit| past || !commit.past);
            of.map(|commit| commit.offset).max()
        };
        let Some(lives) = self.lives else {
            return self.position().max(joined(true));
        };
        let start = match self.reported {
            Reported::Nothing => self.latest().map(|(_, offset)| offset),
            Reported::Position(_) | Reported::NoPosition => reported,
        };
        // A position behind the end is none: the group will be reset.
        let start = start.filter(|start| end.is_none_or(|end| *start <= end));
        lives.highest.max(joined(false)).max(start)
    }

    /// The highest position on record, but for transactions.
    pub(super) fn position(&self) -> Option<Offset> {
        let reported = match self.reported {
            Reported::Position(offset) => Some(offset),
            Reported::Nothing | Reported::NoPosition => None,
        };
        self.commits.highest.max(reported)
    }

    /// The position that was committed last, by the moment of the answer.
    pub(super) fn latest(&self) -> Option<(Micros, Offset)> {
        let joined = self.joined.iter().max_by_key(|commit| commit.completed);
        let joined = joined.map(|commit| (commit.completed, commit.offset));
        joined.max(self.commits.latest())
    }

    /// Whether the latest commit was made behind a record that is gone.
    pub(super) fn latest_is_past(&self) -> bool {
        let joined = self.joined.iter().max_by_key(|commit| commit.completed);
        let joined = joined.map(|commit| (commit.completed, commit.past));
        let latest = self.lives.and_then(|lives| lives.latest);
        joined.max(latest).is_some_and(|(_, past)| past)
    }

    /// Notes how a member came to an offset; whether from another one.
    #[inline]
    pub(super) fn goes_on(&mut self, step: &Step, offset: Offset) -> bool {
        let Some(before) = step.from.map(|before| before.offset) else {
            return false;
        };
        if offset <= before {
            self.went_back = true;
        } else if offset.get() - 1 > before.get() {
            self.jumps.add(before.get() + 1, offset.get() - 1);
        }
        true
    }

    /// reprocessed: each time beyond the first that a group processed a
    /// record; where it carries no identity, an offset.
    #[inline]
    pub(super) fn count(
        &mut self,
        known: &mut RecordSet,
        (offset, content): (Offset, Content),
        member: MemberIx,
        place: GroupScope<'_>,
        collector: &mut FindingCollector,
    ) {
        self.processed += 1;
        let elsewhere = self.given.insert(offset.get());
        let again = match content.identity() {
            Some(record) => !known.insert(record),
            None => !self.nameless.insert(offset.get()),
        };
        if again {
            self.reprocessed += 1;
            self.copies += u64::from(elsewhere);
            place.add(collector, Anomaly::Reprocessed, offset, &[], || {
                format!("{} processed it again", place.names.member(member))
            });
        }
    }
}

/// Offsets that were jumped over, within one assignment.
#[derive(Default)]
pub(super) struct Jumps {
    /// Those of short jumps.
    over: SparseSet,
    /// First and last offset jumped over.
    long: Vec<(i64, i64)>,
    /// Whether there were more long ones.
    too_many: bool,
}

impl Jumps {
    pub(super) fn add(&mut self, first: i64, last: i64) {
        if last.saturating_sub(first) < SHORT_JUMP_MAX {
            for offset in first..=last {
                self.over.insert(offset);
            }
        } else if self.long.len() < LONG_JUMPS_MAX {
            self.long.push((first, last));
        } else {
            self.too_many = true;
        }
    }

    /// Whether any may have passed over a record that is not hidden.
    pub(super) fn are_contested(&self, log: Option<&PartitionLog>, bounds: Bounds<'_>) -> bool {
        let Some(log) = log else {
            return false;
        };
        let shown = |offset| !bounds.hides(offset);
        let passes = |(first, last): &(i64, i64)| log.data(*first, last + 1).any(shown);
        self.too_many || self.long.iter().any(passes) || log.data_in(&self.over).any(shown)
    }
}

impl Lives {
    pub(super) fn add(&mut self, commit: Commit) {
        if !commit.past {
            self.highest = self.highest.max(Some(commit.offset));
        }
        if self.latest.is_none_or(|(at, _)| commit.at >= at) {
            self.latest = Some((commit.at, commit.past));
        }
    }
}
