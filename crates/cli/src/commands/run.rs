//! `ackproof run`: the plan is written down, carried out, judged as its
//! scenarios end, and its results are written beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use checker::Examples;
use engine::progress::{Progress, ProgressEvent};
use engine::{Brokers, Clients, Embedded, End, Leftover, Settings, Slots, UserCluster};
use model::plan::{RunPlan, Timing};
use model::verdict::RunVerdict;
use report::{badge, html, junit, markdown, verdict_json};
use secret::Secrets;
use stack::archive::Archives;
use stack::jvm::Compiler;
use stack::training::Training;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use wire::Protocol;

use crate::alert_watch::WatchedPrometheus;
use crate::args::{RunArgs, RunFormat};
use crate::circumstances;
use crate::display::Display;
use crate::events::Events;
use crate::exit::Exit;
use crate::explanation::{Seed, explain};
use crate::failure::{Failure, chain};
use crate::interrupt::Interrupt;
use crate::judgement::{Judged, JudgementError, conclude, judge_scenario};
use crate::output::{note, print, print_raw, write};
use crate::provision::{Provision, provide, provide_clients, this_program};
use crate::recorded::recorded;
use crate::rerun;
use crate::run_dir::{Results, RunDir, RunDirError};
use crate::secured;
use crate::settings::{self, RunSettings};
use crate::step_summary;
use crate::summary;
use crate::text::{Page, columns_of, fit};
use model::scenario::words::duration_ms;

/// How often what is shown of a run moves on its own, so that one sees that it
/// lives.
const TICK: Duration = Duration::from_millis(100);

/// Signals cannot be received.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for signals")]
pub(crate) struct SignalError(#[source] pub(crate) io::Error);

pub(crate) async fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let (began, now) = (Instant::now(), SystemTime::now());
    let again = args
        .rerun_failed
        .as_ref()
        .map(|dir| rerun::failed(args, dir))
        .transpose()?;
    if let Some(None) = again {
        print("every scenario of that run came out as it should: there is none to run again\n")?;
        return Ok(Exit::Held);
    }
    let again = again.flatten();
    let args = again.as_ref().unwrap_or(args);
    let mut settings = RunSettings::new(args, now)?;
    if args.dry_run {
        return dry_run(&settings.plan, args.seed);
    }
    let mut interrupt =
        Interrupt::listen().map_err(|error| Failure::environment(&SignalError(error)))?;
    let dir = RunDir::claim(&settings.out).map_err(|error| claim_failure(&error))?;
    let _hold = dir.hold().map_err(|error| claim_failure(&error))?;
    let ready = tokio::select! {
        ready = make_all_ready(&mut settings, None) => ready,
        () = interrupt.happened() => Err(Failure::interrupted()),
    };
    let (ready, clients) = ready.inspect_err(|_| dir.abandon())?;
    let alerts = match settings.alerts.clone() {
        Some(alerts) => tokio::select! {
            watched = alerts.watch(&mut settings.plan) => watched.map(Some),
            () = interrupt.happened() => Err(Failure::interrupted()),
        },
        None => Ok(None),
    };
    let alerts = alerts.inspect_err(|_| dir.abandon())?;
    if let Some(cluster) = &mut settings.plan.cluster {
        cluster.run_dir = dir.path().canonicalize().ok();
    }
    circumstances::note(&mut settings.plan, args, now);
    let display = Display::new([(None, &settings.plan)], settings.jobs.get());
    let run = Run {
        slots: Slots::new(settings.jobs),
        display: Arc::new(Mutex::new(display)),
        column: None,
        settings,
        dir,
        ready,
        clients,
        alerts,
    };
    let (_, exit) = run.carry_out(began, interrupt).await?;
    Ok(exit)
}

