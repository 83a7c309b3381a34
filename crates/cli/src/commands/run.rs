//! `ackproof run`: the plan is written down, carried out, judged as its
//! scenarios end, and its results are written beside it.

use std::collections::BTreeMap;
use std::io;
use std::time::{Instant, SystemTime};

use checker::Examples;
use engine::progress::{Progress, Step};
use engine::{Brokers, Embedded, End, Settings};
use model::plan::RunPlan;
use model::verdict::RunVerdict;
use report::{junit, markdown, verdict_json};
use stack::archive::{Archives, Training};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::args::{Format, RunArgs};
use crate::display::Display;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::interrupt::Interrupt;
use crate::judgement::{Judged, JudgementError, conclude, judge_scenario};
use crate::lines;
use crate::machine::this_machine;
use crate::output::{note, print_raw, write};
use crate::provision::{Provision, provide, this_program};
use crate::run_dir::{Results, RunDir, RunDirError};
use crate::settings::RunSettings;
use model::scenario::words::duration_ms;

/// Signals cannot be received.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for signals")]
struct SignalError(#[source] io::Error);

pub(crate) async fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let began = Instant::now();
    let mut settings = RunSettings::new(args, SystemTime::now())?;
    let mut interrupt =
        Interrupt::listen().map_err(|error| Failure::environment(&SignalError(error)))?;
    let dir = RunDir::claim(&settings.out).map_err(|error| claim_failure(&error))?;
    let provision = tokio::select! {
        provided = provide(&settings.artefacts) => provided,
        () = interrupt.happened() => Err(Failure::interrupted()),
    };
    let provision = provision.inspect_err(|_| dir.abandon())?;
    settings.plan.versions = provision.versions();
    let run = Run {
        settings,
        dir,
        provision,
    };
    run.carry_out(began, interrupt).await
}

fn claim_failure(error: &RunDirError) -> Failure {
    Failure::usage(error).hint("name another directory with --out; nothing was changed in this one")
}

/// A run that is ready to begin.
struct Run {
    settings: RunSettings,
    dir: RunDir,
    provision: Provision,
}

impl Run {
    async fn carry_out(self, began: Instant, interrupt: Interrupt) -> Result<Exit, Failure> {
        let plan = &self.settings.plan;
        self.dir
            .write_plan(plan)
            .map_err(|error| Failure::environment(&error))?;
        self.say(&lines::header(plan)).map_err(output_failure)?;

        let Provision {
            cache,
            artefacts,
            java,
        } = &self.provision;
        let training = Training::in_background(cache, artefacts, java);
        let (ends, judged) = self.execute(interrupt.clone()).await?;
        // What is not trained by now is trained some other time.
        drop(training);
        let carried_out = tell_failures(plan, &ends);

        let verdict = self.conclude(judged).await?;
        self.write_results(&verdict)?;
        match self.settings.format {
            Format::Json => print_raw(&json(&verdict)?)?,
            Format::Human => {}
        }
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.say(&format!(
            "  {} · {} · report: {}\n",
            lines::summary(&verdict),
            duration_ms(took_ms),
            self.dir.report().display()
        ))
        .map_err(output_failure)?;
        // An interrupt wins, because nothing after it went as planned.
        Ok(if interrupt.has_happened() {
            Exit::Interrupted
        } else if carried_out == CarriedOut::InPart {
            Exit::Environment
        } else {
            Exit::from(verdict.verdict)
        })
    }

