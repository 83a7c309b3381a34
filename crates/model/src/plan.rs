//! From scenario and seed to plan: everything that is going to happen, before
//! anything does. Knows nothing of how it is carried out; the executor decides
//! nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::claim::{Contract, FaultContract, GroupContract, QuotaContract, Traffic};
use crate::ids::{FaultIx, GroupIx, PartitionIndex, ProducerIx, RunId, Sequence, TableIx, TopicIx};
use crate::scenario::{
    Config, Fault, FaultParameters, FaultTarget, GroupStart, Scenario, TABLES, Trigger,
};

mod alerts;
mod circumstances;
mod cluster;
mod own;
mod topic_shape;

pub use alerts::AlertWatch;
pub use circumstances::{Circumstances, Machine, Timing};
pub use cluster::{PlannedCluster, SkippedScenario};
pub use own::{BadMark, NameMark, NotOwn, OwnNames, OwnPrefix};
pub use topic_shape::TopicShape;

/// The value of `schema` in a `plan.json` of this version.
pub const SCHEMA: &str = "ackproof.plan/1";

/// The `client.id` of a built-in client where the scenario sets none:
/// librdkafka's.
const CLIENT_ID: &str = "rdkafka";

/// The plan of a whole run: `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run's identity.
    pub run: RunId,
    /// The random seed; the same seed gives the same plan.
    pub seed: u64,
    /// The versions of everything that takes part, by name.
    pub versions: BTreeMap<String, String>,
    /// The user's cluster that it runs on, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<PlannedCluster>,
    /// The scenarios that were asked for and cannot run there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedScenario>,
    /// When, where and how it is carried out, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circumstances: Option<Circumstances>,
    /// One entry for each scenario and repetition.
    pub scenarios: Vec<ScenarioPlan>,
}

/// The plan of one scenario, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioPlan {
    /// The scenario it was made from, with each fault as often as it is
    /// repeated.
    pub scenario: Scenario,
    /// Which repetition, from 1.
    pub repetition: u32,
    /// This scenario's own seed.
    pub seed: u64,
    /// The identity that its records carry: different in every scenario and
    /// repetition of a run.
    pub record_run_id: RunId,
    /// The prefix of its names on a user's cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<OwnPrefix>,
    /// For each fault, how long after its trigger it is injected, in milliseconds: its own
    /// delay and the jitter drawn from the seed.
    pub fault_delays_ms: Vec<u64>,
    /// The file that the scenario was read from, as the user named it; none
    /// where it is built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How alerts are watched, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertWatch>,
    /// When it was carried out, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// A topic of the plan, with the number that the history gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTopic {
    /// Its number.
    pub ix: TopicIx,
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
}

/// A group of the plan, with the number that the history gives it. Those that
/// write come behind those that only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedGroup<'p> {
    /// Its number.
    pub ix: GroupIx,
    /// Its `group.id`.
    pub name: &'p str,
    /// The topic it reads.
    pub topic: &'p str,
    /// Records a member processes at most before it commits.
    pub commit_every_records: u64,
}

impl RunPlan {
    /// Plans `repeat` runs of each scenario.
    pub fn new(
        run: RunId,
        seed: u64,
        versions: BTreeMap<String, String>,
        scenarios: &[Scenario],
        repeat: u32,
    ) -> Self {
        let scenarios = (1..=repeat)
            .flat_map(|repetition| {
                scenarios
                    .iter()
                    .map(move |scenario| ScenarioPlan::new(scenario.clone(), seed, run, repetition))
            })
            .collect();
        Self {
            schema: SCHEMA.to_owned(),
            run,
            seed,
            versions,
            cluster: None,
            skipped: Vec::new(),
            circumstances: None,
            scenarios,
        }
    }
}

impl ScenarioPlan {
    /// Plans one scenario.
    pub fn new(mut scenario: Scenario, seed: u64, run: RunId, repetition: u32) -> Self {
        scenario.faults = unrolled(&scenario.faults);
        let own = scenario
            .name
            .bytes()
            .fold(mix(seed ^ u64::from(repetition)), |state, byte| {
                mix(state ^ u64::from(byte))
            });
        let fault_delays_ms = scenario
            .faults
            .iter()
            .zip(1u64..)
            .map(|(fault, number)| {
                let drawn_ms = match fault.jitter_ms {
                    0 => 0,
                    jitter_ms => mix(own ^ number) % (jitter_ms + 1),
                };
                fault.delay_ms + drawn_ms
            })
            .collect();
        Self {
            record_run_id: RunId::new(mix(run.get() ^ own)),
            seed: own,
            repetition,
            prefix: None,
            file: None,
            alerts: None,
            timing: None,
            fault_delays_ms,
            scenario,
        }
    }

    /// The name of the folder that holds this scenario's evidence.
    pub fn folder(&self) -> String {
        match self.repetition {
            1 => self.scenario.name.clone(),
            more => format!("{}.{more}", self.scenario.name),
        }
    }

