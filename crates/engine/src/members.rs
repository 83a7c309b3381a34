//! A consumer group: its members, started, ended, frozen and replaced. Knows
//! nothing of why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use model::event::{Body, Ending};
use model::ids::{GroupIx, MemberIx, PartitionRef, TopicIx};
use model::plan::ScenarioPlan;
use model::scenario::{Config, EndSignal, Group, words};
use stack::process::{Child, Exit, ProcessSnapshot, Signal, Trouble};
use subject::role::{ConsumerRole, Role};

use crate::error::EngineError;
use crate::live_counts::LiveCounts;
use crate::logs::log_of;
use crate::processes::subject_lost;
use crate::roles::{TransformWork, consumer_role};
use crate::subjects::{Launcher, ReportSource, Subject, SubjectState};
use crate::wait::{Wait, Waiting};

/// What the members of a group do.
enum Task {
    Read {
        role: ConsumerRole,
        topic: TopicIx,
        config: Config,
    },
    Transform(TransformWork),
}

/// A consumer group: its members, restarted ones included.
pub(crate) struct Members {
    launcher: Launcher,
    name: String,
    group: GroupIx,
    task: Task,
    incarnations: Arc<AtomicU32>,
    /// How often a member of each number was started.
    starts: BTreeMap<u32, u32>,
    running: BTreeMap<u32, (MemberIx, Subject)>,
    /// Those whose place another has taken while they were there.
    replaced: BTreeMap<u32, (MemberIx, Subject)>,
}

impl Members {
    /// A group without members so far. `incarnations` numbers the members of
    /// all groups of a scenario.
    pub(crate) fn new(
        launcher: &Launcher,
        plan: &ScenarioPlan,
        group: &Group,
        number: GroupIx,
        topic: TopicIx,
        incarnations: &Arc<AtomicU32>,
    ) -> Self {
        let role = consumer_role(&launcher.site(), plan, group, topic);
        let task = Task::Read {
            role,
            topic,
            config: group.config.clone(),
        };
        Self::doing(task, launcher, &group.name, number, incarnations)
    }

    /// A group that writes, without members so far.
    pub(crate) fn transforming(
        work: TransformWork,
        launcher: &Launcher,
        name: &str,
        number: GroupIx,
        incarnations: &Arc<AtomicU32>,
    ) -> Self {
        Self::doing(Task::Transform(work), launcher, name, number, incarnations)
    }

    fn doing(
        task: Task,
        launcher: &Launcher,
        name: &str,
        group: GroupIx,
        incarnations: &Arc<AtomicU32>,
    ) -> Self {
        Self {
            launcher: launcher.clone(),
            name: name.to_owned(),
            group,
            task,
            incarnations: Arc::clone(incarnations),
            starts: BTreeMap::new(),
            running: BTreeMap::new(),
            replaced: BTreeMap::new(),
        }
    }

    /// Starts a member of this number in the group, from 1.
    pub(crate) async fn start(&mut self, number: u32) -> Result<(), EngineError> {
        assert!(
            !self.running.contains_key(&number),
            "{} has one member {number} at a time",
            self.name
        );
        self.launcher.created.group(&self.name);
        let member = MemberIx::new(self.incarnations.fetch_add(1, Ordering::Relaxed));
        let group = self.group;
        let (role, source, producer) = match &self.task {
            Task::Read {
                role,
                topic,
                config,
            } => {
                let config = config.for_member(number);
                let role = Role::Consumer(ConsumerRole {
                    config,
                    ..role.clone()
                });
                let source = ReportSource::Member {
                    member,
                    group,
                    topic: *topic,
                };
                (role, source, None)
            }
            Task::Transform(work) => {
                let (role, decoder) = work.role_of(number, member);
                let (producer, source) = (role.producer, ReportSource::Transformer(decoder));
                (Role::Transform(role), source, Some(producer))
            }
        };
        let starts = self.starts.entry(number).or_default();
        *starts += 1;
        let incarnation = *starts;
        let name = format!("{} {}", self.name, words::member(number, incarnation));
        let started = Body::MemberStarted { member, group };
        self.launcher.recorder.note(started);
        self.launcher.recorder.note(Body::MemberNamed {
            member,
            number,
            incarnation,
            producer,
            log: log_of(&name),
        });
        let subject = self.launcher.launch(name, &role, source).await?;
        self.running.insert(number, (member, subject));
        Ok(())
    }

    /// Waits until every running member has partitions.
    pub(crate) async fn wait_assigned(&mut self) -> Result<(), EngineError> {
        for (_, subject) in self.running.values_mut() {
            subject.wait_until(|state| state.assigned).await?;
        }
        Ok(())
    }

    /// Whether there are more members than partitions for them.
    pub(crate) fn may_idle(&self, plan: &ScenarioPlan) -> bool {
        let members = plan.scenario.members_of(&self.name).unwrap_or_default();
        let topic = match &self.task {
            Task::Read { topic, .. } => *topic,
            Task::Transform(work) => work.from(),
        };
        let topics = plan.topics();
        let read = topics.iter().find(|known| known.ix == topic);
        read.is_some_and(|read| members > read.partitions.unsigned_abs())
    }

    /// The partitions that a member was given last, as far as no other member was
    /// given them since.
    pub(crate) fn held_by(&self, number: u32, counts: &LiveCounts) -> Vec<PartitionRef> {
        let Some((member, _)) = self.running.get(&number) else {
            return Vec::new();
        };
        let holders = counts.holders.iter();
        let held = holders.filter(|((of, _), holder)| *of == self.group && *holder == member);
        held.map(|((_, partition), _)| *partition).collect()
    }

    /// The process of a member as it is now.
    pub(crate) fn snapshot(&self, number: u32) -> Option<ProcessSnapshot> {
        let (_, subject) = self.running.get(&number)?;
        subject.child.snapshot().ok()
    }

