//! What is shown while a run lasts: live lines on a terminal, plain ones
//! elsewhere, both on standard error. A consumer of the engine's events; knows
//! nothing of verdicts.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use engine::progress::{Progress, ProgressEvent};
use engine::{LiveCounts, Stage};
use model::plan::{RunPlan, ScenarioPlan};

use rustix::termios::tcgetwinsize;

use crate::live::Live;
use crate::output::write;
use model::scenario::words::duration_ms;

/// What starting, reading everything back and stopping take beside the plan's
/// own paces, before anything is known of this machine.
const BESIDE_MS: u64 = 8_000;
/// What a line says while nothing else on it moves.
const SPINNER: [char; 4] = ['|', '/', '-', '\\'];

/// Shows the progress of a run, or of several at once.
pub(crate) struct Display {
    plans: Vec<ScenarioPlan>,
    /// Of each plan, its run's and its own.
    names: Vec<String>,
    name_chars: usize,
    running: BTreeMap<usize, Running>,
    outlook: Outlook,
    place: Place,
    ticks: usize,
    told_interrupted: bool,
}

enum Place {
    Terminal(Live),
    Plain,
}

/// What is known of a scenario that runs.
struct Running {
    began: Instant,
    stage: Stage,
    tally: LiveCounts,
    fault: Option<Fault>,
}

struct Fault {
    kind: &'static str,
    began: Instant,
    for_ms: Option<u64>,
}

impl Display {
    /// Live lines if standard error is a terminal, else plain ones.
    pub(crate) fn new<'p>(
        runs: impl IntoIterator<Item = (Option<&'p str>, &'p RunPlan)>,
        jobs: usize,
    ) -> Self {
        let (mut plans, mut names) = (Vec::new(), Vec::new());
        for (column, plan) in runs {
            for scenario in &plan.scenarios {
                names.push(match column {
                    Some(column) => format!("{column}/{}", scenario.folder()),
                    None => scenario.folder(),
                });
                plans.push(scenario.clone());
            }
        }
        let widest = names.iter().map(|it| it.chars().count()).max();
        let place = if io::stderr().is_terminal() {
            Place::Terminal(Live::default())
        } else {
            Place::Plain
        };
        Self {
            outlook: Outlook::new(&plans, jobs),
            plans,
            names,
            name_chars: widest.unwrap_or(0),
            running: BTreeMap::new(),
            place,
            ticks: 0,
            told_interrupted: false,
        }
    }

    /// Takes in an event of a run whose first scenario has this place among
    /// those of all runs.
    pub(crate) fn show(&mut self, first: usize, progress: &Progress) {
        let scenario = first + progress.scenario;
        let Some(name) = self.names.get(scenario).cloned() else {
            return;
        };
        if matches!(
            progress.event,
            ProgressEvent::Finished | ProgressEvent::GaveUp { .. }
        ) {
            if let Some(running) = self.running.remove(&scenario) {
                let took = running.began.elapsed();
                self.outlook.is_over(scenario, took);
            }
        } else {
            let running = self.running.entry(scenario);
            running
                .or_insert_with(Running::new)
                .take_in(&progress.event);
        }
        // What is live shows the rest by itself.
        let stays = matches!(self.place, Place::Plain)
            || matches!(progress.event, ProgressEvent::NotRead { .. });
        if let (true, Some(news)) = (stays, news(&progress.event)) {
            self.end();
            // Without standard error there is no place for a message.
            let _ = writeln!(anstream::stderr(), "{name}: {news}");
        }
    }

    /// A scenario more has its verdict.
    pub(crate) fn done(&mut self) {
        self.outlook.judged += 1;
        if let (Place::Plain, true) = (&self.place, self.plans.len() > 1) {
            let _ = writeln!(anstream::stderr(), "{}", self.total());
        }
    }

    fn total(&self) -> String {
        let running = self.running.iter();
        let elapsed = running.map(|(index, it)| (*index, it.began.elapsed()));
        self.outlook.words(&elapsed.collect())
    }

    /// Draws what is live once more, with the time that it is now.
    pub(crate) fn redraw(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
        let mut lines: Vec<String> = Vec::new();
        for (index, running) in &self.running {
            let (Some(plan), Some(name)) = (self.plans.get(*index), self.names.get(*index)) else {
                continue;
            };
            let spinner = SPINNER[self.ticks % SPINNER.len()];
            let name_chars = self.name_chars;
            lines.push(format!(
                "  {spinner} {name:name_chars$}  {}",
                running.status(plan)
            ));
        }
        if self.plans.len() > 1 && !lines.is_empty() {
            lines.push(format!("    {}", self.total()));
        }
        if let Place::Terminal(live) = &mut self.place {
            let (columns, rows) = size();
            put(&live.draw(&lines, columns, rows));
        }
    }

    /// Writes without a live line getting in the way.
    pub(crate) fn write(&mut self, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.end();
        write()
    }

    /// Says once that the end has begun.
    pub(crate) fn interrupted(&mut self) {
        if !std::mem::replace(&mut self.told_interrupted, true) {
            // Standard error is gone: there is no place left to say so.
            let _ = self.write(|| {
                let words = "interrupted: undoing faults (press Ctrl-C again to stop now)\n";
                write(&mut anstream::stderr(), words)
            });
        }
    }

    /// Takes away what is live.
    pub(crate) fn end(&mut self) {
        if let Place::Terminal(live) = &mut self.place {
            put(&live.erase(size().0));
        }
    }
}

