//! Everything about one row: what the writer did to it, and what its events told.
//! Knows nothing of what is wrong with that.

use std::collections::BTreeSet;

use model::event::{ChangeContent, RowOp};
use model::ids::{ChangeId, Lsn, Offset, PartitionRef, RowKey, TableIx};

pub(super) type Row = (TableIx, RowKey);

#[derive(Clone, Copy)]
pub(super) struct ChangeEvent {
    pub(super) partition: PartitionRef,
    pub(super) offset: Offset,
    pub(super) op: RowOp,
    pub(super) content: ChangeContent,
    pub(super) lsn: Lsn,
    /// Which of all events it is, as they were read.
    pub(super) number: u64,
}

/// The outcome of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeOutcome {
    Committed,
    RolledBack,
    Unknown,
}

/// A change of a row.
#[derive(Clone, Copy)]
pub(super) struct RowChange {
    pub(super) change: ChangeId,
    pub(super) op: RowOp,
    pub(super) outcome: ChangeOutcome,
    /// No event of it comes any more.
    pub(super) is_final: bool,
    /// It was completed before the connector was created.
    pub(super) before_capture: bool,
}

/// Everything about one row: what the writer did, and the events.
#[derive(Default)]
pub(super) struct RowHistory<'e> {
    pub(super) changes: Vec<RowChange>,
    pub(super) events: &'e [ChangeEvent],
    /// An event of it stands in a transaction that is still open.
    pub(super) open: bool,
    /// Whether there is a change of which the database did not say what became:
    /// without its event, or its row, that may stay unknown.
    pub(super) untold: bool,
}

impl RowHistory<'_> {
    pub(super) fn count(&self, wanted: ChangeOutcome) -> u64 {
        let of = self.changes.iter().filter(|made| made.outcome == wanted);
        of.count() as u64
    }

    pub(super) fn made(&self, change: ChangeId) -> Option<&RowChange> {
        let changes = &self.changes;
        let at = changes.binary_search_by_key(&change, |made| made.change);
        at.ok().map(|at| &changes[at])
    }

    /// Whether no event of the row comes any more.
    pub(super) fn is_final(&self) -> bool {
        self.changes.iter().all(|made| made.is_final)
    }

    /// Whether its latest event tells of its last change.
    pub(super) fn is_told_to_the_end(&self, told: &RowEvents) -> bool {
        let mut changes = self.changes.iter().rev();
        let last = changes.find(|made| made.outcome != ChangeOutcome::RolledBack);
        last.is_some_and(|last| told.latest == Some(last.change))
    }

    /// Which deletion a delete event tells of: the first that may have been
    /// committed behind the change that the row's events told of before it;
    /// where there is none, an earlier one that nothing told of. One that is
    /// told again comes from the same place in the write-ahead log; where the
    /// places are not known, what comes from none of these is told again, too.
    pub(super) fn deletion(&self, told: &RowEvents, lsn: Lsn) -> Option<ChangeId> {
        if let Some((_, known)) = told.deletions.iter().find(|(at, _)| *at == lsn) {
            return Some(*known);
        }
        let deletions = || {
            self.changes
                .iter()
                .filter(|made| {
                    made.op == RowOp::Delete && made.outcome != ChangeOutcome::RolledBack
                })
                .map(|made| made.change)
        };
        deletions()
            .find(|id| told.cursor.is_none_or(|cursor| *id > cursor))
            .or_else(|| deletions().rfind(|id| !told.changes.contains(id)))
            .or_else(|| deletions().next_back().filter(|_| lsn == Lsn::new(0)))
    }
}

/// What the events of one row told.
pub(super) struct RowEvents {
    pub(super) changes: BTreeSet<ChangeId>,
    /// The change that the latest event told of.
    pub(super) cursor: Option<ChangeId>,
    /// The change that the very last event told of, if of any.
    pub(super) latest: Option<ChangeId>,
    pub(super) deletions: Vec<(Lsn, ChangeId)>,
    /// The latest change that a snapshot found in the row: what was there
    /// before it needs no event.
    pub(super) snapshot: Option<ChangeId>,
    /// The latest change that a snapshot may have found, by an event that does
    /// not say.
    pub(super) maybe_snapshot: Option<ChangeId>,
    pub(super) clean: bool,
}
