//! What a capture came to, row by row, and what became of the transactions of which
//! the database did not say.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{CaptureResult, ChangeContent, SettingEffect, Snapshot, TxOutcome};
use model::ids::{RowKey, TableIx, TopicIx, TxId};

use crate::finding::FindingCollector;
use crate::log::Ledger;
use crate::names::Names;
use crate::rows::coverage::CaptureCoverage;
use crate::rows::row_changes::RowChanges;
use crate::rows::row_findings::{
    Judged, RowScope, find_divergence, find_missing, find_wrong_events, is_as_committed,
};
use crate::rows::row_history::{ChangeOutcome, Row, RowChange, RowHistory};

/// Rows that calibration may choose from, at most.
const TARGETS_MAX: usize = 64;

fn table_names(tables: &BTreeSet<TableIx>, names: &Names) -> Vec<String> {
    tables.iter().map(|table| names.table(*table)).collect()
}

impl RowChanges {
    /// Finds what is wrong with the capture; none where nothing was captured.
    pub(super) fn cover_all(
        mut self,
        log: &Ledger,
        names: &Names,
        collector: &mut FindingCollector,
    ) -> Option<CaptureCoverage> {
        if names.tables.is_empty() && self.changes.is_empty() && self.events.is_empty() {
            return None;
        }
        if self.in_txns.any_committed {
            for events in self.events.values_mut() {
                events.sort_by_key(|event| event.number);
            }
        }
        self.wal.settle(names);
        let txn_outcomes = self.settle_transactions();
        let mut history: BTreeMap<Row, RowHistory<'_>> = BTreeMap::new();
        for (id, change) in &self.changes {
            let outcome = txn_outcomes
                .get(&change.tx)
                .copied()
                .unwrap_or(ChangeOutcome::Unknown);
            let row = history.entry(change.row).or_default();
            row.changes.push(RowChange {
                change: *id,
                op: change.op,
                outcome,
                is_final: self.is_final(change.tx),
                before_capture: self.wal.precedes_capture(change.tx),
            });
            row.untold |= !matches!(
                self.transactions.get(&change.tx),
                Some(TxOutcome::Committed | TxOutcome::RolledBack)
            );
        }
        for (row, events) in &self.events {
            history.entry(*row).or_default().events = events;
        }
        for row in self.rows.keys() {
            history.entry(*row).or_default();
        }
        for (row, event) in self.in_txns.open.values().flatten() {
            let row = history.entry(*row).or_default();
            row.open |= event.content != ChangeContent::Unreadable;
        }
        let (readable, over) = (self.readable(log, names), self.is_over());
        let mut coverage = self.cover(&readable, names);
        let mut targets = RowTargets::default();
        let (mut written, mut heard) = (BTreeSet::new(), BTreeSet::new());
        for (row, history) in &history {
            let table = row.0;
            let place = RowScope { row: *row, names };
            let told = find_wrong_events(history, self.snapshot(), place, collector, &mut coverage);
            let read = readable.topics_read.contains(&table);
            let compared = readable.tables_read.contains(&table);
            // What stood in a topic that is cleaned up is not all there any more.
            let kept = !readable.cut.contains(&table);
            let thinned = readable.compacted.contains(&table);
            // An event that is not found may stand where nothing is read.
            let legible = read && !readable.unreadable.contains_key(&table);
            let seen = legible && !readable.moved;
            let whole = seen && kept && !history.open;
            let mut clean = whole && !thinned && compared && told.clean && history.is_final();
            if read && kept && !thinned {
                let judged = if whole { Judged::Yes } else { Judged::No };
                clean &= find_missing(history, &told, judged, place, collector, &mut coverage);
            }
            let content = self.rows.get(row).copied();
            coverage.comparable += u64::from(compared);
            let none_comes = over || (!history.changes.is_empty() && history.is_final());
            let settled = (whole && none_comes)
                || (legible && kept && !history.open && history.is_told_to_the_end(&told));
            if settled && compared && !readable.rekeyed {
                clean &= find_divergence(history, content, place, collector, &mut coverage);
            }
            if compared && !is_as_committed(history, content) {
                coverage.disowned += 1;
                clean = false;
            }
            let committed = history.count(ChangeOutcome::Committed);
            coverage.changes += committed;
            if committed > 0 && seen {
                written.insert(table);
            }
            if history.open || !history.events.is_empty() {
                heard.insert(table);
            }
            coverage.snapshot_rows += u64::from(told.snapshot.is_some());
            // Nothing is seen of what is planted on an event that was aborted.
            let aborted = self.in_txns.aborted.contains(row);
            if clean && content.is_some() && !history.untold && !aborted {
                targets.offer(*row, history.events.len());
            }
        }
        let silent = written.difference(&heard);
        coverage.silent = silent.map(|table| names.table(*table)).collect();
        coverage.targets = targets.finish();
        coverage.failures = self.connector.failures;
        coverage.settings = self.connector.settings;
        Some(coverage)
    }

