//! A subject as a process of its own, for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
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
