//! From a run directory to its verdict: the one way that `run` and `check`
//! share, so that they cannot differ. Reads the plan and the histories;
//! changes nothing, and knows nothing of how they came about.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use checker::{Concurrency, Examples, Limits, examine_in};
use history::{Damage, Prefetch, Reader, Tail};
use model::event::{Body, Event};
use model::ids::RunId;
use model::plan::{RunPlan, ScenarioPlan};
use model::verdict::{RunVerdict, SCHEMA, ScenarioVerdict, Stopped, Verdict};

use crate::machine;
use crate::run_dir::RunDir;

/// Why a history cannot be judged at all.
#[derive(Debug, thiserror::Error)]
#[error("the history of {scenario} cannot be judged")]
pub(crate) struct JudgementError {
    scenario: String,
    source: Unfit,
}

/// What is wrong with its file.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// It is whole, and tells of something else: a verdict on it would be true
    /// of another run.
    #[error(
        "{} is the history of another run or scenario: its records carry {found}, those of this \
         plan {planned}", file.display()
    )]
    Foreign {
        file: PathBuf,
        found: RunId,
        planned: RunId,
    },
}

/// What came of a scenario, and how much of its history that rests on.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) verdict: ScenarioVerdict,
    history_bytes: u64,
}

impl Judged {
    /// Whether the history is still the one that was judged.
    pub(crate) fn is_current(&self, dir: &RunDir, plan: &ScenarioPlan) -> bool {
        size_of(&dir.history(plan)) == self.history_bytes
    }
}

/// Judges every scenario of a run.
pub(crate) fn judge_run(
    dir: &RunDir,
    plan: &RunPlan,
    examples: Examples,
) -> Result<RunVerdict, JudgementError> {
    let scenarios = plan
        .scenarios
        .iter()
        .map(|scenario| Ok(judge_scenario(dir, scenario, examples)?.verdict))
        .collect::<Result<_, _>>()?;
    Ok(conclude(plan, scenarios))
}

/// The verdict on a run whose scenarios were judged: the worst of them, where
/// a violation that a scenario is there to show counts as held.
pub(crate) fn conclude(plan: &RunPlan, mut scenarios: Vec<ScenarioVerdict>) -> RunVerdict {
    for (judged, planned) in scenarios.iter_mut().zip(&plan.scenarios) {
        judged.ran = planned.ran;
    }
    let worst = scenarios
        .iter()
        .map(|scenario| {
            if scenario.as_expected {
                Verdict::Held
            } else {
                scenario.verdict
            }
        })
        .max();
    RunVerdict {
        schema: SCHEMA.to_owned(),
        run: plan.run.to_string(),
        seed: plan.seed,
        versions: plan.versions.clone(),
        circumstances: plan.circumstances.clone(),
        // Nothing was put to the test where there was nothing.
        verdict: worst.unwrap_or(Verdict::Inconclusive),
        scenarios,
        left_out: plan.left_out.clone(),
    }
}

/// Judges one scenario by its recorded history.
pub(crate) fn judge_scenario(
    dir: &RunDir,
    plan: &ScenarioPlan,
    examples: Examples,
) -> Result<Judged, JudgementError> {
    let file = HistoryFile::find(dir.history(plan), plan.records_run);
    let contract = plan.contract();
    let examined = examine_in(
        machine::lanes(),
        Limits::default(),
        &contract,
        examples,
        |readers| file.open(readers),
    );
    let (mut analysis, calibration) = examined.map_err(|source| JudgementError {
        scenario: plan.folder(),
        source,
    })?;
    let doubt = file.doubt();
    if doubt.is_some() {
        analysis.completeness.completed = false;
    }
    let stopped = match (&file.presence, &analysis.completeness.aborted) {
        (Presence::Missing, _) => Some(Stopped::NotStarted),
        (_, Some(reason)) if reason == engine::INTERRUPTED => Some(Stopped::Interrupted),
        _ => None,
    };
    let mut verdict = checker::judge(
        &contract,
        &plan.scenario.name,
        plan.repetition,
        &analysis,
        calibration,
    );
    match stopped {
        // Whatever else is lacking follows from it.
        Some(stopped) => stop(&mut verdict, stopped),
        None => verdict.doubts.extend(doubt),
    }
    Ok(Judged {
        verdict,
        history_bytes: file.bytes,
    })
}

