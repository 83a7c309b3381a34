//! What an application of the user's did while a scenario ran. Knows nothing of what it is.

use serde::{Deserialize, Serialize};

use super::Content;
use crate::ids::{Offset, PartitionRef, TopicIx};

/// An application reads a topic, and what it did is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppDeclared {
    /// Its `group.id`.
    pub group: String,
    /// The topic that it reads.
    pub topic: TopicIx,
    /// The topic that it writes, where its effects are records; otherwise they are listed.
    pub output: Option<TopicIx>,
}

/// Where the group of an application stands, as the coordinator says; none where it has not
/// committed. What was done is read later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppCommitted {
    /// The partition.
    pub partition: PartitionRef,
    /// The next offset to read.
    pub next: Option<Offset>,
}

/// One effect of an application: a record of its output topic that a `read_committed` reader
/// is given, or a line of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectSeen {
    /// The identity that it carries: `nameless` where there is none in its place.
    pub content: Content,
    /// Where it stands, if it is a record.
    pub at: Option<EffectPlace>,
}

/// The place of an effect in an output topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectPlace {
    /// The partition.
    pub partition: PartitionRef,
    /// The offset.
    pub offset: Offset,
}

/// Everything that an application did was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectsRead {
    /// How many effects there were.
    pub effects: u64,
    /// Whether nothing more can come: the application ended when it was asked to, and nothing
    /// changed any more.
    pub settled: bool,
}
