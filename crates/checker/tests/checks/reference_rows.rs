//! The anomalies of captured rows by their definitions, slowly and obviously:
//! every change asked for its events, every event for its change.

use std::collections::{BTreeMap, BTreeSet};

use checker::CaptureCoverage;
use model::anomaly::Anomaly;
use model::event::{Body, CaptureResult, ChangeContent, Cleanup, Event, RowOp, TxOutcome};
use model::ids::{ChangeId, Lsn, PartitionRef, RowKey, TableIx, TopicIx, TxId};

type Row = (TableIx, RowKey);

struct Change {
    id: ChangeId,
    tx: TxId,
    row: Row,
    op: RowOp,
}

#[derive(Clone, Copy)]
struct Told {
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
    /// Nobody can tell: it is damaged.
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
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
    events: Vec<Told>,
    rows: BTreeMap<Row, ChangeContent>,
    table_read: BTreeSet<TableIx>,
    pinned: BTreeMap<PartitionRef, i64>,
    read: BTreeSet<PartitionRef>,
    waited: Option<CaptureResult>,
}

fn listen(events: &[Event]) -> Said {
    let mut said = Said::default();
    for event in events {
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
            }
            Body::ChangeEvent {
                partition,
                offset,
                table,
                key,
                op,
                content,
                lsn,
            } => said.events.push(Told {
                place: (*partition, offset.get()),
                row: (*table, *key),
                op: *op,
                content: *content,
                lsn: *lsn,
            }),
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
    said.events.sort_by_key(|told| told.place);
    said
}

impl Said {
    fn caught_up(&self) -> bool {
        self.waited == Some(CaptureResult::CaughtUp)
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
    fn fate(&self, tx: TxId) -> Fate {
        match self.ended.get(&tx) {
            Some(TxOutcome::Committed) => return Fate::Committed,
            Some(TxOutcome::RolledBack) => return Fate::RolledBack,
            Some(TxOutcome::Unknown) | None => {}
        }
        let mine = || self.changes.iter().filter(|it| it.tx == tx);
        let mut left_alone = false;
        for change in mine() {
            let holds = self.rows.get(&change.row).copied();
            if holds == Some(ChangeContent::Ours(change.id)) {
                return Fate::Committed;
            }
            if !self.table_read.contains(&change.row.0) {
                continue;
            }
            let is_older = matches!(holds, Some(ChangeContent::Ours(left)) if left < change.id);
            left_alone |= is_older;
        }
        if left_alone {
            Fate::RolledBack
        } else {
            Fate::Unknown
        }
    }

    fn fate_of(&self, change: ChangeId) -> Fate {
        let change = self.changes.iter().find(|it| it.id == change);
        change.map_or(Fate::RolledBack, |it| self.fate(it.tx))
    }

    /// The events of a row with what they tell of, in the order of the log.
    fn told_of(&self, row: Row) -> Vec<(Told, Of)> {
        let mut told: Vec<(Told, Of)> = Vec::new();
        for event in self.events.iter().filter(|it| it.row == row) {
            let of = match event.content {
                ChangeContent::Corrupt => Of::Damaged,
                ChangeContent::Foreign => Of::Nothing,
                ChangeContent::Ours(change) => {
                    let made = self.changes_of(row).any(|it| it.id == change);
                    if made && self.fate_of(change) != Fate::RolledBack {
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
    fn delete_told(&self, row: Row, event: &Told, before: &[(Told, Of)]) -> Of {
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
            it.op == RowOp::Delete && next && self.fate(it.tx) != Fate::RolledBack
        });
        if let Some(next) = deletes.next() {
            return Of::Change(next.id);
        }
        let untold = self.changes_of(row).filter(|it| {
            let told = before.iter().any(|(_, of)| *of == Of::Change(it.id));
            it.op == RowOp::Delete && !told && self.fate(it.tx) != Fate::RolledBack
        });
        untold.last().map_or(Of::Nothing, |it| Of::Change(it.id))
    }

    fn all_rows(&self) -> BTreeSet<Row> {
        let changed = self.changes.iter().map(|it| it.row);
        let told = self.events.iter().map(|it| it.row);
        changed
            .chain(told)
            .chain(self.rows.keys().copied())
            .collect()
    }

    /// Whether a change needs an event that it does not have.
    fn is_missing(change: &Change, told: &[(Told, Of)]) -> bool {
        let is_told = told.iter().any(|(_, of)| *of == Of::Change(change.id));
        !is_told && !is_overwritten(change, told)
    }

    fn can_miss(&self, table: TableIx) -> bool {
        let whole = self.is_topic_read(table) && !self.is_cut(table) && !self.compacts(table);
        self.caught_up() && whole
    }

    /// Whether replaying the topic gives another row than the table has; none
    /// where that cannot be told.
    fn diverges(&self, row: Row, told: &[(Told, Of)]) -> Option<bool> {
        let table = row.0;
        let readable = self.is_topic_read(table) && self.table_read.contains(&table);
        let readable = readable && !self.is_cut(table);
        if !self.caught_up() || !readable {
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
            .filter(|it| self.fate(it.tx) != Fate::RolledBack);
        let mut candidates: Vec<&Change> = Vec::new();
        for change in may_be_last {
            if self.fate(change.tx) == Fate::Committed {
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
            .all(|it| self.fate(it.tx) == Fate::Unknown);
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
            said.fate(change.tx) == Fate::Committed
                && said.can_miss(row.0)
                && Said::is_missing(change, &told)
        });
        add(Anomaly::RowMissing, missing.count());
        for (at, (event, of)) in told.iter().enumerate() {
            let before = &told[..at];
            let change = match of {
                Of::Damaged => {
                    add(Anomaly::Corrupt, 1);
                    continue;
                }
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

/// Whether a snapshot found it overwritten.
fn is_overwritten(change: &Change, told: &[(Told, Of)]) -> bool {
    told.iter().any(|(it, of)| {
        it.op == RowOp::Snapshot && matches!(of, Of::Change(later) if *later > change.id)
    })
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
            .filter(|it| said.fate(it.tx) == Fate::Committed);
        for change in committed {
            covered.changes += 1;
            let needs_none = is_overwritten(change, &told);
            covered.settled += u64::from(said.can_miss(row.0) && !needs_none);
        }
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
    }
    covered
}