/// Says what would happen, and starts nothing.
fn dry_run(plan: &RunPlan, seed: Option<u64>) -> Result<Exit, Failure> {
    let seed = seed.map_or(Seed::Open, Seed::Given);
    let mut page = Page::for_output();
    let mut scenarios = plan.scenarios.iter();
    while let Some(once) = scenarios.find(|it| it.repetition == 1) {
        explain(&mut page, once, seed);
    }
    print(&(page.into_text() + &summary::skipped(plan)))?;
    Ok(Exit::Held)
}

pub(crate) fn claim_failure(error: &RunDirError) -> Failure {
    Failure::usage(error).hint("name another directory with --out; nothing was changed in this one")
}

/// What the scenarios run on, once it is known to be there.
#[derive(Clone)]
pub(crate) enum Ready {
    Embedded(Box<Provision>),
    Cluster(UserCluster),
}

/// Makes ready what the scenarios run on, and then their clients.
pub(crate) async fn make_all_ready(
    settings: &mut RunSettings,
    before: Option<Ready>,
) -> Result<(Ready, Clients), Failure> {
    let ready = make_ready(settings, before).await?;
    let (brokers, secured) = match &ready {
        Ready::Embedded(provision) => (Some(provision.artefacts.clone()), false),
        Ready::Cluster(cluster) => (None, cluster.security.protocol() != Protocol::Plaintext),
    };
    let clients = provide_clients(&settings.plan, brokers, secured).await?;
    settings.ask_clients(&clients)?;
    Ok((ready, clients))
}

/// Fetches what brokers are made of, where a run before did not, or looks at
/// the user's; the plan then says what it runs on.
async fn make_ready(settings: &mut RunSettings, before: Option<Ready>) -> Result<Ready, Failure> {
    match settings.brokers.clone() {
        settings::Brokers::Embedded(request) => {
            let mut provision = match before {
                Some(Ready::Embedded(provision)) => provision,
                Some(Ready::Cluster(_)) | None => Box::new(provide(&request).await?),
            };
            settings.plan.versions = provision.versions();
            provision.add_named(&request, &settings.plan).await?;
            Ok(Ready::Embedded(provision))
        }
        settings::Brokers::Cluster(cluster) => go_to(settings, cluster).await,
        settings::Brokers::Compose { file, security } => {
            let found = engine::compose_brokers(&file, &security).await;
            let found = found.map_err(|error| {
                Failure::environment(&error).hint("nothing was changed in any container")
            })?;
            note(&format!(
                "project {}: {}\n",
                found.project,
                found.in_words().join(", ")
            ));
            let cluster = UserCluster {
                bootstrap: found.bootstrap.clone(),
                security: found.security.clone(),
                containers: Some(found),
            };
            go_to(settings, cluster).await
        }
    }
}

/// Looks at the user's cluster, and plans for it.
async fn go_to(settings: &mut RunSettings, mut cluster: UserCluster) -> Result<Ready, Failure> {
    let found = engine::cluster_info(&cluster).await.map_err(|error| {
        Failure::environment(&error).hint(
            "--bootstrap takes HOST:PORT of a running broker, and --command-config how \
                     to reach it where it asks for TLS or SASL; nothing was changed in the cluster",
        )
    })?;
    cluster.bootstrap.clone_from(&found.bootstrap);
    let known = found.bootstrap.iter().map(ToString::to_string);
    let known: Vec<String> = found.advertised.iter().cloned().chain(known).collect();
    secured::note_without_effect(&settings.topics.resolve, &known);
    for unusable in &found.unusable {
        note(&format!("left out: {unusable}\n"));
    }
    let like = match &settings.topics.like {
        Some(topic) => Some(engine::topic_like(&cluster, topic).await.map_err(|error| {
            Failure::environment(&error).hint("nothing was made in the cluster")
        })?),
        None => None,
    };
    settings.go_to(&found, &cluster, like)?;
    let surprises = engine::preflight(&cluster, &settings.plan).await;
    let surprises = surprises
        .map_err(|error| Failure::environment(&error).hint("nothing was made in the cluster"))?;
    for surprise in surprises {
        note(&format!("{surprise}\n"));
    }
    Ok(Ready::Cluster(cluster))
}

