//! The state of the link, and the gate that makes a change of it take effect at
//! once. Knows nothing of who changes it.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::tally::{CutTally, Direction};

/// What the link does with bytes now.
#[derive(Clone, Debug)]
pub(crate) enum LinkState {
    /// Delivers them.
    Open,
    /// Delivers what clients send; swallows the answers, and counts.
    HalfCut(Arc<CutTally>),
    /// Swallows them, and counts.
    Cut(Arc<CutTally>),
    /// The proxy is stopping.
    Stopped,
}

impl LinkState {
    /// The cut that lasts, whole or half.
    pub(crate) fn cut(&self) -> Option<&Arc<CutTally>> {
        match self {
            Self::HalfCut(tally) | Self::Cut(tally) => Some(tally),
            Self::Open | Self::Stopped => None,
        }
    }

    /// The cut that swallows bytes which go this way, if one does.
    pub(crate) fn cut_for(&self, direction: Direction) -> Option<&Arc<CutTally>> {
        match (self, direction) {
            (Self::HalfCut(_), Direction::ToUpstream) => None,
            _ => self.cut(),
        }
    }
}

/// The link between two heals. A connection belongs to the era in which it was
/// accepted and dies with it.
#[derive(Clone, Debug)]
pub(crate) struct Era {
    pub(crate) number: u64,
    pub(crate) state: LinkState,
    /// Held by each connection of the era: all are gone when the other end hears
    /// that no sender is left.
    pub(crate) presence: mpsc::Sender<Never>,
}

/// Nothing is ever sent.
#[derive(Debug)]
pub(crate) enum Never {}

impl Era {
    pub(crate) fn first() -> (Self, mpsc::Receiver<Never>) {
        Self::numbered(0, LinkState::Open)
    }

    pub(crate) fn after(previous: &Self, state: LinkState) -> (Self, mpsc::Receiver<Never>) {
        Self::numbered(previous.number + 1, state)
    }

    fn numbered(number: u64, state: LinkState) -> (Self, mpsc::Receiver<Never>) {
        let (presence, gone) = mpsc::channel(1);
        let era = Self {
            number,
            state,
            presence,
        };
        (era, gone)
    }
}

/// A connection's view of the link.
///
/// `watch` is both the news and the gate: whoever looks at the state holds its
/// read lock while acting on it, and a change takes the write lock. So when
/// `cut` returns, no byte is being delivered and none will be.
pub(crate) type LinkView = watch::Receiver<Era>;
