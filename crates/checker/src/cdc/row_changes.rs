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
//! failed and nobody restarts it; or the connector has confirmed the change to
//! its replication slot, which Connect does only for what the topics hold, and
//! behind which the database sends nothing again; or the slot is gone, or has
//! lost the log that it needs, and the time was up. What was committed before
//! the connector was created is the snapshot's, and no slot tells of it.
//!
//! Where events come in transactions, those of one that was aborted are none,
//! and those of one that is open have not come out yet.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{
    BatchKind, Body, CaptureResult, CaptureSetting, ChangeContent, Event, RowOp, SettingEffect,
    SlotState, Snapshot, TxOutcome,
};
use model::ids::{ChangeId, Lsn, Micros, Offset, PartitionRef, RowKey, TableIx, TopicIx, TxId};
use model::verdict::PartFailure;

use crate::log::Ledger;
use crate::names::Names;
use crate::proof::finding::{FindingCollector, Scope, Watch};

/// Rows that calibration may choose from, at most.
const VICTIMS_MAX: usize = 64;

type Row = (TableIx, RowKey);

#[derive(Clone, Copy)]
struct Change {
    tx: TxId,
    row: Row,
    op: RowOp,
}

#[derive(Clone, Copy)]
struct ChangeEvent {
    partition: PartitionRef,
    offset: Offset,
    op: RowOp,
    content: ChangeContent,
    lsn: Lsn,
    /// Which of all events it is, as they were read.
    number: u64,
}

/// What is known of a database and its capture, before it is settled.
#[derive(Default)]
pub(crate) struct Capture {
    changes: BTreeMap<ChangeId, Change>,
    transactions: BTreeMap<TxId, TxOutcome>,
    events: BTreeMap<Row, Vec<ChangeEvent>>,
    events_read: u64,
    transacted: Transacted,
    rows: BTreeMap<Row, ChangeContent>,
    tables_read: BTreeMap<TableIx, u64>,
    waited: Option<CaptureResult>,
    connector: Connector,
    wal: Wal,
}

/// Events that came in transactions.
#[derive(Default)]
struct Transacted {
    /// Whose transaction the batch belongs to that is being read.
    inside: BTreeMap<PartitionRef, i64>,
    open: BTreeMap<(PartitionRef, i64), Vec<(Row, ChangeEvent)>>,
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

/// Which transactions the connector has confirmed. They are known by how many
/// had been completed before.
#[derive(Default)]
struct Wal {
    /// Of each transaction, how many were completed before it.
    order: BTreeMap<TxId, u64>,
    /// How many had been completed when the connector was created.
    began: u64,
    /// How many had been completed where the log had got to each place.
    reached: Vec<(Lsn, u64)>,
    slot: Slot,
    /// What was known of the slot when each partition began to be read: what
    /// is confirmed later may be in a topic behind what was read of it.
    pinned: Vec<(PartitionRef, Slot)>,
}

/// What is known of the replication slot.
#[derive(Clone, Copy, Default)]
struct Slot {
    confirmed: Lsn,
    /// There is none any more that anything could come from.
    gone: bool,
}

impl Wal {
    fn completed(&mut self, tx: TxId) {
        let before = self.order.len() as u64;
        self.order.entry(tx).or_insert(before);
    }

    /// What counts of the slot: what was known before the first change topic
    /// was read.
    fn settle(&mut self, names: &Names) {
        let is_change = |topic| names.tables.values().any(|table| table.topic == topic);
        let mut pinned = self.pinned.iter();
        if let Some((_, slot)) = pinned.find(|(at, _)| is_change(at.topic)) {
            self.slot = *slot;
        }
    }

    /// How many transactions were completed before a place that is confirmed.
    fn confirmed(&self) -> u64 {
        let reached = self.reached.iter();
        let confirmed = reached.filter(|(lsn, _)| *lsn <= self.slot.confirmed);
        confirmed.map(|(_, before)| *before).max().unwrap_or(0)
    }