    /// What of the topics and tables could be read.
    fn readable(&self, log: &Ledger, names: &Names) -> Readable {
        let of_topics = |wanted: &dyn Fn(TopicIx) -> bool| -> BTreeSet<TableIx> {
            let tables = names.tables.iter();
            tables
                .filter(|(_, table)| wanted(table.topic))
                .map(|(table, _)| *table)
                .collect()
        };
        let tables_read = names.tables.keys().copied();
        let mut unreadable = BTreeMap::new();
        let open = self.in_txns.open.values().flatten();
        let open = open.map(|(row, event)| (row, event));
        let events = self.events.iter();
        let events = events.flat_map(|(row, events)| events.iter().map(move |it| (row, it)));
        for (row, event) in events.chain(open) {
            if event.content == ChangeContent::Unreadable {
                *unreadable.entry(row.0).or_insert(0) += 1;
            }
        }
        let may = |effect| self.connector.settings.iter().any(|it| it.effect == effect);
        Readable {
            topics_read: of_topics(&|topic| log.topic_is_read(topic, names)),
            cut: of_topics(&|topic| !log.begins_at_zero(topic)),
            compacted: of_topics(&|topic| names.compacts(topic)),
            tables_read: tables_read.filter(|it| self.table_is_read(*it)).collect(),
            unreadable,
            moved: may(SettingEffect::Move),
            rekeyed: may(SettingEffect::Rekey),
        }
    }

