//! The anomalies of captured rows by their definitions, slowly and obviously:
//! every change asked for its events, every event for its change.

use std::collections::{BTreeMap, BTreeSet};

use checker::CaptureCoverage;
use model::anomaly::Anomaly;
use model::event::{
    BatchKind, Body, CaptureResult, ChangeContent, Cleanup, Event, RowOp, SettingEffect, SlotState,
    Snapshot, TxOutcome,
};
use model::ids::{ChangeId, Lsn, PartitionRef, RowKey, TableIx, TopicIx, TxId};

type Row = (TableIx, RowKey);

struct Change {
    id: ChangeId,
    tx: TxId,
    row: Row,
    op: RowOp,
}

#[derive(Clone, Copy)]
struct RowEvent {
    place: (PartitionRef, i64),
    row: Row,
    op: RowOp,
    content: ChangeContent,
    lsn: Lsn,
}

/// Of which change an event tells.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Change(ChangeId),
    /// Of none that anybody made to this row and that may have taken effect.
    Nothing,
    /// Unknown: it is damaged.
    Damaged,
    /// Unknown: it is of another form.
    Unreadable,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum TxnOutcome {
    Committed,
    RolledBack,
    Unknown,
}

#[derive(Default)]
struct Said {
    partitions: BTreeMap<TopicIx, Vec<PartitionRef>>,
    tables: BTreeMap<TableIx, (String, TopicIx)>,
    compacting: BTreeSet<TopicIx>,
    changes: Vec<Change>,
    ended: BTreeMap<TxId, TxOutcome>,
    events: Vec<RowEvent>,
    rows: BTreeMap<Row, ChangeContent>,
    table_read: BTreeSet<TableIx>,
    pinned: BTreeMap<PartitionRef, i64>,
    read: BTreeSet<PartitionRef>,
    waited: Option<CaptureResult>,
    /// Events of transactions that are still open.
    open: Vec<RowEvent>,
    /// Where in the history each transaction was completed.
    completed: BTreeMap<TxId, usize>,
    /// Where the connector was created.
    began: Option<usize>,
    snapshot: Option<Snapshot>,
    settings: BTreeSet<SettingEffect>,
    /// Where the write-ahead log had got to, and where in the history.
    reached: Vec<(Lsn, usize)>,
    confirmed: Vec<Lsn>,
    slot: Option<SlotState>,
}

/// What stands in a partition.
enum StoredRecords {
    Batch(BatchKind, i64),
    Event(RowEvent),
}

/// Sorts the events by what became of their transactions: those that came out,
/// and those that have not.
fn come_out(stored_records: &[StoredRecords]) -> (Vec<RowEvent>, Vec<RowEvent>) {
    let (mut out, mut open) = (Vec::new(), Vec::new());
    for (at, it) in stored_records.iter().enumerate() {
        let StoredRecords::Event(told) = it else {
            continue;
        };
        let batch = stored_records[..at].iter().rev().find_map(|it| match it {
            StoredRecords::Batch(kind, producer) => Some((*kind, *producer)),
            StoredRecords::Event(_) => None,
        });
        let Some((BatchKind::Transactional, producer)) = batch else {
            out.push(*told);
            continue;
        };
        let end = stored_records[at..].iter().find_map(|it| match it {
            StoredRecords::Batch(kind @ (BatchKind::CommitMarker | BatchKind::AbortMarker), of) => {
                (*of == producer).then_some(*kind)
            }
            _ => None,
        });
        match end {
            Some(BatchKind::CommitMarker) => out.push(*told),
            Some(_) => {}
            None => open.push(*told),
        }
    }
    (out, open)
}

