//! The checker: every event goes to those who need it, and what they found is
//! put together at the end. Knows nothing of contracts, and nothing of where a
//! history comes from: it says when it has to see it once more.

mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::anomaly::Anomaly;
use model::event::{Body, CaptureResult, Event, Restart};
use model::ids::{FaultIx, Micros, PartitionRef, RecordId};
use model::verdict::{Counts, Finding, Measurements, StillReading};

use crate::calibration::targets::Victim;
use crate::cdc::coverage::CaptureCoverage;
use crate::cdc::row_changes::Capture;
use crate::cluster::replicas::{ReplicaCoverage, Replicas};
use crate::cluster::truncation::{Truncation, TruncationCoverage};
use crate::context::Context;
use crate::derived::{DerivationCoverage, Derivations};
use crate::groups::coverage::GroupCoverage;
use crate::groups::readers::Readers;
use crate::groups::waits::{Excusable, Waits};
use crate::groups::zombies::{ZombieCoverage, Zombies};
use crate::log::cleaning::Cleaning;
use crate::log::past::Past;
use crate::log::{Extent, Ledger, Witness};
use crate::measure::happened::{Happened, Occurrences};
use crate::measure::{FaultRecord, GroupActivity, Meter};
use crate::names::Names;
use crate::passes::detector::Need;
use crate::passes::limits::Limits;
use crate::proof::finding::{FindingCollector, Scope, Suspect, Watch};
use crate::provenance::{ABSENCES, Provenance};
use crate::txn::atomicity::{TransactionCoverage, find_interrupted, find_torn};
use crate::txn::cycles::{CycleCoverage, find_cycles};
use crate::txn::markers::Markers;
use crate::txn::outcomes::TxnOutcomes;
use crate::txn::read_committed::{IsolationCheck, IsolationCoverage};
use crate::txn::tracker::Transactions;

/// Reads a history, event by event, and finds what is wrong with it. A
/// healthy one is read once.
///
/// It may be fed from another thread than the one that reads the history.
#[derive(Default)]
pub struct Checker {
    reading: Reading,
    collector: FindingCollector,
    names: Names,
    log: Ledger,
    readers: Readers,
    waits: Waits,
    capture: Capture,
    meter: Meter,
    provenance: Provenance,
    transactions: Transactions,
    markers: Markers,
    isolated: IsolationCheck,
    truncation: Truncation,
    replicas: Replicas,
    zombies: Zombies,
    derived: Derivations,
    cleaning: Cleaning,
    happened: Happened,
    /// What became of the transactions, once the history was read.
    txn_outcomes: TxnOutcomes,
    limits: Limits,
    measuring: Measuring,
    completeness: Completeness,
}

/// What is measured beside looking for anomalies.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Measuring {
    #[default]
    Everything,
    Nothing,
}

/// Which reading of the history it is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    First,
    Another,
}

/// Where a checker stands when a history was read to its end.
pub enum Pass {
    /// Everything is settled.
    Done(Box<Analysis>),
    /// The same history has to be read once more, by this checker.
    Repeat(Box<Checker>),
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
    pub(crate) names: Names,
    pub(crate) suspects: Vec<Suspect>,
    pub(crate) victims: Vec<Victim>,
    pub(crate) bystanders: Vec<Victim>,
    pub(crate) extents: BTreeMap<PartitionRef, Extent>,
    pub(crate) txn_outcomes: Arc<TxnOutcomes>,
    pub(crate) past: Arc<Past>,
    pub(crate) derived: Arc<Derivations>,
    pub(crate) excusable: Excusable,
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
    /// The tool that recorded the history, where that was another one.
    pub imported: Option<String>,
    /// What the history says that it lacks.
    pub lacking: Vec<String>,
    /// Whether a group may have been rebalanced between any two polls, and the
    /// history does not say when.
    pub rebalances_untold: bool,
    /// Sends of which nothing but their number is known.
    pub untold_sends: u64,
    /// Partitions whose offsets were given again, and what that hides.
    pub given_again: Vec<String>,
    /// Records that a group passed over and that a later one of their key may
    /// have replaced before, where nobody says how the topic is cleaned.
    pub replaceable: u64,
}

