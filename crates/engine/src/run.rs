//! The run loop: one scenario from its plan to its closed history, and all
//! scenarios of a run, several at once. Decides nothing: what happens is in
//! the plan, and what it means is for others to judge.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use model::event::{Body, Evidence, Found, Isolation};
use model::ids::{FaultIx, GroupIx, Offset, PartitionRef, ProducerIx};
use model::plan::{PlannedTopic, RunPlan, ScenarioPlan};
use model::scenario::settings::Misuse;
use model::scenario::{Config, Effect, Group, GroupStart, Problem, Transactions, Transform};
use subject::config::{RoleKind, check_config};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;

use crate::cleanup::{Made, clean_up};
use crate::configs::InForce;
use crate::database::Database;
use crate::error::EngineError;
use crate::faults::{FaultContext, carry_out_all, check_faults};
use crate::ledger::{Ledger, Tally};
use crate::observer::{
    Observer, Quotas, Readable, await_joined, follow_replicas, follow_tails, has_followers,
};
use crate::progress::{Progress, Reporter, Stage, Step};
use crate::subjects::{Launcher, Members, logs_in, run_producer};
use crate::target::Target;
use crate::transforms::{Work, closing_limit};
use crate::wait::{Wait, beat};
use crate::watch::{Parts, far, stalled, trigger_so_far, waiting};

/// How many scenarios with one broker a scenario with several stands for.
const CLUSTER_PLACES: u32 = 2;
/// How often counts are shown and the history is put on disk.
const SHOW_INTERVAL: Duration = Duration::from_millis(200);
/// How often it is told how far a stage is.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// What the embedded stack is made of.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Kafka, Connect, Debezium, `PostgreSQL`.
    pub artefacts: stack::artefacts::Artefacts,
    /// What runs them.
    pub java: stack::java::Java,
    /// What makes them start faster, as far as there is any.
    pub archives: stack::archive::Archives,
}

/// Where and with what to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The run directory; exists.
    pub out: PathBuf,
    /// How many scenarios at once.
    pub jobs: NonZeroUsize,
    /// The program that becomes a subject when started as `PROGRAM subject`.
    pub subject: PathBuf,
    /// Where the brokers are.
    pub brokers: Brokers,
}

/// Where the brokers are.
#[derive(Clone, Debug)]
pub enum Brokers {
    /// They are started for each scenario.
    Embedded(Box<Embedded>),
    /// Somebody else runs them: the bootstrap addresses.
    Cluster(Vec<proxy::HostPort>),
}

/// Why a scenario was given up, in its history, where the user stopped the run.
pub const INTERRUPTED: &str = "interrupted";

/// How the carrying out of a scenario ended. Says nothing about delivery.
#[derive(Debug)]
pub enum End {
    /// As planned; the history is whole.
    Completed,
    /// It was interrupted; the history is what there is.
    Interrupted,
    /// The environment or the instrument failed; the history is what there is.
    Failed {
        /// Why.
        error: EngineError,
    },
}

/// Carries out a run, and says how each scenario of the plan ended. Each
/// leaves its evidence in its own folder of `settings.out`.
///
/// When `interrupt` becomes true, scenarios that run are given up: what they
/// broke is healed, nothing of theirs is left running, and their histories
/// are closed as they are. Scenarios that have not begun do not begin.
pub async fn run(
    plan: &RunPlan,
    settings: &Settings,
    progress: &UnboundedSender<Progress>,
    interrupt: watch::Receiver<bool>,
) -> Vec<End> {
    let places = Arc::new(Semaphore::new(settings.jobs.get()));
    let mut running = JoinSet::new();
    for index in by_length(plan) {
        let Some(scenario) = plan.scenarios.get(index).cloned() else {
            continue;
        };
        // The semaphore is fair: scenarios begin in the order of `by_length`.
        let place = Arc::clone(&places);
        let weight = weight_of(&scenario, settings.jobs);
        let settings = settings.clone();
        let reporter = Reporter::new(index, scenario.scenario.secrets(), progress);
        let mut interrupt = interrupt.clone();
        running.spawn(async move {
            let begun = tokio::select! {
                biased;
                _ = interrupt.wait_for(|yes| *yes) => None,
                place = place.acquire_many_owned(weight) => place.ok(),
            };
            let end = match begun {
                Some(_place) => {
                    Box::pin(run_recorded(&scenario, &settings, &reporter, interrupt)).await
                }
                None => End::Interrupted,
            };
            (index, end)
        });
        tokio::task::yield_now().await;
    }
    let mut ends: BTreeMap<usize, End> = BTreeMap::new();
    while let Some(joined) = running.join_next().await {
        if let Ok((index, end)) = joined {
            ends.insert(index, end);
        }
    }
    (0..plan.scenarios.len())
        .map(|index| {
            ends.remove(&index).unwrap_or_else(|| End::Failed {
                error: EngineError::Broken("a scenario's task broke off".to_owned()),
            })
        })
        .collect()
}

