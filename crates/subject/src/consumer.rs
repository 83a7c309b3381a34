//! The consumer: a member of a group that polls batches of records, processes
//! them one at a time, commits as its role says, and reports both. Writing the
//! line of a processed record *is* its processing. Knows nothing of other
//! members.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use model::event::CommitResult;
use model::ids::PartitionIndex;
use model::scenario::{Commit, Fence};

use crate::SubjectError;
use crate::identity::Recognition;
use crate::pace::Throttle;
use crate::protocol::{
    Client, ClientError, ConsumerStart, ErrorClass, Position, Request, Start, VERSION,
};
use crate::reporter::Reporter;
use crate::role::{ClientEvent, ConsumerRole};
use crate::session::{Rebalance, Rebalanced, Session, TURN, result_of};
use crate::stop::Stop;

mod polled_batch;

use polled_batch::{PolledRecord, poll_batch};

/// Processes records until stopped; then commits and leaves the group.
pub(crate) fn consume(
    role: &ConsumerRole,
    client: Box<dyn Client>,
    stop: &Stop,
    reporter: Reporter,
) -> Result<(), SubjectError> {
    let mut session = Session::start(client, reporter, start(role))?;
    let mut member = Member {
        role,
        stop,
        throttle: Throttle::new(role.records_per_s),
        since_commit: 0,
        uncommitted: BTreeMap::new(),
        revoked: BTreeSet::new(),
        lost: BTreeSet::new(),
    };
    let processed = member.process_until_stopped(&mut session);
    if processed.is_err() {
        session.finish_complaints();
    }
    processed?;
    member.commit(&mut session)?;
    // Leaves the group, and serves the last revocation on the way.
    session.close(&mut member)
}

/// The client that the role is for.
fn start(role: &ConsumerRole) -> Start {
    let mut config = role.config.clone();
    let by_itself = match role.commit {
        Commit::After | Commit::Before => "false",
        Commit::Auto => "true",
    };
    for (key, value) in [
        ("bootstrap.servers", role.bootstrap.as_str()),
        ("group.id", &role.group),
        ("enable.auto.commit", by_itself),
    ] {
        config.insert(key.to_owned(), value.to_owned());
    }
    let reset = config.entry("auto.offset.reset".to_owned());
    reset.or_insert_with(|| "earliest".to_owned());
    Start {
        protocol: VERSION,
        consumer: Some(ConsumerStart {
            config,
            topics: vec![role.topic.clone()],
        }),
        ..Start::default()
    }
}

/// Whether the member still owns what it committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The coordinator took it: the committer is a member, and of the current
    /// generation.
    Owner,
    /// The coordinator knows no such member, or one of a later generation.
    Lost,
    /// It cannot be told: the group rebalances, or there was no answer.
    Open,
}

/// What the answer to a commit says about the partition's owner.
const fn standing_after(answer: Result<(), &ClientError>) -> Standing {
    match answer {
        Ok(()) => Standing::Owner,
        Err(error) => match error.class {
            ErrorClass::Stale | ErrorClass::Fenced => Standing::Lost,
            ErrorClass::Retriable
            | ErrorClass::Abortable
            | ErrorClass::Refused
            | ErrorClass::Fatal
            | ErrorClass::Other => Standing::Open,
        },
    }
}

/// A member, and what it has in hand.
struct Member<'r> {
    role: &'r ConsumerRole,
    stop: &'r Stop,
    throttle: Throttle,
    /// Records processed (or taken, where they are committed first) since the
    /// last commit.
    since_commit: u64,
    /// The next offset to read of each partition that has advanced.
    uncommitted: BTreeMap<i32, i64>,
    /// Partitions that were taken from it while it was taking records.
    revoked: BTreeSet<PartitionIndex>,
    /// Partitions of which the coordinator said that they are its own no more.
    lost: BTreeSet<PartitionIndex>,
}

