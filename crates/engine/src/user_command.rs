//! A line of the user's for `sh -c`: carried out within a time limit, and what it
//! printed. Knows nothing of what it is for.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use stack::process::{Child, ChildSpec, Exit, ProcessError, Stream};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use crate::wait::before_moment;

/// What is read of a command's output: more tells nothing about a state.
const OUTPUT_MAX: u64 = 64 * 1024;
/// What is read of a listing: a million identities are a tenth of it.
const LISTING_MAX: u64 = 1024 * 1024 * 1024;
/// What is shown of an output.
const SHOWN_CHARS: usize = 160;

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum UserCommandError {
    /// It could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its output could not be read.
    #[error("its output cannot be read")]
    Output(#[source] io::Error),
    /// It took too long, and was killed.
    #[error(
        "it did not end within {} s, and was killed (what it leaves running must not keep its \
         standard output)",
        limit.as_secs_f64()
    )]
    Late {
        /// Its time.
        limit: Duration,
    },
    /// It printed more than is read.
    #[error("it printed more than {} MiB", LISTING_MAX / 1024 / 1024)]
    TooLong,
    /// It said that it failed.
    #[error("it ended with {exit}{said}")]
    Failed {
        /// How it ended.
        exit: Exit,
        /// The last line of its standard error, after a colon.
        said: String,
    },
}

/// What a command printed on its standard output, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserCommandOutput {
    printed: String,
    exit: Exit,
}

impl fmt::Display for UserCommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = secret::redacted(self.printed.trim());
        let shown: String = text.chars().take(SHOWN_CHARS).collect();
        match (shown.as_str(), self.exit) {
            ("", Exit::Code(0)) => f.write_str("nothing"),
            ("", exit) => write!(f, "{exit}"),
            (shown, Exit::Code(0)) => write!(f, "`{shown}`"),
            (shown, exit) => write!(f, "`{shown}` ({exit})"),
        }
    }
}

/// Carries it out, however it ends. Its standard error goes into `log`.
///
/// # Errors
/// [`UserCommandError::Late`], and where it cannot be started or read.
pub(crate) async fn output_of(
    line: &str,
    limit: Duration,
    log: &Path,
) -> Result<UserCommandOutput, UserCommandError> {
    Ok(carried_out(line, limit, log).await?.1)
}

/// Carries it out, and demands that it succeeds.
///
/// # Errors
/// Also [`UserCommandError::Failed`].
pub(crate) async fn succeed(
    line: &str,
    limit: Duration,
    log: &Path,
) -> Result<(), UserCommandError> {
    let (child, output) = carried_out(line, limit, log).await?;
    if output.exit.is_success() {
        return Ok(());
    }
    let said = last_line(&child).map_or_else(String::new, |line| format!(": {line}"));
    let exit = output.exit;
    Err(UserCommandError::Failed { exit, said })
}

async fn carried_out(
    line: &str,
    limit: Duration,
    log: &Path,
) -> Result<(Child, UserCommandOutput), UserCommandError> {
    let spec = ChildSpec::new("sh", log).arg("-c").arg(line);
    let (child, printed, exit) = printed_by(spec, limit, OUTPUT_MAX).await?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    Ok((child, UserCommandOutput { printed, exit }))
}

/// The lines that a program prints, without empty ones; it has to succeed.
///
/// # Errors
/// Those of [`UserCommandError`].
pub(crate) async fn lines_of(
    spec: ChildSpec,
    limit: Duration,
) -> Result<Vec<String>, UserCommandError> {
    let (child, printed, exit) = printed_by(spec, limit, LISTING_MAX).await?;
    if !exit.is_success() {
        let said = last_line(&child).map_or_else(String::new, |line| format!(": {line}"));
        return Err(UserCommandError::Failed { exit, said });
    }
    if printed.len() as u64 >= LISTING_MAX {
        return Err(UserCommandError::TooLong);
    }
    let text = String::from_utf8_lossy(&printed);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// Starts a program, and reads so much of what it prints until it has ended.
async fn printed_by(
    mut spec: ChildSpec,
    limit: Duration,
    bytes_max: u64,
) -> Result<(Child, Vec<u8>, Exit), UserCommandError> {
    spec.stdout = Stream::Piped;
    let mut child = spec.spawn()?;
    let stdout = child.take_stdout().transpose();
    let stdout = stdout.map_err(UserCommandError::Output)?;
    let mut printed = Vec::new();
    let read = async {
        if let Some(stdout) = stdout {
            stdout.take(bytes_max).read_to_end(&mut printed).await?;
        }
        Ok(())
    };
    let ended = async { tokio::join!(child.wait(), read) };
    let Some((exit, read)) = before_moment(Instant::now() + limit, ended).await else {
        child.kill().await;
        return Err(UserCommandError::Late { limit });
    };
    read.map_err(UserCommandError::Output)?;
    Ok((child, printed, exit))
}

/// The last line that it wrote into its log.
fn last_line(child: &Child) -> Option<String> {
    let mut log = File::open(child.log()).ok()?;
    log.seek(SeekFrom::Start(child.log_start())).ok()?;
    let mut text = Vec::new();
    log.take(OUTPUT_MAX).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let last: String = last.trim().chars().take(SHOWN_CHARS).collect();
    Some(secret::redacted(&last).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn what_it_prints_and_its_exit_code_are_its_state() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        for (line, shown) in [
            ("echo active", "`active`"),
            ("echo inactive; exit 3", "`inactive` (exit code 3)"),
            ("exit 1", "exit code 1"),
            ("true", "nothing"),
            ("echo loud >&2", "nothing"),
            ("echo password=hunter2", "`password=[hidden]`"),
        ] {
            let output = output_of(line, LIMIT, &log).await.unwrap();
            assert_eq!(output.to_string(), shown, "{line}");
        }
    }

    #[tokio::test]
    async fn one_that_fails_says_why_in_its_own_words() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        succeed("true", LIMIT, &log).await.unwrap();
        let failed = succeed("echo no such pod >&2; exit 4", LIMIT, &log).await;
        let told = failed.unwrap_err().to_string();
        assert_eq!(told, "it ended with exit code 4: no such pod");
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let limit = Duration::from_millis(200);
        let late = output_of("sleep 600 & sleep 600", limit, &log).await;
        assert!(
            matches!(late, Err(UserCommandError::Late { .. })),
            "{late:?}"
        );
    }
}