/// How many of the places a scenario takes: a cluster is heavier than a broker,
/// and clusters that starve each other would elect leaders that nobody killed.
fn weight_of(plan: &ScenarioPlan, jobs: NonZeroUsize) -> u32 {
    let weight = if plan.scenario.topology.brokers > 1 {
        CLUSTER_PLACES
    } else {
        1
    };
    u32::try_from(jobs.get()).unwrap_or(weight).min(weight)
}

/// The longest first, so that none starts when the others are done; those
/// with a database, whose work has no pace of its own, before all others.
fn by_length(plan: &RunPlan) -> Vec<usize> {
    let mut order: Vec<usize> = (0..plan.scenarios.len()).collect();
    order.sort_by_key(|index| {
        plan.scenarios.get(*index).map(|it| {
            let rows: u64 = it.scenario.writes.iter().map(|write| write.rows).sum();
            std::cmp::Reverse((it.schedule_ms() + rows / 20, it.scenario.name.clone()))
        })
    });
    order
}

/// Runs one scenario and closes its history however that ended.
async fn run_recorded(
    plan: &ScenarioPlan,
    settings: &Settings,
    progress: &Reporter,
    mut interrupt: watch::Receiver<bool>,
) -> End {
    let folder = settings.out.join(plan.folder());
    let ledger = match open_ledger(plan, &folder) {
        Ok(ledger) => ledger,
        Err(error) => {
            progress.step(Step::GaveUp {
                reason: error.with_causes(),
            });
            return End::Failed { error };
        }
    };
    let show = show_progress(plan.clone(), ledger.clone(), progress.clone());
    let show = tokio::spawn(show);
    let made = Made::default();
    let at = ScenarioRun {
        plan,
        settings,
        folder: &folder,
        ledger: &ledger,
        progress,
        made: &made,
        parts: Parts::default(),
    };
    let scenario = Box::pin(run_scenario(&at));
    // Whatever it waits for, it ends when a part of it is gone, or when nothing
    // comes forward any more.
    let outcome = tokio::select! {
        biased;
        _ = interrupt.wait_for(|yes| *yes) => None,
        () = ledger.until(|tally| tally.failure.is_some()) => Some(Err(EngineError::History {
            reason: ledger.tally().failure.unwrap_or_default(),
        })),
        gone = at.parts.first_gone() => Some(Err(gone)),
        stalled = stalled(plan, &ledger) => Some(Err(stalled)),
        outcome = scenario => Some(outcome),
    };
    // Given up or not, its subjects have ended with it by now.
    remove_made(plan, settings, &made, progress).await;
    show.abort();
    close(&ledger, outcome, progress)
}

/// Leaves nothing behind in a cluster of somebody else's, or says what.
async fn remove_made(plan: &ScenarioPlan, settings: &Settings, made: &Made, progress: &Reporter) {
    if plan.prefix.is_some() {
        progress.stage(Stage::CleaningUp);
    }
    for left in clean_up(plan, &settings.brokers, made).await.left {
        progress.step(Step::LeftBehind { left });
    }
}

