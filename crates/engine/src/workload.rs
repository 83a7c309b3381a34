//! What a scenario sends and reads: its producers, its groups and its writes.
//! Knows nothing of faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use model::ids::{GroupIx, Micros, ProducerIx};
use model::plan::{PlannedTopic, ScenarioPlan};
use model::scenario::GroupStart;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::configs::EffectiveConfigs;
use crate::connect::Direct;
use crate::database::Database;
use crate::error::EngineError;
use crate::live_counts::LiveCounts;
use crate::logs::logs_in;
use crate::members::Members;
use crate::observer::groups::await_joined;
use crate::panics::caught;
use crate::recorder::HistoryRecorder;
use crate::roles::TransformWork;
use crate::scenario_run::ScenarioRun;
use crate::subjects::{Launcher, run_producer};
use crate::target::Target;
use crate::wait::{Wait, beat};

mod drain;

/// How often members are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What is sent, written and read.
pub(crate) struct Workload<'w> {
    /// Where the brokers can be asked, whatever stands before them.
    direct: Direct,
    plan: &'w ScenarioPlan,
    launcher: Launcher,
    topics: Vec<PlannedTopic>,
    pub(crate) groups: Mutex<BTreeMap<String, Members>>,
    recorder: &'w HistoryRecorder,
}

impl<'w> Workload<'w> {
    pub(crate) fn new(
        at: &ScenarioRun<'w>,
        target: &Target,
        configs: &EffectiveConfigs,
    ) -> Result<Self, EngineError> {
        let ScenarioRun { plan, recorder, .. } = *at;
        let launcher = Launcher {
            program: at.settings.subject.clone(),
            logs: logs_in(at.folder)?,
            secrets: at.settings.secrets(plan),
            bootstrap: target.bootstrap(),
            security: target.subject_security().clone(),
            recorder: recorder.clone(),
            configs: configs.clone(),
            processes: at.processes.clone(),
            created: at.created.clone(),
            clients: at.settings.clients.clone(),
        };
        let topics = plan.topics();
        let incarnations = Arc::new(AtomicU32::new(0));
        let mut groups = BTreeMap::new();
        for (group, number) in plan.scenario.groups.iter().zip(0u16..) {
            let topic = topic_named(&topics, &group.topic)?;
            let number = GroupIx::new(number);
            let members = Members::new(&launcher, plan, group, number, topic.ix, &incarnations);
            groups.insert(group.name.clone(), members);
        }
        // Behind the scenario's own producers.
        let own = u32::try_from(plan.scenario.producers.len()).unwrap_or(u32::MAX);
        let producers = Arc::new(AtomicU32::new(own));
        for transform in &plan.scenario.transforms {
            let name = transform.name.as_str();
            let number = plan.group_ix(name).ok_or_else(|| EngineError::Lacking {
                what: format!("group {name}"),
            })?;
            let topic = |name: &str| topic_named(&topics, name);
            let between = (topic(&transform.from)?, topic(&transform.to)?);
            let work = TransformWork::new(
                &launcher.site(),
                plan,
                transform,
                number,
                between,
                &producers,
            );
            let members = Members::transforming(work, &launcher, name, number, &incarnations);
            groups.insert(name.to_owned(), members);
        }
        Ok(Self {
            direct: target.direct(),
            plan,
            launcher,
            topics,
            groups: Mutex::new(groups),
            recorder,
        })
    }

    /// Starts the members of the groups that start at this moment, and waits
    /// until they have their partitions.
    pub(crate) async fn start_groups(&self, when: GroupStart) -> Result<(), EngineError> {
        let mut groups = self.groups.lock().await;
        let scenario = &self.plan.scenario;
        let read = scenario.groups.iter();
        let read = read.map(|group| (&group.name, group.members, group.start));
        let write = scenario.transforms.iter();
        let write = write.map(|of| (&of.name, of.members, GroupStart::BeforeProducers));
        let starting: Vec<(&String, u32)> = read
            .chain(write)
            .filter(|(_, _, start)| *start == when)
            .map(|(name, members, _)| (name, members))
            .collect();
        for (name, count) in &starting {
            if let Some(members) = groups.get_mut(*name) {
                for number in 1..=*count {
                    members.start(number).await?;
                }
            }
        }
        for (name, count) in &starting {
            if let Some(members) = groups.get_mut(*name) {
                let of = format!("group {name}");
                let waiting = self.recorder.waits().begin(Wait::Assignment, of);
                let broken = !self.recorder.counts().injected.is_empty();
                let assigned = async {
                    tokio::select! {
                        biased;
                        assigned = self.assigned(members, name, *count) => assigned,
                        refused = self.refused(name), if !broken => Err(refused),
                    }
                };
                let assigned = waiting.done(assigned).await;
                match assigned {
                    Some(assigned) => assigned?,
                    // What was broken may keep a group from its partitions: the
                    // verdict tells what it did not process.
                    None if !self.recorder.counts().injected.is_empty() => {}
                    None => return Err(waiting.late()),
                }
            }
        }
        Ok(())
    }

