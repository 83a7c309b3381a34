//! Where everything that happens in a scenario is written down, and counted
//! for those who wait for it. Knows nothing of who reports what.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use history::Recorder;
use model::event::{Body, ClientRef, CommitResult, Event, Outcome, TxOutcome};
use model::ids::{
    FaultIx, GroupIx, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx,
};
use model::plan::ScenarioPlan;
use model::scenario::Trigger;
use secret::Secrets;
use subject::clock::Clock;
use tokio::sync::watch;

use crate::stage::Stage;
use crate::tally::Tally;
use crate::wait::{Waits, pass};

mod scrub;

struct Book {
    recorder: Recorder,
    groups_of_members: BTreeMap<MemberIx, GroupIx>,
    /// Producers that make records of others.
    deriving: BTreeSet<ProducerIx>,
    changes_of_open_tx: u64,
    tails: BTreeMap<PartitionRef, Offset>,
    /// Whether each part of the connector has failed.
    units: BTreeMap<String, bool>,
    broken: bool,
    /// Nothing is written down any more.
    sealed: bool,
    /// What must not be written down.
    secrets: Secrets,
}

/// Writes a scenario's history and counts along. Clones write to the same
/// history.
#[derive(Clone)]
pub(crate) struct Ledger {
    clock: Clock,
    book: Arc<Mutex<Book>>,
    tally: Arc<watch::Sender<Tally>>,
    waits: Waits,
}

impl Ledger {
    /// Begins the history of a scenario, whose clock starts now and whose
    /// secrets do not enter it.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub(crate) fn create(path: &Path, secrets: Secrets) -> io::Result<Self> {
        Ok(Self {
            clock: Clock::start(),
            book: Arc::new(Mutex::new(Book {
                recorder: Recorder::create(path)?,
                groups_of_members: BTreeMap::new(),
                deriving: BTreeSet::new(),
                changes_of_open_tx: 0,
                tails: BTreeMap::new(),
                units: BTreeMap::new(),
                broken: false,
                sealed: false,
                secrets,
            })),
            tally: Arc::new(watch::Sender::new(Tally::default())),
            waits: Waits::default(),
        })
    }

    /// The scenario's clock.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Writes down what happened just now.
    pub(crate) fn note(&self, body: Body) {
        self.record(self.clock.now(), body);
    }

    /// Writes down what happened at `at`.
    ///
    /// A history that cannot be written (a full disk) shows in the tally's
    /// `failure`, on which the run loop gives the scenario up.
    pub(crate) fn record(&self, at: Micros, body: Body) {
        self.record_all([Event { at, body }]);
    }

    /// Writes down many events at the cost of one lock and one wake-up.
    pub(crate) fn record_all(&self, events: impl IntoIterator<Item = Event>) {
        self.change(|book, tally| {
            for event in events {
                book.write(tally, event);
            }
        });
    }

    /// Writes down how the scenario ended, puts everything on disk, and closes
    /// the book, with nothing in between: what subjects that are being ended
    /// still say is not part of the history, or it would go on behind its end
    /// and grow while it is judged.
    pub(crate) fn seal(&self, ending: Body) {
        self.change(|book, tally| {
            let at = self.clock.now();
            book.write(tally, Event { at, body: ending });
            book.flush(tally);
            book.sealed = true;
        });
    }

    /// Puts everything so far on disk.
    pub(crate) fn flush(&self) {
        self.change(Book::flush);
    }

    /// Lets one change the book, while nobody else does.
    fn change(&self, change: impl FnOnce(&mut Book, &mut Tally)) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        self.tally.send_modify(|tally| change(&mut book, tally));
    }

    /// The counts as they are now.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// What is waited for now.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// A stage begins.
    pub(crate) fn stage(&self, stage: Stage) {
        self.change(|_, tally| {
            tally.stage = stage;
            tally.steps += 1;
        });
    }

    /// Something came forward that is no event.
    pub(crate) fn step(&self) {
        self.change(|_, tally| tally.steps += 1);
    }

    /// Returns when the counts satisfy a condition. Without a limit of its own:
    /// it stands beside what has one, or in a [`crate::wait::Waiting`].
    pub(crate) async fn until(&self, condition: impl FnMut(&Tally) -> bool) {
        // The sender lives as long as self, so the wait cannot fail.
        let _ = self.tally.subscribe().wait_for(condition).await;
    }

    /// Returns at a trigger's moment. `traffic_began` is what elapsed times
    /// count from. It stands beside the traffic, and ends with it.
    pub(crate) async fn reached(
        &self,
        trigger: &Trigger,
        plan: &ScenarioPlan,
        traffic_began: Micros,
    ) {
        match trigger {
            Trigger::Acknowledged(count) => {
                self.until(|tally| tally.acknowledged >= *count).await;
            }
            Trigger::Processed { group, percent } => {
                let target = (plan.scenario.to_read(group) * u64::from(*percent)).div_ceil(100);
                let group = plan.group_ix(group);
                self.until(|tally| {
                    group.is_some_and(|group| {
                        tally.processed.get(&group).copied().unwrap_or(0) >= target
                    })
                })
                .await;
            }
            Trigger::Captured(count) => {
                self.until(|tally| tally.captured >= *count).await;
            }
            Trigger::ElapsedMs(ms) => {
                let elapsed_us = self.clock.now().since(traffic_began).get();
                let left_us = (ms * 1000).saturating_sub(elapsed_us);
                pass(std::time::Duration::from_micros(left_us)).await;
            }
            Trigger::Injected(number) => {
                let fault = FaultIx::new(number.saturating_sub(1));
                self.until(|tally| tally.injected.contains(&fault)).await;
            }
            Trigger::InSync {
                topic,
                partition,
                replicas,
            } => {
                let place = plan.topic_ix(topic).map(|topic| PartitionRef {
                    topic,
                    partition: PartitionIndex::new(*partition),
                });
                self.until(|tally| {
                    let in_sync = place.and_then(|place| tally.in_sync.get(&place));
                    in_sync.is_some_and(|it| it.len() <= usize::from(*replicas))
                })
                .await;
            }
            Trigger::Healed(number) => {
                let fault = FaultIx::new(number.saturating_sub(1));
                self.until(|tally| tally.healed.contains(&fault)).await;
            }
        }
    }
}

