//! A driver as a process of its own, for the tests of this crate.

use std::ffi::OsString;
use std::process::ExitCode;

use subject::process::{DIE_WITH_PARENT, exec_with_parent};

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [step, parent, command @ ..] = words.as_slice()
        && step == DIE_WITH_PARENT
    {
        let parent = parent.to_str().and_then(|it| it.parse().ok());
        eprintln!("{}", exec_with_parent(parent.unwrap_or(0), command));
        return ExitCode::from(4);
    }
    match subject::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                eprintln!("  {error}");
                cause = error.source();
            }
            ExitCode::from(4)
        }
    }
}