fn listen(events: &[Event]) -> Said {
    let mut said = Said::default();
    let mut stored_records: BTreeMap<PartitionRef, Vec<StoredRecords>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        match &event.body {
            Body::TopicDeclared {
                topic, partitions, ..
            } => {
                let all = (0..*partitions).map(|at| PartitionRef {
                    topic: *topic,
                    partition: model::ids::PartitionIndex::new(at),
                });
                said.partitions.insert(*topic, all.collect());
            }
            Body::TableDeclared { table, name, topic } => {
                said.tables.insert(*table, (name.clone(), *topic));
            }
            Body::TopicCleanup {
                topic,
                policy: Cleanup::Compact | Cleanup::CompactAndDelete,
            } => {
                said.compacting.insert(*topic);
            }
            Body::ChangeInvoked {
                tx,
                change,
                table,
                key,
                op,
            } => said.changes.push(Change {
                id: *change,
                tx: *tx,
                row: (*table, *key),
                op: *op,
            }),
            Body::TxCompleted { tx, outcome } => {
                said.ended.insert(*tx, *outcome);
                said.completed.insert(*tx, at);
            }
            Body::CaptureBegan {
                snapshot, settings, ..
            } => {
                said.began = Some(at);
                said.snapshot = Some(*snapshot);
                said.settings = settings.iter().map(|it| it.effect).collect();
            }
            Body::WalReached { lsn } => said.reached.push((*lsn, at)),
            Body::SlotSeen { state, confirmed } if said.pinned.is_empty() => {
                said.confirmed.push(*confirmed);
                said.slot = Some(*state);
            }
            Body::StoredBatch {
                partition,
                producer_id,
                kind,
                ..
            } => {
                let here = stored_records.entry(*partition).or_default();
                here.push(StoredRecords::Batch(*kind, *producer_id));
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
                let here = stored_records.entry(*partition).or_default();
                here.push(StoredRecords::Event(RowEvent {
                    place: (*partition, offset.get()),
                    row: (*table, *key),
                    op: *op,
                    content: *content,
                    lsn: *lsn,
                }));
            }
            Body::TableRow {
                table,
                key,
                content,
            } => {
                said.rows.insert((*table, *key), *content);
            }
            Body::TableRead { table, .. } => {
                said.table_read.insert(*table);
            }
            Body::Pinned {
                partition,
                log_start,
                ..
            } => {
                said.pinned.insert(*partition, log_start.get());
            }
            Body::PartitionRead { partition } => {
                said.read.insert(*partition);
            }
            Body::CaptureWaited { result, .. } => said.waited = Some(*result),
            _ => {}
        }
    }
    for stored_records in stored_records.values() {
        let (out, open) = come_out(stored_records);
        said.events.extend(out);
        said.open.extend(open);
    }
    said.events.sort_by_key(|told| told.place);
    said
}

impl Said {
    /// Whether no event comes any more.
    fn is_over(&self) -> bool {
        matches!(
            self.waited,
            Some(CaptureResult::CaughtUp | CaptureResult::Failed)
        )
    }

    fn mode(&self) -> Snapshot {
        self.snapshot.unwrap_or(Snapshot::Unknown)
    }

    fn precedes_capture(&self, tx: TxId) -> bool {
        let completed = self.completed.get(&tx);
        completed.is_some_and(|at| self.began.is_some_and(|began| *at < began))
    }

    /// Whether what streams can no longer tell of a transaction.
    fn is_out_of_reach(&self, tx: TxId) -> bool {
        let again = matches!(self.mode(), Snapshot::Repeated | Snapshot::Unknown);
        let gone = matches!(self.slot, Some(SlotState::Absent | SlotState::Lost));
        let over = gone && self.waited == Some(CaptureResult::TimedOut);
        (over || self.is_confirmed(tx)) && !again && !self.precedes_capture(tx)
    }

    /// Whether the connector has confirmed a transaction.
    fn is_confirmed(&self, tx: TxId) -> bool {
        let Some(completed) = self.completed.get(&tx) else {
            return false;
        };
        let reached = self.reached.iter().filter(|(_, at)| completed < at);
        let mut behind = reached.map(|(lsn, _)| lsn);
        behind.any(|lsn| self.confirmed.iter().any(|it| it >= lsn))
    }

