//! `ackproof init`: a first scenario of the user's own, to run as it is and to
//! change from there.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use model::scenario::words::shell_words;

use crate::args::InitArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;

/// The scenario, with an explanation of every line.
const FIRST: &str = include_str!("init/first.toml");

#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{} is there already, and stays as it is", .0.display())]
    Taken(PathBuf),
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// `ackproof init`.
pub(crate) fn init(args: &InitArgs) -> Result<Exit, Failure> {
    let path = &args.file;
    let written = File::create_new(path).and_then(|mut file| file.write_all(FIRST.as_bytes()));
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::usage(&InitError::Taken(path.clone())).hint("name another file")
        }
        _ => Failure::usage(&InitError::Write {
            path: path.clone(),
            source,
        }),
    })?;
    let file = shell_words(&[typed(path)]);
    print(&format!(
        "wrote {}\n\n  ackproof explain {file}    says what it is going to do\n  ackproof run {file}        \
         does it, on a Kafka of its own\n",
        path.display()
    ))?;
    Ok(Exit::Held)
}

/// A file is told from a scenario's name by its ending or a slash.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    if text.starts_with('-')
        || !(text.contains('/') || path.extension().is_some_and(|it| it == "toml"))
    {
        format!("./{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::scenario::parse;

    #[test]
    fn what_is_written_is_a_scenario() {
        let scenario = parse("first.toml", FIRST).unwrap();
        assert!(!scenario.faults.is_empty() && !scenario.guarantees.is_empty());
    }
}