impl Ready {
    pub(crate) fn brokers(&self) -> Brokers {
        match self {
            Self::Embedded(provision) => {
                let Provision {
                    cache,
                    artefacts,
                    others,
                    java,
                } = provision.as_ref();
                let archives = |of| Archives::find(cache, of, java);
                let others = others.iter().map(|(named, artefacts)| {
                    (named.clone(), (artefacts.clone(), archives(artefacts)))
                });
                Brokers::Embedded(Box::new(Embedded {
                    archives: archives(artefacts),
                    artefacts: artefacts.clone(),
                    others: others.collect(),
                    java: java.clone(),
                    compiler: Compiler::FastStart,
                }))
            }
            Self::Cluster(cluster) => Brokers::Cluster(cluster.clone()),
        }
    }

    /// What must not be shown of how the brokers are reached.
    fn secrets(&self) -> Secrets {
        match self {
            Self::Embedded(_) => Secrets::default(),
            Self::Cluster(cluster) => cluster.security.secrets(),
        }
    }

    /// Makes the next start fast, while this run goes on.
    fn train(&self) -> Option<Training> {
        match self {
            Self::Embedded(of) => Training::in_background(&of.cache, &of.artefacts, &of.java),
            Self::Cluster(_) => None,
        }
    }
}

/// A run that is ready to begin.
pub(crate) struct Run {
    pub(crate) settings: RunSettings,
    pub(crate) dir: RunDir,
    pub(crate) ready: Ready,
    pub(crate) clients: Clients,
    /// The Prometheus whose alerts are watched, if any.
    pub(crate) alerts: Option<WatchedPrometheus>,
    /// Places for scenarios, and what is shown, over all runs of a command.
    pub(crate) slots: Slots,
    pub(crate) display: Arc<Mutex<Display>>,
    /// Where the run is one of several beside each other.
    pub(crate) column: Option<Column>,
}

/// A run's part in a command of several: it tells nothing of the whole, which
/// is not its own.
pub(crate) struct Column {
    pub(crate) name: String,
    /// The place of its first scenario among those of all columns.
    pub(crate) first: usize,
    /// Whether it is this one that trains what starts faster next time.
    pub(crate) trains: bool,
}

impl Run {
    /// Carries the run out and writes its results. Its verdict, and how a
    /// command of this run alone ends.
    pub(crate) async fn carry_out(
        mut self,
        began: Instant,
        interrupt: Interrupt,
    ) -> Result<(RunVerdict, Exit), Failure> {
        self.write_plan()?;
        let plan = &self.settings.plan;
        self.tell(|| Events::began(plan, self.dir.path()));
        let is_alone = self.column.is_none();
        if is_alone {
            self.say(&(summary::header(plan) + &summary::skipped(plan)))
                .map_err(output_failure)?;
        }

        let trains = self.column.as_ref().is_none_or(|it| it.trains);
        let training = trains.then(|| self.ready.train());
        let executed = self.execute(began, interrupt.clone()).await?;
        let Executed {
            ends,
            judged,
            left,
            timings,
        } = executed;
        // An archive that is not trained by now is trained by a later run.
        drop(training);
        let secrets = self.ready.secrets();
        let carried_out = tell_failures(plan, &ends, &secrets).and(self.tell_left(&left));

        let took_ms = millis(began.elapsed());
        for (index, timing) in timings {
            if let Some(scenario) = self.settings.plan.scenarios.get_mut(index) {
                scenario.timing = Some(timing);
            }
        }
        if let Some(circumstances) = &mut self.settings.plan.circumstances {
            circumstances.duration_ms = Some(took_ms);
        }
        self.note_clients();
        let plan = &self.settings.plan;
        let verdict = self.conclude(judged).await?;
        self.write_results(&verdict)?;
        let done = ends
            .iter()
            .filter(|end| matches!(end, End::Completed))
            .count();
        self.tell(|| Events::ended(&verdict, done));
        if is_alone {
            match self.settings.format {
                RunFormat::Json => print_raw(&json(&verdict)?)?,
                RunFormat::Human | RunFormat::JsonLines => {}
            }
            self.say(&format!(
                "  {} · {} · report: {}\n",
                summary::totals(plan, &verdict),
                duration_ms(took_ms),
                self.dir.page().display()
            ))
            .map_err(output_failure)?;
        }
        // An interrupt wins, because nothing after it went as planned.
        let exit = if interrupt.has_happened() {
            Exit::Interrupted
        } else if carried_out == CarriedOut::InPart {
            Exit::Environment
        } else {
            Exit::from(verdict.verdict)
        };
        Ok((verdict, exit))
    }

