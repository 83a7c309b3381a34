//! Where everything that happens in a scenario is written down, and counted
//! for those who wait for it. Knows nothing of who reports what.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use history::Recorder;
use model::event::{Body, ClientRef, CommitResult, Event, Outcome, TxOutcome};
use model::ids::{
    FaultIx, GroupIx, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, TxId,
};
use model::plan::ScenarioPlan;
use model::scenario::Trigger;
use secret::Secrets;
use subject::clock::Clock;
use tokio::sync::watch;

use crate::live_counts::LiveCounts;
use crate::stage::Stage;
use crate::wait::{Waits, pass};

mod scrub;

struct State {
    file: Recorder,
    groups_of_members: BTreeMap<MemberIx, GroupIx>,
    /// Producers that make records of others.
    deriving: BTreeSet<ProducerIx>,
    changes_of_open_txs: BTreeMap<TxId, u64>,
    tails: BTreeMap<PartitionRef, Offset>,
    /// Whether the connector and each of its tasks have failed.
    units: BTreeMap<String, bool>,
    broken: bool,
    /// A panic while it is true leaves half an event in the file.
    is_writing: bool,
    /// Nothing is written down any more.
    sealed: bool,
    /// What must not be written down.
    secrets: Secrets,
}

/// Writes a scenario's history and counts along. Clones write to the same
/// history.
#[derive(Clone)]
pub(crate) struct HistoryRecorder {
    clock: Clock,
    state: Arc<Mutex<State>>,
    counts: Arc<watch::Sender<LiveCounts>>,
    waits: Waits,
}

impl HistoryRecorder {
    /// Begins the history of a scenario, whose clock starts now and whose
    /// secrets do not enter it.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub(crate) fn create(path: &Path, secrets: Secrets) -> io::Result<Self> {
        Ok(Self {
            clock: Clock::start(),
            state: Arc::new(Mutex::new(State {
                file: Recorder::create(path)?,
                groups_of_members: BTreeMap::new(),
                deriving: BTreeSet::new(),
                changes_of_open_txs: BTreeMap::new(),
                tails: BTreeMap::new(),
                units: BTreeMap::new(),
                broken: false,
                is_writing: false,
                sealed: false,
                secrets,
            })),
            counts: Arc::new(watch::Sender::new(LiveCounts::default())),
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
    /// A history that cannot be written (a full disk) shows in
    /// [`LiveCounts::failure`], on which the run loop gives the scenario up.
    pub(crate) fn record(&self, at: Micros, body: Body) {
        self.record_all([Event { at, body }]);
    }

    /// Writes down many events at the cost of one lock and one wake-up.
    pub(crate) fn record_all(&self, events: impl IntoIterator<Item = Event>) {
        self.change(|state, counts| {
            for event in events {
                state.write(counts, event);
            }
        });
    }

    /// Writes down how the scenario ended, puts everything on disk, and closes
    /// the history, with nothing in between. Reports of subjects that are being
    /// ended come too late: the history would grow while it is judged.
    pub(crate) fn seal(&self, ending: Body) {
        self.change(|state, counts| {
            assert!(!state.sealed, "a history has one ending");
            let at = self.clock.now();
            state.write(counts, Event { at, body: ending });
            state.flush(counts);
            state.sealed = true;
        });
    }

    /// Puts everything so far on disk.
    pub(crate) fn flush(&self) {
        self.change(State::flush);
    }

    /// Changes state and counts together, one caller at a time.
    fn change(&self, change: impl FnOnce(&mut State, &mut LiveCounts)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.counts.send_modify(|counts| {
            if state.is_writing {
                state.fail(counts, &io::Error::other("the recorder itself failed"));
            }
            change(&mut state, counts);
        });
    }

    /// The counts as they are now.
    pub(crate) fn counts(&self) -> LiveCounts {
        self.counts.borrow().clone()
    }

    /// What is waited for now.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// A stage begins.
    pub(crate) fn stage(&self, stage: Stage) {
        assert!(
            stage >= self.counts.borrow().stage,
            "a stage never comes again"
        );
        self.change(|_, counts| {
            counts.stage = stage;
            counts.steps += 1;
        });
    }

    /// Something came forward that is no event.
    pub(crate) fn step(&self) {
        self.change(|_, counts| counts.steps += 1);
    }

    /// Returns when the counts satisfy a condition. Without a limit of its own:
    /// it stands beside what has one, or in a [`crate::wait::Waiting`].
    pub(crate) async fn until(&self, condition: impl FnMut(&LiveCounts) -> bool) {
        // The sender lives as long as self, so the wait cannot fail.
        let _ = self.counts.subscribe().wait_for(condition).await;
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
                self.until(|counts| counts.acknowledged >= *count).await;
            }
            Trigger::Processed { group, percent } => {
                let target = (plan.scenario.to_read(group) * u64::from(*percent)).div_ceil(100);
                let group = plan.group_ix(group);
                self.until(|counts| {
                    group.is_some_and(|group| {
                        counts.processed.get(&group).copied().unwrap_or(0) >= target
                    })
                })
                .await;
            }
            Trigger::Captured(count) => {
                self.until(|counts| counts.captured >= *count).await;
            }
            Trigger::ElapsedMs(ms) => {
                let elapsed_us = self.clock.now().since(traffic_began).get();
                let left_us = (ms * 1000).saturating_sub(elapsed_us);
                pass(std::time::Duration::from_micros(left_us)).await;
            }
            Trigger::Injected(number) => {
                let fault = FaultIx::new(number.saturating_sub(1));
                self.until(|counts| counts.injected.contains(&fault)).await;
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
                self.until(|counts| {
                    let in_sync = place.and_then(|place| counts.in_sync.get(&place));
                    in_sync.is_some_and(|it| it.len() <= usize::from(*replicas))
                })
                .await;
            }
            Trigger::Healed(number) => {
                let fault = FaultIx::new(number.saturating_sub(1));
                self.until(|counts| counts.healed.contains(&fault)).await;
            }
        }
    }
}