/// Has a verdict say that the user stopped the run, and nothing of what that
/// comes to.
fn stop(verdict: &mut ScenarioVerdict, stopped: Stopped) {
    let why = match stopped {
        Stopped::NotStarted => "not started",
        Stopped::Interrupted => "interrupted",
    };
    verdict.stopped = Some(stopped);
    verdict.doubts = vec![why.to_owned()];
    let open = verdict.guarantees.iter_mut();
    for guarantee in open.filter(|it| it.verdict == Verdict::Inconclusive) {
        why.clone_into(&mut guarantee.reason);
    }
}

/// A history that may be missing, or cut off: both happen to runs that were
/// interrupted, and are no reason to say nothing.
struct HistoryFile {
    path: PathBuf,
    run: RunId,
    bytes: u64,
    presence: Presence,
    cut_off_at: OnceLock<u64>,
}

enum Presence {
    /// The scenario never began.
    Missing,
    /// Not even its first bytes were written, as on a full disk.
    Empty,
    Readable,
}

impl HistoryFile {
    fn find(path: PathBuf, run: RunId) -> Self {
        let presence = match fs::metadata(&path) {
            Ok(found) if found.len() < history::HEADER_BYTES as u64 => Presence::Empty,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Presence::Missing,
            // Whatever else keeps it from being read, reading it will tell.
            Ok(_) | Err(_) => Presence::Readable,
        };
        let bytes = size_of(&path);
        Self {
            path,
            run,
            bytes,
            presence,
            cut_off_at: OnceLock::new(),
        }
    }

    fn open(&self, concurrency: Concurrency) -> Result<Opened<'_>, Unfit> {
        let reader = match (&self.presence, concurrency) {
            (Presence::Missing | Presence::Empty, _) => OneReader::Idle,
            (Presence::Readable, Concurrency::One) => {
                OneReader::Ahead(Reader::open(&self.path)?.prefetch()?)
            }
            (Presence::Readable, Concurrency::Several) => {
                OneReader::Beside(Box::new(Reader::open(&self.path)?))
            }
        };
        Ok(Opened { of: self, reader })
    }

    /// Refuses an event that says that all of this belongs to another run.
    fn own(&self, event: Event) -> Result<Event, Unfit> {
        match event.body {
            Body::RunDeclared { run } if run != self.run => Err(Unfit::Foreign {
                file: self.path.clone(),
                found: run,
                planned: self.run,
            }),
            _ => Ok(event),
        }
    }

    /// Why it cannot be the whole history.
    fn doubt(&self) -> Option<String> {
        match self.presence {
            Presence::Missing => Some("nothing was recorded: the scenario never began".to_owned()),
            Presence::Empty => Some("nothing was recorded: the history is empty".to_owned()),
            Presence::Readable => self
                .cut_off_at
                .get()
                .map(|at| format!("the history is cut off at byte {at}")),
        }
    }
}

/// One reading of a history.
struct Opened<'h> {
    of: &'h HistoryFile,
    reader: OneReader,
}

enum OneReader {
    /// There is nothing to read.
    Idle,
    /// A core is left for it to read ahead.
    Ahead(Prefetch),
    /// Others read at the same time.
    Beside(Box<Reader>),
}

impl Iterator for Opened<'_> {
    type Item = Result<Event, Unfit>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (event, tail) = match &mut self.reader {
            OneReader::Idle => return None,
            OneReader::Ahead(reader) => (reader.next(), reader.tail()),
            OneReader::Beside(reader) => (reader.next(), reader.tail()),
        };
        if event.is_none()
            && let Some(Tail::CutOff { at }) = tail
        {
            // Every reading ends at the same byte.
            let _ = self.of.cut_off_at.set(at);
        }
        let event = event?.map_err(Unfit::from);
        Some(event.and_then(|event| self.of.own(event)))
    }
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use std::collections::BTreeMap;

    use model::ids::RunId;
    use model::scenario::{embedded, parse};

    use super::*;

    #[test]
    fn a_verdict_says_what_was_left_out_and_that_alone_holds_nothing() {
        let name = "broker-restart";
        let scenario = parse(name, embedded(name).unwrap()).unwrap();
        let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &[scenario], 1);
        let plan = plan.on_cluster(vec!["a:1".to_owned()], 3);
        let verdict = conclude(&plan, Vec::new());
        assert_eq!(verdict.left_out[0].scenario, name);
        assert_eq!(verdict.left_out[0].suite, "delivery");
        assert!(!verdict.left_out[0].reasons.is_empty());
        assert_eq!(verdict.verdict, Verdict::Inconclusive);
    }
}