    /// Adds the versions of the clients, by their own word, to those of
    /// everything else.
    fn note_clients(&mut self) {
        let configurations = self.dir.configurations(&self.settings.plan);
        let mut clients: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for client in configurations.values().filter_map(|it| it.get("client")) {
            if let Some((name, version)) = client.rsplit_once(' ') {
                clients.entry(name).or_default().insert(version);
            }
        }
        for (name, versions) in clients {
            let versions: Vec<&str> = versions.into_iter().collect();
            let versions = versions.join(", ");
            self.settings
                .plan
                .versions
                .insert(name.to_owned(), versions);
        }
    }

    fn display(&self) -> MutexGuard<'_, Display> {
        self.display.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries the plan out, and judges each scenario as soon as it has ended.
    async fn execute(&self, began: Instant, mut interrupt: Interrupt) -> Result<Executed, Failure> {
        let plan = &self.settings.plan;
        let engine_settings = Settings {
            out: self.dir.path().to_owned(),
            slots: self.slots.clone(),
            subject: this_program()?,
            clients: self.clients.clone(),
            brokers: self.ready.brokers(),
            prometheus: self.alerts.as_ref().map(|it| it.url().to_owned()),
        };
        let (tell, mut told) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let engine = async {
            let ends = engine::run(plan, &engine_settings, &tell, stopped).await;
            drop(tell);
            ends
        };
        let first = self.column.as_ref().map_or(0, |it| it.first);
        let mut events = Events::default();
        let mut times = Times::default();
        let mut ticks = tokio::time::interval(TICK);
        let fail_fast = |is_bad: bool| {
            if is_bad && self.settings.fail_fast {
                stop.send_replace(true);
            }
        };
        let shown = async {
            let mut judging = JoinSet::new();
            let mut judged = BTreeMap::new();
            let mut left = Vec::new();
            let mut is_told = false;
            loop {
                tokio::select! {
                    progress = told.recv() => match progress {
                        Some(progress) => {
                            self.judge_if_ended(&progress, &mut judging);
                            times.take_in(&progress, began.elapsed());
                            if let Some(event) = events.of(plan, &progress) {
                                self.tell(|| event);
                            }
                            self.display().show(first, &progress);
                            fail_fast(matches!(progress.event, ProgressEvent::GaveUp { .. }));
                            if let ProgressEvent::LeftBehind { left: one } = progress.event {
                                left.push(one);
                            }
                        }
                        None => break,
                    },
                    Some(done) = judging.join_next() => {
                        fail_fast(self.finished(done, &mut judged));
                    }
                    _ = ticks.tick() => self.display().redraw(),
                    () = interrupt.happened(), if !is_told => {
                        is_told = true;
                        stop.send_replace(true);
                        self.display().interrupted();
                    }
                }
            }
            while let Some(done) = judging.join_next().await {
                self.finished(done, &mut judged);
            }
            self.display().end();
            (judged, left, times.timings)
        };
        let (ends, (judged, left, timings)) = tokio::join!(engine, shown);
        Ok(Executed {
            ends,
            judged,
            left,
            timings,
        })
    }