/// Closes the history with how the scenario ended, puts it on disk, and only
/// then tells.
fn close(ledger: &Ledger, outcome: Option<Result<(), EngineError>>, progress: &Reporter) -> End {
    let end = match outcome {
        Some(Ok(())) => End::Completed,
        Some(Err(error)) => End::Failed { error },
        None => End::Interrupted,
    };
    ledger.seal(match &end {
        End::Completed => Body::Completed,
        End::Interrupted => Body::Aborted {
            reason: INTERRUPTED.to_owned(),
        },
        End::Failed { error } => Body::Aborted {
            reason: error.with_causes(),
        },
    });
    let end = match (end, ledger.tally().failure) {
        (End::Completed, Some(reason)) => End::Failed {
            error: EngineError::History { reason },
        },
        (end, _) => end,
    };
    progress.step(match &end {
        End::Completed => Step::Finished,
        End::Interrupted => Step::GaveUp {
            reason: INTERRUPTED.to_owned(),
        },
        End::Failed { error } => Step::GaveUp {
            reason: error.with_causes(),
        },
    });
    end
}

fn open_ledger(plan: &ScenarioPlan, folder: &Path) -> Result<Ledger, EngineError> {
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| EngineError::Write { path, source }
    };
    std::fs::create_dir_all(folder).map_err(write(folder))?;
    let path = folder.join(history::FILE_NAME);
    Ledger::create(&path, plan.scenario.secrets()).map_err(write(&path))
}

async fn show_progress(plan: ScenarioPlan, ledger: Ledger, progress: Reporter) {
    let mut ticks = beat(SHOW_INTERVAL);
    let mut told = Instant::now();
    let mut stage = Stage::Starting;
    loop {
        ticks.tick().await;
        ledger.flush();
        let mut tally = ledger.tally();
        tally.waiting = waiting(&plan, &ledger, &tally);
        if tally.stage != stage {
            (stage, told) = (tally.stage, Instant::now());
        }
        if told.elapsed() >= TELL_INTERVAL {
            told = Instant::now();
            let so_far = far(&plan, &ledger, &tally);
            progress.step(Step::Waiting { so_far });
        }
        progress.step(Step::Counts(Box::new(tally)));
    }
}

/// One scenario as it is carried out: its plan, and where its events go.
struct ScenarioRun<'p> {
    plan: &'p ScenarioPlan,
    settings: &'p Settings,
    folder: &'p Path,
    ledger: &'p Ledger,
    progress: &'p Reporter,
    made: &'p Made,
    parts: Parts,
}

impl ScenarioRun<'_> {
    fn enter(&self, stage: Stage) {
        self.ledger.stage(stage);
        self.progress.stage(stage);
    }
}

/// The whole way of a scenario, from the start of its target to its end.
async fn run_scenario(at: &ScenarioRun<'_>) -> Result<(), EngineError> {
    let ScenarioRun { plan, ledger, .. } = at;
    at.enter(Stage::Starting);
    declare(plan, ledger);
    let waiting = ledger.waits().begin(Wait::Ready, "");
    let target = Target::start(plan, &at.settings.brokers, at.folder);
    let target = waiting.must(target).await??;
    drop(waiting);
    target.watch(&at.parts);
    if let Err(error) = run_on(&target, at).await {
        // While the parts are there to be looked at.
        return Err(at.parts.blame(error).await);
    }
    at.enter(Stage::Stopping);
    target.stop().await;
    Ok(())
}

/// The way of a scenario on its target, a stage after the other.
async fn run_on(target: &Target, at: &ScenarioRun<'_>) -> Result<(), EngineError> {
    let ScenarioRun {
        plan,
        ledger,
        progress,
        made,
        ..
    } = *at;
    at.enter(Stage::Preparing);
    let mut observer = Observer::connect(&target.direct(), plan, ledger).await?;
    observer.create_topics(plan, made).await?;
    observer.quotas(plan, Quotas::On).await?;
    observer.find_coordinators(plan).await?;
    let configs = InForce::default();
    let database = Database::prepare(plan, target, &configs, ledger).await?;
    let workload = Workload::new(at, target, &configs)?;
    workload.start_groups(GroupStart::BeforeProducers).await?;

    at.enter(Stage::Traffic);
    let context = FaultContext {
        plan,
        target,
        groups: &workload.groups,
        database: database.as_ref(),
        ledger,
        progress,
        effect: Effect::Real,
    };
    let traffic_began = ledger.clock().now();
    let traffic = async {
        workload.send(database.as_ref(), traffic_began).await?;
        at.enter(Stage::Draining);
        workload.drain(&mut observer, database.as_ref()).await
    };
    let broken = Box::pin(with_faults(&context, traffic_began, traffic));
    let followed = Box::pin(with_tails(plan, target, ledger, database.as_ref(), broken));
    with_replicas(plan, target, ledger, followed).await?;
    note_not_reached(plan, ledger);
    workload.leave().await?;
    ledger.note(Body::TrafficEnded);
    // They would slow down the reading of the truth too.
    observer.quotas(plan, Quotas::Off).await?;

    at.enter(Stage::ReadingTruth);
    observer.note_deleted().await?;
    observer.configs(&configs).await?;
    observer.read_truth().await?;
    observer.read_replicas(plan).await?;
    observer.read_group_offsets(plan).await?;
    if let Some(database) = &database {
        database.read_tables(ledger).await?;
    }
    configs.write(at.folder)
}

