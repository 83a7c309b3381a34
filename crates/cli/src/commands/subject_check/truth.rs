//! What the brokers have, read through a client that is none of the subject's.
//! Knows nothing of what the subject says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::ids::{GroupId, Offset, PartitionIndex, TopicName, TopicPartition};
use tokio::runtime::Handle;
use wire::{
    Cluster, ClusterOptions, ControlMarker, Isolation, NewTopic, OffsetSpec, PinnedReader,
    ReadOptions, Topics,
};

use crate::failure::Failure;

/// A record in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// What became of its transaction.
    pub(super) transaction: Transaction,
}

/// What became of a record's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    /// There was none.
    None,
    Open,
    Committed,
    Aborted,
}

impl Stored {
    pub(super) fn is_committed(&self) -> bool {
        matches!(self.transaction, Transaction::None | Transaction::Committed)
    }
}

/// A topic's records by partition and offset.
pub(super) type Log = BTreeMap<(i32, i64), Stored>;

/// The cluster.
pub(super) struct Truth {
    handle: Handle,
    cluster: Cluster,
    pub(super) bootstrap: String,
    /// What topics and groups of this check begin with.
    prefix: String,
    topics: Vec<TopicName>,
}

/// A call that failed ends the check: it says nothing of the subject.
fn broken(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::environment(error)
}

impl Truth {
    pub(super) fn connect(handle: Handle, bootstrap: String) -> Result<Self, Failure> {
        let cluster = handle
            .block_on(Cluster::connect(
                [bootstrap.clone()],
                ClusterOptions::default(),
            ))
            .map_err(|error| broken(&error))?;
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Ok(Self {
            handle,
            cluster,
            bootstrap,
            prefix: format!("ackproof-check-{:x}", since.as_micros()),
            topics: Vec::new(),
        })
    }

    /// A name of this check's own.
    pub(super) fn name(&self, of: &str) -> String {
        format!("{}-{of}", self.prefix)
    }

    /// Makes a topic of this check's own.
    pub(super) fn topic(
        &mut self,
        of: &str,
        partitions: u16,
        config: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let name = self.name(of);
        let topic = TopicName::new(name.clone());
        let new = NewTopic {
            topic: topic.clone(),
            partitions,
            replication_factor: 1,
            config: config
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let made = async {
            for (_, outcome) in self.cluster.create_topics(&[new]).await? {
                outcome.map_err(|refusal| NotMade { refusal })?;
            }
            self.cluster.await_topic(&topic).await?;
            Ok::<(), Box<dyn std::error::Error>>(())
        };
        self.handle
            .block_on(made)
            .map_err(|error| broken(&Reasons(error.to_string())))?;
        self.topics.push(topic);
        Ok(name)
    }

    /// All records of a topic.
    pub(super) fn log(&mut self, topic: &str, partitions: i32) -> Result<Log, Failure> {
        let handle = self.handle.clone();
        let read = async {
            let mut log = Log::new();
            for partition in 0..partitions {
                self.read(topic, partition, &mut log).await?;
            }
            Ok::<Log, Box<dyn std::error::Error>>(log)
        };
        handle
            .block_on(read)
            .map_err(|error| broken(&Reasons(error.to_string())))
    }

    async fn read(
        &mut self,
        topic: &str,
        partition: i32,
        log: &mut Log,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let place = TopicPartition {
            topic: TopicName::new(topic),
            partition: PartitionIndex::new(partition),
        };
        let spec = OffsetSpec::Latest(Isolation::ReadUncommitted);
        let ends = self
            .cluster
            .list_offsets(std::slice::from_ref(&place), spec)
            .await?;
        let end = ends.get(&place).copied().unwrap_or(Offset::new(0));
        let options = ReadOptions::default();
        let mut reader = PinnedReader::new(place, Offset::new(0), end, options);
        // By producer: the records of its open transaction.
        let mut open: BTreeMap<i64, BTreeSet<(i32, i64)>> = BTreeMap::new();
        while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
            let producer = batch.producer.as_ref().map_or(-1, |it| it.id);
            if let Some(marker) = batch.control_marker() {
                let records = open.remove(&producer).unwrap_or_default();
                let end = if marker == ControlMarker::Commit {
                    Transaction::Committed
                } else {
                    Transaction::Aborted
                };
                for place in records {
                    if let Some(stored) = log.get_mut(&place) {
                        stored.transaction = end;
                    }
                }
                continue;
            }
            for record in &batch.records {
                let place = (partition, record.offset.get());
                if batch.transactional {
                    open.entry(producer).or_default().insert(place);
                }
                log.insert(
                    place,
                    Stored {
                        key: record.key.as_ref().map(|it| it.to_vec()),
                        value: record.value.as_ref().map(|it| it.to_vec()),
                        headers: record
                            .headers
                            .iter()
                            .map(|it| (it.key.to_vec(), it.value.as_ref().map(|it| it.to_vec())))
                            .collect(),
                        transaction: if batch.transactional {
                            Transaction::Open
                        } else {
                            Transaction::None
                        },
                    },
                );
            }
        }
        Ok(())
    }

    /// Whether there is such a topic.
    pub(super) fn exists(&mut self, topic: &str) -> Result<bool, Failure> {
        let names = [TopicName::new(topic)];
        let asked = self.cluster.metadata(Topics::Named(&names));
        let metadata = self
            .handle
            .block_on(asked)
            .map_err(|error| broken(&error))?;
        Ok(metadata.topics.iter().any(|it| it.partitions.is_ok()))
    }

    /// What a group has committed, by partition.
    pub(super) fn committed(&mut self, group: &str) -> Result<BTreeMap<i32, i64>, Failure> {
        let group = GroupId::new(group);
        let committed = self
            .handle
            .block_on(self.cluster.offset_fetch(&group))
            .map_err(|error| broken(&error))?;
        let place = |(place, offset): (TopicPartition, wire::CommittedOffset)| {
            (place.partition.get(), offset.next.get())
        };
        Ok(committed.into_iter().map(place).collect())
    }

    /// Deletes what this check made.
    pub(super) fn clean_up(mut self) {
        self.cluster.set_retry_for(Duration::from_secs(5));
        // A cluster of the check's own goes with all that is in it.
        let _ = self
            .handle
            .block_on(self.cluster.delete_topics(&self.topics));
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a topic cannot be created: {refusal}")]
struct NotMade {
    refusal: wire::Refusal,
}

/// An error of several kinds.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reasons(String);
