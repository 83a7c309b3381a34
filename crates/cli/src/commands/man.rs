//! `ackproof man`.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(Debug, thiserror::Error)]
#[error("cannot write manual pages into {dir}")]
struct ManError {
    dir: String,
    source: std::io::Error,
}

/// Writes the manual pages: `ackproof.1`, `ackproof-run.1` and so on.
pub(crate) fn man(dir: &Path) -> Result<Exit, Failure> {
    let written =
        fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    written.map_err(|source| {
        let dir = dir.display().to_string();
        Failure::environment(&ManError { dir, source })
    })?;
    Ok(Exit::Held)
}
