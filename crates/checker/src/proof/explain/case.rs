//! One example that is to be proved, and the operations found for it so far.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Content, TxOutcome};
use model::ids::{ChangeId, MemberIx, Micros, Offset, PartitionRef, TxId};
use model::verdict::ExampleOperation;

use crate::finding::Suspect;

/// A reading next to an offset in question.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) at: Micros,
    pub(super) member: MemberIx,
    pub(super) content: Content,
}

/// An operation of a proof, and where it belongs in it.
pub(super) struct Operation {
    pub(super) shown: ExampleOperation,
    /// Where it is of the log: the log is told in the order of its offsets,
    /// behind all that has a moment.
    pub(super) place: Option<(PartitionRef, Offset)>,
}

impl Operation {
    pub(super) fn order(&self) -> (u64, Option<(PartitionRef, Offset)>) {
        (self.shown.at_us.unwrap_or(u64::MAX), self.place)
    }
}

pub(super) struct Case {
    pub(super) suspect: Suspect,
    pub(super) operations: Vec<Operation>,
    pub(super) readings: usize,
    /// Whether the group in question, or any where it is about a record only, is
    /// shown with the record in hand.
    pub(super) in_hand: bool,
    pub(super) occupied: BTreeSet<(PartitionRef, Offset)>,
    pub(super) passed: bool,
}

impl Case {
    /// Adds what is on one side of the offset in question, unless it was shown
    /// for its own sake.
    pub(super) fn add(&mut self, mut operation: Operation, side: &str) {
        let same = |it: &Operation| {
            it.shown.at_us == operation.shown.at_us
                && it.shown.operation == operation.shown.operation
        };
        if !self.operations.iter().any(same) {
            operation.shown.operation.push_str(side);
            self.operations.push(operation);
        }
    }
}

/// Row changes as their writer made them.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) made: BTreeMap<ChangeId, (Micros, TxId, String)>,
    pub(super) ended: BTreeMap<TxId, (Micros, TxOutcome)>,
}
