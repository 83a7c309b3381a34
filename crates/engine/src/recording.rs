//! A scenario's recorded history: opened, shown as it grows, and closed with how
//! the scenario ended. Knows nothing of what happens in between.

use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use model::event::Body;
use model::plan::ScenarioPlan;

use crate::error::EngineError;
use crate::progress::{ProgressEvent, Reporter};
use crate::recorder::HistoryRecorder;
use crate::settings::Settings;
use crate::stage::Stage;
use crate::status::{status_line, waiting};
use crate::wait::beat;

/// How often counts are shown and the history is put on disk.
const SHOW_INTERVAL: Duration = Duration::from_millis(200);

/// How often it is told how far a stage is.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

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

pub(crate) fn open_history(
    plan: &ScenarioPlan,
    settings: &Settings,
    folder: &Path,
) -> Result<HistoryRecorder, EngineError> {
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| EngineError::Write { path, source }
    };
    std::fs::create_dir_all(folder).map_err(write(folder))?;
    let path = folder.join(history::FILE_NAME);
    HistoryRecorder::create(&path, settings.secrets(plan)).map_err(write(&path))
}

pub(crate) async fn show_progress(
    plan: ScenarioPlan,
    recorder: HistoryRecorder,
    progress: Reporter,
) -> Result<Infallible, EngineError> {
    let mut ticks = beat(SHOW_INTERVAL);
    let mut shown = Instant::now();
    let mut stage = Stage::Starting;
    loop {
        ticks.tick().await;
        recorder.flush();
        let mut counts = recorder.counts();
        counts.waiting = waiting(&plan, &recorder, &counts);
        if counts.stage != stage {
            (stage, shown) = (counts.stage, Instant::now());
        }
        if shown.elapsed() >= STATUS_INTERVAL {
            shown = Instant::now();
            let so_far = status_line(&plan, &recorder, &counts);
            progress.send(ProgressEvent::Waiting { so_far });
        }
        progress.send(ProgressEvent::Counts(Box::new(counts)));
    }
}

/// Closes the history with how the scenario ended, puts it on disk, and only
/// then tells.
pub(crate) fn close(
    recorder: &HistoryRecorder,
    outcome: Option<Result<(), EngineError>>,
    progress: &Reporter,
) -> End {
    let end = match outcome {
        Some(Ok(())) => End::Completed,
        Some(Err(error)) => End::Failed { error },
        None => End::Interrupted,
    };
    recorder.seal(match &end {
        End::Completed => Body::Completed,
        End::Interrupted => Body::Aborted {
            reason: INTERRUPTED.to_owned(),
        },
        End::Failed { error } => Body::Aborted {
            reason: error.with_causes(),
        },
    });
    let end = match (end, recorder.counts().failure) {
        (End::Completed, Some(reason)) => End::Failed {
            error: EngineError::History { reason },
        },
        (end, _) => end,
    };
    progress.send(match &end {
        End::Completed => ProgressEvent::Finished,
        End::Interrupted => ProgressEvent::GaveUp {
            reason: INTERRUPTED.to_owned(),
        },
        End::Failed { error } => ProgressEvent::GaveUp {
            reason: error.with_causes(),
        },
    });
    end
}
