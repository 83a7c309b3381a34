//! Where the events of possible targets stand in a history. Knows nothing of what
//! is planted there.

pub(super) mod cluster;
pub(super) mod derived;
pub(super) mod effects;
pub(super) mod transactions;

use model::anomaly::Anomaly;
use model::event::{Body, ChangeContent, Event, Outcome};
use model::ids::{GroupIx, MemberIx, Offset, PartitionRef, RecordId, TransactionRef};

use crate::log::targets::Target;

/// An event and its place in the history, counted from 0.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) at: u64,
    pub(super) event: Event,
}

/// One reading of a target.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) group: GroupIx,
    pub(super) placed: Placed,
    /// The offset that the member processed before it, in the same
    /// assignment.
    pub(super) previous: Option<Offset>,
    /// The offset that the member processed after it, in the same assignment.
    pub(super) next: Option<Offset>,
    /// The transaction for which the member processed it, and whether it
    /// processed the previous and the next one for the same.
    pub(super) inside: Option<TransactionRef>,
    pub(super) with_previous: bool,
    pub(super) with_next: bool,
    /// The member had processed last what does not stand any more: without this
    /// reading, its next commit is one of an earlier life of the log.
    pub(super) behind_gone: bool,
}

impl Reading {
    /// The same, by another member.
    pub(super) fn by(&self, member: MemberIx) -> Body {
        let mut body = self.placed.event.body.clone();
        if let Body::Processed { member: by, .. } = &mut body {
            *by = member;
        }
        body
    }

    /// What skipping between the previous one and this is called.
    pub(super) const fn skip_before(&self) -> Anomaly {
        skip(self.with_previous)
    }
}

pub(super) const fn skip(inside: bool) -> Anomaly {
    if inside {
        Anomaly::IntPollSkip
    } else {
        Anomaly::PollSkip
    }
}

pub(super) const fn step_back(inside: bool) -> Anomaly {
    if inside {
        Anomaly::IntNonmonotonicPoll
    } else {
        Anomaly::NonmonotonicPoll
    }
}

/// Where a record's events stand.
#[derive(Clone, Debug)]
pub(super) struct RecordTrace {
    pub(super) target: Target,
    /// The record of the same producer that stands before it.
    pub(super) follows: Option<RecordId>,
    /// Another record was acknowledged or read where it stands, or it was so
    /// elsewhere: what becomes of it changes what is said of that one, or is
    /// not all that is said of it.
    pub(super) contested: bool,
    pub(super) completed: Vec<Placed>,
    pub(super) stored: Vec<Placed>,
    pub(super) readings: Vec<Reading>,
}

impl RecordTrace {
    /// Whether its producer was told at which offset it stands.
    pub(super) fn is_placed(&self) -> bool {
        self.completed
            .iter()
            .all(|placed| match &placed.event.body {
                Body::SendCompleted {
                    outcome: Outcome::Acknowledged { offset, .. },
                    ..
                } => offset.is_given(),
                _ => false,
            })
    }
}

/// Where a row's events stand.
#[derive(Clone, Debug, Default)]
pub(super) struct RowTrace {
    pub(super) events: Vec<Placed>,
    pub(super) row: Option<Placed>,
}

impl RowTrace {
    /// Where its events stand, and which changes they tell of.
    pub(super) fn places(&self) -> impl Iterator<Item = (PartitionRef, Offset, RecordId)> + '_ {
        self.events
            .iter()
            .filter_map(|placed| match placed.event.body {
                Body::ChangeEvent {
                    partition,
                    offset,
                    content: ChangeContent::Ours(change),
                    ..
                } => Some((partition, offset, RecordId::of_change(change))),
                _ => None,
            })
    }
}

/// Where a group's commits of one partition stand.
#[derive(Clone, Debug, Default)]
pub(super) struct CommitTrace {
    /// The highest accepted or reported.
    pub(super) highest: Option<Offset>,
    /// The first accepted one that leaves room to go back.
    pub(super) first: Option<Placed>,
    /// Everything committed or reported behind the partition's last record.
    pub(super) behind_last: Vec<Placed>,
}