impl Member<'_> {
    fn process_until_stopped(&mut self, session: &mut Session) -> Result<(), SubjectError> {
        let role = self.role;
        let recognition = Recognition::new(role.run, &role.topic, role.changes.as_ref());
        while !self.stop.asked() {
            // Waits before it takes a record, never with one polled that it has
            // not begun on: a partition that is revoked meanwhile is not
            // processed any more.
            if self.wait_a_turn(session)? {
                continue;
            }
            let batch = poll_batch(self, &recognition, session)?;
            self.process_all(&batch, session)?;
        }
        Ok(())
    }

    /// Waits a little where the next record is not due yet; whether it did.
    fn wait_a_turn(&self, session: &Session) -> Result<bool, SubjectError> {
        let reporter = &session.reporter;
        reporter.check()?;
        let wait_us = self.throttle.wait_us(reporter.clock().now());
        if wait_us > 0 {
            thread::sleep(TURN.min(Duration::from_micros(wait_us)));
        }
        Ok(wait_us > 0)
    }

    /// Processes a batch, one record at a time and without polling: an
    /// application that is busy hears of nothing, not of a revocation either.
    fn process_all(
        &mut self,
        batch: &[PolledRecord],
        session: &mut Session,
    ) -> Result<(), SubjectError> {
        if self.role.commit == Commit::Before {
            for record in batch {
                self.advance(record, session)?;
            }
        }
        for record in batch {
            while self.wait_a_turn(session)? {}
            if self.role.fence == Fence::Commit && !self.is_still_its_own(record, session)? {
                continue;
            }
            self.throttle.took(session.reporter.clock().now());
            session.reporter.say(ClientEvent::Processed {
                partition: record.partition,
                offset: record.offset,
                content: record.content,
            });
            if self.role.commit == Commit::After {
                self.advance(record, session)?;
            }
        }
        Ok(())
    }

    /// Moves the position behind a record, and commits where that is due.
    fn advance(
        &mut self,
        record: &PolledRecord,
        session: &mut Session,
    ) -> Result<(), SubjectError> {
        self.uncommitted
            .insert(record.partition.get(), record.offset.get() + 1);
        self.since_commit += 1;
        if self.since_commit >= self.role.commit_every_records.max(1) {
            session.reporter.check()?;
            self.commit(session)?;
            self.since_commit = 0;
        }
        Ok(())
    }

    /// Commits what was processed since the last time, and waits for the
    /// answer. What was not accepted is tried again at the next commit.
    fn commit(&mut self, session: &mut Session) -> Result<(), SubjectError> {
        let positions = std::mem::take(&mut self.uncommitted);
        if positions.is_empty() {
            return Ok(());
        }
        let answer = self.commit_positions(&positions, session)?;
        if result_of(answer.as_ref().err()) != CommitResult::Accepted {
            self.uncommitted.extend(positions);
        }
        Ok(())
    }

    /// Asks the coordinator whether the record's partition still is this
    /// member's, by committing the position before it.
    fn is_still_its_own(
        &mut self,
        record: &PolledRecord,
        session: &mut Session,
    ) -> Result<bool, SubjectError> {
        loop {
            match self.fence(record, session)? {
                Standing::Owner => return Ok(true),
                Standing::Lost => return Ok(false),
                Standing::Open if self.stop.asked() => return Ok(false),
                Standing::Open => thread::sleep(TURN),
            }
        }
    }

    /// Commits the position before a record, and says what the answer means
    /// for the partition. Once it is lost, nothing of it is asked for again
    /// before it is given anew.
    fn fence(
        &mut self,
        record: &PolledRecord,
        session: &mut Session,
    ) -> Result<Standing, SubjectError> {
        let partition = record.partition;
        if self.lost.contains(&partition) {
            return Ok(Standing::Lost);
        }
        let position = BTreeMap::from([(partition.get(), record.offset.get())]);
        let answer = self.commit_positions(&position, session)?;
        let standing = standing_after(answer.as_ref().copied());
        match standing {
            // What was processed lies before the record.
            Standing::Owner => {
                self.uncommitted.remove(&partition.get());
            }
            Standing::Lost => {
                self.lost.insert(partition);
            }
            Standing::Open => {}
        }
        Ok(standing)
    }

    /// Commits positions, waits for the answer, and reports it.
    fn commit_positions(
        &mut self,
        positions: &BTreeMap<i32, i64>,
        session: &mut Session,
    ) -> Result<Result<(), ClientError>, SubjectError> {
        let position = |(partition, offset): (&i32, &i64)| Position {
            topic: self.role.topic.clone(),
            partition: *partition,
            offset: *offset,
        };
        let offsets: Vec<Position> = positions.iter().map(position).collect();
        let request = Request::Commit {
            offsets: offsets.clone(),
        };
        let answer = session.ask(request, self)?;
        if let Err(error) = &answer {
            session.complain(error);
        }
        session.tell_commit(&offsets, result_of(answer.as_ref().err()));
        Ok(answer)
    }

    /// Partitions are no longer its own.
    fn give_up(&mut self, partitions: Vec<PartitionIndex>, session: &Session) {
        self.uncommitted
            .retain(|partition, _| !partitions.contains(&PartitionIndex::new(*partition)));
        self.revoked.extend(partitions.iter().copied());
        session.reporter.say(ClientEvent::Revoked { partitions });
    }
}

impl Rebalanced for Member<'_> {
    fn rebalanced(
        &mut self,
        session: &mut Session,
        rebalance: Rebalance,
    ) -> Result<(), SubjectError> {
        match rebalance {
            Rebalance::Assigned(partitions) => {
                self.lost
                    .retain(|partition| !partitions.contains(partition));
                session.reporter.say(ClientEvent::Assigned { partitions });
            }
            Rebalance::Revoked(partitions) => {
                self.commit(session)?;
                self.give_up(partitions, session);
            }
            Rebalance::Lost(partitions) => self.give_up(partitions, session),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_lost_only_where_the_coordinator_knows_of_another_owner() {
        let error = |class| ClientError {
            name: "E".to_owned(),
            message: String::new(),
            class,
        };
        for (class, standing, result) in [
            (ErrorClass::Stale, Standing::Lost, CommitResult::Refused),
            (ErrorClass::Fenced, Standing::Lost, CommitResult::Refused),
            (ErrorClass::Refused, Standing::Open, CommitResult::Refused),
            (ErrorClass::Retriable, Standing::Open, CommitResult::Unknown),
            (ErrorClass::Fatal, Standing::Open, CommitResult::Unknown),
            (ErrorClass::Other, Standing::Open, CommitResult::Unknown),
        ] {
            let error = error(class);
            assert_eq!(standing_after(Err(&error)), standing, "{class:?}");
            assert_eq!(result_of(Some(&error)), result, "{class:?}");
        }
        assert_eq!(standing_after(Ok(())), Standing::Owner);
        assert_eq!(result_of(None), CommitResult::Accepted);
    }
}