    /// Whether it was completed before the connector was created.
    fn precedes_capture(&self, tx: TxId) -> bool {
        self.order.get(&tx).is_some_and(|at| *at < self.began)
    }
}

/// What settling the capture came to, apart from findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureCoverage {
    /// Changes that the database committed.
    pub changes: u64,
    /// Change events in the topics, copies included.
    pub events: u64,
    /// Events beyond the first of their change.
    pub extra_events: u64,
    /// Rows in the tables at the end.
    pub rows: u64,
    /// Committed changes of which it could be told whether they have an
    /// event.
    pub settled: u64,
    /// Events that follow another of the same row.
    pub ordered_pairs: u64,
    /// Rows, present or deleted, that were held against the topic's replay.
    pub compared: u64,
    /// Rows that would have been, had it been known that no event comes any
    /// more.
    pub comparable: u64,
    /// Rows that the database itself does not hold as it confirmed them.
    pub disowned: u64,
    /// Tables whose rows, or whose topics, were not read to the end.
    pub unread: Vec<String>,
    /// Tables whose topics compact, so that no event can be called missing.
    pub compacted: Vec<String>,
    /// Tables whose topics have lost their beginning, so that neither can a
    /// row.
    pub cut: Vec<String>,
    /// How the wait for the last change ended.
    pub waited: Option<CaptureResult>,
    /// Committed changes without an event of which it could not be told
    /// whether they are missing or late, or stand where nobody looked.
    pub unsettled: u64,
    /// The committed changes that are missing.
    pub(crate) missing: Vec<ChangeId>,
    /// Events of a form that cannot be read, by table.
    pub unreadable: Vec<(String, u64)>,
    /// Tables with committed changes, and no event at all.
    pub silent: Vec<String>,
    /// Whether the connector reads rows that are there before it streams.
    pub snapshot: Option<Snapshot>,
    /// Rows that a snapshot found.
    pub snapshot_rows: u64,
    /// Changes that were committed before the connector was created.
    pub changes_before: u64,
    /// What of the connector's configuration changes its events.
    pub settings: Vec<CaptureSetting>,
    /// Parts of the connector that failed.
    pub failures: Vec<PartFailure>,
    /// Rows without a blemish, for calibration to plant anomalies on.
    pub(crate) victims: Vec<(TableIx, RowKey)>,
}

impl CaptureCoverage {
    /// The settings that may do this to events, in words.
    pub fn settings_that(&self, may: SettingEffect) -> Vec<&str> {
        let settings = self.settings.iter().filter(|setting| setting.may == may);
        settings.map(|setting| setting.what.as_str()).collect()
    }
}

fn table_names(tables: &BTreeSet<TableIx>, names: &Names) -> Vec<String> {
    tables.iter().map(|table| names.table(*table)).collect()
}

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ChangeOutcome {
    Committed,
    RolledBack,
    Unknown,
}

impl Capture {
    pub(crate) fn observe(&mut self, event: &Event) {
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
        let transacted = &mut self.transacted;
        transacted.inside.remove(&partition);
        match kind {
            BatchKind::Transactional => {
                transacted.inside.insert(partition, producer);
            }
            BatchKind::CommitMarker => {
                let events = transacted.open.remove(&(partition, producer));
                for (row, event) in events.into_iter().flatten() {
                    self.transacted.any_committed = true;
                    self.events.entry(row).or_default().push(event);
                }
            }
            BatchKind::AbortMarker => {
                transacted.open.remove(&(partition, producer));
            }
            BatchKind::Plain | BatchKind::Control => {}
        }
    }

    fn event(&mut self, row: Row, event: ChangeEvent) {
        match self.transacted.inside.get(&event.partition) {
            Some(producer) => {
                let open = self.transacted.open.entry((event.partition, *producer));
                open.or_default().push((row, event));
            }
            None => self.events.entry(row).or_default().push(event),
        }
    }

