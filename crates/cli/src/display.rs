//! What is shown while a run lasts: live lines on a terminal, plain ones
//! elsewhere, both on standard error. A consumer of the engine's events; knows
//! nothing of verdicts.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use engine::Tally;
use engine::progress::{Progress, Stage, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::plan::{RunPlan, ScenarioPlan};

use crate::lines::name_chars;
use model::scenario::words::duration_ms;

/// How often a live line moves on its own, so that one sees that it lives.
const TICK: Duration = Duration::from_millis(100);

/// Shows a run's progress.
pub(crate) struct Display {
    plans: Vec<ScenarioPlan>,
    name_chars: usize,
    running: BTreeMap<usize, Running>,
    place: Place,
}

enum Place {
    Terminal(MultiProgress),
    Plain,
}

/// What is known of a scenario that runs.
struct Running {
    stage: Stage,
    tally: Tally,
    fault: Option<Fault>,
    line: Option<ProgressBar>,
}

struct Fault {
    kind: &'static str,
    began: Instant,
    for_ms: Option<u64>,
}

impl Display {
    /// Live lines if standard error is a terminal, else plain ones.
    pub(crate) fn new(plan: &RunPlan) -> Self {
        let place = if io::stderr().is_terminal() {
            Place::Terminal(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
        } else {
            Place::Plain
        };
        Self {
            plans: plan.scenarios.clone(),
            name_chars: name_chars(plan),
            running: BTreeMap::new(),
            place,
        }
    }

    /// Takes in an event of the run.
    pub(crate) fn show(&mut self, progress: &Progress) {
        let Some(plan) = self.plans.get(progress.scenario) else {
            return;
        };
        if matches!(progress.what, Step::Finished | Step::GaveUp { .. }) {
            if let Some(Running {
                line: Some(line), ..
            }) = self.running.remove(&progress.scenario)
            {
                line.finish_and_clear();
            }
        } else {
            let running = self
                .running
                .entry(progress.scenario)
                .or_insert_with(|| Running::new(&self.place));
            running.take_in(&progress.what);
            if let Some(line) = &running.line {
                let name_chars = self.name_chars;
                line.set_message(format!(
                    "{:name_chars$}  {}",
                    plan.folder(),
                    running.status(plan)
                ));
            }
        }
        if let (Place::Plain, Some(news)) = (&self.place, news(&progress.what)) {
            // Nobody can be told that standard error is gone.
            let _ = writeln!(anstream::stderr(), "{}: {news}", plan.folder());
        }
    }

    /// Writes without a live line getting in the way.
    pub(crate) fn write(&self, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match &self.place {
            Place::Terminal(lines) => lines.suspend(write),
            Place::Plain => write(),
        }
    }
}

impl Running {
    fn new(place: &Place) -> Self {
        let line = match place {
            Place::Plain => None,
            Place::Terminal(lines) => {
                let line = lines.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg}") {
                    line.set_style(style);
                }
                line.enable_steady_tick(TICK);
                Some(line)
            }
        };
        Self {
            stage: Stage::Starting,
            tally: Tally::default(),
            fault: None,
            line,
        }
    }

    fn take_in(&mut self, step: &Step) {
        match step {
            Step::Stage(stage) => self.stage = *stage,
            Step::Counts(tally) => self.tally = Tally::clone(tally),
            Step::FaultBegan { kind, for_ms } => {
                self.fault = Some(Fault {
                    kind,
                    began: Instant::now(),
                    for_ms: *for_ms,
                });
            }
            Step::FaultEnded { .. } | Step::FaultLeft { .. } => self.fault = None,
            Step::Waiting { .. }
            | Step::LeftBehind { .. }
            | Step::Finished
            | Step::GaveUp { .. } => {}
        }
    }

    fn status(&self, plan: &ScenarioPlan) -> String {
        let mut parts = vec![format!("{:9}", self.stage.name())];
        parts.extend(counts(self.stage, &self.tally, plan));
        if !self.tally.waiting.is_empty() {
            parts.push(format!("waiting for {}", self.tally.waiting.join("; ")));
        }
        if let Some(fault) = &self.fault {
            parts.push(fault.status());
        }
        parts.join("  ")
    }
}

impl Fault {
    fn status(&self) -> String {
        let lasted_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let name = self.kind.to_uppercase();
        match self.for_ms {
            Some(for_ms) => format!(
                "{name} {} of {}",
                duration_ms(lasted_ms),
                duration_ms(for_ms)
            ),
            None => format!("{name} {}", duration_ms(lasted_ms)),
        }
    }
}

/// What is worth counting at this stage of this scenario.
fn counts(stage: Stage, tally: &Tally, plan: &ScenarioPlan) -> Vec<String> {
    if stage == Stage::ReadingTruth {
        return vec![format!("{} read back", tally.read_back)];
    }
    let scenario = &plan.scenario;
    let records = scenario.records();
    let mut counts = Vec::new();
    if records > 0 {
        counts.push(format!("{}/{records} acked", tally.acknowledged));
        if tally.outstanding() > 0 {
            counts.push(format!("{} waiting", tally.outstanding()));
        }
    }
    for group in plan.groups() {
        let processed = tally.processed.get(&group.ix).unwrap_or(&0);
        counts.push(format!("{} {processed} read", group.name));
    }
    if scenario.capture.is_some() {
        counts.push(format!(
            "{}/{} captured",
            tally.captured, tally.committed_changes
        ));
    }
    counts
}

/// What is worth a line where lines stay.
fn news(step: &Step) -> Option<String> {
    match step {
        Step::Stage(stage) => Some(stage.name().to_owned()),
        Step::Waiting { so_far } => Some(so_far.clone()),
        Step::FaultBegan { kind, for_ms } => Some(match for_ms {
            Some(ms) => format!("{kind} in force, for {}", duration_ms(*ms)),
            None => format!("{kind} in force"),
        }),
        Step::FaultEnded { kind } => Some(format!("{kind} healed")),
        Step::FaultLeft { kind, why } => Some(format!("{kind} is over: {why}")),
        Step::GaveUp { reason } => Some(format!("given up: {reason}")),
        Step::LeftBehind { .. } | Step::Counts(_) | Step::Finished => None,
    }
}