    /// All topics, those of the change events included (one partition each),
    /// in the order of their numbers.
    pub fn topics(&self) -> Vec<PlannedTopic> {
        let captured = self.scenario.change_topics().map(|name| (name, 1));
        self.scenario
            .topics
            .iter()
            .map(|topic| (topic.name.clone(), topic.partitions))
            .chain(captured)
            .zip(0u16..)
            .map(|((name, partitions), ix)| PlannedTopic {
                ix: TopicIx::new(ix),
                name,
                partitions,
            })
            .collect()
    }

    /// The number of the topic of that name.
    pub fn topic_ix(&self, name: &str) -> Option<TopicIx> {
        self.topics()
            .into_iter()
            .find(|topic| topic.name == name)
            .map(|topic| topic.ix)
    }

    /// The tables with their numbers, and the topics of their events.
    pub fn tables(&self) -> Vec<(TableIx, &'static str, TopicIx)> {
        let first = self.scenario.topics.len();
        if self.scenario.capture.is_none() {
            return Vec::new();
        }
        TABLES
            .iter()
            .zip(0u16..)
            .filter_map(|(table, ix)| {
                let topic = u16::try_from(first).ok()?.checked_add(ix)?;
                Some((TableIx::new(ix), *table, TopicIx::new(topic)))
            })
            .collect()
    }

    /// All groups, those that write included, in the order of their numbers.
    pub fn groups(&self) -> impl Iterator<Item = PlannedGroup<'_>> {
        let read = self.scenario.groups.iter();
        let read = read.map(|of| (&of.name, &of.topic, of.commit_every_records));
        let write = self.scenario.transforms.iter();
        let write = write.map(|of| (&of.name, &of.from, of.commit_every_records));
        let numbered = read.chain(write).zip(0u16..);
        numbered.map(|((name, topic, commit_every_records), ix)| PlannedGroup {
            ix: GroupIx::new(ix),
            name,
            topic,
            commit_every_records,
        })
    }

    /// The number of the group of that name.
    pub fn group_ix(&self, name: &str) -> Option<GroupIx> {
        let mut groups = self.groups();
        groups.find(|group| group.name == name).map(|of| of.ix)
    }

    /// The contract for the judge.
    pub fn contract(&self) -> Contract {
        Contract {
            guarantees: self.scenario.guarantees.clone(),
            must_happen: self.scenario.occurrences(),
            faults: self
                .scenario
                .faults
                .iter()
                .zip(0u16..)
                .map(|(fault, ix)| FaultContract {
                    fault: FaultIx::new(ix),
                    kind: fault.kind.name().to_owned(),
                    meets: match fault.kind.parameters().member() {
                        Some((group, _)) => Traffic::Reads {
                            group: group.to_owned(),
                        },
                        None if fault.kind.definition().breaks == FaultTarget::Connector => {
                            Traffic::Changes
                        }
                        None => Traffic::Any,
                    },
                })
                .collect(),
            groups: self
                .groups()
                .map(|group| GroupContract {
                    name: group.name.to_owned(),
                    commit_every_records: group.commit_every_records,
                })
                .collect(),
            quotas: self.quotas(),
            alert: self.alert(),
        }
    }

    /// The quotas one by one, with the clients that they are for.
    fn quotas(&self) -> Vec<QuotaContract> {
        let scenario = &self.scenario;
        let mut quotas = Vec::new();
        for quota in &scenario.quotas {
            let is_for = |config: &Config, member: Option<u32>| {
                let own = config.get("client.id").map_or(CLIENT_ID, String::as_str);
                let own = member.map_or_else(
                    || own.to_owned(),
                    |member| own.replace("{member}", &member.to_string()),
                );
                quota.client_id.as_ref().is_none_or(|id| *id == own)
            };
            for (key, value) in &quota.config {
                let mut clients = Vec::new();
                if key != "consumer_byte_rate" {
                    let producers = scenario.producers.iter().zip(0..);
                    let producers = producers.filter(|(it, _)| is_for(&it.config, None));
                    clients.extend(producers.map(|(_, number): (_, u32)| format!("p{number}")));
                }
                let any = |config: &Config, members: u32| {
                    (1..=members).any(|member| is_for(config, Some(member)))
                };
                if key != "producer_byte_rate" {
                    let groups = scenario.groups.iter();
                    let groups = groups.filter(|it| any(&it.config, it.members));
                    clients.extend(groups.map(|it| it.name.clone()));
                }
                let transforms = scenario.transforms.iter().filter(|it| {
                    (key != "producer_byte_rate" && any(&it.config, it.members))
                        || (key != "consumer_byte_rate" && any(&it.producer_config, it.members))
                });
                clients.extend(transforms.map(|it| it.name.clone()));
                quotas.push(QuotaContract {
                    what: format!("{key} {value} of {}", quota.entity()),
                    clients,
                });
            }
        }
        quotas
    }

    /// How long the plan takes from its configured rates and pauses, in milliseconds: the
    /// least that any implementation needs. Work without a rate counts as nothing.
    pub fn schedule_ms(&self) -> u64 {
        let scenario = &self.scenario;
        let at_pace = |count: u64, per_s: u64| (count * 1000).checked_div(per_s).unwrap_or(0);
        let sending_ms = scenario
            .producers
            .iter()
            .map(|p| {
                let start_ms = p.start_ms.unwrap_or(0);
                start_ms.saturating_add(p.pace().lasts_ms(p.records))
            })
            .max()
            .unwrap_or(0);
        let sending_per_s: u64 = scenario
            .producers
            .iter()
            .map(|p| u64::from(p.records_per_s))
            .sum();
        let writing_ms: u64 = scenario
            .writes
            .iter()
            .map(|write| at_pace(write.rows, u64::from(write.rows_per_s)))
            .sum();
        let read = scenario.groups.iter();
        let read = read.map(|of| (&of.name, of.records_per_s, of.members, of.start));
        let write = scenario.transforms.iter();
        let early = GroupStart::BeforeProducers;
        let write = write.map(|of| (&of.name, of.records_per_s, of.members, early));
        let reading_ms = read
            .chain(write)
            .map(|(name, records_per_s, members, start)| {
                let pace = u64::from(records_per_s) * u64::from(members);
                let faults = scenario.faults.iter().map(|it| it.kind.parameters());
                let own = faults.filter(|it| it.member().is_some_and(|(group, _)| group == name));
                let down_ms: u64 = own.map(FaultParameters::down_ms).sum();
                let own_ms = at_pace(scenario.to_read(name), pace) + down_ms;
                match start {
                    GroupStart::BeforeProducers => own_ms,
                    GroupStart::AfterProducers => sending_ms + own_ms,
                }
            })
            .max()
            .unwrap_or(0);
        let mut ends_ms: Vec<u64> = Vec::new();
        for (fault, delay_ms) in scenario.faults.iter().zip(&self.fault_delays_ms) {
            let start_ms = match fault.after {
                Trigger::Acknowledged(count) => at_pace(count, sending_per_s),
                Trigger::ElapsedMs(ms) => ms,
                Trigger::Healed(of) => {
                    let before = usize::from(of).checked_sub(1);
                    before.and_then(|at| ends_ms.get(at)).copied().unwrap_or(0)
                }
                _ => 0,
            };
            // While its member is down, its group's time goes on.
            let parameters = fault.kind.parameters();
            let lasts_ms = parameters.lasts_ms().unwrap_or(0) - parameters.down_ms();
            ends_ms.push(start_ms + delay_ms + lasts_ms);
        }
        let breaking_ms = ends_ms.into_iter().max().unwrap_or(0);
        [sending_ms, writing_ms, reading_ms, breaking_ms]
            .into_iter()
            .max()
            .unwrap_or(0)
    }
}

