//! Mutants of rows and their events.

use model::anomaly::Anomaly;
use model::event::{Body, ChangeContent, RowOp};
use model::ids::Lsn;

use crate::calibration::mutants::{Edit, Mutation};
use crate::calibration::planner::Planner;
use crate::calibration::traces::{Placed, RowTrace};

impl<'s> Planner<'s> {
    /// The first unused row whose events all carry an image and which is fit.
    pub(super) fn row(
        &mut self,
        fit: impl Fn(&RowTrace) -> bool,
    ) -> Option<(String, &'s RowTrace)> {
        let (row, trace) = self.survey.rows.iter().find(|(row, trace)| {
            !self.used_rows.contains(*row)
                && !trace.events.is_empty()
                && trace.events.iter().all(|placed| {
                    matches!(
                        placed.event.body,
                        Body::ChangeEvent {
                            content: ChangeContent::Ours(_),
                            ..
                        }
                    )
                })
                && self.is_free_row(trace)
                && fit(trace)
        })?;
        self.used_rows.insert(*row);
        for (partition, offset, _) in trace.places() {
            self.use_neighbours(partition, &[Some(offset)]);
        }
        let (table, key) = row;
        Some((
            format!("{} row {key}", self.survey.names.table(*table)),
            trace,
        ))
    }

    /// Whether what is done to its events disturbs no group that reads them, and
    /// no other mutant.
    fn is_free_row(&self, trace: &RowTrace) -> bool {
        let survey = self.survey;
        trace.places().all(|(partition, offset, change)| {
            let groups = survey.names.groups_of(partition.topic);
            let all_read = groups.iter().all(|group| {
                let read = survey.changes_read.get(group);
                read.is_some_and(|read| read.contains(change))
            });
            let at = survey.by_position.get(&(partition, offset));
            all_read && at.is_none_or(|at| self.is_free(&survey.records[*at]))
        })
    }

    pub(super) fn row_missing(&mut self) -> Option<Mutation> {
        // What a snapshot, or an event that may be one, found overwritten needs
        // no event of its own.
        let survey = self.survey;
        let is_read = |trace: &RowTrace| {
            let mut places = trace.places();
            places.any(|(at, ..)| survey.names.is_read(at.topic))
        };
        let skipped = self.skipped && !survey.nothing_skipped();
        let no_snapshot = |trace: &RowTrace| {
            let any = |op| trace.events.iter().any(|placed| has_op(placed, op));
            let undoes_skip = skipped && is_read(trace);
            !undoes_skip
                && !any(RowOp::Snapshot)
                && (trace.events.len() == 1 || !any(RowOp::Untold))
        };
        let (name, trace) = self.row(no_snapshot)?;
        self.thinned |= is_read(trace);
        let diverges = u64::from(trace.events.len() == 1 && !self.survey.rekeyed);
        Some(Mutation {
            anomaly: Anomaly::RowMissing,
            what: format!("{name}: its first event dropped"),
            effects: vec![
                (Anomaly::RowMissing, 1),
                (Anomaly::StateDivergence, diverges),
            ],
            edits: vec![(trace.events[0].at, Edit::Drop)],
        })
    }

    pub(super) fn row_duplicate(&mut self) -> Option<Mutation> {
        let (name, trace) = self.row(|_| true)?;
        let Placed { at, event } = &trace.events[0];
        let mut copy = event.clone();
        if let Body::ChangeEvent {
            partition, offset, ..
        } = &mut copy.body
        {
            *offset = self.fresh(*partition);
        }
        Some(Mutation {
            anomaly: Anomaly::RowDuplicate,
            what: format!("{name}: its first event duplicated"),
            effects: vec![(Anomaly::RowDuplicate, 1)],
            edits: vec![(*at, Edit::After(vec![copy]))],
        })
    }

    pub(super) fn row_phantom(&mut self) -> Option<Mutation> {
        let foreign = (Anomaly::RowPhantom, ChangeContent::Foreign);
        self.event_before(foreign, "a foreign event before its first")
    }

    pub(super) fn corrupt_event(&mut self) -> Option<Mutation> {
        let damaged = (Anomaly::Corrupt, ChangeContent::Corrupt);
        self.event_before(damaged, "a damaged event before its first")
    }

    /// An event that the row's own events overwrite in any replay.
    fn event_before(
        &mut self,
        (anomaly, carried): (Anomaly, ChangeContent),
        what: &str,
    ) -> Option<Mutation> {
        let (name, trace) = self.row(|_| true)?;
        let Placed { at, event } = &trace.events[0];
        let mut planted = event.clone();
        if let Body::ChangeEvent {
            partition,
            offset,
            content,
            ..
        } = &mut planted.body
        {
            *content = carried;
            *offset = self.fresh(*partition);
        }
        Some(Mutation {
            anomaly,
            what: format!("{name}: {what}"),
            effects: vec![(anomaly, 1)],
            edits: vec![(*at, Edit::Before(vec![planted]))],
        })
    }

    /// The row's first two events change places; where there are only two,
    /// the second gets a place in the write-ahead log before the first's, so
    /// that the replay stays the same.
    pub(super) fn commit_order(&mut self) -> Option<Mutation> {
        let (name, trace) = self.row(|trace| {
            trace.events.len() > 2
                || (trace.events.len() == 2 && lsn(&trace.events[0]) > Some(Lsn::new(1)))
        })?;
        let [first, second, ..] = &trace.events[..] else {
            return None;
        };
        let (what, edits) = if trace.events.len() > 2 {
            let edits = vec![
                (first.at, Edit::Replace(second.event.body.clone())),
                (second.at, Edit::Replace(first.event.body.clone())),
            ];
            ("its first two events swapped", edits)
        } else {
            let mut body = second.event.body.clone();
            if let Body::ChangeEvent { lsn: of, .. } = &mut body {
                *of = Lsn::new(lsn(first)?.get() - 1);
            }
            let edits = vec![(second.at, Edit::Replace(body))];
            ("its second event moved before its first in the log", edits)
        };
        Some(Mutation {
            anomaly: Anomaly::CommitOrder,
            what: format!("{name}: {what}"),
            effects: vec![(Anomaly::CommitOrder, 1)],
            edits,
        })
    }

    pub(super) fn state_divergence(&mut self) -> Option<Mutation> {
        if self.survey.rekeyed {
            return None;
        }
        let (name, trace) = self.row(|trace| trace.row.is_some())?;
        let Placed { at, event } = trace.row.as_ref()?;
        let Body::TableRow { table, key, .. } = event.body else {
            return None;
        };
        let altered = Body::TableRow {
            table,
            key,
            content: ChangeContent::Corrupt,
        };
        Some(Mutation {
            anomaly: Anomaly::StateDivergence,
            what: format!("{name}: altered in the table"),
            effects: vec![(Anomaly::StateDivergence, 1)],
            edits: vec![(*at, Edit::Replace(altered))],
        })
    }
}

fn lsn(placed: &Placed) -> Option<Lsn> {
    match placed.event.body {
        Body::ChangeEvent { lsn, .. } => Some(lsn),
        _ => None,
    }
}

fn has_op(placed: &Placed, wanted: RowOp) -> bool {
    matches!(placed.event.body, Body::ChangeEvent { op, .. } if op == wanted)
}
