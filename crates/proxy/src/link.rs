//! The state of a link, and the gate that makes a change of it take effect at
//! once. Knows nothing of the callers that change it.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::active_fault::ActiveFault;
use crate::counters::Direction;
use crate::cut_counters::CutCounters;
use crate::fault::Ways;

/// What the link does with connections now.
#[derive(Clone, Debug)]
pub(crate) enum LinkState {
    /// Carries them.
    Open,
    /// Swallows what goes these ways, and counts.
    Cut(Ways, Arc<CutCounters>),
    /// Resets every new one.
    Resetting(Arc<CutCounters>),
    /// The proxy is stopping.
    Stopped,
}

impl LinkState {
    /// What counts for as long as the state lasts.
    pub(crate) fn counters(&self) -> Option<&Arc<CutCounters>> {
        match self {
            Self::Cut(_, counters) | Self::Resetting(counters) => Some(counters),
            Self::Open | Self::Stopped => None,
        }
    }

    /// The cut that swallows bytes which go this way, if one does.
    pub(crate) fn cut_for(&self, direction: Direction) -> Option<&Arc<CutCounters>> {
        match self {
            Self::Cut(ways, counters) if ways.include(direction) => Some(counters),
            _ => None,
        }
    }
}

impl Ways {
    /// Whether bytes that go this way are affected.
    pub(crate) fn include(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::Requests => direction == Direction::ToUpstream,
            Self::Answers => direction == Direction::ToClient,
        }
    }
}

/// What happens to what an open link carries.
#[derive(Debug)]
pub(crate) struct Conditions {
    /// Connections of some clients that are broken off.
    pub(crate) breaks: Vec<Arc<ClientBreak>>,
    /// Faults on all bytes.
    pub(crate) shaping: Vec<Arc<ActiveFault>>,
    /// Faults on single requests.
    pub(crate) protocol: Vec<Arc<ActiveFault>>,
    /// Held with the conditions by each connection that follows them: the other
    /// end hears when none does any more.
    #[expect(dead_code, reason = "it does its work when it is dropped")]
    obeyed: mpsc::Sender<Never>,
}

impl Conditions {
    pub(crate) fn new(faults: Faults) -> (Arc<Self>, mpsc::Receiver<Never>) {
        let (obeyed, forgotten) = mpsc::channel(1);
        let Faults {
            breaks,
            shaping,
            protocol,
        } = faults;
        let conditions = Self {
            breaks,
            shaping,
            protocol,
            obeyed,
        };
        (Arc::new(conditions), forgotten)
    }
}

/// What conditions are made of.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) breaks: Vec<Arc<ClientBreak>>,
    pub(crate) shaping: Vec<Arc<ActiveFault>>,
    pub(crate) protocol: Vec<Arc<ActiveFault>>,
}

/// A cut or a reset that only some clients meet: the link itself stays open.
#[derive(Debug)]
pub(crate) struct ClientBreak {
    pub(crate) fault: Arc<ActiveFault>,
    /// Held with the break by each connection that has met it.
    #[expect(dead_code, reason = "it does its work when it is dropped")]
    presence: mpsc::Sender<Never>,
}

impl ClientBreak {
    /// Also who hears when it is healed and all connections that met it are
    /// gone.
    pub(crate) fn new(fault: Arc<ActiveFault>) -> (Arc<Self>, mpsc::Receiver<Never>) {
        let (presence, gone) = mpsc::channel(1);
        (Arc::new(Self { fault, presence }), gone)
    }
}

/// The link between two heals. A connection belongs to the era in which it was
/// accepted and dies with it. Conditions come and go within an era.
#[derive(Clone, Debug)]
pub(crate) struct Era {
    pub(crate) number: u64,
    pub(crate) state: LinkState,
    pub(crate) conditions: Arc<Conditions>,
    /// Held by each connection of the era: all are gone when the other end hears
    /// that no sender is left.
    pub(crate) presence: mpsc::Sender<Never>,
}

/// Nothing is ever sent.
#[derive(Debug)]
pub(crate) enum Never {}

impl Era {
    pub(crate) fn first(conditions: Arc<Conditions>) -> (Self, mpsc::Receiver<Never>) {
        Self::numbered(0, LinkState::Open, conditions)
    }

    pub(crate) fn after(previous: &Self, state: LinkState) -> (Self, mpsc::Receiver<Never>) {
        let conditions = Arc::clone(&previous.conditions);
        Self::numbered(previous.number + 1, state, conditions)
    }

    fn numbered(
        number: u64,
        state: LinkState,
        conditions: Arc<Conditions>,
    ) -> (Self, mpsc::Receiver<Never>) {
        let (presence, gone) = mpsc::channel(1);
        let era = Self {
            number,
            state,
            conditions,
            presence,
        };
        (era, gone)
    }
}

/// A connection's view of the link.
///
/// `watch` is both the news and the gate: a reader of the state holds its
/// read lock while acting on it, and a change takes the write lock. So when
/// `cut` returns, no byte is being delivered and none will be. Its
/// holder must not wait for anything that is held while a link is changed.
pub(crate) type LinkView = watch::Receiver<Era>;
