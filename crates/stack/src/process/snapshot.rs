//! One look at a process, by `/proc`.

use super::error::ProcessError;
use crate::linux;

/// One look at a process: evidence that a restart gave a new one (pid and
/// start differ), or that a pause really stopped it (state `T`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessSnapshot {
    /// Process id.
    pub pid: u32,
    /// Clock ticks from the machine's start to the process's: proc(5).
    pub start_ticks: u64,
    /// `R` running, `S` sleeping, `T` stopped, `Z` ended and not reaped:
    /// proc(5).
    pub state: char,
}

impl ProcessSnapshot {
    /// Looks at any process.
    ///
    /// # Errors
    /// [`ProcessError::Snapshot`] when there is none of that pid.
    pub fn of(pid: u32) -> Result<Self, ProcessError> {
        let stat =
            linux::proc_stat(pid).map_err(|source| ProcessError::Snapshot { pid, source })?;
        Ok(Self {
            pid,
            start_ticks: stat.start_ticks,
            state: stat.state,
        })
    }

    /// Whether that very process still lives; one that has ended and is not
    /// reaped yet does not.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_ok_and(|now| now.is_same_process(self) && now.state != 'Z')
    }

    /// Whether both are looks at one and the same process.
    pub fn is_same_process(&self, other: &Self) -> bool {
        (self.pid, self.start_ticks) == (other.pid, other.start_ticks)
    }
}
