//! The commands that repeat a run, or a part of it.

use model::scenario::words::shell_words;

use crate::run::{Run, Test};

/// Runs everything again with the same plan; none where it was not recorded how
/// it was run.
pub(crate) fn command(run: &Run<'_>) -> Option<String> {
    let circumstances = run.plan.circumstances.as_ref()?;
    Some(shell_words(&circumstances.command))
}

/// Runs one scenario again with the same plan.
pub(crate) fn command_for(run: &Run<'_>, test: &Test<'_>) -> Option<String> {
    let circumstances = run.plan.circumstances.as_ref()?;
    let planned = test.planned.first()?;
    Some(shell_words(&circumstances.command_for(planned)))
}
