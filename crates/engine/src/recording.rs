//! A scenario's recorded history: opened, shown as it grows, and closed with how
//! the scenario ended. Knows nothing of what happens in between.

use std::path::Path;
use std::time::{Duration, Instant};

use model::event::Body;
use model::plan::ScenarioPlan;

use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::progress::{Reporter, Step};
use crate::stage::Stage;
use crate::status::{far, waiting};
use crate::wait::beat;

/// How often counts are shown and the history is put on disk.
const SHOW_INTERVAL: Duration = Duration::from_millis(200);

/// How often it is told how far a stage is.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

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

pub(crate) fn open_ledger(plan: &ScenarioPlan, folder: &Path) -> Result<Ledger, EngineError> {
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| EngineError::Write { path, source }
    };
    std::fs::create_dir_all(folder).map_err(write(folder))?;
    let path = folder.join(history::FILE_NAME);
    Ledger::create(&path, plan.scenario.secrets()).map_err(write(&path))
}

pub(crate) async fn show_progress(plan: ScenarioPlan, ledger: Ledger, progress: Reporter) {
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

/// Closes the history with how the scenario ended, puts it on disk, and only
/// then tells.
pub(crate) fn close(
    ledger: &Ledger,
    outcome: Option<Result<(), EngineError>>,
    progress: &Reporter,
) -> End {
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
