//! Mutants of transactions: readings of what was aborted, or not yet
//! committed; a record that is lost; a circle; an offset that goes back. Knows
//! nothing of how a transaction's outcome is settled.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::event::{Body, Content, Intent, TransactionOutcome};
use model::ids::{Micros, Offset, ProducerIx, RecordId, TransactionIx, TransactionRef};

use crate::calibration::mutants::{Edit, Mutation};
use crate::calibration::planner::Planner;
use crate::calibration::traces::RecordTrace;
use crate::calibration::traces::transactions::record_of;
use crate::txn::outcomes::TxnOutcome;
use crate::txn::tracker::Tx;

impl Planner<'_> {
    /// A group that reads committed records only processes an aborted one.
    pub(super) fn aborted_read(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let places = &survey.transactions;
        let used = &self.used_records;
        let whole =
            survey.found_none(Anomaly::GroupGap) && survey.found_none(Anomaly::GroupIncomplete);
        let mut found = places.aborted.iter().filter_map(|(at, stored)| {
            let stored = stored.as_ref()?;
            let record = record_of(stored).filter(|record| !used.contains(record))?;
            let reused = survey.past.was_reused(at.0, at.1.get());
            let mut groups = places.held_to_committed.iter();
            // Of one that reads all there is, a record that it did not read may
            // be missing already.
            let group = groups.find(|group| whole || places.reads_committed(**group));
            let group = group.filter(|_| !reused)?;
            Some((*at, *group, stored, record))
        });
        let ((from, offset), group, stored, record) = found.next()?;
        self.used_records.insert(record);
        let content = Content::Ours(record);
        let member = survey.names.unused_member();
        let reading = [
            Body::MemberStarted { member, group },
            Body::Processed {
                member,
                from,
                offset,
                content,
            },
        ];
        Some(Mutation {
            anomaly: Anomaly::G1a,
            what: format!(
                "{}@{offset}, which was aborted, processed by {}",
                survey.names.partition(from),
                survey.names.group(group)
            ),
            effects: vec![(Anomaly::G1a, 1)],
            edits: vec![(stored.at, Edit::after(stored.event.at, reading))],
        })
    }

    /// A group that reads committed records only processes one right before
    /// its commit is asked for.
    pub(super) fn precommitted_read(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let asked = |record: RecordId| -> Option<Micros> {
            let tx = survey.txn_outcomes.transactions.of(record)?;
            // Of a torn one, another mutation may hide the committed part.
            let committed = survey.txn_outcomes.outcome(tx) == TxnOutcome::Committed
                && !survey.txn_outcomes.torn.contains(&tx);
            let asked = survey.txn_outcomes.transactions.get(tx).asked?;
            (committed && asked.get() > 0).then_some(asked)
        };
        let (trace, reading) = self.only_reading(|trace, reading| {
            survey.transactions.must_read_committed(reading.group)
                && asked(trace.target.record).is_some_and(|asked| reading.placed.event.at >= asked)
        })?;
        let asked = asked(trace.target.record)?;
        let (member, group) = (survey.names.unused_member(), reading.group);
        let early = [Body::MemberStarted { member, group }, reading.by(member)];
        let at = Micros::new(asked.get() - 1);
        Some(Mutation {
            anomaly: Anomaly::PrecommittedRead,
            what: format!(
                "{} processed by {} before its commit was asked for",
                self.name(trace),
                survey.names.group(group)
            ),
            effects: vec![(Anomaly::PrecommittedRead, 1), (Anomaly::Reprocessed, 1)],
            edits: vec![(reading.placed.at, Edit::after(at, early))],
        })
    }

    pub(super) fn torn_transaction(&mut self) -> Option<Mutation> {
        self.lost_in_transaction(Anomaly::TornTransaction)
    }

    /// A record of a committed transaction is lost, and another of the same
    /// transaction stays behind in the partition, for all to see.
    pub(super) fn lost_in_transaction(&mut self, anomaly: Anomaly) -> Option<Mutation> {
        let survey = self.survey;
        if !survey.found_none(Anomaly::TornTransaction)
            || (self.skipped && !survey.nothing_skipped())
        {
            return None;
        }
        let transactions = &survey.txn_outcomes.transactions;
        let used = self.used_records.clone();
        let companion = move |trace: &RecordTrace, tx: Tx| -> Option<RecordId> {
            let mut others = survey.records.iter().map(|other| other.target);
            let other = others.find(|other| {
                other.partition == trace.target.partition
                    && other.record != trace.target.record
                    && !used.contains(&other.record)
                    && survey.txn_outcomes.shows(tx, other.partition, other.offset)
            })?;
            Some(other.record)
        };
        let used = self.used_transactions.clone();
        let tx_of = |record: RecordId| -> Option<Tx> {
            let tx = transactions.of(record)?;
            let free = !used.contains(&transactions.get(tx).reference);
            (free && survey.txn_outcomes.outcome(tx) == TxnOutcome::Committed).then_some(tx)
        };
        let read: BTreeSet<RecordId> = survey
            .records
            .iter()
            .filter(|trace| self.can_be_lost(trace))
            .map(|trace| trace.target.record)
            .collect();
        let trace = self.record(|trace| {
            let tx = tx_of(trace.target.record);
            read.contains(&trace.target.record)
                && tx.is_some_and(|tx| companion(trace, tx).is_some())
        })?;
        let tx = tx_of(trace.target.record)?;
        self.thinned = true;
        self.used_records.extend(companion(trace, tx));
        self.used_transactions
            .insert(transactions.get(tx).reference);
        Some(Mutation {
            anomaly,
            what: format!("{} dropped from its transaction", self.name(trace)),
            effects: vec![(Anomaly::LostWrite, 1), (Anomaly::TornTransaction, 1)],
            edits: vec![(trace.stored[0].at, Edit::Drop)],
        })
    }

    /// A transaction reads what another wrote right behind it: a member of a
    /// group of its own does, so that no other group's readings change.
    pub(super) fn circle(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let mut pairs = survey.transactions.pairs.iter();
        let (pair, records, completed) = pairs.find_map(|pair| {
            let stored = [pair.stored_before.as_ref()?, pair.stored.as_ref()?];
            let records = [record_of(stored[0])?, record_of(stored[1])?];
            // Where an offset was used again, a reading shows nothing.
            let (at, offset) = pair.at;
            if survey.past.was_reused(at, offset.get()) {
                return None;
            }
            Some((pair, records, pair.completed.as_ref()?))
        })?;
        self.used_records.extend(records);
        let (from, offset) = pair.at;
        let member = survey.names.unused_member();
        let reading = [
            Body::MemberStarted {
                member,
                group: survey.names.unused_group(),
            },
            Body::TransactionJoined {
                transaction: pair.first,
                member,
            },
            Body::Processed {
                member,
                from,
                offset,
                content: Content::Ours(records[1]),
            },
        ];
        Some(Mutation {
            anomaly: Anomaly::G1c,
            what: format!(
                "{}@{offset} of {} read by {}, which wrote before it",
                survey.names.partition(from),
                survey.txn_outcomes.transactions.get(pair.second).reference,
                pair.first
            ),
            effects: vec![(Anomaly::G1c, 1)],
            edits: vec![(completed.at, Edit::before(completed.event.at, reading))],
        })
    }

    /// Two more transactions follow one: the first commits offset 0, the
    /// second what was committed before, so that what comes later is held
    /// against the same.
    pub(super) fn joined_commit_regression(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let places = &survey.transactions;
        let (of, group, partition, offset) = places.commit?;
        let over_cut = survey.over_cuts.contains(&(group, partition));
        if over_cut || survey.past.is_behind(partition, offset) {
            // It may have been made in an earlier life of the log.
            return None;
        }
        let completed = places.commit_completed.as_ref()?;
        let last = places.producers.last().map_or(0, |last| last.get());
        let producer = ProducerIx::new(last.checked_add(1)?);
        let steps = [(0, Offset::new(0)), (1, offset)];
        let more = steps.into_iter().flat_map(|(number, offset)| {
            let transaction = TransactionRef {
                producer,
                transaction: TransactionIx::new(number),
            };
            [
                Body::TransactionBegun { transaction },
                Body::OffsetSent {
                    transaction,
                    group,
                    partition,
                    offset,
                },
                Body::TransactionEnding {
                    transaction,
                    intent: Intent::Commit,
                },
                Body::TransactionCompleted {
                    transaction,
                    outcome: TransactionOutcome::Committed,
                },
            ]
        });
        Some(Mutation {
            anomaly: Anomaly::CommitRegression,
            what: format!(
                "{} committed 0 of {} with a transaction after {of} had committed {offset}",
                survey.names.group(group),
                survey.names.partition(partition)
            ),
            effects: vec![(Anomaly::CommitRegression, 1)],
            edits: vec![(completed.at, Edit::after(completed.event.at, more))],
        })
    }
}