    fn is_final(&self, tx: TxId) -> bool {
        self.is_over() || self.is_out_of_reach(tx)
    }

    fn may(&self, effect: SettingEffect) -> bool {
        self.settings.contains(&effect)
    }

    fn unreadable(&self, table: TableIx) -> u64 {
        let events = self.events.iter().chain(&self.open);
        let of_table = events.filter(|it| it.row.0 == table);
        let unreadable = of_table.filter(|it| it.content == ChangeContent::Unreadable);
        unreadable.count() as u64
    }

    fn is_open(&self, row: Row) -> bool {
        let mut open = self.open.iter();
        open.any(|it| it.row == row && it.content != ChangeContent::Unreadable)
    }

    /// Whether an event is one of a snapshot; none where that is unknown.
    fn is_snapshot(&self, event: &RowEvent, change: ChangeId) -> Option<bool> {
        match event.op {
            RowOp::Snapshot => Some(true),
            RowOp::Untold if self.mode() == Snapshot::Never => Some(false),
            RowOp::Untold => {
                let of = self.changes.iter().find(|it| it.id == change);
                if of.is_some_and(|it| self.precedes_capture(it.tx)) {
                    return Some(true);
                }
                (self.mode() == Snapshot::First).then_some(false)
            }
            _ => Some(false),
        }
    }

    /// Whether a snapshot found it overwritten; none where one may have.
    fn is_overwritten(&self, change: &Change, told: &[(RowEvent, Of)]) -> Option<bool> {
        let later = told.iter().filter_map(|(it, of)| match of {
            Of::Change(later) if *later > change.id => Some(self.is_snapshot(it, *later)),
            _ => None,
        });
        let later: Vec<_> = later.collect();
        if later.contains(&Some(true)) {
            Some(true)
        } else if later.contains(&None) {
            None
        } else {
            Some(false)
        }
    }

    fn topic_of(&self, table: TableIx) -> TopicIx {
        self.tables[&table].1
    }

    fn is_topic_read(&self, table: TableIx) -> bool {
        let mut partitions = self.partitions[&self.topic_of(table)].iter();
        partitions.all(|it| self.read.contains(it) && self.pinned.contains_key(it))
    }

    /// Whether the beginning of any of its partitions is gone.
    fn is_cut(&self, table: TableIx) -> bool {
        let mut partitions = self.partitions[&self.topic_of(table)].iter();
        partitions.any(|it| self.pinned.get(it).is_some_and(|start| *start > 0))
    }

    fn compacts(&self, table: TableIx) -> bool {
        self.compacting.contains(&self.topic_of(table))
    }

