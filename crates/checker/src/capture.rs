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

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{Body, CaptureResult, ChangeContent, RowOp, TxOutcome};
use model::ids::{ChangeId, Lsn, Offset, PartitionRef, RowKey, TableIx, TopicIx, TxId};

use crate::finding::{Docket, Scope, Watch};
use crate::log::Ledger;
use crate::roster::Roster;

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
}

/// What is known of a database and its capture, before it is settled.
#[derive(Default)]
pub(crate) struct Capture {
    changes: BTreeMap<ChangeId, Change>,
    transactions: BTreeMap<TxId, TxOutcome>,
    events: BTreeMap<Row, Vec<ChangeEvent>>,
    rows: BTreeMap<Row, ChangeContent>,
    tables_read: BTreeMap<TableIx, u64>,
    waited: Option<CaptureResult>,
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
    /// Rows without a blemish, for calibration to plant anomalies on.
    pub(crate) victims: Vec<(TableIx, RowKey)>,
}

fn names(tables: &BTreeSet<TableIx>, roster: &Roster) -> Vec<String> {
    tables.iter().map(|table| roster.table(*table)).collect()
}

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Committed,
    RolledBack,
    Unknown,
}

impl Capture {
    pub(crate) fn observe(&mut self, body: &Body) {
        match body {
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
                let event = ChangeEvent {
                    partition: *partition,
                    offset: *offset,
                    op: *op,
                    content: *content,
                    lsn: *lsn,
                };
                self.events.entry((*table, *key)).or_default().push(event);
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
            _ => {}
        }
    }

    /// Finds what is wrong with the capture; none where nothing was captured.
    pub(crate) fn settle(
        &self,
        log: &Ledger,
        roster: &Roster,
        docket: &mut Docket,
    ) -> Option<CaptureCoverage> {
        if roster.tables.is_empty() && self.changes.is_empty() && self.events.is_empty() {
            return None;
        }
        let fates = self.settle_transactions();
        let mut history: BTreeMap<Row, RowHistory<'_>> = BTreeMap::new();
        for (id, change) in &self.changes {
            let fate = fates.get(&change.tx).copied().unwrap_or(Fate::Unknown);
            let row = history.entry(change.row).or_default();
            row.changes.push((*id, change.op, fate));
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
        let topics_read: BTreeSet<TableIx> = roster
            .tables
            .iter()
            .filter(|(_, table)| log.topic_is_read(table.topic, roster))
            .map(|(table, _)| *table)
            .collect();
        let of_topics = |wanted: &dyn Fn(TopicIx) -> bool| -> BTreeSet<TableIx> {
            let tables = roster.tables.iter();
            tables
                .filter(|(_, table)| wanted(table.topic))
                .map(|(table, _)| *table)
                .collect()
        };
        let cut = of_topics(&|topic| !log.begins_at_zero(topic));
        let compacted = of_topics(&|topic| roster.compacts(topic));
        let tables_read: BTreeSet<TableIx> = roster
            .tables
            .keys()
            .filter(|table| self.table_is_read(**table))
            .copied()
            .collect();
        let caught_up = self.waited == Some(CaptureResult::CaughtUp);
        let mut coverage = CaptureCoverage {
            rows: self.rows.len() as u64,
            waited: self.waited,
            unread: roster
                .tables
                .iter()
                .filter(|(table, _)| !(topics_read.contains(table) && tables_read.contains(table)))
                .map(|(_, table)| table.name.clone())
                .collect(),
            compacted: names(&compacted, roster),
            cut: names(&cut, roster),
            ..CaptureCoverage::default()
        };
        let mut victims = Victims::default();
        for (row, history) in &history {
            let place = Place { row: *row, roster };
            let told = find_wrong_events(history, place, docket, &mut coverage);
            let compared = tables_read.contains(&row.0);
            let whole = caught_up && topics_read.contains(&row.0);
            // What stood in a topic that is cleaned up is not all there any more.
            let (kept, thinned) = (!cut.contains(&row.0), compacted.contains(&row.0));
            let mut clean = whole && kept && !thinned && compared && told.clean;
            if whole && kept && !thinned {
                clean &= find_missing(history, &told, place, docket, &mut coverage);
            }
            let content = self.rows.get(row).copied();
            if whole && kept && compared {
                clean &= find_divergence(history, content, place, docket, &mut coverage);
            }
            if compared && !is_as_committed(history, content) {
                coverage.disowned += 1;
                clean = false;
            }
            coverage.changes += history.count(Fate::Committed);
            if clean && content.is_some() && !history.untold {
                victims.offer(*row, history.events.len());
            }
        }
        coverage.victims = victims.finish();
        Some(coverage)
    }

    fn table_is_read(&self, table: TableIx) -> bool {
        let range = (table, RowKey::new(i64::MIN))..=(table, RowKey::new(i64::MAX));
        let rows = self.rows.range(range).count() as u64;
        self.tables_read.get(&table) == Some(&rows)
    }

    /// What became of every transaction. Where the database did not say, the
    /// rows do: a row that carries a change proves its transaction committed;
    /// a row that is still as an earlier change left it proves the opposite.
    fn settle_transactions(&self) -> BTreeMap<TxId, Fate> {
        let mut fates: BTreeMap<TxId, Fate> = BTreeMap::new();
        for change in self.changes.values() {
            let fate = match self.transactions.get(&change.tx) {
                Some(TxOutcome::Committed) => Fate::Committed,
                Some(TxOutcome::RolledBack) => Fate::RolledBack,
                Some(TxOutcome::Unknown) | None => Fate::Unknown,
            };
            fates.insert(change.tx, fate);
        }
        if fates.values().all(|fate| *fate != Fate::Unknown) {
            return fates;
        }
        for (row, content) in &self.rows {
            if let ChangeContent::Ours(id) = content
                && let Some(change) = self.changes.get(id)
                && change.row == *row
                && fates.get(&change.tx) == Some(&Fate::Unknown)
            {
                fates.insert(change.tx, Fate::Committed);
            }
        }
        let refuted: Vec<TxId> = self
            .changes
            .iter()
            .filter(|(_, change)| fates.get(&change.tx) == Some(&Fate::Unknown))
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
            fates.insert(tx, Fate::RolledBack);
        }
        fates
    }
}

