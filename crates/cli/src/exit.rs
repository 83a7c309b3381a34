//! The exit codes of `ackproof`: a stable interface for scripts. Knows nothing
//! of what leads to them.

use model::verdict::Verdict;

/// How `ackproof` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: every guarantee HELD (a violation that a scenario is there to show
    /// counts as held), or the command did what it was asked.
    Held,
    /// 1: at least one guarantee VIOLATED; of `diff`, something is worse; of `lag`, a
    /// threshold is broken.
    Violated,
    /// 2: bad usage or bad input; nothing was started.
    Usage,
    /// 3: at least one scenario INCONCLUSIVE and none VIOLATED; of `lag`, a threshold that
    /// cannot be decided.
    Inconclusive,
    /// 4: the environment failed: a download, a port, a process that would not
    /// start, a full disk.
    Environment,
    /// 130: interrupted (128 + SIGINT, as shells do).
    Interrupted,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Violated => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Environment => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Held => Self::Held,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Violated => Self::Violated,
        }
    }
}
