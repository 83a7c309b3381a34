//! An application of the user's: started, ended, frozen, waited for, and what it did listed.
//! Knows nothing of what that means.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::event::{AppCommitted, Body, Content, EffectSeen, EffectsRead};
use model::ids::{Offset, PartitionRef};
use model::plan::ScenarioPlan;
use model::scenario::words::shell_words;
use model::scenario::{App, EndSignal, Problem};
use model::template::decode_id;
use secret::Secrets;
use stack::process::{Child, ChildSpec, Exit, Signal, Trouble, kill_marked};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::connect::Direct;
use crate::created::Created;
use crate::error::EngineError;
use crate::logs::{log_of, logs_in};
use crate::observer::Observer;
use crate::observer::groups::await_any_joined;
use crate::processes::{Processes, subject_lost};
use crate::recorder::HistoryRecorder;
use crate::scenario_run::ScenarioRun;
use crate::target::Target;
use crate::user_command;
use crate::wait::{Wait, beat};

/// What processes of an application carry in their environment, with the run's identity.
const MARK: &str = "ACKPROOF_APP";
/// The name of its process, and of its log.
const NAME: &str = "application";
/// How often it is looked at whether it is there.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How often it is looked at what it has done.
const EFFECTS_INTERVAL: Duration = Duration::from_millis(500);

/// An application of the user's.
pub(crate) struct Application<'a> {
    app: &'a App,
    plan: &'a ScenarioPlan,
    direct: Direct,
    bootstrap: String,
    logs: PathBuf,
    /// For files of its own.
    own_folder: PathBuf,
    secrets: Secrets,
    recorder: &'a HistoryRecorder,
    created: &'a Created,
    processes: Processes,
    running: Mutex<Option<Arc<Child>>>,
}

/// What was done before anything was sent, and whether everything that is to come has come.
#[derive(Default)]
pub(crate) struct AppProgress {
    listed_before: BTreeSet<String>,
    settled: bool,
}

/// What there is of its work.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Work {
    committed: BTreeMap<PartitionRef, Offset>,
    effects: Vec<String>,
}

impl<'a> Application<'a> {
    /// That of the scenario, if it has one.
    pub(crate) fn of(at: &ScenarioRun<'a>, target: &Target) -> Result<Option<Self>, EngineError> {
        let Some(app) = &at.plan.scenario.app else {
            return Ok(None);
        };
        Ok(Some(Self {
            app,
            plan: at.plan,
            direct: target.direct(),
            bootstrap: target.bootstrap(),
            logs: logs_in(at.folder)?,
            own_folder: made(at.folder)?,
            secrets: at.settings.secrets(at.plan),
            recorder: at.recorder,
            created: at.created,
            processes: at.processes.clone(),
            running: Mutex::new(None),
        }))
    }

    /// Starts it before anything is sent, and waits until its group has its partitions; then
    /// looks at what is listed already.
    pub(crate) async fn begin(&self) -> Result<AppProgress, EngineError> {
        self.start().await?;
        let waiting = self
            .recorder
            .waits()
            .begin(Wait::AppJoined, &self.app.group);
        let partitions = self.plan.topics().into_iter();
        let partitions = partitions
            .filter(|it| it.name == self.app.topic)
            .map(|it| it.partitions.unsigned_abs() as usize)
            .sum();
        let joined = await_any_joined(&self.direct, &self.app.group, partitions);
        tokio::select! {
            biased;
            gone = self.gone() => return Err(gone),
            joined = waiting.must(joined) => joined??,
        }
        drop(waiting);
        let listed_before = match &self.app.effects.topic {
            Some(_) => BTreeSet::new(),
            None => self.listed().await?.into_iter().collect(),
        };
        Ok(AppProgress {
            listed_before,
            settled: false,
        })
    }

    /// Starts its process.
    pub(crate) async fn start(&self) -> Result<(), EngineError> {
        self.created.group(&self.app.group);
        let mark = self.plan.record_run_id.to_string();
        let spec = self.spec(&self.app.command, NAME).env(MARK, mark);
        let child = Arc::new(spec.spawn()?);
        self.processes.add_subject(NAME, &child);
        *self.running.lock().await = Some(child);
        Ok(())
    }