/// Columns and rows of the terminal at standard error, as it is now.
fn size() -> (usize, usize) {
    tcgetwinsize(io::stderr()).map_or((80, 24), |size| {
        (usize::from(size.ws_col).max(1), usize::from(size.ws_row))
    })
}

fn put(text: &str) {
    let mut stderr = io::stderr().lock();
    // Without standard error there is no place for a message.
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

/// How far a run is, and how long it may still take: by the paces of the plans,
/// and by how much longer than these the scenarios before have taken.
struct Outlook {
    jobs: usize,
    /// What each scenario takes by its plan, until it is over.
    expected_ms: Vec<Option<u64>>,
    judged: usize,
    over_expected_ms: u64,
    over_took_ms: u64,
}

impl Outlook {
    fn new(plans: &[ScenarioPlan], jobs: usize) -> Self {
        let expected = plans.iter();
        let expected = expected.map(|it| Some(it.schedule_ms().saturating_add(BESIDE_MS)));
        Self {
            jobs: jobs.max(1),
            expected_ms: expected.collect(),
            judged: 0,
            over_expected_ms: 0,
            over_took_ms: 0,
        }
    }

    fn is_over(&mut self, index: usize, took: Duration) {
        if let Some(expected) = self.expected_ms.get_mut(index).and_then(Option::take) {
            self.over_expected_ms = self.over_expected_ms.saturating_add(expected);
            self.over_took_ms = self.over_took_ms.saturating_add(millis(took));
        }
    }

    /// How long it still takes, if the rest is as what is over.
    fn left_ms(&self, running: &BTreeMap<usize, Duration>) -> u64 {
        let paced = |expected: u64| match self.over_expected_ms {
            0 => expected,
            over => {
                let paced = u128::from(expected) * u128::from(self.over_took_ms) / u128::from(over);
                u64::try_from(paced).unwrap_or(u64::MAX)
            }
        };
        let lefts = self.expected_ms.iter().enumerate();
        let lefts = lefts.filter_map(|(index, expected)| {
            let elapsed = running.get(&index).copied().unwrap_or_default();
            Some(paced((*expected)?).saturating_sub(millis(elapsed)))
        });
        let lefts: Vec<u64> = lefts.collect();
        let beside = u64::try_from(self.jobs.min(lefts.len()).max(1)).unwrap_or(1);
        let all = lefts
            .iter()
            .fold(0u64, |sum, left| sum.saturating_add(*left));
        lefts.into_iter().max().unwrap_or(0).max(all / beside)
    }

    /// `3 of 10 done, about 40 s left`.
    fn words(&self, running: &BTreeMap<usize, Duration>) -> String {
        let done = format!("{} of {} done", self.judged, self.expected_ms.len());
        match self.left_ms(running).div_ceil(1000) {
            0 => done,
            s @ 1..120 => format!("{done}, about {s} s left"),
            s => format!("{done}, about {} min left", s.div_ceil(60)),
        }
    }
}

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

impl Running {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            stage: Stage::Starting,
            tally: LiveCounts::default(),
            fault: None,
        }
    }

    fn take_in(&mut self, step: &ProgressEvent) {
        match step {
            ProgressEvent::Stage(stage) => self.stage = *stage,
            ProgressEvent::Counts(tally) => self.tally = LiveCounts::clone(tally),
            ProgressEvent::FaultBegan { kind, for_ms } => {
                self.fault = Some(Fault {
                    kind,
                    began: Instant::now(),
                    for_ms: *for_ms,
                });
            }
            ProgressEvent::FaultEnded { .. } | ProgressEvent::FaultLeft { .. } => self.fault = None,
            ProgressEvent::Waiting { .. }
            | ProgressEvent::NotRead { .. }
            | ProgressEvent::LeftBehind { .. }
            | ProgressEvent::Finished
            | ProgressEvent::GaveUp { .. } => {}
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
fn counts(stage: Stage, tally: &LiveCounts, plan: &ScenarioPlan) -> Vec<String> {
    if stage == Stage::ReadingLog {
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
fn news(step: &ProgressEvent) -> Option<String> {
    match step {
        ProgressEvent::Stage(stage) => Some(stage.name().to_owned()),
        ProgressEvent::Waiting { so_far } => Some(so_far.clone()),
        ProgressEvent::FaultBegan { kind, for_ms } => Some(match for_ms {
            Some(ms) => format!("{kind} in force, for {}", duration_ms(*ms)),
            None => format!("{kind} in force"),
        }),
        ProgressEvent::FaultEnded { kind } => Some(format!("{kind} healed")),
        ProgressEvent::FaultLeft { kind, why } => Some(format!("{kind} is over: {why}")),
        ProgressEvent::NotRead { item, reason } => {
            Some(format!("{item} was not read to its end: {reason}"))
        }
        ProgressEvent::GaveUp { reason } => Some(format!("given up: {reason}")),
        ProgressEvent::LeftBehind { .. } | ProgressEvent::Counts(_) | ProgressEvent::Finished => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_was_not_read_is_named_with_the_reason() {
        let event = ProgressEvent::NotRead {
            item: "orders-0".to_owned(),
            reason: "the broker closed the connection".to_owned(),
        };
        let told = "orders-0 was not read to its end: the broker closed the connection";
        assert_eq!(news(&event).as_deref(), Some(told));
    }

    #[test]
    fn the_time_left_is_what_plans_say_at_the_pace_of_what_is_over() {
        let mut outlook = Outlook {
            jobs: 2,
            expected_ms: vec![Some(10_000), Some(10_000), Some(10_000), Some(20_000)],
            judged: 0,
            over_expected_ms: 0,
            over_took_ms: 0,
        };
        let nothing = BTreeMap::new();
        assert_eq!(outlook.words(&nothing), "0 of 4 done, about 25 s left");
        outlook.is_over(0, Duration::from_secs(20));
        outlook.judged = 1;
        // 20 s, 20 s and 40 s, two at once.
        assert_eq!(outlook.words(&nothing), "1 of 4 done, about 40 s left");
        let running = BTreeMap::from([(3, Duration::from_secs(30))]);
        assert_eq!(outlook.words(&running), "1 of 4 done, about 25 s left");
        for index in 1..4 {
            outlook.is_over(index, Duration::from_secs(1));
        }
        assert_eq!(outlook.words(&nothing), "1 of 4 done");
    }
}