/// Everything about one row: what the writer did, and the events.
#[derive(Default)]
struct RowHistory<'e> {
    changes: Vec<(ChangeId, RowOp, Fate)>,
    events: &'e [ChangeEvent],
    /// Whether there is a change of which the database did not say what became:
    /// without its event, or its row, nobody may know.
    untold: bool,
}

impl RowHistory<'_> {
    fn count(&self, wanted: Fate) -> u64 {
        let of = self.changes.iter().filter(|(_, _, fate)| *fate == wanted);
        of.count() as u64
    }

    fn fate(&self, change: ChangeId) -> Option<Fate> {
        let at = self.changes.binary_search_by_key(&change, |(id, ..)| *id);
        at.ok().map(|at| self.changes[at].2)
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
                .filter(|(_, op, fate)| *op == RowOp::Delete && *fate != Fate::RolledBack)
                .map(|(id, ..)| *id)
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
    deletions: Vec<(Lsn, ChangeId)>,
    /// The latest change that a snapshot found in the row: what was there
    /// before it needs no event.
    snapshot: Option<ChangeId>,
    clean: bool,
}

/// Whose events are being settled.
#[derive(Clone, Copy)]
struct Place<'r> {
    row: Row,
    roster: &'r Roster,
}

impl Place<'_> {
    fn add(self, docket: &mut Docket, anomaly: Anomaly, event: Option<&ChangeEvent>, what: &str) {
        let (table, key) = self.row;
        let position = event.map(|event| (event.partition, event.offset));
        let suspect = || {
            let name = self.roster.table(table);
            let mut watch = vec![Watch::Row(table, key)];
            watch.extend(position.map(|(partition, offset)| Watch::Position(partition, offset)));
            (format!("{name} row {key}: {what}"), watch)
        };
        match (anomaly, position) {
            (Anomaly::Corrupt, Some((partition, offset))) => {
                docket.add(anomaly, Scope::Partition(partition), offset.get(), suspect);
            }
            _ => docket.add(anomaly, Scope::Table(table), key.get(), suspect),
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
    place: Place<'_>,
    docket: &mut Docket,
    coverage: &mut CaptureCoverage,
) -> Told {
    let mut told = Told {
        changes: BTreeSet::new(),
        cursor: None,
        deletions: Vec::new(),
        snapshot: None,
        clean: true,
    };
    let mut lsn_max = Lsn::new(0);
    for event in history.events {
        coverage.events += 1;
        let change = match (event.content, event.op) {
            (ChangeContent::Ours(change), _) => Some(change),
            (ChangeContent::Absent, RowOp::Delete) => {
                let deletion = history.deletion(&told, event.lsn);
                told.deletions.extend(deletion.map(|of| (event.lsn, of)));
                deletion
            }
            (ChangeContent::Corrupt, _) => {
                told.clean = false;
                place.add(docket, Anomaly::Corrupt, Some(event), "a damaged row image");
                continue;
            }
            (ChangeContent::Absent | ChangeContent::Foreign, _) => None,
        };
        let fate = change.and_then(|change| history.fate(change));
        let (Some(change), Some(Fate::Committed | Fate::Unknown)) = (change, fate) else {
            told.clean = false;
            let what = match fate {
                Some(_) => "an event for a change that was rolled back",
                None => "an event for a change that nobody made",
            };
            place.add(docket, Anomaly::RowPhantom, Some(event), what);
            continue;
        };
        told.cursor = Some(change);
        if event.op == RowOp::Snapshot {
            told.snapshot = told.snapshot.max(Some(change));
        }
        let latest = told.changes.last().copied();
        if !told.changes.insert(change) {
            told.clean = false;
            coverage.extra_events += 1;
            let what = format!("change {change} is told again");
            place.add(docket, Anomaly::RowDuplicate, Some(event), &what);
            continue;
        }
        coverage.ordered_pairs += u64::from(latest.is_some());
        if latest.is_some_and(|latest| latest > change)
            || (event.lsn > Lsn::new(0) && event.lsn < lsn_max)
        {
            told.clean = false;
            let what = format!("change {change} is told behind a later one");
            place.add(docket, Anomaly::CommitOrder, Some(event), &what);
        }
        lsn_max = lsn_max.max(event.lsn);
    }
    told
}

/// row-missing: a committed change without an event, when the capture had
/// caught up and the topic was read to its end. What a snapshot found
/// overwritten needs no event of its own. Whether all have theirs.
fn find_missing(
    history: &RowHistory<'_>,
    told: &Told,
    place: Place<'_>,
    docket: &mut Docket,
    coverage: &mut CaptureCoverage,
) -> bool {
    let mut complete = true;
    for (change, op, fate) in &history.changes {
        if *fate != Fate::Committed || told.snapshot.is_some_and(|snapshot| *change < snapshot) {
            continue;
        }
        coverage.settled += 1;
        if !told.changes.contains(change) {
            complete = false;
            let op = match op {
                RowOp::Insert | RowOp::Snapshot => "insert",
                RowOp::Update => "update",
                RowOp::Delete => "delete",
            };
            let what = format!("change {change} ({op}) is committed and has no event");
            place.add(docket, Anomaly::RowMissing, None, &what);
        }
    }
    complete
}

/// state-divergence: the last event of the row against the row of the table.
/// Whether they agree.
fn find_divergence(
    history: &RowHistory<'_>,
    row: Option<ChangeContent>,
    place: Place<'_>,
    docket: &mut Docket,
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
        };
        let what = format!(
            "the topic replays to {}, the table holds {}",
            say(replayed),
            say(row)
        );
        place.add(
            docket,
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
    for (change, op, fate) in possible.by_ref() {
        if *fate != Fate::RolledBack {
            let left = (*op != RowOp::Delete).then_some(ChangeContent::Ours(*change));
            allowed.push(left);
        }
        if *fate == Fate::Committed {
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