/// Each fault as often as it is repeated, one after the other; triggers that
/// name a fault name its last time from here on.
fn unrolled(faults: &[Fault]) -> Vec<Fault> {
    let mut all: Vec<Fault> = Vec::new();
    // For each fault of the file, the number of its first and its last time.
    let mut numbers: Vec<(u16, u16)> = Vec::new();
    for fault in faults {
        let mut fault = fault.clone();
        let number = |of: u16| numbers.get(usize::from(of).checked_sub(1)?).copied();
        match &mut fault.after {
            Trigger::Healed(of) => *of = number(*of).map_or(*of, |(_, last)| last),
            Trigger::Injected(of) => *of = number(*of).map_or(*of, |(first, _)| first),
            _ => {}
        }
        let first = u16::try_from(all.len() + 1).unwrap_or(u16::MAX);
        all.extend(fault.unrolled(first));
        let last = u16::try_from(all.len()).unwrap_or(u16::MAX);
        numbers.push((first, last));
    }
    all
}

/// The partition of a record: each round of as many records as there are
/// partitions visits every partition once, beginning at one drawn from the
/// seed.
pub fn partition_for(
    seed: u64,
    producer: ProducerIx,
    sequence: Sequence,
    partitions: i32,
) -> PartitionIndex {
    let count = u64::from(partitions.unsigned_abs()).max(1);
    let round = sequence.get() / count;
    let start = mix(seed ^ mix(round) ^ (u64::from(producer.get()) << 40));
    let partition = (start % count + sequence.get() % count) % count;
    PartitionIndex::new(i32::try_from(partition).unwrap_or(0))
}

/// The first record with the key of this one, where a producer has so many keys
/// in turn; the record itself where each has a key of its own.
pub fn key_turn(sequence: Sequence, keys: Option<u64>) -> Sequence {
    match keys {
        Some(keys) => Sequence::new(sequence.get() % keys.max(1)),
        None => sequence,
    }
}

/// Which of a producer's topics a record goes to: to each in turn, and all
/// records of one key to one. Takes the [`key_turn`] of the record; `None`
/// without topics.
pub fn topic_for<T>(topics: &[T], turn: Sequence) -> Option<&T> {
    let count = u64::try_from(topics.len()).ok()?;
    let at = turn.get().checked_rem(count)?;
    topics.get(usize::try_from(at).ok()?)
}

/// The finalizer of `SplitMix64`: near numbers give unrelated ones.
/// (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.)
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
