//! The operations of a database and its capture in a proof. Knows nothing of
//! records' own.

use std::collections::BTreeSet;

use model::event::{Body, CaptureResult, ChangeContent, Event, RowOp, SlotState, TxOutcome};
use model::ids::{ChangeId, Offset, PartitionRef, RowKey, TableIx, TxId};

use crate::finding::Watch;
use crate::proof::explain::Explainer;
use crate::proof::explain::case::Case;
use crate::proof::explain::words::observed;

impl Explainer {
    pub(super) fn observe_database(&mut self, event: &Event) {
        match &event.body {
            Body::ChangeInvoked {
                tx,
                change,
                table,
                key,
                op,
            } => {
                let cases = self.cases_of([Watch::Row(*table, *key)]);
                if !cases.is_empty() {
                    let known = self.transactions.entry(*tx).or_default();
                    known.extend(cases.iter().copied());
                }
                let what = format!("{} row {key}, change {change}, in tx {tx}", verb(*op));
                if let Some(changes) = &mut self.changes {
                    let made = (event.at, *tx, what.clone());
                    changes.made.insert(*change, made);
                }
                self.note(&cases, Some(event.at), |_| ("writer".to_owned(), what));
            }
            Body::TxCompleted { tx, outcome } => {
                let cases = self.transactions.get(tx).cloned().unwrap_or_default();
                if let Some(changes) = &mut self.changes {
                    changes.ended.insert(*tx, (event.at, *outcome));
                }
                self.note(&cases, Some(event.at), |_| {
                    ("writer".to_owned(), ended(*tx, *outcome))
                });
            }
            Body::ChangeEvent {
                partition,
                offset,
                table,
                key,
                op,
                content,
                lsn,
            } => {
                let cases = self.cases_of([
                    Watch::Row(*table, *key),
                    Watch::Position(*partition, *offset),
                ]);
                for case in &cases {
                    self.cases[*case].occupied.insert((*partition, *offset));
                }
                let place = Some((*partition, *offset));
                if let ChangeContent::Ours(change) = content {
                    self.trace_back(*change, (*table, *key), (*partition, *offset));
                }
                self.note_at(&cases, place, |names| {
                    observed(format!(
                        "{} event of row {key}, {}, lsn {lsn}, stands at {}@{offset}",
                        verb(*op),
                        image(content),
                        names.partition(*partition)
                    ))
                });
            }
            Body::TableRow {
                table,
                key,
                content,
            } => {
                let cases = self.cases_of([Watch::Row(*table, *key)]);
                self.note(&cases, None, |names| {
                    let table = names.table(*table);
                    observed(format!("{table} holds row {key}, {}", image(content)))
                });
            }
            Body::ConnectorSeen { unit, state, trace } if state == "FAILED" => {
                let cases = self.cases_of_rows();
                self.note(&cases, Some(event.at), |_| {
                    let why = trace.lines().next().unwrap_or_default();
                    ("Connect".to_owned(), format!("{unit} {state}: {why}"))
                });
            }
            Body::SlotSeen { state, .. } => self.slot = Some((event.at, *state)),
            Body::CaptureWaited { result, limit_ms } => {
                let cases = self.cases_of_rows();
                let slot = self.slot.filter(|(_, state)| *state != SlotState::Kept);
                if let Some((at, state)) = slot {
                    self.note(&cases, Some(at), |_| {
                        let what = match state {
                            SlotState::Lost => "the replication slot has lost log that it needs",
                            _ => "there is no replication slot",
                        };
                        ("PostgreSQL".to_owned(), what.to_owned())
                    });
                }
                self.note(&cases, Some(event.at), |_| {
                    observed(match result {
                        CaptureResult::CaughtUp => {
                            "the last change of every table has come out".to_owned()
                        }
                        CaptureResult::TimedOut => {
                            format!("the last change did not come out within {limit_ms} ms")
                        }
                        CaptureResult::Failed => {
                            "the connector had failed, and nothing restarts it".to_owned()
                        }
                        CaptureResult::Confirmed => "the connector had confirmed all that was \
                                                     committed before the last change"
                            .to_owned(),
                    })
                });
            }
            _ => {}
        }
    }

    /// Where an event is what a case is about, shows the row change that it
    /// tells of.
    fn trace_back(&mut self, change: ChangeId, row: (TableIx, RowKey), at: (PartitionRef, Offset)) {
        let Some(changes) = &self.changes else {
            return;
        };
        let mut cases = self.cases_of([Watch::Position(at.0, at.1)]);
        let rows = self.cases_of([Watch::Row(row.0, row.1)]);
        cases.retain(|case| self.cases[*case].suspect.place() == Some(at) && !rows.contains(case));
        let Some((made, tx, what)) = changes.made.get(&change).cloned() else {
            return;
        };
        let end = changes.ended.get(&tx).copied();
        self.note(&cases, Some(made), |_| ("writer".to_owned(), what));
        if let Some((at, outcome)) = end {
            self.note(&cases, Some(at), |_| {
                ("writer".to_owned(), ended(tx, outcome))
            });
        }
    }

    /// Those that are about rows.
    fn cases_of_rows(&self) -> BTreeSet<usize> {
        let of_rows = |case: &Case| {
            let mut watches = case.suspect.watch.iter();
            watches.any(|watch| matches!(watch, Watch::Row(..)))
        };
        let cases = self.cases.iter().enumerate();
        let cases = cases.filter(|(_, case)| of_rows(case));
        cases.map(|(number, _)| number).collect()
    }
}

fn image(content: &ChangeContent) -> String {
    match content {
        ChangeContent::Ours(change) => format!("change {change}"),
        ChangeContent::Absent => "without an image".to_owned(),
        ChangeContent::Corrupt => "damaged".to_owned(),
        ChangeContent::Foreign => "foreign".to_owned(),
        ChangeContent::Unreadable => "of a form that is not read".to_owned(),
    }
}

/// How a database transaction ended.
fn ended(tx: TxId, outcome: TxOutcome) -> String {
    let what = match outcome {
        TxOutcome::Committed => "was committed",
        TxOutcome::RolledBack => "was rolled back",
        TxOutcome::Unknown => "may or may not have been committed",
    };
    format!("tx {tx} {what}")
}

const fn verb(op: RowOp) -> &'static str {
    match op {
        RowOp::Insert => "insert",
        RowOp::Update => "update",
        RowOp::Delete => "delete",
        RowOp::Snapshot => "snapshot",
        RowOp::Untold => "change",
    }
}