impl State {
    fn write(&mut self, counts: &mut LiveCounts, mut event: Event) {
        if self.broken || self.sealed {
            return;
        }
        if !self.secrets.is_empty() {
            scrub::scrub(&mut event.body, &self.secrets);
        }
        self.is_writing = true;
        let written = self.file.record(&event);
        self.is_writing = false;
        match written {
            Ok(()) => self.count(counts, &event.body),
            Err(error) => self.fail(counts, &error),
        }
    }

    fn flush(&mut self, counts: &mut LiveCounts) {
        if let Err(error) = self.file.flush()
            && !self.broken
        {
            self.fail(counts, &error);
        }
    }

    fn fail(&mut self, counts: &mut LiveCounts, error: &io::Error) {
        self.broken = true;
        counts.failure = Some(error.to_string());
    }

    fn count(&mut self, counts: &mut LiveCounts, body: &Body) {
        if is_step(body) {
            counts.steps += 1;
        }
        match body {
            Body::Derived { record, .. } => {
                self.deriving.insert(record.producer);
            }
            Body::SendInvoked { record, .. } | Body::SendCompleted { record, .. }
                if self.deriving.contains(&record.producer) => {}
            Body::SendInvoked { .. } => counts.sent += 1,
            Body::SendCompleted { outcome, .. } => match outcome {
                Outcome::Acknowledged { .. } => counts.acknowledged += 1,
                Outcome::Failed { .. } | Outcome::Unknown { .. } => counts.unacknowledged += 1,
            },
            Body::MemberStarted { member, group } => {
                let before = self.groups_of_members.insert(*member, *group);
                assert!(
                    before.is_none(),
                    "each start of a member has its own number"
                );
            }
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => {
                if let Some(group) = self.groups_of_members.get(member) {
                    let commit = (*member, *offset);
                    counts.commits.insert((*group, *partition), commit);
                }
            }
            Body::Assigned { member, partitions } => {
                if let Some(group) = self.groups_of_members.get(member) {
                    for partition in partitions {
                        counts.holders.insert((*group, *partition), *member);
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
                    *counts.processed.entry(*group).or_default() += 1;
                    let position = counts.positions.entry((*group, *from)).or_default();
                    let next = Offset::new(offset.get() + 1);
                    // Who reads the same again does not come forward.
                    if next > *position {
                        *position = next;
                        counts.steps += 1;
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
                    counts
                        .refusals
                        .insert(*group, format!("{error} ({reason})"));
                }
            }
            Body::IsolationDeclared { group, isolation } => {
                counts.isolation.insert(*group, *isolation);
            }
            Body::ChangeInvoked { tx, .. } => {
                *self.changes_of_open_txs.entry(*tx).or_default() += 1;
            }
            Body::TxCompleted { tx, outcome } => {
                let changes = self.changes_of_open_txs.remove(tx).unwrap_or(0);
                if *outcome == TxOutcome::Committed {
                    counts.committed_changes += changes;
                }
            }
            Body::TailSeen { partition, end } => {
                self.tails.insert(*partition, *end);
                counts.captured = readable(&self.tails);
            }
            Body::FaultTriggered { fault } => {
                assert!(
                    !counts.triggered.contains(fault),
                    "a fault is triggered once"
                );
                counts.faults_open += 1;
                counts.triggered.push(*fault);
            }
            Body::FaultInjected { fault } => {
                let is_due = counts.triggered.contains(fault) && !counts.injected.contains(fault);
                assert!(is_due, "a fault is injected once, after its trigger");
                counts.injected.push(*fault);
            }
            Body::PartitionState {
                partition, in_sync, ..
            } => {
                counts.in_sync.insert(*partition, in_sync.clone());
            }
            Body::FaultHealed { fault } => {
                counts.healed.push(*fault);
                end_fault(counts, *fault);
            }
            Body::FaultNotHealed { fault, .. } => {
                end_fault(counts, *fault);
            }
            Body::ConnectorSeen { unit, state, .. } => {
                self.units.insert(unit.clone(), state == "FAILED");
                counts.capture_dead = is_dead(&self.units);
            }
            Body::EventsSeen { partition, events } => {
                let end = i64::try_from(*events).unwrap_or(i64::MAX);
                self.tails.insert(*partition, Offset::new(end));
                counts.captured = readable(&self.tails);
            }
            Body::Stored { .. } | Body::ChangeEvent { .. } => counts.read_back += 1,
            _ => {}
        }
    }
}

/// A fault is over, healed or not.
fn end_fault(counts: &mut LiveCounts, fault: FaultIx) {
    let is_open = counts.injected.contains(&fault) && !counts.over.contains(&fault);
    assert!(is_open, "a fault is over once, after it was injected");
    counts.faults_open -= 1;
    counts.over.push(fault);
}

/// Whether a client's error says that brokers refuse what it is configured to,
/// and not that they cannot serve it now. Kafka's errors, as any client spells
/// them: `GROUP_AUTHORIZATION_FAILED`, `GroupAuthorizationException`.
fn is_refusal(error: &str) -> bool {
    const REFUSALS: [&str; 12] = [
        "invalidsessiontimeout",
        "groupmaxsizereached",
        "inconsistentgroupprotocol",
        "invalidgroupid",
        "unsupportedassignor",
        "invalidconfig",
        "invalidrequest",
        "groupauthorization",
        "topicauthorization",
        "clusterauthorization",
        "transactionalidauthorization",
        "invalidtransactiontimeout",
    ];
    let letters = error.chars().filter(char::is_ascii_alphabetic);
    let name: String = letters.map(|it| it.to_ascii_lowercase()).collect();
    REFUSALS.iter().any(|refusal| name.starts_with(refusal))
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
            | Body::AlertRule(_)
            | Body::AlertSeen(_)
            | Body::ExporterSeen(_)
            | Body::LagSeen(_)
            | Body::AlertsUnread { .. }
            | Body::AppCommitted(_)
            | Body::EffectsUnread { .. }
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
    use model::ids::{RecordId, Sequence, TopicIx};

    use super::*;

    /// Subjects speak until they are gone, which is after the end.
    #[test]
    fn a_history_ends_with_how_it_ended_despite_late_reports() {
        for round in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("h");
            let recorder = HistoryRecorder::create(&path, Secrets::default()).unwrap();
            let said = Body::SendInvoked {
                record: RecordId {
                    producer: ProducerIx::new(0),
                    sequence: Sequence::new(0),
                },
                to: PartitionRef {
                    topic: TopicIx::new(0),
                    partition: PartitionIndex::new(0),
                },
            };
            thread::scope(|scope| {
                let speak = || {
                    while !recorder.state.lock().unwrap().sealed {
                        recorder.note(said.clone());
                    }
                    recorder.note(said.clone());
                    recorder.flush();
                };
                let speakers = [(); 4].map(|()| scope.spawn(speak));
                while recorder.counts().sent == 0 {
                    thread::yield_now();
                }
                recorder.seal(Body::Completed);
                let bytes = std::fs::read(&path).unwrap();
                for source in speakers {
                    source.join().unwrap();
                }
                assert!(bytes == std::fs::read(&path).unwrap(), "round {round}");
            });
            drop(recorder);
            let bodies = Reader::open(&path)
                .unwrap()
                .map(|event| event.unwrap().body);
            let bodies: Vec<Body> = bodies.collect();
            assert_eq!(bodies.last(), Some(&Body::Completed), "round {round}");
        }
    }

    fn connector(recorder: &HistoryRecorder, unit: &str, state: &str) {
        recorder.note(Body::ConnectorSeen {
            unit: unit.to_owned(),
            state: state.to_owned(),
            trace: String::new(),
        });
    }

    #[test]
    fn a_capture_is_dead_while_all_its_tasks_have_failed() {
        let folder = tempfile::tempdir().unwrap();
        let recorder =
            HistoryRecorder::create(&folder.path().join("h"), Secrets::default()).unwrap();
        for (unit, state, dead) in [
            ("the instance", "RUNNING", false),
            ("task 0", "RUNNING", false),
            ("task 0", "FAILED", true),
            ("task 1", "RUNNING", false),
            ("task 1", "FAILED", true),
            ("the instance", "FAILED", true),
            ("task 0", "RESTARTING", false),
        ] {
            connector(&recorder, unit, state);
            assert_eq!(recorder.counts().capture_dead, dead, "{unit} {state}");
        }
    }
}