    /// What is known before the rows are looked at.
    fn cover(&self, readable: &Readable, names: &Names) -> CaptureCoverage {
        let is_read = |table: &TableIx| {
            readable.topics_read.contains(table) && readable.tables_read.contains(table)
        };
        let tables = names.tables.iter();
        let unread = tables.filter(|(table, _)| !is_read(table));
        let unreadable = readable.unreadable.iter();
        let before = self.changes.values();
        CaptureCoverage {
            rows: self.rows.len() as u64,
            waited: self.waited,
            unread: unread.map(|(_, table)| table.name.clone()).collect(),
            compacted: table_names(&readable.compacted, names),
            cut: table_names(&readable.cut, names),
            unreadable: unreadable
                .map(|(table, events)| (names.table(*table), *events))
                .collect(),
            snapshot: self.connector.snapshot,
            changes_before: before
                .filter(|change| self.wal.precedes_capture(change.tx))
                .filter(|it| self.transactions.get(&it.tx) == Some(&TxOutcome::Committed))
                .count() as u64,
            ..CaptureCoverage::default()
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.connector.snapshot.unwrap_or(Snapshot::Unknown)
    }

    /// Whether no event at all comes any more.
    fn is_over(&self) -> bool {
        matches!(
            self.waited,
            Some(CaptureResult::CaughtUp | CaptureResult::Failed)
        )
    }

    /// Whether no event of a transaction comes any more.
    pub(super) fn is_final(&self, tx: TxId) -> bool {
        // Where a connector may read the rows anew, it may tell of a change
        // although its slot sends nothing of it.
        let streamed = matches!(self.snapshot(), Snapshot::Never | Snapshot::First)
            && !self.wal.precedes_capture(tx);
        let place = self.wal.order.get(&tx);
        let confirmed = place.is_some_and(|at| *at < self.wal.confirmed());
        let gone = self.wal.slot.gone && self.waited == Some(CaptureResult::TimedOut);
        self.is_over() || (streamed && (confirmed || gone))
    }

    fn table_is_read(&self, table: TableIx) -> bool {
        let range = (table, RowKey::new(i64::MIN))..=(table, RowKey::new(i64::MAX));
        let rows = self.rows.range(range).count() as u64;
        self.tables_read.get(&table) == Some(&rows)
    }

    /// What became of every transaction. Where the database did not say, the
    /// rows do: a row that carries a change proves its transaction committed;
    /// a row that is still as an earlier change left it proves the opposite.
    fn settle_transactions(&self) -> BTreeMap<TxId, ChangeOutcome> {
        let mut txn_outcomes: BTreeMap<TxId, ChangeOutcome> = BTreeMap::new();
        for change in self.changes.values() {
            let outcome = match self.transactions.get(&change.tx) {
                Some(TxOutcome::Committed) => ChangeOutcome::Committed,
                Some(TxOutcome::RolledBack) => ChangeOutcome::RolledBack,
                Some(TxOutcome::Unknown) | None => ChangeOutcome::Unknown,
            };
            txn_outcomes.insert(change.tx, outcome);
        }
        if txn_outcomes
            .values()
            .all(|outcome| *outcome != ChangeOutcome::Unknown)
        {
            return txn_outcomes;
        }
        for (row, content) in &self.rows {
            if let ChangeContent::Ours(id) = content
                && let Some(change) = self.changes.get(id)
                && change.row == *row
                && txn_outcomes.get(&change.tx) == Some(&ChangeOutcome::Unknown)
            {
                txn_outcomes.insert(change.tx, ChangeOutcome::Committed);
            }
        }
        let refuted: Vec<TxId> = self
            .changes
            .iter()
            .filter(|(_, change)| txn_outcomes.get(&change.tx) == Some(&ChangeOutcome::Unknown))
            .filter(|(id, change)| {
                self.table_is_read(change.row.0)
                    && match self.rows.get(&change.row) {
                        Some(ChangeContent::Ours(left)) => left < id,
                        _ => false,
                    }
            })
            .map(|(_, change)| change.tx)
            .collect();
        for tx in refuted {
            txn_outcomes.insert(tx, ChangeOutcome::RolledBack);
        }
        txn_outcomes
    }
}

/// What could be read, and what the connector's configuration makes of events.
struct Readable {
    topics_read: BTreeSet<TableIx>,
    pub(super) tables_read: BTreeSet<TableIx>,
    /// Tables whose topics have lost their beginning.
    pub(super) cut: BTreeSet<TableIx>,
    pub(super) compacted: BTreeSet<TableIx>,
    /// How many events of a table are of a form that cannot be read.
    pub(super) unreadable: BTreeMap<TableIx, u64>,
    /// Events may stand in other topics.
    moved: bool,
    /// Events may have other keys than their rows.
    rekeyed: bool,
}

/// Rows for calibration: those with many events are rare and worth most.
#[derive(Default)]
struct RowTargets {
    by_events: [Vec<Row>; 3],
}

impl RowTargets {
    fn offer(&mut self, row: Row, events: usize) {
        let class = match events {
            0 => return,
            1 => 2,
            2 => 1,
            _ => 0,
        };
        let rows = &mut self.by_events[class];
        if rows.len() < TARGETS_MAX / 2 {
            rows.push(row);
        }
    }

    fn finish(self) -> Vec<Row> {
        self.by_events.into_iter().flatten().collect()
    }
}
