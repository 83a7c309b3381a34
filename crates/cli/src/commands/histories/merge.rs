//! `ackproof history merge`: many files of one run into one.

use std::fmt::Write as _;
use std::io;

use history::{Completion, MergeError, Merged, Tail};

use super::place;
use crate::args::HistoryMergeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;
use model::scenario::words::counted;

pub(crate) fn merge(args: &HistoryMergeArgs) -> Result<Exit, Failure> {
    let files = args
        .places
        .iter()
        .map(|place| place::history(place))
        .collect::<Result<Vec<_>, _>>()?;
    let merged = history::merge(&files, &args.out).map_err(|error| failure(&error))?;
    let mut text = format!(
        "{} of {} in {}\n",
        counted(merged.events, "event"),
        files_of(&merged),
        args.out.display()
    );
    for input in &merged.inputs {
        let file = input.file.display();
        let _ = match (input.tail, input.completion) {
            (Tail::CutOff { at }, _) => writeln!(text, "  {file} is cut off at byte {at}"),
            (Tail::Whole, Completion::Incomplete) => writeln!(text, "  {file} is not complete"),
            (Tail::Whole, Completion::Complete) => Ok(()),
        };
    }
    if merged.completion() == Completion::Incomplete {
        text.push_str("  so it is not complete, and nothing in it can be shown to have HELD\n");
    }
    print(&text)?;
    Ok(Exit::Held)
}

fn files_of(merged: &Merged) -> String {
    let count = merged.inputs.len();
    if count == 1 {
        "1 history".to_owned()
    } else {
        format!("{count} histories")
    }
}

fn failure(error: &MergeError) -> Failure {
    match error {
        MergeError::NotWritable { source, .. } if !is_a_wrong_place(source) => {
            Failure::environment(error)
        }
        MergeError::Contradiction(_) => {
            Failure::usage(error).hint("merge the files of one run, each of them once")
        }
        _ => Failure::usage(error),
    }
}

/// Whether another `--out` would do.
fn is_a_wrong_place(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidFilename
    )
}
