//! The checker: every event goes to those who need it, and what they found is
//! put together at the end. Knows nothing of contracts, and nothing of where a
//! history comes from: it says when it has to see it once more.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, Event};
use model::ids::{FaultIx, Micros, PartitionRef};
use model::verdict::{Counts, Finding, Measurements};

use crate::capture::{Capture, CaptureCoverage};
use crate::finding::{Docket, Suspect};
use crate::limits::Limits;
use crate::log::{Extent, Ledger, Need};
use crate::measure::{FaultRecord, GroupActivity, Meter};
use crate::readers::{GroupCoverage, Readers};
use crate::roster::Roster;
use crate::victims::Victim;

/// Reads a history, event by event, and finds what is wrong with it. A
/// healthy one is read once.
///
/// It may be fed from another thread than the one that reads the history.
#[derive(Default)]
pub struct Checker {
    reading: Reading,
    docket: Docket,
    roster: Roster,
    log: Ledger,
    readers: Readers,
    capture: Capture,
    meter: Meter,
    completeness: Completeness,
}

/// Which reading of the history it is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    First,
    Another,
}

/// Where a checker stands when a history was read to its end.
pub enum Turn {
    /// Everything is settled.
    Settled(Box<Analysis>),
    /// The same history has to be read once more, by this checker.
    Again(Box<Checker>),
}

/// What a history came to: everything that verdicts are made of.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// What is wrong, in the catalogue's order.
    pub findings: Vec<Finding>,
    /// How many of what.
    pub counts: Counts,
    /// What was measured.
    pub measurements: Measurements,
    /// The faults, as recorded.
    pub faults: BTreeMap<FaultIx, FaultRecord>,
    /// Whether the history is whole.
    pub completeness: Completeness,
    /// How much each claim was put to the test.
    pub coverage: Coverage,
    pub(crate) roster: Roster,
    pub(crate) suspects: Vec<Suspect>,
    pub(crate) victims: Vec<Victim>,
    pub(crate) extents: BTreeMap<PartitionRef, Extent>,
}

/// Whether a history is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// The plan was carried out to its end.
    pub traffic_ended: bool,
    /// The observer has read everything it wanted.
    pub completed: bool,
    /// Why the scenario was given up, where it was.
    pub aborted: Option<String>,
    /// Partitions that were written to, read or pinned, and whose pinned
    /// range was not read to the end; by name.
    pub unread: Vec<String>,
    /// Reads and commits of members that nobody started.
    pub strays: u64,
}

/// How much there was that could have contradicted each claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Acknowledgements of which it could be told whether the record is
    /// stored.
    pub settled_acks: u64,
    /// Acknowledged below the log start and not there: retention may have
    /// taken them, so nobody can tell.
    pub expired: u64,
    /// Acknowledged inside the range that was read of a topic that compacts,
    /// and not there: a later record of the key may have replaced them, so
    /// nobody can tell.
    pub compacted: u64,
    /// Acknowledged, and a damaged record stands there.
    pub damaged: u64,
    /// Records in the log with a predecessor of the same producer in the same
    /// partition.
    pub ordered_pairs: u64,
    /// First and last send.
    pub sending: Option<(Micros, Micros)>,
    /// The groups, as declared.
    pub groups: Vec<GroupCoverage>,
    /// When each group was reading; in the same order.
    pub activity: Vec<GroupActivity>,
    /// Change data capture, where there is any.
    pub capture: Option<CaptureCoverage>,
}

impl Checker {
    /// A checker that has seen nothing yet.
    pub fn new() -> Self {
        Self::within(Limits::default())
    }

    /// A checker that holds no more than the limits allow.
    pub fn within(limits: Limits) -> Self {
        Self {
            log: Ledger::within(limits),
            ..Self::default()
        }
    }

    /// Takes in the next event. Sources may be interleaved in any way; events
    /// of one source come in their own order.
    pub fn observe(&mut self, event: &Event) {
        if self.reading == Reading::Another {
            self.observe_again(event);
            return;
        }
        self.roster.observe(&event.body);
        self.log.observe(&event.body);
        self.readers.observe(event, &self.roster, &mut self.docket);
        self.capture.observe(&event.body);
        self.meter.observe(event, &self.roster);
        match &event.body {
            Body::TrafficEnded => self.completeness.traffic_ended = true,
            Body::Completed => self.completeness.completed = true,
            Body::Aborted { reason } => self.completeness.aborted = Some(reason.clone()),
            _ => {}
        }
    }

    fn observe_again(&mut self, event: &Event) {
        let docket = &mut self.docket;
        self.log.observe_again(&event.body, &self.roster, docket);
        self.readers
            .observe_again(event, &self.log, &self.roster, docket);
    }

    /// Tells a checker that the history was read to its end.
    pub fn turn(mut self) -> Turn {
        let docket = &mut self.docket;
        let readers = self.readers.turn(&self.log, &self.roster, docket);
        let log = self.log.turn(&self.roster, docket);
        if (log, readers) == (Need::Nothing, Need::Nothing) {
            return Turn::Settled(Box::new(self.settle()));
        }
        self.reading = Reading::Another;
        Turn::Again(Box::new(self))
    }

    /// Settles what the history came to.
    fn settle(mut self) -> Analysis {
        let roster = self.roster;
        let mut docket = self.docket;
        let log = self.log.settle(&roster, &mut docket);
        let groups = self.readers.settle(&self.log, &roster, &mut docket);
        let capture = self.capture.settle(&self.log, &roster, &mut docket);
        let measured = self.meter.finish(&roster);
        let (findings, suspects) = docket.finish(&roster);

        let mut measurements = measured.measurements;
        measurements.duplicates = (log.stored > 0).then_some(log.extra_copies);
        for (measured, group) in measurements.groups.iter_mut().zip(&groups) {
            measured.processed = group.processed;
            measured.distinct = group.processed - group.reprocessed;
            measured.reprocessed = group.reprocessed;
        }
        let of_capture = capture.clone().unwrap_or_default();
        if let Some(measured) = &mut measurements.capture {
            measured.duplicates = of_capture.extra_events;
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
                compacted: log.compacted,
                changes: of_capture.changes,
                change_events: of_capture.events,
                rows: of_capture.rows,
            },
            measurements,
            faults: measured.faults,
            completeness: Completeness {
                unread: log.unread.iter().map(|at| roster.partition(*at)).collect(),
                strays: self.readers.strays(),
                ..self.completeness
            },
            coverage: Coverage {
                settled_acks: log.looked_for,
                expired: log.expired,
                compacted: log.compacted,
                damaged: log.damaged,
                ordered_pairs: log.ordered_pairs,
                sending: measured.sending,
                groups,
                activity: measured.activity,
                capture,
            },
            suspects,
            victims: log.victims,
            extents: log.extents,
            roster,
        }
    }
}

impl Analysis {
    /// How many instances of an anomaly were found.
    pub fn count(&self, anomaly: Anomaly) -> u64 {
        let mut findings = self.findings.iter();
        findings
            .find(|finding| finding.anomaly == anomaly)
            .map_or(0, |finding| finding.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkers_and_events_may_change_threads() {
        const fn may_change_threads<T: Send>() {}
        may_change_threads::<Checker>();
        may_change_threads::<Event>();
        may_change_threads::<Analysis>();
    }
}
