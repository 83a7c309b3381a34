//! The partitions of one file, by the names in its lines: the same few, again
//! and again. Knows nothing of records.

use model::ids::{PartitionRef, TopicIx};

use super::error::KafkatestFlaw;
use super::numbers;
use super::participants::Participants;

/// Finds partitions, and remembers how many each topic has.
pub(super) struct Topics {
    last_name: Vec<u8>,
    last: Option<TopicIx>,
    /// By topic: how many partitions were met.
    counts: Vec<i32>,
}

impl Topics {
    pub(super) const fn new() -> Self {
        Self {
            last_name: Vec::new(),
            last: None,
            counts: Vec::new(),
        }
    }

    /// The number of a topic; none where the participants lack it.
    pub(super) fn topic(&mut self, name: &[u8], participants: &Participants) -> Option<TopicIx> {
        if self.last.is_some() && self.last_name == name {
            return self.last;
        }
        let found = TopicIx::new(participants.topics.find(name)?);
        self.last_name.clear();
        self.last_name.extend_from_slice(name);
        self.last = Some(found);
        self.last
    }

    /// The partition that a line names; none where the participants lack its
    /// topic.
    pub(super) fn partition(
        &mut self,
        name: &[u8],
        partition: i64,
        participants: &Participants,
    ) -> Result<Option<PartitionRef>, KafkatestFlaw> {
        let partition = numbers::partition(partition)?;
        let Some(topic) = self.topic(name, participants) else {
            return Ok(None);
        };
        let ix = usize::from(topic.get());
        if self.counts.len() <= ix {
            self.counts.resize(ix + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(ix) {
            *count = (*count).max(partition.get() + 1);
        }
        Ok(Some(PartitionRef { topic, partition }))
    }

    /// How many partitions were met, by topic.
    pub(super) fn counts(self) -> Vec<i32> {
        self.counts
    }
}