    /// Finds what is wrong with the capture; none where nothing was captured.
    pub(crate) fn settle(
        mut self,
        log: &Ledger,
        names: &Names,
        collector: &mut FindingCollector,
    ) -> Option<CaptureCoverage> {
        if names.tables.is_empty() && self.changes.is_empty() && self.events.is_empty() {
            return None;
        }
        if self.transacted.any_committed {
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
            row.changes.push(Made {
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
        for (row, event) in self.transacted.open.values().flatten() {
            let row = history.entry(*row).or_default();
            row.open |= event.content != ChangeContent::Unreadable;
        }
        let (sight, over) = (self.sight(log, names), self.is_over());
        let mut coverage = self.cover(&sight, names);
        let mut victims = Victims::default();
        let (mut written, mut heard) = (BTreeSet::new(), BTreeSet::new());
        for (row, history) in &history {
            let table = row.0;
            let place = Place { row: *row, names };
            let told = find_wrong_events(history, self.snapshot(), place, collector, &mut coverage);
            let read = sight.topics_read.contains(&table);
            let compared = sight.tables_read.contains(&table);
            // What stood in a topic that is cleaned up is not all there any more.
            let kept = !sight.cut.contains(&table);
            let thinned = sight.compacted.contains(&table);
            // An event that nobody finds may stand where nobody reads.
            let legible = read && !sight.unreadable.contains_key(&table);
            let seen = legible && !sight.moved;
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
            if settled && compared && !sight.rekeyed {
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
            if clean && content.is_some() && !history.untold {
                victims.offer(*row, history.events.len());
            }
        }
        let silent = written.difference(&heard);
        coverage.silent = silent.map(|table| names.table(*table)).collect();
        coverage.victims = victims.finish();
        coverage.failures = self.connector.failures;
        coverage.settings = self.connector.settings;
        Some(coverage)
    }

    /// What of the topics and tables could be read.
    fn sight(&self, log: &Ledger, names: &Names) -> Sight {
        let of_topics = |wanted: &dyn Fn(TopicIx) -> bool| -> BTreeSet<TableIx> {
            let tables = names.tables.iter();
            tables
                .filter(|(_, table)| wanted(table.topic))
                .map(|(table, _)| *table)
                .collect()
        };
        let tables_read = names.tables.keys().copied();
        let mut unreadable = BTreeMap::new();
        let open = self.transacted.open.values().flatten();
        let open = open.map(|(row, event)| (row, event));
        let events = self.events.iter();
        let events = events.flat_map(|(row, events)| events.iter().map(move |it| (row, it)));
        for (row, event) in events.chain(open) {
            if event.content == ChangeContent::Unreadable {
                *unreadable.entry(row.0).or_insert(0) += 1;
            }
        }
        let may = |effect| self.connector.settings.iter().any(|it| it.may == effect);
        Sight {
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
    fn cover(&self, sight: &Sight, names: &Names) -> CaptureCoverage {
        let is_read = |table: &TableIx| {
            sight.topics_read.contains(table) && sight.tables_read.contains(table)
        };
        let tables = names.tables.iter();
        let unread = tables.filter(|(table, _)| !is_read(table));
        let unreadable = sight.unreadable.iter();
        let before = self.changes.values();
        CaptureCoverage {
            rows: self.rows.len() as u64,
            waited: self.waited,
            unread: unread.map(|(_, table)| table.name.clone()).collect(),
            compacted: table_names(&sight.compacted, names),
            cut: table_names(&sight.cut, names),
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

    fn snapshot(&self) -> Snapshot {
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
    fn is_final(&self, tx: TxId) -> bool {
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
struct Sight {
    topics_read: BTreeSet<TableIx>,
    tables_read: BTreeSet<TableIx>,
    /// Tables whose topics have lost their beginning.
    cut: BTreeSet<TableIx>,
    compacted: BTreeSet<TableIx>,
    /// How many events of a table are of a form that cannot be read.
    unreadable: BTreeMap<TableIx, u64>,
    /// Events may stand in other topics.
    moved: bool,
    /// Events may have other keys than their rows.
    rekeyed: bool,
}

/// A change of a row.
#[derive(Clone, Copy)]
struct Made {
    change: ChangeId,
    op: RowOp,
    outcome: ChangeOutcome,
    /// No event of it comes any more.
    is_final: bool,
    /// It was completed before the connector was created.
    before_capture: bool,
}

/// Whether what is not there may be called missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    Yes,
    No,
}

/// Everything about one row: what the writer did, and the events.
#[derive(Default)]
struct RowHistory<'e> {
    changes: Vec<Made>,
    events: &'e [ChangeEvent],
    /// An event of it stands in a transaction that is still open.
    open: bool,
    /// Whether there is a change of which the database did not say what became:
    /// without its event, or its row, nobody may know.
    untold: bool,
}

impl RowHistory<'_> {
    fn count(&self, wanted: ChangeOutcome) -> u64 {
        let of = self.changes.iter().filter(|made| made.outcome == wanted);
        of.count() as u64
    }

    fn made(&self, change: ChangeId) -> Option<&Made> {
        let changes = &self.changes;
        let at = changes.binary_search_by_key(&change, |made| made.change);
        at.ok().map(|at| &changes[at])
    }

    /// Whether no event of the row comes any more.
    fn is_final(&self) -> bool {
        self.changes.iter().all(|made| made.is_final)
    }

    /// Whether its latest event tells of its last change.
    fn is_told_to_the_end(&self, told: &Told) -> bool {
        let mut changes = self.changes.iter().rev();
        let last = changes.find(|made| made.outcome != ChangeOutcome::RolledBack);
        last.is_some_and(|last| told.latest == Some(last.change))
    }

    /// Which deletion a delete event tells of: the first that may have been
    /// committed behind the change that the row's events told of before it;
    /// where there is none, an earlier one that nothing told of. One that is
    /// told again comes from the same place in the write-ahead log; where the
    /// places are not known, what comes from none of these is told again, too.
    fn deletion(&self, told: &Told, lsn: Lsn) -> Option<ChangeId> {
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
struct Told {
    changes: BTreeSet<ChangeId>,
    /// The change that the latest event told of.
    cursor: Option<ChangeId>,
    /// The change that the very last event told of, if of any.
    latest: Option<ChangeId>,
    deletions: Vec<(Lsn, ChangeId)>,
    /// The latest change that a snapshot found in the row: what was there
    /// before it needs no event.
    snapshot: Option<ChangeId>,
    /// The latest change that a snapshot may have found, by an event that does
    /// not say.
    maybe_snapshot: Option<ChangeId>,
    clean: bool,
}

/// Whose events are being settled.
#[derive(Clone, Copy)]
struct Place<'r> {
    row: Row,
    names: &'r Names,
}

impl Place<'_> {
    fn add(
        self,
        collector: &mut FindingCollector,
        anomaly: Anomaly,
        event: Option<&ChangeEvent>,
        what: &str,
    ) {
        let (table, key) = self.row;
        let position = event.map(|event| (event.partition, event.offset));
        let suspect = || {
            let name = self.names.table(table);
            let mut watch = vec![Watch::Row(table, key)];
            watch.extend(position.map(|(partition, offset)| Watch::Position(partition, offset)));
            (format!("{name} row {key}: {what}"), watch)
        };
        match (anomaly, position) {
            (Anomaly::Corrupt, Some((partition, offset))) => {
                collector.add(anomaly, Scope::Partition(partition), offset.get(), suspect);
            }
            _ => collector.add(anomaly, Scope::Table(table), key.get(), suspect),
        }
    }
}

/// row-phantom: an event for a change of this row that was never made, or
/// whose transaction was rolled back. row-duplicate: each event of a change
/// beyond its first. commit-order: the first event of a change behind the
/// event of a later change of the row, or with an earlier place in the
/// write-ahead log than one before it. corrupt: a damaged row image.
fn find_wrong_events(
    history: &RowHistory<'_>,
    snapshot: Snapshot,
    place: Place<'_>,
    collector: &mut FindingCollector,
    coverage: &mut CaptureCoverage,
) -> Told {
    let mut told = Told {
        changes: BTreeSet::new(),
        cursor: None,
        latest: None,
        deletions: Vec::new(),
        snapshot: None,
        maybe_snapshot: None,
        clean: true,
    };
    let mut lsn_max = Lsn::new(0);
    for event in history.events {
        coverage.events += 1;
        told.latest = None;
        let change = match (event.content, event.op) {
            (ChangeContent::Ours(change), _) => Some(change),
            (ChangeContent::Absent, RowOp::Delete) => {
                let deletion = history.deletion(&told, event.lsn);
                told.deletions.extend(deletion.map(|of| (event.lsn, of)));
                deletion
            }
            (ChangeContent::Corrupt, _) => {
                told.clean = false;
                place.add(
                    collector,
                    Anomaly::Corrupt,
                    Some(event),
                    "a damaged row image",
                );
                continue;
            }
            (ChangeContent::Unreadable, _) => {
                told.clean = false;
                continue;
            }
            (ChangeContent::Absent | ChangeContent::Foreign, _) => None,
        };
        let made = change.and_then(|change| history.made(change));
        let (Some(change), Some(made)) = (
            change,
            made.filter(|it| it.outcome != ChangeOutcome::RolledBack),
        ) else {
            told.clean = false;
            let what = match made {
                Some(_) => "an event for a change that was rolled back",
                None => "an event for a change that nobody made",
            };
            place.add(collector, Anomaly::RowPhantom, Some(event), what);
            continue;
        };
        told.cursor = Some(change);
        told.latest = Some(change);
        match (event.op, snapshot) {
            (RowOp::Snapshot, _) => told.snapshot = told.snapshot.max(Some(change)),
            // No stream tells of what was there before it.
            (RowOp::Untold, Snapshot::First | Snapshot::Repeated | Snapshot::Unknown)
                if made.before_capture =>
            {
                told.snapshot = told.snapshot.max(Some(change));
            }
            (RowOp::Untold, Snapshot::Repeated | Snapshot::Unknown) => {
                told.maybe_snapshot = told.maybe_snapshot.max(Some(change));
            }
            _ => {}
        }
        let latest = told.changes.last().copied();
        if !told.changes.insert(change) {
            told.clean = false;
            coverage.extra_events += 1;
            let what = format!("change {change} is told again");
            place.add(collector, Anomaly::RowDuplicate, Some(event), &what);
            continue;
        }
        coverage.ordered_pairs += u64::from(latest.is_some());
        if latest.is_some_and(|latest| latest > change)
            || (event.lsn > Lsn::new(0) && event.lsn < lsn_max)
        {
            told.clean = false;
            let what = format!("change {change} is told behind a later one");
            place.add(collector, Anomaly::CommitOrder, Some(event), &what);
        }
        lsn_max = lsn_max.max(event.lsn);
    }
    told
}

/// row-missing: a committed change without an event, when none comes any more
/// and the topic was read to its end. What a snapshot found overwritten needs
/// no event of its own. Whether all have theirs.
fn find_missing(
    history: &RowHistory<'_>,
    told: &Told,
    judged: Judged,
    place: Place<'_>,
    collector: &mut FindingCollector,
    coverage: &mut CaptureCoverage,
) -> bool {
    let mut complete = true;
    let committed = history.changes.iter();
    for made in committed.filter(|made| made.outcome == ChangeOutcome::Committed) {
        let change = made.change;
        if told.snapshot.is_some_and(|snapshot| change < snapshot) {
            continue;
        }
        if told.changes.contains(&change) {
            coverage.settled += 1;
            continue;
        }
        complete = false;
        let overwritten = told
            .maybe_snapshot
            .is_some_and(|snapshot| change < snapshot);
        if judged == Judged::No || !made.is_final || overwritten {
            coverage.unsettled += 1;
            continue;
        }
        coverage.settled += 1;
        let op = match made.op {
            RowOp::Insert | RowOp::Snapshot | RowOp::Untold => "insert",
            RowOp::Update => "update",
            RowOp::Delete => "delete",
        };
        coverage.missing.push(change);
        let what = format!("change {change} ({op}) is committed and has no event");
        place.add(collector, Anomaly::RowMissing, None, &what);
    }
    complete
}

/// state-divergence: the last event of the row against the row of the table.
/// Whether they agree.
fn find_divergence(
    history: &RowHistory<'_>,
    row: Option<ChangeContent>,
    place: Place<'_>,
    collector: &mut FindingCollector,
    coverage: &mut CaptureCoverage,
) -> bool {
    coverage.compared += 1;
    let replayed = history
        .events
        .last()
        .filter(|event| event.op != RowOp::Delete)
        .map(|event| event.content);
    if replayed != row {
        let say = |content: Option<ChangeContent>| match content {
            None => "no row".to_owned(),
            Some(ChangeContent::Ours(change)) => format!("change {change}"),
            Some(ChangeContent::Absent) => "a row without content".to_owned(),
            Some(ChangeContent::Corrupt) => "a damaged row".to_owned(),
            Some(ChangeContent::Foreign) => "a foreign row".to_owned(),
            Some(ChangeContent::Unreadable) => "a row that cannot be read".to_owned(),
        };
        let what = format!(
            "the topic replays to {}, the table holds {}",
            say(replayed),
            say(row)
        );
        place.add(
            collector,
            Anomaly::StateDivergence,
            history.events.last(),
            &what,
        );
    }
    replayed == row
}

/// Whether the table holds the row as the last committed change left it, or
/// as a change left it that nobody was told the outcome of. Where not, the
/// database itself is in doubt, and Kafka is not to blame.
fn is_as_committed(history: &RowHistory<'_>, row: Option<ChangeContent>) -> bool {
    let mut possible = history.changes.iter().rev();
    let mut allowed = Vec::new();
    let mut settled = false;
    for made in possible.by_ref() {
        if made.outcome != ChangeOutcome::RolledBack {
            let left = (made.op != RowOp::Delete).then_some(ChangeContent::Ours(made.change));
            allowed.push(left);
        }
        if made.outcome == ChangeOutcome::Committed {
            settled = true;
            break;
        }
    }
    if !settled {
        // Nothing is known to have been committed: the row may be missing, or
        // may never have been ours.
        allowed.push(None);
        allowed.extend(
            [ChangeContent::Foreign, ChangeContent::Absent]
                .into_iter()
                .map(Some),
        );
    }
    allowed.contains(&row)
}

/// Rows for calibration: those with many events are rare and worth most.
#[derive(Default)]
struct Victims {
    by_events: [Vec<Row>; 3],
}

impl Victims {
    fn offer(&mut self, row: Row, events: usize) {
        let class = match events {
            0 => return,
            1 => 2,
            2 => 1,
            _ => 0,
        };
        let rows = &mut self.by_events[class];
        if rows.len() < VICTIMS_MAX / 2 {
            rows.push(row);
        }
    }

    fn finish(self) -> Vec<Row> {
        self.by_events.into_iter().flatten().collect()
    }
}