    /// Says what stays behind in the user's cluster, and what to do about it.
    fn tell_left(&self, left: &[Leftover]) -> CarriedOut {
        for one in left {
            note(&format!("left behind: {one}\n"));
        }
        if left.is_empty() {
            return CarriedOut::Wholly;
        }
        let dir = self.dir.path().display();
        note(&format!("  hint: `ackproof cleanup {dir}` tries again\n"));
        CarriedOut::InPart
    }

    /// Begins to judge a scenario whose history is closed. One that was given
    /// up is judged when all is over.
    fn judge_if_ended(&self, progress: &Progress, judging: &mut JoinSet<Ended>) {
        let plan = self.settings.plan.scenarios.get(progress.scenario);
        if let (ProgressEvent::Finished, Some(plan)) = (&progress.event, plan) {
            let (dir, plan, index) = (self.dir.clone(), plan.clone(), progress.scenario);
            judging
                .spawn_blocking(move || (index, judge_scenario(&dir, &plan, Examples::default())));
        }
    }

    /// Shows what came of a scenario. Whether it is not what it should be.
    fn finished(
        &self,
        done: Result<Ended, tokio::task::JoinError>,
        judged: &mut BTreeMap<usize, Judged>,
    ) -> bool {
        // One that could not be judged is judged again at the end, where the
        // failure is told.
        let Ok((index, Ok(of))) = done else {
            return true;
        };
        // The end of standard output ends no run half-way.
        let mut display = self.display();
        let _ = display.write(|| self.show_scenario(index, &of));
        display.done();
        drop(display);
        let is_bad = !of.verdict.as_expected;
        judged.insert(index, of);
        is_bad
    }

    fn write_plan(&self) -> Result<(), Failure> {
        let written = self.dir.write_plan(&self.settings.plan);
        written.map_err(|error| Failure::environment(&error))
    }

    /// Tells other programs what happens, where they listen.
    fn tell(&self, event: impl FnOnce() -> serde_json::Value) {
        if self.settings.format == RunFormat::JsonLines {
            // The end of standard output ends no run half-way.
            let _ = print_raw(&format!("{}\n", event()));
        }
    }

    fn show_scenario(&self, index: usize, judged: &Judged) -> io::Result<()> {
        let plan = &self.settings.plan;
        match plan.scenarios.get(index) {
            Some(scenario) => {
                self.tell(|| Events::judged(&scenario.folder(), &judged.verdict));
                if let Some(column) = &self.column {
                    return self.say(&summary::in_column(&column.name, scenario, &judged.verdict));
                }
                self.say(&summary::scenario(
                    scenario,
                    &judged.verdict,
                    summary::name_chars(plan),
                    summary::PROOFS_SHOWN,
                ))
            }
            None => Ok(()),
        }
    }

    /// The verdict on the whole: of what was judged on the way, and what was
    /// not is judged now.
    async fn conclude(&self, mut judged: BTreeMap<usize, Judged>) -> Result<RunVerdict, Failure> {
        let mut scenarios = Vec::new();
        for (index, plan) in self.settings.plan.scenarios.iter().enumerate() {
            let before = judged.remove(&index);
            let of = if let Some(before) = before.filter(|it| it.is_current(&self.dir, plan)) {
                before
            } else {
                let (dir, plan) = (self.dir.clone(), plan.clone());
                let of = tokio::task::spawn_blocking(move || {
                    judge_scenario(&dir, &plan, Examples::default())
                })
                .await
                .map_err(|error| Failure::environment(&error))?
                .map_err(|error| Failure::environment(&error))?;
                self.show_scenario(index, &of).map_err(output_failure)?;
                of
            };
            scenarios.push(of.verdict);
        }
        Ok(conclude(&self.settings.plan, scenarios))
    }

    fn write_results(&self, verdict: &RunVerdict) -> Result<(), Failure> {
        let report = write_results(&self.dir, &self.settings.plan, verdict)?;
        // The columns of a matrix have one summary, of them all.
        if self.column.is_none() {
            step_summary::append(&report);
        }
        Ok(())
    }