/// How much there was that could have contradicted each claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Acknowledgements of which it could be told whether the record is
    /// stored.
    pub settled_acks: u64,
    /// Records that were sent and not acknowledged.
    pub unacknowledged: u64,
    /// Records that were sent and of which there is no outcome of any kind,
    /// and the first of them.
    pub untold: (u64, Option<RecordId>),
    /// Acknowledged below the log start and not there: retention may have
    /// taken them, so nobody can tell.
    pub expired: u64,
    /// Acknowledged inside the range that was read of a topic that compacts,
    /// and not there: a later record of the key may have replaced them, so
    /// nobody can tell.
    pub compacted: u64,
    /// Acknowledged, and replaced by a later record of the key, which stands.
    pub replaced: u64,
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
    /// Partitions whose end could have been found to have moved back.
    pub truncation: TruncationCoverage,
    /// What could be compared of replicas.
    pub replicas: ReplicaCoverage,
    /// How often a member could have become a zombie.
    pub zombies: ZombieCoverage,
    /// What groups that read committed records only could have been given.
    pub isolation: Vec<IsolationCoverage>,
    /// Transactions that could have become visible in part.
    pub transactions: TransactionCoverage,
    /// What could have made a circle of transactions.
    pub cycles: CycleCoverage,
    /// What was made of records by groups that write.
    pub derived: DerivationCoverage,
    /// What happened that a scenario may be about.
    pub occurrences: Occurrences,
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
            limits,
            ..Self::default()
        }
    }

    /// The same checker, which measures nothing: for histories whose clocks
    /// tell too little.
    #[must_use]
    pub fn unmeasured(self) -> Self {
        Self {
            measuring: Measuring::Nothing,
            ..self
        }
    }

    /// Takes in the next event. Sources may be interleaved in any way; events
    /// of one source come in their own order.
    pub fn observe(&mut self, event: &Event) {
        if self.reading == Reading::Another {
            self.observe_again(event);
            return;
        }
        self.find(event);
        self.measure(event);
    }

    /// All but what is measured.
    #[inline]
    fn find(&mut self, event: &Event) {
        // Nearly all events are of these kinds, and few look at them.
        match &event.body {
            Body::SendInvoked { .. } => {
                self.transactions.observe(event);
                self.truncation.observe(event);
            }
            Body::SendCompleted { .. } => {
                self.truncation.observe(event);
                return self.log.observe(&event.body, &self.transactions);
            }
            Body::Stored { .. } => {
                self.cleaning.observe(&event.body);
                self.markers.observe(&event.body, &self.transactions);
                return self.log.observe(&event.body, &self.transactions);
            }
            Body::Processed { .. } => self.truncation.observe(event),
            _ => return self.find_in_others(event),
        }
        let transactions = &self.transactions;
        self.isolated
            .observe(event, transactions, &self.names, &self.provenance);
        self.log.observe(&event.body, transactions);
        if let Body::Processed { .. } = &event.body {
            self.readers
                .observe(event, transactions, &self.names, &mut self.collector);
            self.zombies
                .observe(event, |member| self.readers.inside(member));
            if !self.waits.is_idle() {
                self.waits.observe(event);
            }
        }
    }

    /// The same, for events that anybody may look at.
    fn find_in_others(&mut self, event: &Event) {
        self.names.observe(&event.body);
        self.provenance.observe(&event.body);
        self.transactions.observe(event);
        let transactions = &self.transactions;
        self.markers.observe(&event.body, &self.transactions);
        self.isolated
            .observe(event, transactions, &self.names, &self.provenance);
        self.truncation.observe(event);
        self.replicas.observe(&event.body);
        self.derived.observe(&event.body);
        self.log.observe(&event.body, transactions);
        if let Body::ChangeEvent {
            partition,
            offset,
            content,
            ..
        } = &event.body
            && self.names.is_read(partition.topic)
        {
            let content = content.as_read();
            self.log
                .holds_event(*partition, *offset, content, transactions);
        }
        self.readers
            .observe(event, transactions, &self.names, &mut self.collector);
        self.zombies
            .observe(event, |member| self.readers.inside(member));
        self.capture.observe(event);
        self.cleaning.observe(&event.body);
        self.happened.observe(event, &self.names);
        self.waits.observe(event);
        match &event.body {
            Body::TrafficEnded => self.completeness.traffic_ended = true,
            Body::Completed => self.completeness.completed = true,
            Body::Aborted { reason } => self.completeness.aborted = Some(reason.clone()),
            _ => {}
        }
    }

    /// What is no finding.
    #[inline]
    fn measure(&mut self, event: &Event) {
        if self.measuring == Measuring::Everything {
            self.meter.observe(event, &self.names);
        }
    }

    fn observe_again(&mut self, event: &Event) {
        let context = Context {
            names: &self.names,
            provenance: &self.provenance,
            txn_outcomes: &self.txn_outcomes,
            cleaning: &self.cleaning,
            waits: &self.waits,
        };
        let collector = &mut self.collector;
        self.truncation.observe_again(&event.body);
        self.log.observe_again(&event.body, context, collector);
        self.derived
            .observe_again(&event.body, &self.log, context, collector);
        self.readers
            .observe_again(event, &self.log, &self.derived, context, collector);
    }

    /// Tells a checker that the history was read to its end.
    pub fn end_pass(mut self) -> Pass {
        if self.reading == Reading::First {
            let witness = self.witness();
            if self.log.has_missed(witness) {
                return Pass::Repeat(Box::new(Self {
                    log: Ledger::told_by(witness, self.limits),
                    measuring: self.measuring,
                    ..Self::within(self.limits)
                }));
            }
            self.settle_transactions();
        }
        let context = Context {
            names: &self.names,
            provenance: &self.provenance,
            txn_outcomes: &self.txn_outcomes,
            cleaning: &self.cleaning,
            waits: &self.waits,
        };
        let collector = &mut self.collector;
        let log = self.log.end_pass(context, collector);
        let derived = self.derived.end_pass(&self.log);
        let readers = self
            .readers
            .end_pass(&self.log, &self.derived, context, collector);
        let truncation = self.truncation.end_pass();
        if [log, readers, derived, truncation] == [Need::Nothing; 4] {
            return Pass::Done(Box::new(self.settle()));
        }
        self.reading = Reading::Another;
        Pass::Repeat(Box::new(self))
    }

    /// Who tells what stands in the log.
    const fn witness(&self) -> Witness {
        match (self.provenance.is_imported(), self.transactions.is_empty()) {
            (false, _) => Witness::Observer,
            (true, true) => Witness::Readers,
            (true, false) => Witness::ReadersAndProducers,
        }
    }

    /// Settles what became of the transactions. Where no observer read the
    /// truth, what the readers were given has to stand for it first.
    fn settle_transactions(&mut self) {
        let transactions = std::mem::take(&mut self.transactions);
        let (log, provenance) = (&mut self.log, &self.provenance);
        if !provenance.is_imported() {
            self.txn_outcomes =
                TxnOutcomes::settle(transactions, &self.markers, log, provenance, |_| false);
            return;
        }
        log.stand_in(&self.names);
        let given = self.isolated.transactions(&transactions, provenance);
        self.txn_outcomes =
            TxnOutcomes::settle(transactions, &self.markers, log, provenance, |tx| {
                given.contains(&tx)
            });
        log.believe_acknowledgements(&self.txn_outcomes, provenance);
    }

    /// Settles what the history came to.
    fn settle(mut self) -> Analysis {
        let (names, provenance, txn_outcomes) = (self.names, self.provenance, self.txn_outcomes);
        let context = Context {
            names: &names,
            provenance: &provenance,
            txn_outcomes: &txn_outcomes,
            cleaning: &self.cleaning,
            waits: &self.waits,
        };
        let mut collector = self.collector;
        let log = self.log.settle(context, &mut collector);
        let derived = self.derived;
        let groups = self
            .readers
            .settle(&self.log, &derived, context, &mut collector);
        let truncation = self
            .truncation
            .settle(&log.gone, &self.log, context, &mut collector);
        let replicas = self.replicas.settle(context, &mut collector);
        let zombies = self.zombies.settle(&self.log, context, &mut collector);
        let isolation = self.isolated.settle(&self.log, context, &mut collector);
        let transactions = find_torn(
            &txn_outcomes,
            &log.lost,
            &self.log,
            &provenance,
            &mut collector,
        );
        find_interrupted(&txn_outcomes, &self.log, &names, &mut collector);
        let cycles = find_cycles(
            &txn_outcomes,
            self.readers.joined_reads(),
            &self.log,
            &names,
            &mut collector,
        );
        let given_again = find_cut_logs(&provenance, &names, &mut collector);
        if !provenance.lacking.is_empty() {
            collector.silence(&ABSENCES);
        }
        let capture = self.capture.settle(&self.log, &names, &mut collector);
        let measured = self.meter.finish(&names);
        let (findings, suspects) = collector.finish(&names);

        let mut measurements = measured.measurements;
        let duplicates = findings.iter().find(|it| it.anomaly == Anomaly::Duplicate);
        measurements.duplicates =
            (log.stored > 0).then(|| duplicates.map_or(0, |finding| finding.count));
        for (measured, group) in measurements.groups.iter_mut().zip(&groups) {
            measured.processed = group.processed;
            measured.distinct = group.processed - group.reprocessed;
            measured.reprocessed = group.reprocessed;
        }
        for (number, group) in names.groups.keys().zip(&groups) {
            if group.to_come > 0
                && let Some((moved, waited_ms)) = self.waits.moved(*number)
            {
                let needs_ms = group.to_come.saturating_mul(waited_ms).checked_div(moved);
                measurements.still_reading.push(StillReading {
                    group: group.name.clone(),
                    left: group.to_come,
                    moved,
                    waited_ms,
                    needs_ms,
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
                strays: self.readers.strays(),
                imported: provenance.imported.clone(),
                lacking: provenance.lacking.clone(),
                rebalances_untold: provenance.has_untold_rebalances(),
                untold_sends: provenance.untold_sends,
                given_again,
                replaceable: self.readers.excused()
                    + groups.iter().map(|group| group.replaceable).sum::<u64>(),
                ..self.completeness
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
                truncation,
                replicas,
                zombies,
                isolation,
                transactions,
                cycles,
                derived: derived.coverage(),
                occurrences: self.happened.settle(&self.cleaning, &names),
            },
            suspects,
            victims: log.victims,
            bystanders: log.bystanders,
            extents: log.extents,
            past: Arc::new(self.log.take_past()),
            txn_outcomes: Arc::new(txn_outcomes),
            derived: Arc::new(derived),
            excusable: self.waits.excusable(),
            names,
        }
    }
}

/// log-truncation, where another tool's history shows it; and what it hides
/// that offsets were given again, for each such partition.
fn find_cut_logs(
    provenance: &Provenance,
    names: &Names,
    collector: &mut FindingCollector,
) -> Vec<String> {
    let mut hidden = Vec::new();
    for (partition, (first, how)) in &provenance.given_again {
        let name = names.partition(*partition);
        let cause = match how {
            Restart::Cut => "the log was cut",
            Restart::Unknown => "the topic was made again, or its log was lost",
        };
        hidden.push(format!(
            "{name}: offsets from {first} on were given again ({cause}): what groups passed over \
             there cannot be told"
        ));
        if *how == Restart::Cut {
            let scope = Scope::Partition(*partition);
            collector.add(Anomaly::LogTruncation, scope, first.get(), || {
                let what = format!("{name} was cut: offsets from {first} on were given again");
                (what, vec![Watch::Position(*partition, *first)])
            });
        }
    }
    hidden
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
