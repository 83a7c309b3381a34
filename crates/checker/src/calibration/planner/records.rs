//! Mutants of records and what was said of them: lost, doubled, invented, damaged,
//! out of order, or acknowledged elsewhere.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event, Outcome};
use model::ids::{Offset, PartitionRef, RecordId};

use crate::calibration::mutants::{Edit, Mutation};
use crate::calibration::planner::Planner;
use crate::calibration::survey::READINGS_MAX;
use crate::calibration::traces::{Placed, RecordTrace};
use crate::log::targets::Target;

impl Planner<'_> {
    pub(super) fn lost_write(&mut self) -> Option<Mutation> {
        let txn_outcomes = &self.survey.txn_outcomes;
        let read: BTreeSet<RecordId> = self
            .survey
            .records
            .iter()
            .filter(|trace| self.can_be_lost(trace))
            .map(|trace| trace.target.record)
            .filter(|record| txn_outcomes.transactions.of(*record).is_none())
            .collect();
        let Some(trace) = self.record(|trace| read.contains(&trace.target.record)) else {
            // It tears its transaction as well.
            return self.lost_in_transaction(Anomaly::LostWrite);
        };
        self.thinned = true;
        Some(Mutation {
            anomaly: Anomaly::LostWrite,
            what: format!("{} dropped from the log", self.name(trace)),
            effects: vec![(Anomaly::LostWrite, 1)],
            edits: vec![(trace.stored[0].at, Edit::Drop)],
        })
    }

    pub(super) fn duplicate(&mut self) -> Option<Mutation> {
        if let Some(other_record) = self.other_record() {
            let content = Content::Ours(other_record.record);
            return self.stored_behind(other_record.partition, content, Anomaly::Duplicate);
        }
        let trace = self.record(|_| true)?;
        let content = Content::Ours(trace.target.record);
        Some(self.stored_too(trace, content, Anomaly::Duplicate, "stored a second time"))
    }

    pub(super) fn phantom(&mut self) -> Option<Mutation> {
        if let Some(Target { partition, .. }) = self.other_record() {
            return self.stored_behind(partition, Content::Foreign, Anomaly::Phantom);
        }
        let trace = self.record(|_| true)?;
        Some(self.stored_too(
            trace,
            Content::Foreign,
            Anomaly::Phantom,
            "followed by a foreign record",
        ))
    }

    fn stored_too(
        &mut self,
        trace: &RecordTrace,
        content: Content,
        anomaly: Anomaly,
        what: &str,
    ) -> Mutation {
        let Placed { at, event } = &trace.stored[0];
        let copy = Event {
            at: event.at,
            body: Body::Stored {
                partition: trace.target.partition,
                offset: self.fresh(trace.target.partition),
                content,
            },
        };
        Mutation {
            anomaly,
            what: format!("{} {what}", self.name(trace)),
            effects: vec![(anomaly, 1)],
            // Behind everything else, as the observer would have found it.
            edits: match self.survey.read_at.get(&trace.target.partition) {
                Some((end, _)) => vec![(*end, Edit::Before(vec![copy]))],
                None => vec![(*at, Edit::After(vec![copy]))],
            },
        }
    }

    /// Where no record is clean: one that stands in a partition, whatever else
    /// is wrong with it.
    fn other_record(&self) -> Option<Target> {
        let mut clean = self.survey.records.iter();
        let none = !clean.any(|trace| !trace.target.record.is_change());
        self.stored_records().filter(|_| none)
    }

    /// A record that stands in a partition that was read, whatever else is wrong
    /// with it.
    fn stored_records(&self) -> Option<Target> {
        let survey = self.survey;
        let mut other_records = survey.other_records.iter();
        let stands = other_records.find(|it| survey.read_at.contains_key(&it.partition));
        stands.copied()
    }

    /// The observer finds something behind everything else in a partition,
    /// which disturbs nothing that was said of the others.
    fn stored_behind(
        &mut self,
        partition: PartitionRef,
        content: Content,
        anomaly: Anomaly,
    ) -> Option<Mutation> {
        let (end, at) = *self.survey.read_at.get(&partition)?;
        let offset = self.fresh(partition);
        let what = match content {
            Content::Ours(record) => format!("{record}, which stands already,"),
            Content::Corrupt => "a damaged record".to_owned(),
            _ => "a foreign record".to_owned(),
        };
        let name = self.survey.names.partition(partition);
        let body = Body::Stored {
            partition,
            offset,
            content,
        };
        Some(Mutation {
            anomaly,
            what: format!("{what} stored at the end of {name}"),
            effects: vec![(anomaly, 1)],
            edits: vec![(end, Edit::before(at, [body]))],
        })
    }

    /// Two neighbours change places in the log, and in everything that was
    /// said of it, as if they had been stored the other way round.
    /// Both belong to one transaction, or to none: a record in a transaction
    /// that it was not sent in would be another anomaly.
    pub(super) fn nonmonotonic_send(&mut self, anomaly: Anomaly) -> Option<Mutation> {
        let records = &self.survey.records;
        let transactions = &self.survey.txn_outcomes.transactions;
        let fit = |first: RecordId, second: RecordId| match anomaly {
            Anomaly::IntNonmonotonicSend => transactions.of_both(first, second).is_some(),
            _ => transactions.of(first).is_none() && transactions.of(second).is_none(),
        };
        let (first, second) =
            records
                .iter()
                .zip(records.iter().skip(1))
                .find(|(first, second)| {
                    second.follows == Some(first.target.record)
                        && first.target.partition == second.target.partition
                        && first.target.record.sequence < second.target.record.sequence
                        && fit(first.target.record, second.target.record)
                        && [first, second].into_iter().all(|trace| {
                            trace.completed.len() == 1
                                && trace.stored.len() == 1
                                && trace.readings.len() < READINGS_MAX
                                && self.is_free(trace)
                        })
                })?;
        let mut edits = Vec::new();
        for (here, other) in [(first, second), (second, first)] {
            self.used_records.insert(here.target.record);
            let content = Content::Ours(other.target.record);
            let Target {
                partition, offset, ..
            } = here.target;
            let stored = Body::Stored {
                partition,
                offset,
                content,
            };
            edits.push((here.stored[0].at, Edit::Replace(stored)));
            edits.push((other.completed[0].at, acknowledged(other, offset)));
            for reading in &here.readings {
                if let Body::Processed { member, from, .. } = reading.placed.event.body {
                    let processed = Body::Processed {
                        member,
                        from,
                        offset,
                        content,
                    };
                    edits.push((reading.placed.at, Edit::Replace(processed)));
                }
            }
        }
        Some(Mutation {
            anomaly,
            what: format!("{} and the next of its producer swapped", self.name(first)),
            effects: vec![(anomaly, 1)],
            edits,
        })
    }

    pub(super) fn inconsistent_offsets(&mut self) -> Option<Mutation> {
        let trace = self.record(|_| true)?;
        let offset = self.fresh(trace.target.partition);
        Some(Mutation {
            anomaly: Anomaly::InconsistentOffsets,
            what: format!("{} acknowledged at {offset} instead", self.name(trace)),
            effects: vec![(Anomaly::InconsistentOffsets, 1)],
            edits: vec![(trace.completed[0].at, acknowledged(trace, offset))],
        })
    }

    pub(super) fn corrupt(&mut self) -> Option<Mutation> {
        if let Some(Target { partition, .. }) = self.other_record() {
            return self.stored_behind(partition, Content::Corrupt, Anomaly::Corrupt);
        }
        // Of what is damaged, only its place is known: without one, the record
        // would be lost as well. A record may be the only one by which its transaction is known, and
        // what an aborted one would be without it is another anomaly.
        let txn_outcomes = &self.survey.txn_outcomes;
        let any = self.survey.found_none(Anomaly::G1a);
        let trace = self.record(|trace| {
            let tx = txn_outcomes.transactions.of(trace.target.record);
            trace.is_placed() && tx.is_none_or(|tx| any && txn_outcomes.is_as_told(tx))
        });
        let Some(trace) = trace else {
            let unplaced = !self.survey.records.iter().any(RecordTrace::is_placed);
            let Target { partition, .. } = self.stored_records().filter(|_| unplaced)?;
            return self.stored_behind(partition, Content::Corrupt, Anomaly::Corrupt);
        };
        let body = Body::Stored {
            partition: trace.target.partition,
            offset: trace.target.offset,
            content: Content::Corrupt,
        };
        Some(Mutation {
            anomaly: Anomaly::Corrupt,
            what: format!("{} damaged", self.name(trace)),
            effects: vec![(Anomaly::Corrupt, 1)],
            edits: vec![(trace.stored[0].at, Edit::Replace(body))],
        })
    }

    pub(super) fn failed_write_visible(&mut self) -> Option<Mutation> {
        let trace = self.record(|_| true)?;
        let body = Body::SendCompleted {
            record: trace.target.record,
            outcome: Outcome::Failed {
                error: "planted by calibration".to_owned(),
            },
        };
        Some(Mutation {
            anomaly: Anomaly::FailedWriteVisible,
            what: format!("{} reported as not written", self.name(trace)),
            effects: vec![(Anomaly::FailedWriteVisible, 1)],
            edits: vec![(trace.completed[0].at, Edit::Replace(body))],
        })
    }
}

/// The acknowledgement of a record, at another offset.
fn acknowledged(trace: &RecordTrace, offset: Offset) -> Edit {
    Edit::Replace(Body::SendCompleted {
        record: trace.target.record,
        outcome: Outcome::Acknowledged {
            at: trace.target.partition,
            offset,
        },
    })
}