    fn changes_of(&self, row: Row) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |it| it.row == row)
    }

    /// What became of a transaction: what the database said, or else the rows
    /// that it left, or left alone.
    fn outcome(&self, tx: TxId) -> TxnOutcome {
        match self.ended.get(&tx) {
            Some(TxOutcome::Committed) => return TxnOutcome::Committed,
            Some(TxOutcome::RolledBack) => return TxnOutcome::RolledBack,
            Some(TxOutcome::Unknown) | None => {}
        }
        let mine = || self.changes.iter().filter(|it| it.tx == tx);
        let mut left_alone = false;
        for change in mine() {
            let holds = self.rows.get(&change.row).copied();
            if holds == Some(ChangeContent::Ours(change.id)) {
                return TxnOutcome::Committed;
            }
            if !self.table_read.contains(&change.row.0) {
                continue;
            }
            let is_older = matches!(holds, Some(ChangeContent::Ours(left)) if left < change.id);
            left_alone |= is_older;
        }
        if left_alone {
            TxnOutcome::RolledBack
        } else {
            TxnOutcome::Unknown
        }
    }

    fn outcome_of(&self, change: ChangeId) -> TxnOutcome {
        let change = self.changes.iter().find(|it| it.id == change);
        change.map_or(TxnOutcome::RolledBack, |it| self.outcome(it.tx))
    }

    /// The events of a row with what they tell of, in the order of the log.
    fn told_of(&self, row: Row) -> Vec<(RowEvent, Of)> {
        let mut told: Vec<(RowEvent, Of)> = Vec::new();
        for event in self.events.iter().filter(|it| it.row == row) {
            let of = match event.content {
                ChangeContent::Corrupt => Of::Damaged,
                ChangeContent::Unreadable => Of::Unreadable,
                ChangeContent::Foreign => Of::Nothing,
                ChangeContent::Ours(change) => {
                    let made = self.changes_of(row).any(|it| it.id == change);
                    if made && self.outcome_of(change) != TxnOutcome::RolledBack {
                        Of::Change(change)
                    } else {
                        Of::Nothing
                    }
                }
                ChangeContent::Absent => self.delete_told(row, event, &told),
            };
            told.push((*event, of));
        }
        told
    }

    /// A delete carries no number: it is the next one behind the change of the
    /// event before it, or, from the same place in the write-ahead log, the one
    /// that was told before; where there is none, it comes too late for one that
    /// nothing told of yet.
    fn delete_told(&self, row: Row, event: &RowEvent, before: &[(RowEvent, Of)]) -> Of {
        let same = before
            .iter()
            .find(|(it, of)| it.op == RowOp::Delete && it.lsn == event.lsn && *of != Of::Nothing);
        if let Some((_, of)) = same {
            return *of;
        }
        let behind = before.iter().rev().find_map(|(_, of)| match of {
            Of::Change(change) => Some(*change),
            _ => None,
        });
        let mut deletes = self.changes_of(row).filter(|it| {
            let next = behind.is_none_or(|behind| it.id > behind);
            it.op == RowOp::Delete && next && self.outcome(it.tx) != TxnOutcome::RolledBack
        });
        if let Some(next) = deletes.next() {
            return Of::Change(next.id);
        }
        let untold = self.changes_of(row).filter(|it| {
            let told = before.iter().any(|(_, of)| *of == Of::Change(it.id));
            it.op == RowOp::Delete && !told && self.outcome(it.tx) != TxnOutcome::RolledBack
        });
        untold.last().map_or(Of::Nothing, |it| Of::Change(it.id))
    }

    fn all_rows(&self) -> BTreeSet<Row> {
        let changed = self.changes.iter().map(|it| it.row);
        let told = self.events.iter().chain(&self.open).map(|it| it.row);
        changed
            .chain(told)
            .chain(self.rows.keys().copied())
            .collect()
    }

    /// Whether the topic of a table holds all that ever stood there.
    fn is_kept(&self, table: TableIx) -> bool {
        self.is_topic_read(table) && !self.is_cut(table) && !self.compacts(table)
    }

    /// What is known of a committed change: whether it lacks an event that it
    /// needs; none where that cannot be told.
    fn is_missing(&self, change: &Change, told: &[(RowEvent, Of)]) -> Option<bool> {
        let overwritten = self.is_overwritten(change, told);
        let is_told = told.iter().any(|(_, of)| *of == Of::Change(change.id));
        if is_told || overwritten == Some(true) {
            return Some(false);
        }
        let table = change.row.0;
        let legible = self.unreadable(table) == 0 && !self.may(SettingEffect::Move);
        let known = legible && !self.is_open(change.row) && self.is_final(change.tx);
        (known && overwritten.is_some()).then_some(true)
    }

    /// Whether replaying the topic gives another row than the table has; none
    /// where that cannot be told.
    fn diverges(&self, row: Row, told: &[(RowEvent, Of)]) -> Option<bool> {
        let table = row.0;
        let readable = self.is_topic_read(table) && self.table_read.contains(&table);
        let readable = readable && !self.is_cut(table) && self.unreadable(table) == 0;
        if !readable || self.is_open(row) || self.may(SettingEffect::Rekey) {
            return None;
        }
        let mut changes = self.changes_of(row);
        let all_final =
            self.changes_of(row).next().is_some() && changes.all(|it| self.is_final(it.tx));
        let complete = !self.may(SettingEffect::Move) && (self.is_over() || all_final);
        let effective = self
            .changes_of(row)
            .filter(|it| self.outcome(it.tx) != TxnOutcome::RolledBack);
        let last = effective.last().map(|it| Of::Change(it.id));
        let to_the_end = last.is_some() && told.last().map(|(_, of)| *of) == last;
        if !complete && !to_the_end {
            return None;
        }
        let holds = self.rows.get(&row).copied();
        match told.last() {
            None => Some(holds.is_some()),
            Some((last, _)) if last.op == RowOp::Delete => Some(holds.is_some()),
            Some((last, _)) => Some(holds != Some(last.content)),
        }
    }

    /// Whether the database holds a row as it confirmed it.
    fn is_disowned(&self, row: Row) -> bool {
        let may_be_last = self
            .changes_of(row)
            .filter(|it| self.outcome(it.tx) != TxnOutcome::RolledBack);
        let mut candidates: Vec<&Change> = Vec::new();
        for change in may_be_last {
            if self.outcome(change.tx) == TxnOutcome::Committed {
                candidates.clear();
            }
            candidates.push(change);
        }
        let holds = self.rows.get(&row).copied();
        let as_left = |it: &&Change| match it.op {
            RowOp::Delete => holds.is_none(),
            _ => holds == Some(ChangeContent::Ours(it.id)),
        };
        let nothing_confirmed = candidates
            .iter()
            .all(|it| self.outcome(it.tx) == TxnOutcome::Unknown);
        // Where nothing is known to have been committed, there may be no row, or
        // one that never was ours.
        let no_row_of_ours = matches!(holds, None | Some(ChangeContent::Foreign));
        let as_confirmed = candidates.iter().any(as_left);
        let never_was = nothing_confirmed && no_row_of_ours;
        !as_confirmed && !never_was
    }
}

