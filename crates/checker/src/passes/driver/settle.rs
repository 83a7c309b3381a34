//! What all passes over a history came to, put together. Knows nothing of how any
//! of it was found.

use std::sync::Arc;

use model::anomaly::Anomaly;
use model::event::CaptureResult;
use model::verdict::{Counts, StillReading};

use super::Checker;
use crate::analysis::{Analysis, Completeness, Coverage};
use crate::context::Context;
use crate::invariants::without;
use crate::provenance::ABSENCES;

impl Checker {
    /// Settles what the history came to.
    pub(super) fn settle(mut self) -> Analysis {
        let mut collector = self.collector;
        let coverages = self.analyzers.settle(&self.context, &mut collector);
        let Context {
            names,
            provenance,
            txn_outcomes,
            waits,
            ending,
            ..
        } = self.context;
        if !provenance.lacking.is_empty() {
            collector.silence(&ABSENCES);
        }
        let log = coverages.log;
        let groups = coverages.readers;
        let capture = coverages.row_changes;
        let measured = self.meter.finish(&names);
        let (findings, suspects) = collector.finish(&names);

        let mut measurements = measured.measurements;
        let duplicates = findings.iter().find(|it| it.anomaly == Anomaly::Duplicate);
        measurements.duplicates =
            (log.stored > 0).then(|| duplicates.map_or(0, |finding| finding.count));
        for (measured, group) in measurements.groups.iter_mut().zip(&groups) {
            measured.processed = group.processed;
            measured.distinct = without(
                group.processed,
                group.reprocessed,
                "records processed again, of those processed",
            );
            measured.reprocessed = group.reprocessed;
        }
        for (number, group) in names.groups.keys().zip(&groups) {
            if group.to_come > 0
                && let Some((moved, waited_ms)) = waits.moved(*number)
            {
                let estimated_ms = group.to_come.saturating_mul(waited_ms).checked_div(moved);
                measurements.still_reading.push(StillReading {
                    group: group.name.clone(),
                    remaining: group.to_come,
                    progressed: moved,
                    waited_ms,
                    estimated_ms,
                });
            }
        }
        let of_capture = capture.clone().unwrap_or_default();
        if let Some(measured) = &mut measurements.capture {
            measured.duplicates = of_capture.extra_events;
            if of_capture.waited != Some(CaptureResult::CaughtUp) {
                measured.caught_up_ms = None;
            }
        }
        Analysis {
            findings,
            counts: Counts {
                sent: log.sent,
                acknowledged: log.acknowledged,
                failed: log.failed,
                unknown: log.sent.saturating_sub(log.acknowledged + log.failed),
                stored: log.stored,
                distinct: log.distinct,
                expired: log.deleted,
                compacted: log.compacted + log.replaced,
                changes: of_capture.changes,
                change_events: of_capture.events,
                rows: of_capture.rows,
            },
            measurements,
            faults: measured.faults,
            completeness: Completeness {
                unread: log.unread.iter().map(|at| names.partition(*at)).collect(),
                strays: self.analyzers.readers.strays(),
                imported: provenance.imported.clone(),
                lacking: provenance.lacking.clone(),
                rebalances_untold: provenance.has_untold_rebalances(),
                untold_sends: provenance.untold_sends,
                given_again: coverages.cut_logs,
                traffic_ended: ending.traffic_ended,
                completed: ending.completed,
                aborted: ending.aborted,
                broken: None,
                replaceable: self.analyzers.readers.excused()
                    + groups.iter().map(|group| group.replaceable).sum::<u64>(),
            },
            coverage: Coverage {
                settled_acks: log.looked_for,
                unacknowledged: log.unacknowledged,
                untold: (log.untold, log.untold_first),
                expired: log.expired,
                compacted: log.compacted,
                replaced: log.replaced,
                damaged: log.damaged,
                ordered_pairs: log.ordered_pairs,
                sending: measured.sending,
                groups,
                activity: measured.activity,
                capture,
                truncation: coverages.truncation,
                replicas: coverages.replicas,
                zombies: coverages.zombies,
                isolation: coverages.read_committed,
                transactions: coverages.atomicity,
                cycles: coverages.cycles,
                derived: coverages.derived,
                occurrences: coverages.happened,
                alerts: coverages.alerts,
                effects: coverages.effects,
            },
            suspects,
            targets: log.targets,
            other_records: log.other_records,
            extents: log.extents,
            past: Arc::new(self.analyzers.log.take_past()),
            txn_outcomes: Arc::new(txn_outcomes),
            derived: Arc::new(self.analyzers.derived),
            excusable: waits.excusable(),
            over_cuts: self.analyzers.readers.over_cuts(),
            events: self.events_first,
            names,
        }
    }
}