    /// A command of the application's, in its environment.
    fn spec(&self, command: &[String], log: &str) -> ChildSpec {
        let output = self.app.effects.topic.as_deref().unwrap_or_default();
        let folder = self.own_folder.display().to_string();
        let values = [
            (
                "{bootstrap}",
                "KAFKA_BOOTSTRAP_SERVERS",
                self.bootstrap.as_str(),
            ),
            ("{topic}", "KAFKA_TOPIC", self.app.topic.as_str()),
            ("{group}", "KAFKA_GROUP_ID", self.app.group.as_str()),
            ("{output}", "KAFKA_OUTPUT_TOPIC", output),
            ("{folder}", "ACKPROOF_FOLDER", folder.as_str()),
        ];
        let filled = |text: &String| {
            let values = values.iter();
            values.fold(text.clone(), |text, (name, _, value)| {
                text.replace(name, value)
            })
        };
        let mut words = command.iter().map(filled);
        let program = words.next().unwrap_or_default();
        let mut spec = ChildSpec::new(program, self.logs.join(log_of(log))).args(words);
        for (_, variable, value) in values {
            spec = spec.env(variable, value);
        }
        for (variable, value) in &self.app.env {
            spec = spec.env(variable, filled(value));
        }
        spec.secrets = self.secrets.clone();
        spec
    }

    /// Its process, while it runs.
    pub(crate) async fn child(&self) -> Result<Arc<Child>, EngineError> {
        let running = self.running.lock().await;
        running.clone().ok_or_else(|| EngineError::Lacking {
            what: "running application".to_owned(),
        })
    }

    /// Ends it, with all below it.
    pub(crate) async fn end(&self, signal: EndSignal) -> Result<Exit, EngineError> {
        let child = self.child().await?;
        let exit = match signal {
            EndSignal::Term => child.end(Signal::Term, Wait::Leaving.fixed()).await,
            EndSignal::Kill => child.kill().await,
        };
        // What left its group goes with it: two incarnations are never there at once.
        end_all(self.plan);
        *self.running.lock().await = None;
        Ok(exit)
    }

    /// Returns when it has ended though nothing asked it to.
    async fn gone(&self) -> EngineError {
        let mut ticks = beat(LOOK_INTERVAL);
        loop {
            ticks.tick().await;
            let Some(child) = self.running.lock().await.clone() else {
                continue;
            };
            if let Some(trouble @ Trouble::Ended(_)) = child.trouble() {
                return subject_lost(NAME, trouble, child.log());
            }
        }
    }

    /// Waits until everything that was sent is worked off and nothing is done any more, or the
    /// time is up.
    pub(crate) async fn drain(
        &self,
        observer: &mut Observer,
        progress: &mut AppProgress,
    ) -> Result<(), EngineError> {
        let limit = Duration::from_millis(self.plan.scenario.drain_timeout_ms);
        let waits = self.recorder.waits();
        let waiting = waits.begin_for(Wait::AppDone, &self.app.group, limit);
        let settle = Duration::from_millis(self.app.settle_ms);
        let mut last: Option<(Work, Instant)> = None;
        loop {
            let look = async {
                let ends = observer.ends_of(&self.app.topic).await?;
                Ok::<_, EngineError>((self.work(observer).await?, ends))
            };
            let (work, ends) = tokio::select! {
                biased;
                gone = self.gone() => return Err(gone),
                looked = look => looked?,
            };
            let since = match last {
                Some((before, since)) if before == work => since,
                _ => Instant::now(),
            };
            if self.is_done(&work, &ends) && since.elapsed() >= settle {
                progress.settled = true;
                return Ok(());
            }
            last = Some((work, since));
            if !waiting.pause(EFFECTS_INTERVAL).await {
                return Ok(());
            }
        }
    }

    async fn work(&self, observer: &mut Observer) -> Result<Work, EngineError> {
        let committed = observer.committed(&self.app.group, &self.app.topic).await?;
        let committed = committed.into_iter();
        let committed = committed.filter_map(|(place, next)| Some((place, next?)));
        let effects = match &self.app.effects.topic {
            Some(topic) => {
                let ends = observer.ends_of(topic).await?.into_iter();
                ends.map(|(place, end)| format!("{place:?} {end}"))
                    .collect()
            }
            // One that fails now and then says nothing at that moment.
            None => match self.listed().await {
                Ok(listed) => listed,
                Err(error) => vec![error.with_causes()],
            },
        };
        Ok(Work {
            committed: committed.collect(),
            effects,
        })
    }

