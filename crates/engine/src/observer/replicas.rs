//! Several brokers: who leads and who is in sync while traffic runs, and what
//! each replica holds afterwards. Knows nothing of what replicas promise.

use std::collections::BTreeMap;
use std::time::Duration;

use model::event::{Body, Event};
use model::ids::{BrokerId, Micros, Offset, PartitionRef, TopicName};
use model::plan::ScenarioPlan;
use wire::{Batch, ClientOptions, PartitionMetadata, PinnedReader, ReadOptions, Topics};

use super::{NamedPartition, Observer};
use crate::connect::Direct;
use crate::error::EngineError;
use crate::progress::{ProgressEvent, Reporter};
use crate::recorder::HistoryRecorder;
use crate::wait::{Wait, Waiting, beat};

/// How often leaders and in-sync replicas are looked at during the run.
const REPLICA_INTERVAL: Duration = Duration::from_millis(50);
/// How long one broker is given to say who leads.
const QUICK: Duration = Duration::from_millis(500);

/// How long a replica that cannot be read is tried again.
const REPLICA_RETRY: Duration = Duration::from_secs(10);
const SETTLE_INTERVAL: Duration = Duration::from_millis(50);

impl Observer {
    /// Reads what every replica that is alive holds below its high watermark,
    /// where partitions have more than one. Replicas that are out of sync are
    /// given a while to come back first.
    ///
    /// One that could not be read to that end is left without its closing
    /// event, and nothing is said of it.
    pub(crate) async fn read_replicas(
        &mut self,
        plan: &ScenarioPlan,
        progress: &Reporter,
    ) -> Result<(), EngineError> {
        if !has_followers(plan) {
            return Ok(());
        }
        // Followers hear of the last high watermark, and replicas are in sync
        // again: one time for all of them.
        let waiting = self.recorder.waits().begin(Wait::Replicas, "");
        self.cluster.set_retry_for(REPLICA_RETRY);
        let ends = self.ends().await?;
        for place in self.places() {
            self.recorder.step();
            let Some(state) = self.settled(&place, &waiting).await? else {
                continue;
            };
            if state.replicas.len() == 1 {
                continue;
            }
            for replica in &state.isr {
                if let Err(error) = self.read_replica(&place, *replica, &waiting).await {
                    let end = ends.get(&place.number).copied().unwrap_or_default();
                    self.note_unread(place.number, *replica, end);
                    progress.send(ProgressEvent::NotRead {
                        item: format!("broker {replica}'s replica of {}", place.name),
                        reason: error.with_causes(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Notes that a replica was to be read as far as the leader's log goes, and
    /// no closing event follows: the user's brokers may not let followers
    /// be read. A pin that stands already is not weakened by it.
    fn note_unread(&self, partition: PartitionRef, replica: wire::BrokerId, end: Offset) {
        self.recorder.note(Body::ReplicaPinned {
            partition,
            broker: BrokerId::new(replica.get()),
            log_start: Offset::new(0),
            end,
        });
    }

    /// The partition's state as soon as all replicas whose brokers are alive
    /// are in sync, or when the time is up.
    async fn settled(
        &mut self,
        place: &NamedPartition,
        waiting: &Waiting,
    ) -> Result<Option<PartitionMetadata>, EngineError> {
        let names = [place.name.topic.clone()];
        loop {
            let metadata = self.cluster.metadata(Topics::Named(&names)).await?;
            let alive: Vec<wire::BrokerId> = metadata.brokers.iter().map(|it| it.id).collect();
            let state = metadata
                .topics
                .into_iter()
                .flat_map(|topic| topic.partitions.unwrap_or_default())
                .find(|state| state.partition == place.name.partition);
            let whole = state.as_ref().is_some_and(|state| {
                let mut back = state.replicas.iter().filter(|id| alive.contains(id));
                back.all(|id| state.isr.contains(id))
            });
            if whole || !waiting.pause(SETTLE_INTERVAL).await {
                return Ok(state);
            }
        }
    }

    async fn read_replica(
        &mut self,
        place: &NamedPartition,
        replica: wire::BrokerId,
        waiting: &Waiting,
    ) -> Result<(), EngineError> {
        let ends = loop {
            let ends = self.cluster.replica_ends(replica, &place.name).await?;
            // A follower hears of the high watermark with its next fetch.
            let caught_up = ends.high_watermark >= ends.log_end;
            if caught_up || !waiting.pause(SETTLE_INTERVAL).await {
                break ends;
            }
        };
        let broker = BrokerId::new(replica.get());
        self.recorder.note(Body::ReplicaPinned {
            partition: place.number,
            broker,
            log_start: ends.log_start,
            end: ends.high_watermark,
        });
        let options = ReadOptions::default();
        let mut reader = PinnedReader::of_replica(place.name.clone(), replica, ends, options);
        let topic = place.name.topic.clone();
        while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
            if batch.control {
                continue;
            }
            let at = self.recorder.clock().now();
            let events = self.replica_stored(at, place.number, broker, topic.as_str(), &batch);
            self.recorder.record_all(events);
        }
        self.recorder.note(Body::ReplicaRead {
            partition: place.number,
            broker,
        });
        Ok(())
    }

    fn replica_stored<'b>(
        &'b self,
        at: Micros,
        partition: PartitionRef,
        broker: BrokerId,
        topic: &'b str,
        batch: &'b Batch,
    ) -> impl Iterator<Item = Event> + 'b {
        batch.records.iter().map(move |found| Event {
            at,
            body: Body::ReplicaStored {
                partition,
                broker,
                offset: found.offset,
                content: self.content_of(topic, found),
            },
        })
    }
}

/// Whether any partition has more than one replica.
pub(crate) fn has_followers(plan: &ScenarioPlan) -> bool {
    let mut topics = plan.scenario.topics.iter();
    topics.any(|topic| topic.replication_factor > 1)
}

/// Follows who leads each partition and who is in sync until dropped, and
/// writes down every change. What it does not hear of is not written down: it
/// is evidence about faults and never about delivery.
pub(crate) async fn follow_replicas(to: &Direct, plan: &ScenarioPlan, recorder: &HistoryRecorder) {
    let topics = plan.topics();
    let names: Vec<TopicName> = topics
        .iter()
        .map(|topic| TopicName::new(topic.name.as_str()))
        .collect();
    let mut seen: BTreeMap<PartitionRef, Body> = BTreeMap::new();
    let mut ticks = beat(REPLICA_INTERVAL);
    let mut asked = 0usize;
    let mut connection: Option<wire::Connection> = None;
    loop {
        ticks.tick().await;
        // Any broker knows; one that is dead or frozen makes room for the next.
        let asking = if let Some(open) = connection.take() {
            Ok(open)
        } else {
            asked += 1;
            let Some(address) = to.servers.get(asked % to.servers.len().max(1)) else {
                return;
            };
            wire::Connection::connect(address, quick(to)).await
        };
        let Ok(mut asking) = asking else { continue };
        let Ok(metadata) = asking.metadata(Topics::Named(&names)).await else {
            continue;
        };
        connection = Some(asking);
        for topic in metadata.topics {
            let Some(ix) = topics
                .iter()
                .find(|known| known.name == topic.topic.as_str())
                .map(|known| known.ix)
            else {
                continue;
            };
            for state in topic.partitions.unwrap_or_default() {
                let partition = PartitionRef {
                    topic: ix,
                    partition: state.partition,
                };
                let body = partition_state(partition, &state);
                if seen.get(&partition) != Some(&body) {
                    recorder.note(body.clone());
                    seen.insert(partition, body);
                }
            }
        }
    }
}

fn partition_state(partition: PartitionRef, state: &PartitionMetadata) -> Body {
    let number = |id: &wire::BrokerId| BrokerId::new(id.get());
    let mut in_sync: Vec<BrokerId> = state.isr.iter().map(number).collect();
    in_sync.sort_unstable();
    Body::PartitionState {
        partition,
        leader: state.leader.as_ref().map(number),
        leader_epoch: state.leader_epoch.unwrap_or(-1),
        in_sync,
    }
}

/// For one who would rather ask another broker than wait.
fn quick(to: &Direct) -> ClientOptions {
    ClientOptions {
        request_timeout: QUICK,
        connect_timeout: QUICK,
        ..to.client()
    }
}
