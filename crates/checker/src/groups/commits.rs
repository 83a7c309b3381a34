//! A group's accepted commits of one partition, and whether its position ever
//! went back. Knows nothing of what was processed.
//!
//! Commits that only ever go forward need no more than the latest. Where one
//! does not, which commit came before which is told by another reading, once
//! it is known which members committed: for each of them it keeps one commit.

use std::collections::BTreeSet;

use model::ids::{MemberIx, Micros, Offset};

/// An accepted commit.
#[derive(Clone, Copy)]
pub(crate) struct Commit {
    /// When the answer was seen.
    pub(crate) at: Micros,
    /// The member, and since when it had the partition.
    pub(crate) by: Tenure,
    /// The committed position.
    pub(crate) offset: Offset,
    /// Whether it lies behind the end, or its member had processed last a record
    /// that does not stand any more: the log was cut or made again since.
    pub(crate) past: bool,
}

/// A member's time with a partition, and since when: what was committed before
/// is what it started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tenure {
    pub(crate) since: Micros,
    pub(crate) member: MemberIx,
}

/// A committed position that is lower than one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Regression {
    pub(crate) from: Offset,
    pub(crate) to: Offset,
}

/// The commits as the first pass keeps them.
#[derive(Default)]
pub(crate) struct Commits {
    pub(crate) count: u64,
    /// The highest position.
    pub(crate) highest: Option<Offset>,
    /// The latest commit.
    latest: Option<(Micros, Offset)>,
    tenures: BTreeSet<Tenure>,
    newest: Option<Tenure>,
    /// Whether one may have gone back.
    pub(crate) are_contested: bool,
}

impl Commits {
    pub(crate) fn add(&mut self, commit: Commit) {
        self.count += 1;
        self.highest = self.highest.max(Some(commit.offset));
        if self.newest != Some(commit.by) {
            self.newest = Some(commit.by);
            self.tenures.insert(commit.by);
        }
        let (at, offset) = self.latest.unwrap_or((commit.at, commit.offset));
        self.are_contested |=
            commit.at < at || commit.offset < offset || self.came_late(commit.at, commit.by);
        if commit.at >= at {
            self.latest = Some((commit.at, commit.offset));
        }
    }

    /// Whether another tenure that began no earlier has committed already.
    fn came_late(&self, at: Micros, by: Tenure) -> bool {
        let since_then = Tenure {
            since: at,
            member: MemberIx::new(0),
        };
        let mut tenures = self.tenures.range(since_then..);
        tenures.any(|tenure| *tenure != by)
    }

    /// The position that was committed last, and when the answer was seen.
    pub(crate) const fn latest(&self) -> Option<(Micros, Offset)> {
        self.latest
    }

    /// An empty trail for the next pass.
    pub(crate) fn trail(&self) -> Trail {
        let tenures = self.tenures.iter().map(|tenure| TenureCommits {
            tenure: *tenure,
            inherited: None,
            first: None,
            last: None,
        });
        Trail {
            tenures: tenures.collect(),
        }
    }
}

/// What is known of each tenure's commits.
#[derive(Default)]
pub(crate) struct Trail {
    /// By the time at which they began.
    tenures: Vec<TenureCommits>,
}

struct TenureCommits {
    tenure: Tenure,
    /// The latest commit of others up to its beginning.
    inherited: Option<Commit>,
    first: Option<Commit>,
    last: Option<Commit>,
}

impl Commit {
    /// Whether the position went back from another commit to this one. Where
    /// that one was made in an earlier life of the log, the log went back, and
    /// not the group.
    fn back_from(self, other: Self) -> Option<Regression> {
        let over_a_cut = other.past && !self.past;
        (other.offset > self.offset && !over_a_cut).then_some(Regression {
            from: other.offset,
            to: self.offset,
        })
    }
}

impl Trail {
    /// Takes in the next commit; from where it went back, where it did so
    /// within its tenure.
    pub(crate) fn add(&mut self, commit: Commit) -> Option<Regression> {
        let begun = self
            .tenures
            .partition_point(|told| told.tenure.since < commit.at);
        for told in &mut self.tenures[begun..] {
            let later = told.inherited.is_none_or(|known| commit.at >= known.at);
            if told.tenure != commit.by && later {
                told.inherited = Some(commit);
            }
        }
        let own = self
            .tenures
            .binary_search_by_key(&commit.by, |told| told.tenure);
        let told = self.tenures.get_mut(own.ok()?)?;
        told.first.get_or_insert(commit);
        commit.back_from(told.last.replace(commit)?)
    }

    /// Tenures that began lower than what was committed before them.
    pub(crate) fn finish(&self) -> impl Iterator<Item = Regression> + '_ {
        self.tenures.iter().filter_map(|told| {
            let (from, to) = told.inherited.zip(told.first)?;
            to.back_from(from)
        })
    }
}
