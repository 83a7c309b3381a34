//! Where the logs of a scenario's processes are.

use std::path::{Path, PathBuf};

use crate::error::EngineError;

/// The folder for logs, made if need be.
pub(crate) fn logs_in(folder: &Path) -> Result<PathBuf, EngineError> {
    let path = folder.join("logs");
    std::fs::create_dir_all(&path).map_err(|source| EngineError::Write {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// The name of the log of a process.
pub(crate) fn log_of(process: &str) -> String {
    format!("{}.log", process.replace(' ', "-"))
}