    /// Its processes: a client may be one beside its driver.
    pub(crate) fn processes(&self, number: u32) -> Option<Vec<ProcessSnapshot>> {
        let (_, subject) = self.running.get(&number)?;
        subject.child.tree().ok()
    }

    /// A member, and its process.
    pub(crate) fn process(&self, number: u32) -> Option<(MemberIx, Arc<Child>)> {
        let (member, subject) = self.running.get(&number)?;
        Some((*member, Arc::clone(&subject.child)))
    }

    /// Ends a member and waits until it is gone and all it said is written
    /// down.
    pub(crate) async fn end(
        &mut self,
        number: u32,
        signal: EndSignal,
    ) -> Result<Exit, EngineError> {
        let Some((member, mut subject)) = self.running.remove(&number) else {
            return Err(EngineError::Lacking {
                what: format!("member {number} of {}", self.name),
            });
        };
        let exit = match signal {
            EndSignal::Term => subject.child.end(Signal::Term, Wait::Leaving.fixed()).await,
            // Its client too, where that is a process of its own.
            EndSignal::Kill => subject.child.kill().await,
        };
        subject.all_recorded().await?;
        self.note_end(member, &subject, exit);
        Ok(exit)
    }

    fn note_end(&self, member: MemberIx, subject: &Subject, exit: Exit) {
        let state = *subject.state.borrow();
        let clean = state.ended && !state.fenced && exit.is_success();
        self.launcher.recorder.note(Body::MemberEnded {
            member,
            how: if clean { Ending::Clean } else { Ending::Killed },
        });
    }

    /// Waits until a member that writes is in the middle of its work: some of
    /// what it made stands in the log, and it is going to make some more before
    /// it commits. One that does not write is always.
    pub(crate) async fn wait_mid_work(&mut self, number: u32) -> Result<(), EngineError> {
        match (&self.task, self.running.get_mut(&number)) {
            (Task::Transform(work), Some((_, subject))) => {
                let half = work.commit_every_records().div_ceil(2);
                let mid_work = |state: &SubjectState| (1..=half).contains(&state.uncommitted);
                subject.wait_until(mid_work).await
            }
            _ => Ok(()),
        }
    }

    /// How many records that a member made stand in the log, uncommitted; none
    /// where it does not write.
    pub(crate) fn uncommitted(&self, number: u32) -> Option<u64> {
        match (&self.task, self.running.get(&number)) {
            (Task::Transform(_), Some((_, subject))) => Some(subject.state.borrow().uncommitted),
            _ => None,
        }
    }

    /// Fails as soon as a member ends by itself. One whose place
    /// another took back leaves by itself: a client that was frozen beyond its
    /// `session.timeout.ms` joins again, with its `group.instance.id`.
    pub(crate) fn check_alive(&self) -> Result<(), EngineError> {
        for (_, subject) in self.running.values() {
            if let Some(exit) = subject.child.try_status() {
                let state = *subject.state.borrow();
                if state.fenced && state.ended && exit.is_success() {
                    continue;
                }
                let log = subject.child.log();
                return Err(subject_lost(&subject.name, Trouble::Ended(exit), log));
            }
        }
        Ok(())
    }

    /// Freezes a member, and returns once it stands still.
    pub(crate) async fn freeze(&self, number: u32) -> Result<(), EngineError> {
        if let Some((_, subject)) = self.running.get(&number) {
            subject.child.pause().await?;
        }
        Ok(())
    }

    /// Lets a frozen member whose place another has taken go on.
    pub(crate) async fn thaw(&self, number: u32) -> Result<(), EngineError> {
        if let Some((_, subject)) = self.replaced.get(&number) {
            subject.child.resume().await?;
        }
        Ok(())
    }

    /// Starts another member in the place of one that goes on being there, and
    /// waits until it has partitions.
    pub(crate) async fn replace(&mut self, number: u32) -> Result<(), EngineError> {
        if let Some(before) = self.running.remove(&number) {
            self.replaced.insert(number, before);
        }
        self.start(number).await?;
        match self.running.get_mut(&number) {
            Some((_, subject)) => subject.wait_until(|state| state.assigned).await,
            None => Ok(()),
        }
    }

    /// Waits until a member whose place another has taken was told so by the
    /// brokers, and ends it where it does not end by itself. Whether it was
    /// told, and how it ended.
    pub(crate) async fn await_fencing(
        &mut self,
        number: u32,
        waiting: &Waiting,
    ) -> Result<(Fencing, Exit), EngineError> {
        let Some((member, mut subject)) = self.replaced.remove(&number) else {
            return Err(EngineError::Lacking {
                what: format!("a replaced member {number} of {}", self.name),
            });
        };
        let mut state = subject.state.clone();
        // The end of its reports ends the wait as well.
        let fenced = async { state.wait_for(|state| state.fenced).await.is_ok() };
        let fencing = match waiting.done(fenced).await {
            Some(true) => Fencing::Fenced,
            Some(false) | None => Fencing::NotFenced,
        };
        let exit = subject.child.end(Signal::Term, Wait::Leaving.fixed()).await;
        subject.all_recorded().await?;
        self.note_end(member, &subject, exit);
        Ok((fencing, exit))
    }

    /// Asks all members to leave, and waits for them.
    pub(crate) async fn leave(&mut self) -> Result<(), EngineError> {
        let numbers: Vec<u32> = self.running.keys().copied().collect();
        for number in numbers {
            self.end(number, EndSignal::Term).await?;
        }
        Ok(())
    }
}

/// Whether a member whose place another took was told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fencing {
    /// The brokers refused what it asked for.
    Fenced,
    /// It was told nothing.
    NotFenced,
}