    /// Carries the plan out, and judges each scenario as soon as it has ended.
    async fn execute(
        &self,
        mut interrupt: Interrupt,
    ) -> Result<(Vec<End>, BTreeMap<usize, Judged>), Failure> {
        let plan = &self.settings.plan;
        let Provision {
            cache,
            artefacts,
            java,
        } = &self.provision;
        let engine_settings = Settings {
            out: self.dir.path().to_owned(),
            jobs: self.settings.jobs,
            subject: this_program()?,
            brokers: Brokers::Embedded(Box::new(Embedded {
                archives: Archives::find(cache, artefacts, java),
                artefacts: artefacts.clone(),
                java: java.clone(),
            })),
        };
        let (tell, mut told) = mpsc::unbounded_channel();
        let watch = interrupt.watch();
        let engine = async {
            let ends = engine::run(plan, &engine_settings, &tell, watch).await;
            drop(tell);
            ends
        };
        let mut display = Display::new(plan);
        let shown = async {
            let mut judging = JoinSet::new();
            let mut judged = BTreeMap::new();
            let mut is_told = false;
            loop {
                tokio::select! {
                    progress = told.recv() => match progress {
                        Some(progress) => {
                            self.judge_if_ended(&progress, &mut judging);
                            display.show(&progress);
                        }
                        None => break,
                    },
                    Some(done) = judging.join_next() => {
                        self.finished(done, &display, &mut judged);
                    }
                    () = interrupt.happened(), if !is_told => {
                        is_told = true;
                        display_note(&display);
                    }
                }
            }
            while let Some(done) = judging.join_next().await {
                self.finished(done, &display, &mut judged);
            }
            judged
        };
        let (ends, judged) = tokio::join!(engine, shown);
        Ok((ends, judged))
    }

    /// Begins to judge a scenario whose history is closed. One that was given
    /// up is judged when all is over.
    fn judge_if_ended(&self, progress: &Progress, judging: &mut JoinSet<Ended>) {
        let plan = self.settings.plan.scenarios.get(progress.scenario);
        if let (Step::Finished, Some(plan)) = (&progress.what, plan) {
            let (dir, plan, index) = (self.dir.clone(), plan.clone(), progress.scenario);
            judging
                .spawn_blocking(move || (index, judge_scenario(&dir, &plan, Examples::default())));
        }
    }

    /// Shows what came of a scenario.
    fn finished(
        &self,
        done: Result<Ended, tokio::task::JoinError>,
        display: &Display,
        judged: &mut BTreeMap<usize, Judged>,
    ) {
        // One that could not be judged is judged again at the end, where the
        // failure is told.
        if let Ok((index, Ok(of))) = done {
            // The end of standard output ends no run half-way.
            let _ = display.write(|| self.show_scenario(index, &of));
            judged.insert(index, of);
        }
    }

    fn show_scenario(&self, index: usize, judged: &Judged) -> io::Result<()> {
        let plan = &self.settings.plan;
        match plan.scenarios.get(index) {
            Some(scenario) => self.say(&lines::scenario(
                scenario,
                &judged.verdict,
                lines::name_chars(plan),
                lines::PROOFS_SHOWN,
            )),
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
        let plan = &self.settings.plan;
        let results = Results {
            verdict: json(verdict)?,
            report: markdown(plan, verdict, &this_machine(self.dir.configurations(plan))),
            junit: junit(plan, verdict).map_err(|error| Failure::environment(&error))?,
        };
        self.dir.write_results(&results).map_err(|error| {
            Failure::environment(&error).hint(format!(
                "what was recorded stays: `ackproof check {}` judges it again",
                self.dir.path().display()
            ))
        })
    }

    /// Says something for people: on standard output, or beside it when that
    /// is for a machine.
    fn say(&self, text: &str) -> io::Result<()> {
        match self.settings.format {
            Format::Human => write(&mut anstream::stdout(), text),
            Format::Json => write(&mut anstream::stderr(), text),
        }
    }
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

/// Says why scenarios failed, with every cause.
fn tell_failures(plan: &RunPlan, ends: &[End]) -> CarriedOut {
    let mut carried_out = CarriedOut::Wholly;
    for (scenario, end) in plan.scenarios.iter().zip(ends) {
        if let End::Failed { error } = end {
            carried_out = CarriedOut::InPart;
            note(&format!("{} failed: {}\n", scenario.folder(), chain(error)));
        }
    }
    carried_out
}

fn output_failure(error: io::Error) -> Failure {
    /// Standard output is gone.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the results out")]
    struct OutputError(#[source] io::Error);
    Failure::environment(&OutputError(error))
}

fn display_note(display: &Display) {
    // Nobody can be told that standard error is gone.
    let _ = display.write(|| {
        write(
            &mut anstream::stderr(),
            "interrupted: healing what is broken; once more ends everything at once\n",
        )
    });
}
