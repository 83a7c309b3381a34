//! The consumer: a member of a group that polls batches of records, processes
//! them one at a time, commits as its role says, and reports both. Writing the
//! line of a processed record *is* its processing. Knows nothing of other
//! members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use model::event::CommitResult;
use model::ids::{Offset, PartitionIndex};
use model::scenario::{Commit, Fence};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};

use crate::SubjectError;
use crate::complaints::{self, Complaints};
use crate::config::{self, RoleKind};
use crate::identity::Recognition;
use crate::log;
use crate::outcome::{Standing, result_of_commit, standing_after};
use crate::pace::Throttle;
use crate::reporter::Reporter;
use crate::role::{ClientEvent, ConsumerRole};
use crate::stop::Stop;

mod polled_batch;

use polled_batch::{PolledRecord, poll_batch};

/// The longest turn: how late a stop may be noticed.
const TURN: Duration = Duration::from_millis(20);

/// Processes records until stopped; then commits and leaves the group.
pub(crate) fn consume(
    role: &ConsumerRole,
    stop: &Stop,
    reporter: Reporter,
) -> Result<(), SubjectError> {
    let config = client_config(role)?;
    let reporter = Arc::new(reporter);
    let context = Member {
        reporter: Arc::clone(&reporter),
        topic: role.topic.clone(),
        uncommitted: Mutex::default(),
        revoked: Mutex::default(),
        lost: Mutex::default(),
        complaints: Complaints::default(),
    };
    let client: BaseConsumer<Member> =
        config
            .create_with_context(context)
            .map_err(|source| SubjectError::Client {
                doing: "be made as a consumer",
                source,
            })?;
    reporter.say(config::ready(RoleKind::Consumer, &config)?);
    client
        .subscribe(&[&role.topic])
        .map_err(|source| SubjectError::Client {
            doing: "subscribe",
            source,
        })?;
    let processed = process_until_stopped(role, stop, &client);
    client.context().complaints.finish(&reporter);
    processed?;
    client.context().commit(&client);
    // Leaves the group, and serves the last revocation on the way.
    drop(client);
    reporter.say(ClientEvent::Ended);
    reporter.check()
}

/// The configuration of the role's client.
fn client_config(role: &ConsumerRole) -> Result<ClientConfig, SubjectError> {
    let mut config = config::client_config(RoleKind::Consumer, &role.config)?;
    config
        .set("bootstrap.servers", &role.bootstrap)
        .set("group.id", &role.group);
    let by_itself = match role.commit {
        Commit::After | Commit::Before => "false",
        // Stores the position behind what it hands out, and commits it.
        Commit::Auto => "true",
    };
    config
        .set("statistics.interval.ms", complaints::COUNT_INTERVAL_MS)
        .set("enable.auto.commit", by_itself)
        .set("enable.auto.offset.store", by_itself);
    if config.get("auto.offset.reset").is_none() {
        config.set("auto.offset.reset", "earliest");
    }
    Ok(config)
}

fn process_until_stopped(
    role: &ConsumerRole,
    stop: &Stop,
    client: &BaseConsumer<Member>,
) -> Result<(), SubjectError> {
    let mut work = Work {
        role,
        stop,
        client,
        throttle: Throttle::new(role.records_per_s),
        since_commit: 0,
    };
    let recognition = Recognition::new(role.run, &role.topic, role.changes.as_ref());
    while !stop.asked() {
        // Waits before it takes a record, never with one polled that it has
        // not begun on: a partition that is revoked meanwhile is not processed
        // any more.
        if work.wait_a_turn()? {
            continue;
        }
        let batch = poll_batch(role, &recognition, client)?;
        work.process_all(&batch)?;
    }
    Ok(())
}

/// The work of a member: what it does with a batch.
struct Work<'w> {
    role: &'w ConsumerRole,
    stop: &'w Stop,
    client: &'w BaseConsumer<Member>,
    throttle: Throttle,
    /// Records processed (or taken, where they are committed first) since the
    /// last commit.
    since_commit: u64,
}

impl Work<'_> {
    /// Waits a little where the next record is not due yet; whether it did.
    fn wait_a_turn(&self) -> Result<bool, SubjectError> {
        let reporter = &self.client.context().reporter;
        reporter.check()?;
        let wait_us = self.throttle.wait_us(reporter.clock().now());
        if wait_us > 0 {
            thread::sleep(TURN.min(Duration::from_micros(wait_us)));
        }
        Ok(wait_us > 0)
    }

    /// Processes a batch, one record at a time and without polling: an
    /// application that is busy hears of nothing, not of a revocation either.
    fn process_all(&mut self, batch: &[PolledRecord]) -> Result<(), SubjectError> {
        if self.role.commit == Commit::Before {
            for record in batch {
                self.advance(record)?;
            }
        }
        for record in batch {
            while self.wait_a_turn()? {}
            if self.role.fence == Fence::Commit && !self.is_still_its_own(record) {
                continue;
            }
            let member = self.client.context();
            self.throttle.took(member.reporter.clock().now());
            member.process(record);
            if self.role.commit == Commit::After {
                self.advance(record)?;
            }
        }
        Ok(())
    }

    /// Moves the position behind a record, and commits where that is due.
    fn advance(&mut self, record: &PolledRecord) -> Result<(), SubjectError> {
        let member = self.client.context();
        member
            .uncommitted()
            .insert(record.partition.get(), record.offset.get() + 1);
        self.since_commit += 1;
        if self.since_commit >= self.role.commit_every_records.max(1) {
            member.reporter.check()?;
            member.commit(self.client);
            self.since_commit = 0;
        }
        Ok(())
    }

    /// Asks the coordinator whether the record's partition still is this
    /// member's, by committing the position before it.
    fn is_still_its_own(&self, record: &PolledRecord) -> bool {
        let member = self.client.context();
        loop {
            match member.fence(self.client, record) {
                Standing::Owner => return true,
                Standing::Lost => return false,
                Standing::Open if self.stop.asked() => return false,
                Standing::Open => thread::sleep(TURN),
            }
        }
    }
}