    /// Whether its group committed everything, or something was done of every record.
    fn is_done(&self, work: &Work, ends: &BTreeMap<PartitionRef, Offset>) -> bool {
        let is_committed = |(place, end): (&PartitionRef, &Offset)| {
            end.get() == 0 || work.committed.get(place).is_some_and(|next| next >= end)
        };
        if ends.iter().all(is_committed) {
            return true;
        }
        let run = self.plan.record_run_id;
        let own = work.effects.iter().map(|line| decode_id(run, line.trim()));
        let done = own.filter_map(Content::identity).collect::<BTreeSet<_>>();
        let all: i64 = ends.values().map(|end| end.get()).sum();
        usize::try_from(all).is_ok_and(|all| all > 0 && done.len() >= all)
    }

    /// Ends it when everything is over, and then writes down where its group stands: whatever
    /// it did of what it committed, it has done.
    pub(crate) async fn leave(&self, observer: &mut Observer) -> Result<(), EngineError> {
        self.end(EndSignal::Term).await?;
        for (partition, next) in observer.committed(&self.app.group, &self.app.topic).await? {
            let committed = AppCommitted { partition, next };
            self.recorder.note(Body::AppCommitted(committed));
        }
        Ok(())
    }

    /// Writes down what it did, as its command lists it; a topic is read with the others.
    pub(crate) async fn note_listed(&self, progress: &AppProgress) {
        if self.app.effects.topic.is_some() {
            return;
        }
        let listed = match self.listed().await {
            Ok(listed) => listed,
            Err(error) => {
                let reason = error.with_causes();
                self.recorder.note(Body::EffectsUnread { reason });
                return;
            }
        };
        let run = self.plan.record_run_id;
        let mut effects = 0;
        for line in listed {
            let content = decode_id(run, line.trim());
            if content == Content::Foreign && progress.listed_before.contains(&line) {
                continue;
            }
            effects += 1;
            let seen = EffectSeen { content, at: None };
            self.recorder.note(Body::EffectSeen(seen));
        }
        let settled = progress.settled;
        let read = EffectsRead { effects, settled };
        self.recorder.note(Body::EffectsRead(read));
    }

    /// What its command lists now, a line each.
    async fn listed(&self) -> Result<Vec<String>, EngineError> {
        let effects = &self.app.effects;
        let spec = self.spec(&effects.command, "effects");
        let limit = Duration::from_millis(effects.limit_ms);
        let lines = user_command::lines_of(spec, limit).await;
        lines.map_err(|source| EngineError::Listing {
            line: secret::redacted(&shell_words(&effects.command)).into_owned(),
            source,
        })
    }
}

impl AppProgress {
    /// Whether nothing more can come.
    pub(crate) const fn is_settled(&self) -> bool {
        self.settled
    }
}

/// The folder of an application in that of its scenario, by its whole path.
fn made(folder: &Path) -> Result<PathBuf, EngineError> {
    let path = folder.join("app");
    let made = std::fs::create_dir_all(&path).and_then(|()| path.canonicalize());
    made.map_err(|source| EngineError::Write { path, source })
}

/// Ends what is left of the application of a scenario, also after a run that was killed.
/// Whether there was anything.
pub(crate) fn end_all(plan: &ScenarioPlan) -> bool {
    plan.scenario.app.is_some() && kill_marked(MARK, &plan.record_run_id.to_string()) > 0
}

/// Refuses an application whose programs are not there.
pub(crate) fn check_app(plan: &ScenarioPlan) -> Result<(), Problem> {
    let Some(app) = &plan.scenario.app else {
        return Ok(());
    };
    if let Some(message) = not_there(&app.command) {
        return Err(Problem::new(["app".into(), "command".into()], message));
    }
    let listing = Some(&app.effects.command).filter(|it| !it.is_empty());
    if let Some(message) = listing.and_then(|command| not_there(command)) {
        let path = ["app".into(), "effects".into(), "command".into()];
        return Err(Problem::new(path, message));
    }
    Ok(())
}

fn not_there(command: &[String]) -> Option<String> {
    let program = command.first()?;
    if program.contains('/') {
        return (!is_program(Path::new(program))).then(|| {
            format!("there is no program `{program}`, seen from the directory that this runs in")
        });
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| is_program(&dir.join(program)));
    (!found).then(|| format!("there is no program `{program}` in PATH"))
}

fn is_program(path: &Path) -> bool {
    let known = path.metadata();
    known.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}