/// Says of every fault that did not begin what it waited for.
fn note_not_reached(plan: &ScenarioPlan, ledger: &Ledger) {
    let tally = ledger.tally();
    let faults = plan
        .scenario
        .faults
        .iter()
        .zip(0u16..)
        .map(|(fault, ix)| (fault, FaultIx::new(ix)));
    for (fault, ix) in faults.filter(|(_, ix)| !tally.triggered.contains(ix)) {
        let evidence = Evidence {
            what: "its trigger was reached".to_owned(),
            found: Found::No,
            detail: format!(
                "{}, when the traffic was over",
                trigger_so_far(&fault.after, plan, &tally)
            ),
        };
        ledger.note(Body::FaultEvidence {
            fault: ix,
            evidence,
        });
    }
}

/// Refuses what could never be carried out before anything is started: what no
/// client of the scenario's could honour, and what the proxy cannot do.
///
/// # Errors
/// The first such thing, and where in the scenario it stands.
pub fn check(plan: &ScenarioPlan) -> Result<(), Problem> {
    let scenario = &plan.scenario;
    for (at, producer) in scenario.producers.iter().enumerate() {
        let place = ["producer".into(), at.into(), "config".into()];
        honoured(&place, RoleKind::Producer, &producer.config, &[])?;
    }
    for (at, group) in scenario.groups.iter().enumerate() {
        let place = ["group".into(), at.into(), "config".into()];
        let own = [("group.id", group.name.as_str())];
        honoured(&place, RoleKind::Consumer, &group.config, &own)?;
    }
    for (at, transform) in scenario.transforms.iter().enumerate() {
        let place = ["transform".into(), at.into(), "config".into()];
        let own = [("group.id", transform.name.as_str())];
        honoured(&place, RoleKind::Consumer, &transform.config, &own)?;
        let place = ["transform".into(), at.into(), "producer_config".into()];
        let own = match transform.transactions {
            Transactions::On => &[("transactional.id", transform.name.as_str())][..],
            Transactions::Off => &[],
        };
        honoured(&place, RoleKind::Producer, &transform.producer_config, own)?;
    }
    check_faults(plan)
}

fn honoured(
    place: &[model::scenario::PathStep],
    kind: RoleKind,
    config: &Config,
    own: &[(&str, &str)],
) -> Result<(), Problem> {
    check_config(kind, &config.plain(), own).map_err(|error| {
        let message = config.secrets().scrub(&error.to_string()).into_owned();
        match error.place() {
            None => Problem::new(place, message),
            Some((key, true)) => Problem::of_setting(place, key, Misuse::Value(message)),
            Some((key, false)) => Problem::of_setting(place, key, Misuse::Name(message)),
        }
    })
}