/// Exactly the instances of the anomalies of captured rows.
pub(crate) fn count(events: &[Event]) -> BTreeMap<Anomaly, u64> {
    let said = listen(events);
    let mut counts = BTreeMap::new();
    let mut add = |anomaly, count: usize| *counts.entry(anomaly).or_insert(0) += count as u64;
    for row in said.all_rows() {
        let told = said.told_of(row);
        let missing = said.changes_of(row).filter(|change| {
            said.outcome(change.tx) == TxnOutcome::Committed
                && said.is_kept(row.0)
                && said.is_missing(change, &told) == Some(true)
        });
        add(Anomaly::RowMissing, missing.count());
        for (at, (event, of)) in told.iter().enumerate() {
            let before = &told[..at];
            let change = match of {
                Of::Damaged => {
                    add(Anomaly::Corrupt, 1);
                    continue;
                }
                Of::Unreadable => continue,
                Of::Nothing => {
                    add(Anomaly::RowPhantom, 1);
                    continue;
                }
                Of::Change(change) => *change,
            };
            if before.iter().any(|(_, of)| *of == Of::Change(change)) {
                add(Anomaly::RowDuplicate, 1);
                continue;
            }
            let behind_later = before
                .iter()
                .any(|(_, of)| matches!(of, Of::Change(later) if *later > change));
            let earlier_place = before.iter().enumerate().any(|(at, (it, of))| {
                let told_before = before[..at].iter().any(|(_, earlier)| earlier == of);
                is_change(of) && !told_before && it.lsn > event.lsn
            });
            add(
                Anomaly::CommitOrder,
                usize::from(behind_later || earlier_place),
            );
        }
        add(
            Anomaly::StateDivergence,
            usize::from(said.diverges(row, &told) == Some(true)),
        );
    }
    counts.retain(|_, count| *count > 0);
    counts
}

fn is_change(of: &Of) -> bool {
    matches!(of, Of::Change(_))
}

