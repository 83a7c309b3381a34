//! Why an acknowledged record is not in the log. Knows nothing of
//! how that was found out.

use model::ids::{Offset, PartitionRef, RecordId};

use crate::context::Context;
use crate::log::cleaning::Successor;
use crate::log::partition_log::PartitionLog;
use crate::txn::outcomes::TxnOutcome;

/// Why an acknowledged record is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// It should be.
    Lost,
    /// It was not read so far, and no observer settles it.
    Unseen,
    /// It lies below the log start: retention may have taken it.
    Expired,
    /// It lies in a hole of a compacted topic: a later record of its key may
    /// have replaced it.
    Compacted,
    /// A later record of its key stands behind it in a compacted topic, and has
    /// replaced it.
    Replaced,
    /// A damaged record stands where it was acknowledged.
    Damaged,
    /// Readers are the only witnesses, and its transaction did not become
    /// visible to them.
    Invisible,
}

impl Absence {
    /// Of a record that was acknowledged at an offset; without one, it is to
    /// stand below another.
    pub(super) fn of(
        record: RecordId,
        (partition, told, below): (PartitionRef, Offset, Option<Offset>),
        log: &PartitionLog,
        context: &Context,
    ) -> Self {
        let offset = below.filter(|_| !told.is_given()).unwrap_or(told);
        let pinned = log.pinned.clone().unwrap_or_default();
        if log.damaged.contains(told.get()) {
            return Self::Damaged;
        }
        if context.provenance.is_imported() {
            return Self::of_told(record, (partition, offset), log, context);
        }
        let start = pinned.start.get();
        if (0..start).contains(&offset.get()) || (offset.get() < 0 && start > 0) {
            Self::Expired
        } else if log.is_emptied(partition, offset, &context.names) {
            match context.cleaning.successor(record, (partition, offset)) {
                Successor::Stands => Self::Replaced,
                Successor::None => Self::Lost,
                Successor::Unknown => Self::Compacted,
            }
        } else {
            Self::Lost
        }
    }

    /// The same where readers are the only witnesses.
    fn of_told(
        record: RecordId,
        (partition, offset): (PartitionRef, Offset),
        log: &PartitionLog,
        context: &Context,
    ) -> Self {
        let Context {
            names,
            provenance,
            txn_outcomes,
            ..
        } = context;
        let tx = txn_outcomes.transactions.of(record);
        if tx.is_some_and(|tx| txn_outcomes.outcome(tx) != TxnOutcome::Committed) {
            return Self::Invisible;
        }
        if offset.get() >= 0 && provenance.is_replaceable(partition, offset) {
            return if names.compacts(partition.topic) {
                Self::Replaced
            } else {
                Self::Compacted
            };
        }
        let below_readers = |at: &Offset| log.processed().is_some_and(|read| *at < read.end);
        if offset.get() >= 0 && below_readers(&offset) {
            let before_readers = log.processed().is_some_and(|read| offset < read.start);
            return if before_readers && names.deletes(partition.topic) {
                Self::Expired
            } else {
                Self::Lost
            };
        }
        if provenance.was_cut_away(partition, offset) {
            return Self::Lost;
        }
        // What its producer was not told of its transaction shows in what was
        // read alone.
        match tx {
            Some(tx) if !txn_outcomes.is_as_told(tx) => Self::Invisible,
            _ => Self::Unseen,
        }
    }
}