/// Says whose history it is, and gives everything its number in it.
fn declare(plan: &ScenarioPlan, ledger: &Ledger) {
    ledger.note(Body::RunDeclared {
        run: plan.records_run,
    });
    for topic in plan.topics() {
        ledger.note(Body::TopicDeclared {
            topic: topic.ix,
            name: topic.name,
            partitions: topic.partitions,
        });
    }
    for (producer, number) in plan.scenario.producers.iter().zip(0u32..) {
        if let Some(keys) = producer.keys {
            let producer = ProducerIx::new(number);
            ledger.note(Body::KeysDeclared { producer, keys });
        }
    }
    for group in plan.groups() {
        ledger.note(Body::GroupDeclared {
            group: group.ix,
            name: group.name.to_owned(),
            topics: plan.topic_ix(group.topic).into_iter().collect(),
        });
    }
    for transform in &plan.scenario.transforms {
        let written = (plan.group_ix(&transform.name), plan.topic_ix(&transform.to));
        if let (Some(group), Some(to)) = written {
            ledger.note(Body::TransformDeclared { group, to });
        }
    }
    let mut groups = plan.scenario.groups.iter();
    while let Some(group) = groups.find(|group| group.requires_read_committed) {
        if let Some(group) = plan.group_ix(&group.name) {
            ledger.note(Body::CommittedExpected { group });
        }
    }
    for (table, name, topic) in plan.tables() {
        ledger.note(Body::TableDeclared {
            table,
            name: name.to_owned(),
            topic,
        });
    }
}

/// Runs the traffic to its end with the faults beside it. A fault whose
/// trigger was not reached by then never lands; one that is in force is
/// healed first.
async fn with_faults(
    context: &FaultContext<'_>,
    traffic_began: model::ids::Micros,
    traffic: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    let faults = carry_out_all(context, traffic_began);
    tokio::pin!(faults, traffic);
    tokio::select! {
        ended = &mut traffic => {
            ended?;
            if context.ledger.tally().faults_open > 0 {
                tokio::select! {
                    healed = &mut faults => healed?,
                    () = context.ledger.until(|tally| tally.faults_open == 0) => {}
                }
            }
            Ok(())
        }
        healed = &mut faults => {
            healed?;
            traffic.await
        }
    }
}

/// Follows the change topics and their connector, if there are any, while
/// something else goes on.
async fn with_tails(
    plan: &ScenarioPlan,
    target: &Target,
    ledger: &Ledger,
    database: Option<&Database>,
    rest: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    let Some(database) = database else {
        return rest.await;
    };
    let direct = target.direct();
    tokio::select! {
        ended = rest => ended,
        () = database.follow(ledger) => Ok(()),
        () = follow_tails(&direct, plan, ledger) => Ok(()),
    }
}

/// Follows who leads and who is in sync, where there is more than one replica,
/// while something else goes on.
async fn with_replicas(
    plan: &ScenarioPlan,
    target: &Target,
    ledger: &Ledger,
    rest: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    if !has_followers(plan) {
        return rest.await;
    }
    let direct = target.direct();
    tokio::select! {
        ended = rest => ended,
        () = follow_replicas(&direct, plan, ledger) => Ok(()),
    }
}

/// Returns when one of a group's members has ended.
async fn ends_early(members: &Members) -> EngineError {
    let mut ticks = beat(SHOW_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = members.check_alive() {
            return error;
        }
    }
}

/// What is sent, written and read.
struct Workload<'w> {
    /// Where the brokers can be asked, whatever stands before them.
    direct: Vec<String>,
    plan: &'w ScenarioPlan,
    launcher: Launcher,
    topics: Vec<PlannedTopic>,
    groups: Mutex<BTreeMap<String, Members>>,
    ledger: &'w Ledger,
}

impl<'w> Workload<'w> {
    fn new(at: &ScenarioRun<'w>, target: &Target, configs: &InForce) -> Result<Self, EngineError> {
        let ScenarioRun { plan, ledger, .. } = *at;
        let launcher = Launcher {
            program: at.settings.subject.clone(),
            logs: logs_in(at.folder)?,
            secrets: plan.scenario.secrets(),
            bootstrap: target.bootstrap(),
            ledger: ledger.clone(),
            configs: configs.clone(),
            parts: at.parts.clone(),
            made: at.made.clone(),
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
            let work = Work::new(&launcher, plan, transform, number, between, &producers);
            let members = Members::transforming(work, &launcher, name, number, &incarnations);
            groups.insert(name.to_owned(), members);
        }
        Ok(Self {
            direct: target.direct(),
            plan,
            launcher,
            topics,
            groups: Mutex::new(groups),
            ledger,
        })
    }