/// What claims about captured rows rest on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Covered {
    changes: u64,
    events: u64,
    extra_events: u64,
    rows: u64,
    settled: u64,
    ordered_pairs: u64,
    compared: u64,
    disowned: u64,
    unread: Vec<String>,
    compacted: Vec<String>,
    cut: Vec<String>,
    waited: Option<CaptureResult>,
    unsettled: u64,
    snapshot_rows: u64,
    changes_before: u64,
    unreadable: Vec<(String, u64)>,
    silent: Vec<String>,
}

impl From<&CaptureCoverage> for Covered {
    fn from(covered: &CaptureCoverage) -> Self {
        Self {
            changes: covered.changes,
            events: covered.events,
            extra_events: covered.extra_events,
            rows: covered.rows,
            settled: covered.settled,
            ordered_pairs: covered.ordered_pairs,
            compared: covered.compared,
            disowned: covered.disowned,
            unread: covered.unread.clone(),
            compacted: covered.compacted.clone(),
            cut: covered.cut.clone(),
            waited: covered.waited,
            unsettled: covered.unsettled,
            snapshot_rows: covered.snapshot_rows,
            changes_before: covered.changes_before,
            unreadable: covered.unreadable.clone(),
            silent: covered.silent.clone(),
        }
    }
}

pub(crate) fn cover(events: &[Event]) -> Covered {
    let said = listen(events);
    let mut covered = Covered {
        events: said.events.len() as u64,
        rows: said.rows.len() as u64,
        waited: said.waited,
        ..Covered::default()
    };
    for row in said.all_rows() {
        let told = said.told_of(row);
        let committed = said
            .changes_of(row)
            .filter(|it| said.outcome(it.tx) == TxnOutcome::Committed);
        for change in committed {
            covered.changes += 1;
            let needs_none = said.is_overwritten(change, &told) == Some(true);
            if said.is_kept(row.0) && !needs_none {
                let known = said.is_missing(change, &told).is_some();
                covered.settled += u64::from(known);
                covered.unsettled += u64::from(!known);
            }
        }
        let snapshot = told.iter().any(|(it, of)| match of {
            Of::Change(change) => said.is_snapshot(it, *change) == Some(true),
            _ => false,
        });
        covered.snapshot_rows += u64::from(snapshot);
        let changes: Vec<Of> = told.iter().map(|(_, of)| *of).collect();
        for (at, of) in changes.iter().enumerate().filter(|(_, of)| is_change(of)) {
            let again = changes[..at].contains(of);
            covered.extra_events += u64::from(again);
            covered.ordered_pairs += u64::from(!again && changes[..at].iter().any(is_change));
        }
        covered.compared += u64::from(said.diverges(row, &told).is_some());
        let readable = said.table_read.contains(&row.0);
        covered.disowned += u64::from(readable && said.is_disowned(row));
    }
    let before = said.changes.iter().filter(|it| {
        said.precedes_capture(it.tx) && said.ended.get(&it.tx) == Some(&TxOutcome::Committed)
    });
    covered.changes_before = before.count() as u64;
    for (table, (name, _)) in &said.tables {
        if !said.is_topic_read(*table) || !said.table_read.contains(table) {
            covered.unread.push(name.clone());
        }
        if said.compacts(*table) {
            covered.compacted.push(name.clone());
        }
        if said.is_cut(*table) {
            covered.cut.push(name.clone());
        }
        let unreadable = said.unreadable(*table);
        if unreadable > 0 {
            covered.unreadable.push((name.clone(), unreadable));
        }
        let of_table = said.changes.iter().filter(|it| it.row.0 == *table);
        let committed = of_table
            .filter(|it| said.outcome(it.tx) == TxnOutcome::Committed)
            .count();
        let seen = said.is_topic_read(*table) && !said.may(SettingEffect::Move);
        let mut events = said.events.iter().chain(&said.open);
        if committed > 0 && seen && !events.any(|it| it.row.0 == *table) {
            covered.silent.push(name.clone());
        }
    }
    covered
}
