//! Records that a group did not process: group-gap and group-incomplete. Knows
//! nothing of how it came about.

use model::anomaly::Anomaly;
use model::ids::Offset;

use crate::finding::{FindingCollector, Watch};
use crate::groups::coverage::GroupCoverage;
use crate::groups::progress::{GroupProgress, WhyNotDone};
use crate::groups::scope::{Bounds, GroupScope};
use crate::groups::waits::Excuse;
use crate::invariants::without;
use crate::log::{Ledger, PartitionLog};

/// What was deleted before the observer read. That a record was
/// acknowledged is all that is known of it then; where the group committed past
/// it and none of its members processed it, it is a group-gap like any other.
/// Where it is not known whether the group was to be given it, that is unknown too.
fn find_passed_over(
    done: &GroupProgress<'_>,
    log: &PartitionLog,
    (place, bounds): (GroupScope<'_>, Bounds<'_>),
    collector: &mut FindingCollector,
    coverage: &mut GroupCoverage,
) {
    let committed = done.reading.committed(log.end()).unwrap_or_default();
    coverage.unknown += log.unknown_below_start(&done.all, committed.get());
    for offset in log.expired_without(&done.all) {
        let offset = Offset::new(offset);
        if bounds.committed_only && bounds.transactional {
            coverage.unknown += 1;
        } else if done.is_unsettled(offset.get()) {
            // Counted where it is: it is unknown whether it was processed.
        } else if offset < committed {
            coverage.gaps += 1;
            coverage.gaps_expired += 1;
            let undone = done.undone(offset.get());
            let past = done.passed_by(place, offset, committed);
            place.add(collector, Anomaly::GroupGap, offset, &[past], || {
                format!("acknowledged, deleted, committed past, up to {committed}, and {undone}")
            });
        } else {
            coverage.behind_expired += 1;
        }
    }
}

/// group-gap: a record below the highest committed position that no member
/// processed. group-incomplete: a record from there to the pinned end that no
/// member processed although the group was given the time. Neither is one that
/// the group is not given, or that was processed in a transaction of
/// unknown outcome, or for which the group is excused
/// (`groups/waits.rs`).
pub(super) fn find_unprocessed(
    done: &GroupProgress<'_>,
    log: &Ledger,
    (place, bounds, excuse): (GroupScope<'_>, Bounds<'_>, &Excuse),
    collector: &mut FindingCollector,
    coverage: &mut GroupCoverage,
) {
    let reading = done.reading;
    coverage.commits += reading.commits.count + reading.joined.len() as u64;
    coverage.unsettled += reading.unsettled.len();
    coverage.copies += reading.copies;
    if let Some(outputs) = done.outputs {
        coverage.unsettled += outputs.unsettled.len();
        let made = coverage.made.get_or_insert_default();
        *made += outputs.made.len();
    }
    coverage.reprocessed += reading.reprocessed;
    coverage.processed += reading.processed;
    let Some(log) = log.partition(place.partition).filter(|log| log.is_read()) else {
        return;
    };
    find_passed_over(done, log, (place, bounds), collector, coverage);
    let committed = reading.committed(log.end()).unwrap_or_default();
    let readable = if excuse.limit.is_none() {
        committed.get()
    } else {
        0
    };
    for offset in log.beyond().range(0, readable) {
        if done.all.contains(offset) || done.is_unsettled(offset) || bounds.hides(offset) {
            continue;
        }
        let undone = done.undone(offset);
        coverage.gaps += 1;
        coverage.gaps_in_vain += undone.in_vain();
        let offset = Offset::new(offset);
        let past = Watch::CommitPast(place.group, place.partition, offset);
        place.add(
            collector,
            Anomaly::GroupGap,
            offset,
            &[past],
            || match undone {
                WhyNotDone::NeverProcessed => format!(
                    "acknowledged, committed past, up to {committed}, and read by no consumer"
                ),
                undone => format!("acknowledged, committed past, up to {committed}, and {undone}"),
            },
        );
    }
    let end = bounds.stable_end.map_or(i64::MAX, Offset::get);
    let stored = bounds.count(log, end);
    let mut unprocessed = 0;
    for offset in log.data_without(&done.all, 0, end) {
        if bounds.hides(offset) {
            continue;
        }
        unprocessed += 1;
        if done.is_unsettled(offset) {
            continue;
        }
        if bounds.may_have_lost(offset) {
            coverage.replaceable += u64::from(!bounds.compacts && offset < committed.get());
            continue;
        }
        let undone = done.undone(offset);
        let offset = Offset::new(offset);
        let made = Watch::MadeOf(place.group, place.partition, offset);
        if let Some(limit) = &excuse.limit {
            coverage.beyond_client += 1;
            coverage.client_limit.get_or_insert_with(|| limit.clone());
        } else if offset < committed {
            coverage.gaps += 1;
            coverage.gaps_in_vain += undone.in_vain();
            let past = done.passed_by(place, offset, committed);
            place.add(collector, Anomaly::GroupGap, offset, &[past, made], || {
                format!("committed past, up to {committed}, and {undone}")
            });
        } else if excuse.to_come_from.is_some_and(|from| offset >= from) {
            coverage.to_come += 1;
        } else if excuse.hindered {
            coverage.hindered += 1;
        } else {
            coverage.behind += 1;
            coverage.behind_in_vain += undone.in_vain();
            if coverage.waited {
                place.add(collector, Anomaly::GroupIncomplete, offset, &[made], || {
                    format!("{undone}, although the group was given the time")
                });
            }
        }
    }
    coverage.stored += stored;
    coverage.unstable += log.data_count(end.max(0), i64::MAX);
    coverage.below_committed += bounds.count(log, committed.get().min(end));
    coverage.distinct += without(stored, unprocessed, "records unprocessed, of those stored");
}
