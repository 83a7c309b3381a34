//! `ackproof alerts init`: Prometheus alert rules for lag, in the metric names of the exporter
//! that the user has.

mod rules;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::args::AlertsInitArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;

#[derive(Debug, thiserror::Error)]
enum AlertsError {
    #[error("{} is there already, and stays as it is", .0.display())]
    Taken(PathBuf),
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// `ackproof alerts init`.
pub(crate) fn init(args: &AlertsInitArgs) -> Result<Exit, Failure> {
    let path = &args.file;
    let rules = rules::rules(args);
    let written = File::create_new(path).and_then(|mut file| file.write_all(rules.as_bytes()));
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::usage(&AlertsError::Taken(path.clone())).hint("name another file")
        }
        _ => Failure::usage(&AlertsError::Write {
            path: path.clone(),
            source,
        }),
    })?;
    print(&format!(
        "wrote {0}\n\n  promtool check rules {0}    checks it; then name it under rule_files in \
         prometheus.yml\n",
        path.display()
    ))?;
    Ok(Exit::Held)
}