    /// Says something for people: on standard output, or beside it when that
    /// is for a machine.
    fn say(&self, text: &str) -> io::Result<()> {
        match self.settings.format {
            RunFormat::Human => {
                let fitting = fit(text, columns_of(io::stdout()));
                write(&mut anstream::stdout(), &fitting)
            }
            RunFormat::Json | RunFormat::JsonLines => {
                let fitting = fit(text, columns_of(io::stderr()));
                write(&mut anstream::stderr(), &fitting)
            }
        }
    }
}

/// Writes a run's results, and gives its report as text.
pub(crate) fn write_results(
    dir: &RunDir,
    plan: &RunPlan,
    verdict: &RunVerdict,
) -> Result<String, Failure> {
    let configurations = dir.configurations(plan);
    let recorded = recorded(dir, plan, verdict);
    let results = Results {
        verdict: json(verdict)?,
        page: html(plan, verdict, &configurations, &recorded),
        report: markdown(plan, verdict, &configurations, &recorded.courses),
        junit: junit(plan, verdict).map_err(|error| Failure::environment(&error))?,
        badge: badge(plan, verdict).map_err(|error| Failure::environment(&error))?,
    };
    // What has happened is written beside what was planned: judged again, it
    // gives the same verdict.
    let written = dir.write_plan(plan);
    let written = written.and_then(|()| dir.write_results(&results));
    written.map_err(|error| {
        Failure::environment(&error).hint(format!(
            "the recorded events stay: `ackproof check {}` judges it again",
            dir.path().display()
        ))
    })?;
    Ok(results.report)
}

/// The results of carrying the plan out.
struct Executed {
    ends: Vec<End>,
    judged: BTreeMap<usize, Judged>,
    left: Vec<Leftover>,
    /// When each scenario was carried out.
    timings: BTreeMap<usize, Timing>,
}

/// Notes when scenarios begin and end.
#[derive(Default)]
struct Times {
    began: BTreeMap<usize, u64>,
    timings: BTreeMap<usize, Timing>,
}

impl Times {
    fn take_in(&mut self, progress: &Progress, since: Duration) {
        let now_ms = millis(since);
        let start_ms = *self.began.entry(progress.scenario).or_insert(now_ms);
        if matches!(
            progress.event,
            ProgressEvent::Finished | ProgressEvent::GaveUp { .. }
        ) {
            let duration_ms = now_ms.saturating_sub(start_ms);
            let timing = Timing {
                start_ms,
                duration_ms,
            };
            self.timings.entry(progress.scenario).or_insert(timing);
        }
    }
}

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

type Ended = (usize, Result<Judged, JudgementError>);

fn json(verdict: &RunVerdict) -> Result<String, Failure> {
    verdict_json(verdict).map_err(|error| Failure::environment(&error))
}

/// Whether the environment let every scenario be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CarriedOut {
    Wholly,
    InPart,
}

impl CarriedOut {
    fn and(self, other: Self) -> Self {
        if self == Self::Wholly { other } else { self }
    }
}

/// Says why scenarios failed, with every cause.
fn tell_failures(plan: &RunPlan, ends: &[End], of_cluster: &Secrets) -> CarriedOut {
    let mut carried_out = CarriedOut::Wholly;
    for (scenario, end) in plan.scenarios.iter().zip(ends) {
        if let End::Failed { error } = end {
            if error.is_environment_failure() {
                carried_out = CarriedOut::InPart;
            }
            let secrets = scenario.scenario.secrets().and(of_cluster.clone());
            let why = chain(error);
            note(&format!(
                "{} failed: {}\n",
                scenario.folder(),
                secrets.scrub(&why)
            ));
        }
    }
    carried_out
}

pub(crate) fn output_failure(error: io::Error) -> Failure {
    /// Standard output is gone.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the results out")]
    struct OutputError(#[source] io::Error);
    Failure::environment(&OutputError(error))
}
