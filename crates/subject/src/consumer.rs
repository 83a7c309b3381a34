//! The consumer: a member of a group that processes one record at a time,
//! commits what it has processed, and reports both. Writing the line of a
//! processed record *is* its processing. Knows nothing of other members.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use model::event::CommitResult;
use model::ids::{Offset, PartitionIndex};
use model::record;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};

use crate::SubjectError;
use crate::config::{self, RoleKind};
use crate::log;
use crate::outcome::result_of_commit;
use crate::pace::Throttle;
use crate::protocol::{ConsumerRole, Happening};
use crate::reporter::Reporter;
use crate::stop::Stop;

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
    process_until_stopped(role, stop, &client)?;
    client.context().commit(&client);
    // Leaves the group, and serves the last revocation on the way.
    drop(client);
    reporter.say(Happening::Ended);
    reporter.check()
}

/// The configuration of the role's client.
fn client_config(role: &ConsumerRole) -> Result<ClientConfig, SubjectError> {
    let mut config = config::client_config(RoleKind::Consumer, &role.config)?;
    config
        .set("bootstrap.servers", &role.bootstrap)
        .set("group.id", &role.group)
        // It commits by itself, after processing.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false");
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
    let member = client.context();
    let reporter = &member.reporter;
    let clock = reporter.clock();
    let mut throttle = Throttle::new(role.records_per_s);
    let mut since_commit = 0;
    let mut last_complaint = String::new();
    while !stop.asked() {
        reporter.check()?;
        // Waits before it takes a record, never with one in hand: a partition
        // that is revoked meanwhile is not processed any more.
        let wait_us = throttle.wait_us(clock.now());
        if wait_us > 0 {
            thread::sleep(TURN.min(Duration::from_micros(wait_us)));
            continue;
        }
        match client.poll(TURN) {
            None => {}
            Some(Ok(message)) => {
                throttle.took(clock.now());
                member.process(role, &message);
                since_commit += 1;
                if since_commit >= role.commit_every_records.max(1) {
                    reporter.check()?;
                    member.commit(client);
                    since_commit = 0;
                }
            }
            Some(Err(source @ KafkaError::MessageConsumptionFatal(_))) => {
                return Err(SubjectError::Client {
                    doing: "go on reading",
                    source,
                });
            }
            Some(Err(error)) => {
                // An outage repeats itself: one note for each new complaint.
                let complaint = error.to_string();
                if complaint != last_complaint {
                    reporter.note(complaint.clone());
                    last_complaint = complaint;
                }
            }
        }
    }
    Ok(())
}

/// What the client calls back while it is polled, and what it has not yet
/// committed.
struct Member {
    reporter: Arc<Reporter>,
    topic: String,
    /// The next offset to read of each partition that has advanced.
    uncommitted: Mutex<BTreeMap<i32, i64>>,
}

impl Member {
    fn process(&self, role: &ConsumerRole, message: &BorrowedMessage<'_>) {
        let value = message.payload().unwrap_or_default();
        self.reporter.say(Happening::Processed {
            partition: PartitionIndex::new(message.partition()),
            offset: Offset::new(message.offset()),
            content: record::decode(role.run, &self.topic, value),
        });
        self.uncommitted()
            .insert(message.partition(), message.offset() + 1);
    }

    /// Commits what was processed since the last time, and waits for the
    /// answer. What was not accepted is tried again at the next commit.
    fn commit(&self, client: &BaseConsumer<Self>) {
        let positions = std::mem::take(&mut *self.uncommitted());
        if positions.is_empty() {
            return;
        }
        let answer = self
            .list(&positions)
            .and_then(|list| client.commit(&list, CommitMode::Sync));
        let result = result_of_commit(&answer);
        if let Err(error) = answer {
            log::line("COMMIT", &error.to_string());
        }
        for (partition, offset) in &positions {
            self.reporter.say(Happening::Committed {
                partition: PartitionIndex::new(*partition),
                offset: Offset::new(*offset),
                result,
            });
        }
        if result != CommitResult::Accepted {
            self.uncommitted().extend(positions);
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
        self.uncommitted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Member {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, text: &str) {
        log::line(facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::line("ERROR", &format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Member {
    /// Runs before the client takes note of the rebalance, so partitions are
    /// still its own while it commits them. The client then assigns or
    /// unassigns, incrementally where the group's protocol is cooperative.
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.reporter.say(Happening::Assigned {
                partitions: partitions(list),
            }),
            Rebalance::Revoke(list) => {
                self.commit(client);
                let revoked = partitions(list);
                self.uncommitted()
                    .retain(|partition, _| !revoked.contains(&PartitionIndex::new(*partition)));
                self.reporter.say(Happening::Revoked {
                    partitions: revoked,
                });
            }
            Rebalance::Error(error) => self.reporter.note(format!("rebalance: {error}")),
        }
    }
}

pub(crate) fn partitions(list: &TopicPartitionList) -> Vec<PartitionIndex> {
    list.elements()
        .iter()
        .map(|element| PartitionIndex::new(element.partition()))
        .collect()
}
