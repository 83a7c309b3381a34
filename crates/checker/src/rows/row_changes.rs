//! Change data capture: what a writer committed to a database, held against
//! the change events in the topics and the rows in the tables. Knows nothing
//! of producers or consumer groups.
//!
//! A change is known by its number, which every row image carries; numbers
//! follow the writer's order. A delete carries no image, so its event is told
//! by its place among the events of the row.
//!
//! In a compacted topic an event may have made place for a later one of its
//! row, and below a log start retention may have taken any: there nothing is
//! called missing.
//!
//! An event that is not there is missing, and not late, when no event can come
//! any more: the last change of every table has come out; or the connector has
//! failed and is not restarted; or the connector has confirmed the change to
//! its replication slot, which Connect does only for what the topics hold, and
//! behind which the database sends nothing again; or the slot is gone, or has
//! lost the log that it needs, and the time was up. What was committed before
//! the connector was created is the snapshot's, and no slot tells of it.
//!
//! Where events come in transactions, those of one that was aborted are none,
//! and those of one that is open have not come out yet.

mod settle;

use std::collections::{BTreeMap, BTreeSet};

use model::event::{
    BatchKind, Body, CaptureResult, CaptureSetting, ChangeContent, Event, RowOp, SlotState,
    Snapshot, TxOutcome,
};
use model::ids::{ChangeId, Micros, PartitionRef, TableIx, TxId};
use model::verdict::PartFailure;

use crate::analyzer::Analyzer;
use crate::context::Context;
use crate::finding::FindingCollector;
use crate::log::Ledger;
use crate::rows::coverage::CaptureCoverage;
use crate::rows::row_history::{ChangeEvent, Row};
use crate::rows::slot::Wal;

#[derive(Clone, Copy)]
struct Change {
    tx: TxId,
    row: Row,
    op: RowOp,
}

/// What is known of a database and its capture, before it is settled.
#[derive(Default)]
pub(crate) struct RowChanges {
    changes: BTreeMap<ChangeId, Change>,
    transactions: BTreeMap<TxId, TxOutcome>,
    events: BTreeMap<Row, Vec<ChangeEvent>>,
    events_read: u64,
    in_txns: TxnEvents,
    rows: BTreeMap<Row, ChangeContent>,
    tables_read: BTreeMap<TableIx, u64>,
    waited: Option<CaptureResult>,
    connector: Connector,
    wal: Wal,
}

/// Events that came in transactions.
#[derive(Default)]
struct TxnEvents {
    /// The transaction of the batch that is being read.
    inside: BTreeMap<PartitionRef, i64>,
    open: BTreeMap<(PartitionRef, i64), Vec<(Row, ChangeEvent)>>,
    /// Rows of which events were aborted.
    aborted: BTreeSet<Row>,
    /// Whether events came out of their order, because their transactions
    /// ended in another than they began.
    any_committed: bool,
}

/// What is known of the connector.
#[derive(Default)]
struct Connector {
    name: Option<String>,
    snapshot: Option<Snapshot>,
    settings: Vec<CaptureSetting>,
    failures: Vec<PartFailure>,
}

impl Analyzer for RowChanges {
    type Uses<'d> = (&'d Ledger,);
    type Coverage = Option<CaptureCoverage>;

    fn observe(&mut self, event: &Event, _context: &Context, _collector: &mut FindingCollector) {
        match &event.body {
            Body::ChangeInvoked {
                tx,
                change,
                table,
                key,
                op,
            } => {
                let (tx, row, op) = (*tx, (*table, *key), *op);
                self.changes.insert(*change, Change { tx, row, op });
            }
            Body::TxCompleted { tx, outcome } => {
                self.transactions.insert(*tx, *outcome);
                self.wal.completed(*tx);
            }
            Body::StoredBatch {
                partition,
                producer_id,
                kind,
                ..
            } => self.batch(*partition, *producer_id, *kind),
            Body::ChangeEvent {
                partition,
                offset,
                table,
                key,
                op,
                content,
                lsn,
            } => {
                let event = ChangeEvent {
                    partition: *partition,
                    offset: *offset,
                    op: *op,
                    content: *content,
                    lsn: *lsn,
                    number: self.events_read,
                };
                self.events_read += 1;
                self.event((*table, *key), event);
            }
            Body::TableRow {
                table,
                key,
                content,
            } => {
                self.rows.insert((*table, *key), *content);
            }
            Body::TableRead { table, rows } => {
                self.tables_read.insert(*table, *rows);
            }
            Body::CaptureWaited { result, .. } => self.waited = Some(*result),
            body => self.observe_connector(event.at, body),
        }
    }

    fn settle(
        &mut self,
        context: &Context,
        (log,): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Self::Coverage {
        std::mem::take(self).cover_all(log, &context.names, collector)
    }
}

impl RowChanges {
    /// What is said of the connector, its slot and the write-ahead log.
    fn observe_connector(&mut self, at: Micros, body: &Body) {
        match body {
            Body::CaptureBegan {
                connector,
                snapshot,
                settings,
            } => {
                self.connector.name = Some(connector.clone());
                self.connector.snapshot = Some(*snapshot);
                self.connector.settings.clone_from(settings);
                self.wal.began = self.wal.order.len() as u64;
            }
            Body::ConnectorSeen { unit, state, trace } if state == "FAILED" => {
                let of = self.connector.name.as_deref().unwrap_or_default();
                self.connector.failures.push(PartFailure {
                    at_ms: at.as_millis(),
                    part: format!("{unit} of connector {of}"),
                    state: state.clone(),
                    trace: trace.lines().map(str::to_owned).collect(),
                });
            }
            Body::WalReached { lsn } => {
                let completed = self.wal.order.len() as u64;
                self.wal.reached.push((*lsn, completed));
            }
            Body::SlotSeen { state, confirmed } => {
                let slot = &mut self.wal.slot;
                slot.confirmed = slot.confirmed.max(*confirmed);
                slot.gone = *state != SlotState::Kept;
            }
            Body::Pinned { partition, .. } => {
                self.wal.pinned.push((*partition, self.wal.slot));
            }
            _ => {}
        }
    }

    fn batch(&mut self, partition: PartitionRef, producer: i64, kind: BatchKind) {
        let in_txns = &mut self.in_txns;
        in_txns.inside.remove(&partition);
        match kind {
            BatchKind::Transactional => {
                in_txns.inside.insert(partition, producer);
            }
            BatchKind::CommitMarker => {
                let events = in_txns.open.remove(&(partition, producer));
                for (row, event) in events.into_iter().flatten() {
                    self.in_txns.any_committed = true;
                    self.events.entry(row).or_default().push(event);
                }
            }
            BatchKind::AbortMarker => {
                let events = in_txns.open.remove(&(partition, producer));
                let events = events.into_iter().flatten();
                in_txns.aborted.extend(events.map(|(row, _)| row));
            }
            BatchKind::Plain | BatchKind::Control => {}
        }
    }

    fn event(&mut self, row: Row, event: ChangeEvent) {
        match self.in_txns.inside.get(&event.partition) {
            Some(producer) => {
                let open = self.in_txns.open.entry((event.partition, *producer));
                open.or_default().push((row, event));
            }
            None => self.events.entry(row).or_default().push(event),
        }
    }
}
