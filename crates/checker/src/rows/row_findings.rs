//! What is wrong with one row: row-phantom, row-duplicate, commit-order, corrupt,
//! row-missing and state-divergence. Knows nothing of how it is known that no event
//! comes any more.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::event::{ChangeContent, RowOp, Snapshot};
use model::ids::Lsn;

use crate::finding::{FindingCollector, Scope, Watch};
use crate::names::Names;
use crate::rows::coverage::CaptureCoverage;
use crate::rows::row_history::{ChangeEvent, ChangeOutcome, Row, RowEvents, RowHistory};

/// Whether what is not there may be called missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    Yes,
    No,
}

/// The row whose events are being settled.
#[derive(Clone, Copy)]
pub(super) struct RowScope<'r> {
    pub(super) row: Row,
    pub(super) names: &'r Names,
}

impl RowScope<'_> {
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
pub(super) fn find_wrong_events(
    history: &RowHistory<'_>,
    snapshot: Snapshot,
    place: RowScope<'_>,
    collector: &mut FindingCollector,
    coverage: &mut CaptureCoverage,
) -> RowEvents {
    let mut told = RowEvents {
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
                None => "an event for a change that was never made",
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
pub(super) fn find_missing(
    history: &RowHistory<'_>,
    told: &RowEvents,
    judged: Judged,
    place: RowScope<'_>,
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
pub(super) fn find_divergence(
    history: &RowHistory<'_>,
    row: Option<ChangeContent>,
    place: RowScope<'_>,
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
/// as a change of unknown outcome left it. Where not, the
/// database itself is in doubt, and Kafka is not to blame.
pub(super) fn is_as_committed(history: &RowHistory<'_>, row: Option<ChangeContent>) -> bool {
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