    /// Starts the members of the groups that start at this moment, and waits
    /// until they have their partitions.
    async fn start_groups(&self, when: GroupStart) -> Result<(), EngineError> {
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
                let waiting = self.ledger.waits().begin(Wait::Assignment, of);
                let broken = !self.ledger.tally().injected.is_empty();
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
                    None if !self.ledger.tally().injected.is_empty() => {}
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
        let told = self.ledger.until(|tally| {
            let given = tally.holders.keys();
            given.filter(|(of, _)| Some(*of) == group).count() >= partitions as usize
        });
        let settled = await_joined(&self.direct, name, count as usize, partitions as usize);
        let both = async {
            settled.await?;
            told.await;
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
        let known = |tally: &Tally| {
            let refusals = group.and_then(|group| tally.refusals.get(&group));
            refusals.cloned()
        };
        self.ledger.until(|tally| known(tally).is_some()).await;
        EngineError::Refused {
            group: name.to_owned(),
            said: known(&self.ledger.tally()).unwrap_or_default(),
        }
    }

    /// Sends all records and writes all rows; every send has its outcome when
    /// this returns.
    async fn send(
        &self,
        database: Option<&Database>,
        traffic_began: model::ids::Micros,
    ) -> Result<(), EngineError> {
        let mut producing = JoinSet::new();
        for (producer, number) in self.plan.scenario.producers.iter().zip(0u32..) {
            let topic = topic_named(&self.topics, &producer.topic)?.clone();
            let (launcher, plan) = (self.launcher.clone(), self.plan.clone());
            let (producer, number) = (producer.clone(), ProducerIx::new(number));
            producing.spawn(async move {
                run_producer(&launcher, &plan, number, &producer, &topic).await
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
                        .write_all(self.plan, self.ledger, traffic_began)
                        .await
                }
                None => Ok(()),
            }
        };
        tokio::try_join!(producing, writing)?;
        self.start_groups(GroupStart::AfterProducers).await
    }

    /// Gives groups and connectors the time to reach the end.
    async fn drain(
        &self,
        observer: &mut Observer,
        database: Option<&Database>,
    ) -> Result<(), EngineError> {
        let limit_ms = self.plan.scenario.drain_timeout_ms;
        observer.note_deleted().await?;
        if let Some(database) = database {
            database
                .wait_captured(observer, self.ledger, limit_ms)
                .await?;
            observer.note_tails().await?;
        }
        let limit = Duration::from_millis(limit_ms);
        for transform in &self.plan.scenario.transforms {
            self.finish_transform(transform, observer, limit).await?;
        }
        let ends = self.ends(observer).await?;
        let wanted: Vec<_> = self.wanted(&ends).collect();
        let waits = self.groups_numbered().map(|(ix, group)| {
            // Where nobody knows how far a group should get, it has all the
            // time.
            let topic = self.plan.topic_ix(&group.topic);
            let known = ends.keys().filter(|place| Some(place.topic) == topic);
            let whole = known.count() == self.partitions_of(&group.topic);
            self.wait_for_group(ix, &wanted, (limit, whole))
        });
        let all_read = join_all(waits);
        let alive = self.watch_members();
        tokio::select! {
            _ = all_read => Ok(()),
            died = alive => Err(died),
        }
    }

    /// Leaves a group to read until it has come to the ends, or its time is up,
    /// and writes down when that began and was over.
    async fn wait_for_group(
        &self,
        group: GroupIx,
        wanted: &[(GroupIx, PartitionRef, Offset)],
        (limit, whole): (Duration, bool),
    ) {
        self.ledger.note(Body::WaitBegan { group });
        let name = self.plan.groups().find(|known| known.ix == group);
        let name = name.map_or("", |known| known.name);
        let waits = self.ledger.waits();
        let waiting = waits.begin_for(Wait::GroupEnd, name, limit);
        let own: Vec<_> = wanted.iter().filter(|(of, ..)| *of == group).collect();
        let read = self.ledger.until(|tally| {
            whole
                && own.iter().all(|(group, partition, end)| {
                    let position = tally.positions.get(&(*group, *partition));
                    position.is_some_and(|at| at >= end)
                })
        });
        // Late is no error here: the verdict tells of a group that stopped, and
        // of one that was only slow.
        let _ = waiting.done(read).await;
        let limit_ms = self.plan.scenario.drain_timeout_ms;
        self.ledger.note(Body::GroupWaited { group, limit_ms });
    }

    /// Waits until a group that writes has committed everything, lets its
    /// members leave, and waits until no transaction of theirs is open: only
    /// then is it settled what there is to read behind it.
    async fn finish_transform(
        &self,
        transform: &Transform,
        observer: &mut Observer,
        limit: Duration,
    ) -> Result<(), EngineError> {
        let from = self.plan.topic_ix(&transform.from);
        let Some(group) = self.plan.group_ix(&transform.name) else {
            return Ok(());
        };
        let level = self.level(group);
        let readable = observer.readable().await?.into_iter();
        let wanted: BTreeMap<PartitionRef, Offset> = readable
            .filter(|(place, _)| Some(place.topic) == from)
            .map(|(place, readable)| (place, readable.at(level)))
            .collect();
        self.ledger.note(Body::WaitBegan { group });
        let whole = wanted.len() == self.partitions_of(&transform.from);
        let waits = self.ledger.waits();
        let waiting = waits.begin_for(Wait::GroupCommit, &transform.name, limit);
        let committed = async {
            if !whole {
                // Nobody knows how far it should get: it has all the time.
                std::future::pending::<()>().await;
            }
            observer.await_committed(&transform.name, &wanted).await
        };
        tokio::select! {
            // Late is no error here: the verdict tells of an incomplete group.
            ended = waiting.done(committed) => ended.unwrap_or(Ok(()))?,
            died = self.watch_members() => return Err(died),
        }
        drop(waiting);
        let limit_ms = self.plan.scenario.drain_timeout_ms;
        self.ledger.note(Body::GroupWaited { group, limit_ms });
        if let Some(members) = self.groups.lock().await.get_mut(&transform.name) {
            members.leave().await?;
        }
        observer
            .await_stable(closing_limit(&self.plan.scenario))
            .await
    }

    fn partitions_of(&self, topic: &str) -> usize {
        let known = self.topics.iter().find(|known| known.name == topic);
        known.map_or(0, |known| known.partitions.unsigned_abs() as usize)
    }

    /// Where a group that only reads gets to in every partition.
    async fn ends(
        &self,
        observer: &mut Observer,
    ) -> Result<BTreeMap<PartitionRef, Readable>, EngineError> {
        if self.plan.scenario.groups.is_empty() {
            return Ok(BTreeMap::new());
        }
        let any = !self.plan.scenario.transforms.is_empty();
        if any || observer.reads_transactions() {
            return observer.readable().await;
        }
        // Without transactions there is nothing to look behind.
        let ends = observer.ends().await?.into_iter();
        Ok(ends.map(|(place, end)| (place, end.into())).collect())
    }

    fn level(&self, group: GroupIx) -> Isolation {
        let known = self.ledger.tally().isolation;
        known.get(&group).copied().unwrap_or_default()
    }

    /// Which group must get how far in which partition.
    fn wanted(
        &self,
        ends: &BTreeMap<PartitionRef, Readable>,
    ) -> impl Iterator<Item = (GroupIx, PartitionRef, Offset)> {
        self.groups_numbered().flat_map(move |(ix, group)| {
            let topic = self.plan.topic_ix(&group.topic);
            let level = self.level(ix);
            ends.iter()
                .map(move |(place, end)| (ix, *place, end.at(level)))
                .filter(move |(_, place, end)| Some(place.topic) == topic && end.get() > 0)
        })
    }

    fn groups_numbered(&self) -> impl Iterator<Item = (GroupIx, &Group)> {
        let groups = self.plan.scenario.groups.iter().zip(0u16..);
        groups.map(|(group, ix)| (GroupIx::new(ix), group))
    }

    /// Returns when a member has ended that nobody ended.
    async fn watch_members(&self) -> EngineError {
        let mut ticks = beat(SHOW_INTERVAL);
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
    async fn leave(&self) -> Result<(), EngineError> {
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