impl Book {
    fn write(&mut self, tally: &mut Tally, mut event: Event) {
        if self.broken || self.sealed {
            return;
        }
        if !self.secrets.is_empty() {
            scrub::scrub(&mut event.body, &self.secrets);
        }
        match self.recorder.record(&event) {
            Ok(()) => self.count(tally, &event.body),
            Err(error) => self.fail(tally, &error),
        }
    }

    fn flush(&mut self, tally: &mut Tally) {
        if let Err(error) = self.recorder.flush()
            && !self.broken
        {
            self.fail(tally, &error);
        }
    }

    fn fail(&mut self, tally: &mut Tally, error: &io::Error) {
        self.broken = true;
        tally.failure = Some(error.to_string());
    }

    fn count(&mut self, tally: &mut Tally, body: &Body) {
        if is_step(body) {
            tally.steps += 1;
        }
        match body {
            Body::Derived { record, .. } => {
                self.deriving.insert(record.producer);
            }
            Body::SendInvoked { record, .. } | Body::SendCompleted { record, .. }
                if self.deriving.contains(&record.producer) => {}
            Body::SendInvoked { .. } => tally.sent += 1,
            Body::SendCompleted { outcome, .. } => match outcome {
                Outcome::Acknowledged { .. } => tally.acknowledged += 1,
                Outcome::Failed { .. } | Outcome::Unknown { .. } => tally.unacknowledged += 1,
            },
            Body::MemberStarted { member, group } => {
                self.groups_of_members.insert(*member, *group);
            }
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => {
                if let Some(group) = self.groups_of_members.get(member) {
                    let commit = (*member, *offset);
                    tally.commits.insert((*group, *partition), commit);
                }
            }
            Body::Assigned { member, partitions } => {
                if let Some(group) = self.groups_of_members.get(member) {
                    for partition in partitions {
                        tally.holders.insert((*group, *partition), *member);
                    }
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                ..
            } => {
                if let Some(group) = self.groups_of_members.get(member) {
                    *tally.processed.entry(*group).or_default() += 1;
                    let position = tally.positions.entry((*group, *from)).or_default();
                    let next = Offset::new(offset.get() + 1);
                    // Who reads the same again does not come forward.
                    if next > *position {
                        *position = next;
                        tally.steps += 1;
                    }
                }
            }
            Body::ClientErred {
                client: ClientRef::Member(member),
                error,
                reason,
                ..
            } if is_refusal(error) => {
                if let Some(group) = self.groups_of_members.get(member) {
                    tally.refusals.insert(*group, format!("{error} ({reason})"));
                }
            }
            Body::IsolationDeclared { group, isolation } => {
                tally.isolation.insert(*group, *isolation);
            }
            // The writer has one transaction open at a time.
            Body::ChangeInvoked { .. } => self.changes_of_open_tx += 1,
            Body::TxCompleted { outcome, .. } => {
                let changes = std::mem::take(&mut self.changes_of_open_tx);
                if *outcome == TxOutcome::Committed {
                    tally.committed_changes += changes;
                }
            }
            Body::TailSeen { partition, end } => {
                self.tails.insert(*partition, *end);
                tally.captured = readable(&self.tails);
            }
            Body::FaultTriggered { fault } => {
                tally.faults_open += 1;
                tally.triggered.push(*fault);
            }
            Body::FaultInjected { fault } => tally.injected.push(*fault),
            Body::PartitionState {
                partition, in_sync, ..
            } => {
                tally.in_sync.insert(*partition, in_sync.clone());
            }
            Body::FaultHealed { fault } => {
                tally.faults_open = tally.faults_open.saturating_sub(1);
                tally.healed.push(*fault);
                tally.over.push(*fault);
            }
            Body::FaultNotHealed { fault, .. } => {
                tally.faults_open = tally.faults_open.saturating_sub(1);
                tally.over.push(*fault);
            }
            Body::ConnectorSeen { unit, state, .. } => {
                self.units.insert(unit.clone(), state == "FAILED");
                tally.capture_dead = is_dead(&self.units);
            }
            Body::EventsSeen { partition, events } => {
                let end = i64::try_from(*events).unwrap_or(i64::MAX);
                self.tails.insert(*partition, Offset::new(end));
                tally.captured = readable(&self.tails);
            }
            Body::Stored { .. } | Body::ChangeEvent { .. } => tally.read_back += 1,
            _ => {}
        }
    }
}

/// Whether a client's error says that brokers refuse what it is configured to,
/// and not that they cannot serve it now.
fn is_refusal(error: &str) -> bool {
    matches!(
        error,
        "InvalidSessionTimeout"
            | "GroupMaxSizeReached"
            | "InconsistentGroupProtocol"
            | "InvalidGroupId"
            | "UnsupportedAssignor"
            | "InvalidConfig"
            | "InvalidRequest"
            | "GroupAuthorizationFailed"
            | "TopicAuthorizationFailed"
            | "ClusterAuthorizationFailed"
            | "TransactionalIdAuthorizationFailed"
            | "InvalidTransactionTimeout"
    )
}

/// Whether an event is a step forward: there are only so many of each, or they
/// stand for something that moved on.
const fn is_step(body: &Body) -> bool {
    !matches!(
        body,
        Body::Processed { .. }
            | Body::Committed { .. }
            | Body::ClientErred { .. }
            | Body::Throttled { .. }
            | Body::ProducerCounted { .. }
            | Body::PartitionState { .. }
            | Body::ConnectorSeen { .. }
            | Body::SlotSeen { .. }
            | Body::Assigned { .. }
            | Body::Revoked { .. }
            | Body::TransactionBegun { .. }
            | Body::TransactionJoined { .. }
            | Body::TransactionEnding { .. }
            | Body::TransactionCompleted { .. }
            | Body::Repositioned { .. }
            | Body::OffsetSent { .. }
    )
}

/// How many change events can be read.
fn readable(tails: &BTreeMap<PartitionRef, Offset>) -> u64 {
    let ends = tails.values();
    ends.map(|end| u64::try_from(end.get()).unwrap_or(0)).sum()
}

/// Whether all tasks have failed; where there is none, the instance.
fn is_dead(units: &BTreeMap<String, bool>) -> bool {
    let mut tasks = units.iter().filter(|(unit, _)| unit.starts_with("task"));
    let instance = units
        .iter()
        .any(|(unit, failed)| *failed && !unit.starts_with("task"));
    match tasks.clone().next() {
        None => instance,
        Some(_) => tasks.all(|(_, failed)| *failed),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use history::Reader;

    use super::*;

    /// Subjects speak until they are gone, which is after the end.
    #[test]
    fn a_history_ends_with_how_it_ended_whoever_still_speaks() {
        for round in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("h");
            let ledger = Ledger::create(&path, Secrets::default()).unwrap();
            let said = Body::FaultTriggered {
                fault: FaultIx::new(0),
            };
            thread::scope(|scope| {
                let speak = || {
                    while !ledger.book.lock().unwrap().sealed {
                        ledger.note(said.clone());
                    }
                    ledger.note(said.clone());
                    ledger.flush();
                };
                let speakers = [(); 4].map(|()| scope.spawn(speak));
                while ledger.tally().faults_open == 0 {
                    thread::yield_now();
                }
                ledger.seal(Body::Completed);
                let bytes = std::fs::read(&path).unwrap();
                for speaker in speakers {
                    speaker.join().unwrap();
                }
                assert!(bytes == std::fs::read(&path).unwrap(), "round {round}");
            });
            drop(ledger);
            let bodies = Reader::open(&path)
                .unwrap()
                .map(|event| event.unwrap().body);
            let bodies: Vec<Body> = bodies.collect();
            assert_eq!(bodies.last(), Some(&Body::Completed), "round {round}");
        }
    }

    fn connector(ledger: &Ledger, unit: &str, state: &str) {
        ledger.note(Body::ConnectorSeen {
            unit: unit.to_owned(),
            state: state.to_owned(),
            trace: String::new(),
        });
    }

    #[test]
    fn a_capture_is_dead_while_all_its_tasks_have_failed() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(&folder.path().join("h"), Secrets::default()).unwrap();
        for (unit, state, dead) in [
            ("the instance", "RUNNING", false),
            ("task 0", "RUNNING", false),
            ("task 0", "FAILED", true),
            ("task 1", "RUNNING", false),
            ("task 1", "FAILED", true),
            ("the instance", "FAILED", true),
            ("task 0", "RESTARTING", false),
        ] {
            connector(&ledger, unit, state);
            assert_eq!(ledger.tally().capture_dead, dead, "{unit} {state}");
        }
    }
}