/// What the client calls back while it is polled, and what it has not yet
/// committed.
struct Member {
    reporter: Arc<Reporter>,
    topic: String,
    /// The next offset to read of each partition that has advanced.
    uncommitted: Mutex<BTreeMap<i32, i64>>,
    /// Partitions that were taken from it while it was taking records.
    revoked: Mutex<BTreeSet<PartitionIndex>>,
    /// Partitions of which the coordinator said that they are its own no more.
    lost: Mutex<BTreeSet<PartitionIndex>>,
    complaints: Complaints,
}

impl Member {
    fn process(&self, record: &PolledRecord) {
        self.reporter.say(ClientEvent::Processed {
            partition: record.partition,
            offset: record.offset,
            content: record.content,
        });
    }

    /// Commits what was processed since the last time, and waits for the
    /// answer. What was not accepted is tried again at the next commit.
    fn commit(&self, client: &BaseConsumer<Self>) {
        let positions = std::mem::take(&mut *self.uncommitted());
        if positions.is_empty() {
            return;
        }
        let answer = self.commit_positions(client, &positions);
        if result_of_commit(&answer) != CommitResult::Accepted {
            self.uncommitted().extend(positions);
        }
    }

    /// Commits the position before a record, and says what the answer means
    /// for the partition. Once it is lost, nothing of it is asked for again
    /// before it is given anew.
    fn fence(&self, client: &BaseConsumer<Self>, record: &PolledRecord) -> Standing {
        let partition = record.partition;
        if locked(&self.lost).contains(&partition) {
            return Standing::Lost;
        }
        let position = BTreeMap::from([(partition.get(), record.offset.get())]);
        let answer = self.commit_positions(client, &position);
        let standing = standing_after(&answer);
        match standing {
            // What was processed lies before the record.
            Standing::Owner => {
                self.uncommitted().remove(&partition.get());
            }
            Standing::Lost => {
                locked(&self.lost).insert(partition);
            }
            Standing::Open => {}
        }
        standing
    }

    /// Commits positions, waits for the answer, and reports it.
    fn commit_positions(
        &self,
        client: &BaseConsumer<Self>,
        positions: &BTreeMap<i32, i64>,
    ) -> Result<(), KafkaError> {
        let answer = self
            .list(positions)
            .and_then(|list| client.commit(&list, CommitMode::Sync));
        if let Err(error) = &answer {
            self.complaints.hear(&self.reporter, error, "commit");
        }
        self.report_commit(positions, &answer);
        answer
    }

    fn report_commit(&self, positions: &BTreeMap<i32, i64>, answer: &Result<(), KafkaError>) {
        let result = result_of_commit(answer);
        for (partition, offset) in positions {
            self.reporter.say(ClientEvent::Committed {
                partition: PartitionIndex::new(*partition),
                offset: Offset::new(*offset),
                result,
            });
        }
    }

    fn list(&self, positions: &BTreeMap<i32, i64>) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (partition, offset) in positions {
            list.add_partition_offset(&self.topic, *partition, NativeOffset::Offset(*offset))?;
        }
        Ok(list)
    }

    fn uncommitted(&self) -> MutexGuard<'_, BTreeMap<i32, i64>> {
        locked(&self.uncommitted)
    }

    fn revoked(&self) -> MutexGuard<'_, BTreeSet<PartitionIndex>> {
        locked(&self.revoked)
    }
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Member {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, text: &str) {
        log::line(facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.hear(&self.reporter, &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        complaints::tell_throttling(&self.reporter, &statistics);
    }
}

impl ConsumerContext for Member {
    /// Runs before the client takes note of the rebalance, so partitions are
    /// still its own while it commits them. The client then assigns or
    /// unassigns, incrementally where the group's protocol is cooperative.
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let given = partitions(list);
                locked(&self.lost).retain(|partition| !given.contains(partition));
                self.reporter
                    .say(ClientEvent::Assigned { partitions: given });
            }
            Rebalance::Revoke(list) => {
                self.commit(client);
                let revoked = partitions(list);
                self.uncommitted()
                    .retain(|partition, _| !revoked.contains(&PartitionIndex::new(*partition)));
                self.revoked().extend(revoked.iter().copied());
                self.reporter.say(ClientEvent::Revoked {
                    partitions: revoked,
                });
            }
            Rebalance::Error(error) => self.reporter.note(format!("rebalance: {error}")),
        }
    }

    /// What the client committed by itself. Called for no other commit: those
    /// are waited for where they are made.
    fn commit_callback(&self, answer: KafkaResult<()>, offsets: &TopicPartitionList) {
        let positions = offsets
            .elements()
            .iter()
            .filter_map(|element| match element.offset() {
                NativeOffset::Offset(offset) => Some((element.partition(), offset)),
                _ => None,
            })
            .collect();
        self.report_commit(&positions, &answer);
    }
}

pub(crate) fn partitions(list: &TopicPartitionList) -> Vec<PartitionIndex> {
    list.elements()
        .iter()
        .map(|element| PartitionIndex::new(element.partition()))
        .collect()
}