    /// Waits until every member of a group has partitions, or, where there are
    /// more members than partitions, until all have joined and the partitions
    /// are with some of them: the others stand by, and nothing tells them so.
    async fn assigned(
        &self,
        members: &mut Members,
        name: &str,
        count: u32,
    ) -> Result<(), EngineError> {
        let topic = self.plan.groups().find(|group| group.name == name);
        let topic = topic.and_then(|group| self.plan.topic_ix(group.topic));
        let read = self.topics.iter().find(|it| Some(it.ix) == topic);
        let partitions = read.map_or(0, |topic| topic.partitions.unsigned_abs());
        if count <= partitions {
            return members.wait_assigned().await;
        }
        let group = self.plan.group_ix(name);
        let reported = self.recorder.until(|counts| {
            let given = counts.holders.keys();
            given.filter(|(of, _)| Some(*of) == group).count() >= partitions as usize
        });
        let settled = await_joined(&self.direct, name, count as usize, partitions as usize);
        let both = async {
            settled.await?;
            reported.await;
            Ok(())
        };
        tokio::select! {
            joined = both => joined,
            died = ends_early(members) => Err(died),
        }
    }

    /// Returns when brokers have refused a group's members for what these are
    /// configured to: asked again, they say the same again.
    async fn refused(&self, name: &str) -> EngineError {
        let group = self.plan.group_ix(name);
        let known = |counts: &LiveCounts| {
            let refusals = group.and_then(|group| counts.refusals.get(&group));
            refusals.cloned()
        };
        self.recorder.until(|counts| known(counts).is_some()).await;
        EngineError::Refused {
            group: name.to_owned(),
            said: known(&self.recorder.counts()).unwrap_or_default(),
        }
    }

    /// Sends all records and writes all rows; every send has its outcome when
    /// this returns.
    pub(crate) async fn send(
        &self,
        database: Option<&Database>,
        traffic_began: Micros,
    ) -> Result<(), EngineError> {
        let mut producing = JoinSet::new();
        for (producer, number) in self.plan.scenario.producers.iter().zip(0u32..) {
            let topics: Result<Vec<_>, _> = producer
                .topics()
                .map(|name| topic_named(&self.topics, name).cloned())
                .collect();
            let topics = topics?;
            let (launcher, plan) = (self.launcher.clone(), self.plan.clone());
            let (producer, number) = (producer.clone(), ProducerIx::new(number));
            producing.spawn(async move {
                let sent =
                    run_producer(&launcher, &plan, number, &producer, &topics, traffic_began);
                caught(sent).await
            });
        }
        let producing = async {
            while let Some(ended) = producing.join_next().await {
                ended.map_err(|error| EngineError::Broken(error.to_string()))??;
            }
            Ok(())
        };
        let writing = async {
            match database {
                Some(database) => {
                    database
                        .write_all(self.plan, self.recorder, traffic_began)
                        .await
                }
                None => Ok(()),
            }
        };
        tokio::try_join!(producing, writing)?;
        self.start_groups(GroupStart::AfterProducers).await
    }

    /// Returns when a member has ended by itself.
    async fn watch_members(&self) -> EngineError {
        let mut ticks = beat(LOOK_INTERVAL);
        loop {
            ticks.tick().await;
            for members in self.groups.lock().await.values() {
                if let Err(error) = members.check_alive() {
                    return error;
                }
            }
        }
    }

    /// Asks all members to leave.
    pub(crate) async fn leave(&self) -> Result<(), EngineError> {
        for members in self.groups.lock().await.values_mut() {
            members.leave().await?;
        }
        Ok(())
    }
}

fn topic_named<'t>(
    topics: &'t [PlannedTopic],
    name: &str,
) -> Result<&'t PlannedTopic, EngineError> {
    topics
        .iter()
        .find(|topic| topic.name == name)
        .ok_or_else(|| EngineError::Lacking {
            what: format!("topic {name}"),
        })
}

/// Returns when one of a group's members has ended.
async fn ends_early(members: &Members) -> EngineError {
    let mut ticks = beat(LOOK_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = members.check_alive() {
            return error;
        }
    }
}
