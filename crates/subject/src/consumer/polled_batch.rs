//! The batch that a member has polled and not yet processed (`max.poll.records`).
//! Knows nothing of when it is committed.

use std::time::{Duration, Instant};

use model::event::Content;
use model::ids::{Offset, PartitionIndex};
use model::scenario::Commit;

use super::Member;
use crate::SubjectError;
use crate::identity::Recognition;
use crate::session::{Session, TURN};

/// How long the next record is waited for once there is a first: longer than
/// a client takes from one partition's records to the next one's.
const GATHER: Duration = Duration::from_millis(200);

/// A record that was polled.
pub(super) struct PolledRecord {
    pub(super) partition: PartitionIndex,
    pub(super) offset: Offset,
    pub(super) content: Content,
}

/// Polls as many records as the role allows, or as there are. Records of
/// partitions that are revoked meanwhile are dropped.
///
/// A client that commits by itself may do so in each poll, with all that it
/// gave before: then one poll is a batch, as in an application.
pub(super) fn poll_batch(
    member: &mut Member<'_>,
    recognition: &Recognition,
    session: &mut Session,
) -> Result<Vec<PolledRecord>, SubjectError> {
    let most = member.role.max_poll_records.max(1);
    let mut batch: Vec<PolledRecord> = Vec::new();
    let mut until = Instant::now() + TURN;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let polled = session.poll(most - batch.len() as u64, left, member)?;
        let revoked = std::mem::take(&mut member.revoked);
        batch.retain(|record| !revoked.contains(&record.partition));
        if let Some(source) = polled.error {
            return Err(SubjectError::Client {
                doing: "go on reading",
                source,
            });
        }
        if !polled.records.is_empty() {
            until = Instant::now() + GATHER;
        }
        batch.extend(polled.records.iter().map(|record| PolledRecord {
            partition: PartitionIndex::new(record.partition),
            offset: Offset::new(record.offset),
            content: recognition.content(record),
        }));
        let by_itself = member.role.commit == Commit::Auto && !batch.is_empty();
        if batch.len() as u64 >= most || by_itself || Instant::now() >= until {
            return Ok(batch);
        }
    }
}
