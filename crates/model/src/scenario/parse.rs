//! The form of a scenario file, and what can be wrong with one: unknown keys,
//! wrong types, values that cannot be. Every error names file, line and the
//! text in question.

use std::ops::Range;

use secret::{Secrets, masked};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    BrokerPick, Capture, Commit, Config, EndSignal, FaultKind, Fence, Group, Happening, KEYS_MAX,
    Keeper, Link, Offsets, Producer, QUOTA_KEYS, Quota, Scenario, TABLES, Takeover, Topic,
    Topology, Transform, Trigger, Write, WriteHow, WriteStart, drain_limit_ms_default,
};
use crate::claim::{Claim, Guarantee};
use crate::record::OVERHEAD_BYTES_MAX;

mod fault;

use fault::RawFault;

/// What a member has in hand it must have processed within this time, so that
/// it can be asked to stop.
const IN_HAND_S_MAX: u64 = 10;

/// What is wrong with a scenario file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}\n{snippet}")]
pub struct ScenarioError {
    /// The file, as the user named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The line in question with a marker under the place.
    pub snippet: String,
}

/// Reads a scenario. `file` is only used to say where an error is.
pub fn parse(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    read(file, text).map_err(|error| ScenarioError {
        // The parser quotes what it does not understand.
        message: Secrets::in_text(text).scrub(&error.message).into_owned(),
        ..error
    })
}

fn read(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let raw: Raw = toml::from_str(text).map_err(|error| {
        let mut span = error.span().unwrap_or(0..0);
        let mut message = error.message().to_owned();
        if let Some(unknown) = quoted_after(&message, "unknown field `")
            .or_else(|| quoted_after(&message, "unknown variant `"))
        {
            let unknown = unknown.to_owned();
            let known = quoted_list(&message, unknown.len());
            if let Some(found) = find_word(text, &span, &unknown) {
                span = found;
            }
            if let Some(near) = nearest(&unknown, known.iter().map(String::as_str)) {
                message = format!("{message}; did you mean `{near}`?");
            }
        }
        located(file, text, &span, message)
    })?;
    let scenario = raw
        .into_scenario()
        .map_err(|(span, message)| located(file, text, &span, message))?;
    validate(&scenario).map_err(|problem| {
        let span = span_of(text, &problem.path).unwrap_or(0..0);
        located(file, text, &span, problem.message)
    })?;
    Ok(scenario)
}

/// The candidate nearest to `word`, if one is near enough to be meant.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    near(word, candidates).into_iter().next()
}

/// Those of the candidates that may have been meant, the nearest first.
pub fn near<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().max(3) / 3)
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    title: String,
    #[serde(default = "own_suite")]
    suite: String,
    #[serde(default)]
    criterion: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    expected: String,
    #[serde(default)]
    topology: Topology,
    #[serde(default, rename = "topic")]
    topics: Vec<Topic>,
    #[serde(default, rename = "producer")]
    producers: Vec<Producer>,
    #[serde(default, rename = "group")]
    groups: Vec<Group>,
    #[serde(default, rename = "transform")]
    transforms: Vec<Transform>,
    #[serde(default)]
    capture: Option<Capture>,
    #[serde(default, rename = "write")]
    writes: Vec<Write>,
    #[serde(default, rename = "quota")]
    quotas: Vec<Quota>,
    #[serde(default, rename = "fault")]
    faults: Vec<Spanned<RawFault>>,
    #[serde(default, rename = "guarantee")]
    guarantees: Vec<Guarantee>,
    #[serde(default)]
    must_happen: Option<Vec<Happening>>,
    #[serde(default = "drain_limit_ms_default")]
    drain_limit_ms: u64,
}

fn own_suite() -> String {
    "own".to_owned()
}

type Misfit = (Range<usize>, String);

impl Raw {
    fn into_scenario(self) -> Result<Scenario, Misfit> {
        let faults = self
            .faults
            .into_iter()
            .map(|fault| {
                let span = fault.span();
                fault.into_inner().into_fault(span)
            })
            .collect::<Result<_, _>>()?;
        Ok(Scenario {
            name: self.name,
            title: self.title,
            suite: self.suite,
            criterion: self.criterion,
            why: self.why,
            expected: self.expected,
            topology: self.topology,
            topics: self.topics,
            producers: self.producers,
            groups: self.groups,
            transforms: self.transforms,
            capture: self.capture,
            writes: self.writes,
            quotas: self.quotas,
            faults,
            guarantees: self.guarantees,
            must_happen: self.must_happen,
            drain_limit_ms: self.drain_limit_ms,
        })
    }
}

struct Problem {
    path: Vec<Step>,
    message: String,
}

#[derive(Clone, Copy)]
enum Step {
    Key(&'static str),
    Index(usize),
}

/// Fails with the first thing that cannot be.
fn validate(scenario: &Scenario) -> Result<(), Problem> {
    use Step::{Index, Key};
    let fail = |path: &[Step], message: String| {
        Err(Problem {
            path: path.to_vec(),
            message,
        })
    };
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !plain(&scenario.name) {
        let message = format!(
            "`{}` is no scenario's name: it has only letters, digits, `.`, `_` and `-`, and does \
             not begin with `.`",
            scenario.name
        );
        return fail(&[Key("name")], message);
    }
    let brokers = scenario.topology.brokers;
    if !(1..=3).contains(&brokers) {
        let message = format!("the embedded stack has 1 to 3 brokers, not {brokers}");
        return fail(&[Key("topology"), Key("brokers")], message);
    }
    for (at, topic) in scenario.topics.iter().enumerate() {
        let here = |key| [Key("topic"), Index(at), Key(key)];
        if !plain(&topic.name) || topic.name.len() > 200 {
            return fail(
                &here("name"),
                "a topic's name has 1 to 200 letters, digits, `.`, `_` or `-`".to_owned(),
            );
        }
        if scenario
            .topics
            .iter()
            .take(at)
            .any(|other| other.name == topic.name)
        {
            return fail(
                &here("name"),
                format!("topic `{}` is here twice", topic.name),
            );
        }
        if let Some(keeper) = scenario.keeper_of(&topic.name) {
            let message = format!(
                "`{}` is {keeper}: leave this [[topic]] out; faults name it as it is, and no \
                 claim covers it",
                topic.name
            );
            return fail(&here("name"), message);
        }
        if let Some(table) = scenario.table_of(&topic.name) {
            let message = format!(
                "`{}` carries the changes of table {table}, and is made for the [capture]: leave \
                 this [[topic]] out",
                topic.name
            );
            return fail(&here("name"), message);
        }
        if !(1..=1000).contains(&topic.partitions) {
            let message = format!("a topic has 1 to 1000 partitions, not {}", topic.partitions);
            return fail(&here("partitions"), message);
        }
        if !(1..=i16::from(brokers)).contains(&topic.replication_factor) {
            let message = format!(
                "{brokers} broker(s) cannot hold {} replicas",
                topic.replication_factor
            );
            return fail(&here("replication_factor"), message);
        }
    }
    let topic_known = |name: &str| scenario.partitions_of(name).is_some();
    let unknown_topic = |name: &str| {
        if let Some(keeper) = scenario.keeper_of(name) {
            return format!("`{name}` is {keeper}: only faults of brokers and disks name it");
        }
        let known = scenario.topics.iter().map(|topic| topic.name.clone());
        let known: Vec<String> = known.chain(scenario.change_topics()).collect();
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("there is no topic `{name}`; did you mean `{near}`?"),
            None if name.contains(".public.") && scenario.capture.is_some() => {
                let change_topics: Vec<String> = scenario.change_topics().collect();
                format!(
                    "there is no topic `{name}`: the topics of the [capture] are {}",
                    change_topics.join(", ")
                )
            }
            None => format!("there is no topic `{name}`: add a [[topic]] of that name"),
        }
    };
    let not_written = |name: &str| {
        let table = scenario.table_of(name)?;
        Some(format!(
            "`{name}` carries the changes of table {table}: only the connector writes to it"
        ))
    };
    for (at, producer) in scenario.producers.iter().enumerate() {
        let here = |key| [Key("producer"), Index(at), Key(key)];
        if !topic_known(&producer.topic) {
            return fail(&here("topic"), unknown_topic(&producer.topic));
        }
        if let Some(message) = not_written(&producer.topic) {
            return fail(&here("topic"), message);
        }
        if producer.records == 0 || producer.records > 1_000_000_000 {
            return fail(&here("records"), "1 to 1,000,000,000 records".to_owned());
        }
        if producer.records_per_s == 0 {
            return fail(
                &here("records_per_s"),
                "at least 1 record a second".to_owned(),
            );
        }
        let least = OVERHEAD_BYTES_MAX + producer.topic.len();
        if (producer.record_bytes as usize) < least || producer.record_bytes > 900_000 {
            let message = format!(
                "a record that carries its identity has {least} to 900000 bytes here, not {}",
                producer.record_bytes
            );
            return fail(&here("record_bytes"), message);
        }
        if producer
            .keys
            .is_some_and(|keys| !(1..=KEYS_MAX).contains(&keys))
        {
            let message = format!("a producer's records have 1 to {KEYS_MAX} keys");
            return fail(&here("keys"), message);
        }
        let large = (producer.large_every, producer.large_bytes);
        if let (Some(_), None) | (None, Some(_)) = large {
            let key = producer
                .large_every
                .map_or("large_bytes", |_| "large_every");
            let message = "`large_every` and `large_bytes` go together".to_owned();
            return fail(&here(key), message);
        }
        if large.0 == Some(0) {
            let message = "the first is large, the second, …: at least 1".to_owned();
            return fail(&here("large_every"), message);
        }
        let large_bytes = large.1.map(|bytes| bytes as usize);
        if large_bytes.is_some_and(|bytes| !(least..=10_000_000).contains(&bytes)) {
            let message = format!("a large record has {least} to 10000000 bytes here");
            return fail(&here("large_bytes"), message);
        }
    }
    for (at, group) in scenario.groups.iter().enumerate() {
        let here = |key| [Key("group"), Index(at), Key(key)];
        if !topic_known(&group.topic) {
            return fail(&here("topic"), unknown_topic(&group.topic));
        }
        if scenario
            .groups
            .iter()
            .take(at)
            .any(|other| other.name == group.name)
        {
            return fail(
                &here("name"),
                format!("group `{}` is here twice", group.name),
            );
        }
        if !(1..=64).contains(&group.members) {
            return fail(&here("members"), "a group has 1 to 64 members".to_owned());
        }
        if group.records_per_s == 0 {
            return fail(
                &here("records_per_s"),
                "at least 1 record a second".to_owned(),
            );
        }
        if group.commit_every_records == 0 {
            return fail(
                &here("commit_every_records"),
                "at least 1 record".to_owned(),
            );
        }
        let in_hand_max = IN_HAND_S_MAX * u64::from(group.records_per_s);
        if !(1..=in_hand_max).contains(&group.batch_records) {
            let message = format!(
                "a member that is asked to stop finishes what it has in hand, within \
                 {IN_HAND_S_MAX} s: 1 to {in_hand_max} records here, not {}",
                group.batch_records
            );
            return fail(&here("batch_records"), message);
        }
        if group.fence == Fence::Commit && group.commit != Commit::After {
            let message = "a fence commits what was processed: it needs `commit = \"after\"`";
            return fail(&here("fence"), message.to_owned());
        }
    }
    let unknown = |name: &str| (!topic_known(name)).then(|| unknown_topic(name));
    transforms::validate(scenario, unknown, not_written)?;
    for (at, quota) in scenario.quotas.iter().enumerate() {
        let here = |key| [Key("quota"), Index(at), Key(key)];
        if quota.config.is_empty() {
            let message = format!("a quota sets one of {}", QUOTA_KEYS.join(", "));
            return fail(&here("config"), message);
        }
        for (key, value) in &quota.config {
            if !QUOTA_KEYS.contains(&key.as_str()) {
                let message = match nearest(key, QUOTA_KEYS) {
                    Some(near) => format!("there is no quota `{key}`; did you mean `{near}`?"),
                    None => format!("there is no quota `{key}`: {}", QUOTA_KEYS.join(", ")),
                };
                return fail(&here("config"), message);
            }
            let number = value.parse::<f64>().ok();
            if !number.is_some_and(|number| number.is_finite() && number > 0.0) {
                let message = format!("`{key}` is a number above 0, not `{value}`");
                return fail(&here("config"), message);
            }
        }
        let same =
            |other: &Quota| (&other.user, &other.client_id) == (&quota.user, &quota.client_id);
        if scenario.quotas.iter().take(at).any(same) {
            let message = format!("the quota of {} is here twice", quota.entity());
            return fail(&[Key("quota"), Index(at)], message);
        }
    }
    for (at, write) in scenario.writes.iter().enumerate() {
        let here = |key| [Key("write"), Index(at), Key(key)];
        if scenario.capture.is_none() {
            return fail(
                &here("table"),
                "rows are written for [capture] only".to_owned(),
            );
        }
        if !TABLES.contains(&write.table.as_str()) {
            let message = format!("the tables are {}", TABLES.join(", "));
            return fail(&here("table"), message);
        }
        if write.rows == 0 || write.rows > 10_000_000 {
            return fail(&here("rows"), "1 to 10,000,000 rows".to_owned());
        }
        if write.how == WriteHow::InsertAndTouch && write.table != "comments" {
            return fail(&here("how"), "only a comment touches its video".to_owned());
        }
        if write.how == WriteHow::Copy && write.rows_per_s != 0 {
            return fail(
                &here("rows_per_s"),
                "COPY has no pace of its own".to_owned(),
            );
        }
        if write.start == WriteStart::BeforeCapture {
            validate_before_capture(&scenario.writes[..at], write)
                .or_else(|(key, message)| fail(&here(key), message.to_owned()))?;
        }
        if let Some(after) = &write.after {
            validate_trigger(scenario, after, scenario.faults.len())
                .or_else(|message| fail(&here("after"), message))?;
        }
    }
    for (at, fault) in scenario.faults.iter().enumerate() {
        let here = |key| [Key("fault"), Index(at), Key(key)];
        validate_trigger(scenario, &fault.after, at)
            .or_else(|message| fail(&here("after"), message))?;
        if let Some(pick) = fault.kind.broker() {
            validate_broker(scenario, pick).or_else(|(key, message)| fail(&here(key), message))?;
        }
        if fault.kind.needs_proxy() && scenario.topology.link != Link::Proxy {
            let message = format!(
                "`{}` needs `link = \"proxy\"` in [topology]",
                fault.kind.name()
            );
            return fail(&here("kind"), message);
        }
        match &fault.kind {
            FaultKind::DiskLoss { broker, .. }
            | FaultKind::DiskFull { broker, .. }
            | FaultKind::BrokerLoss { broker, .. }
                if *broker == BrokerPick::All =>
            {
                let message = format!("`{}` is for one broker", fault.kind.name());
                return fail(&here("broker"), message);
            }
            FaultKind::DiskLoss { topic, .. } | FaultKind::DiskFull { topic, .. }
                if !topic_known(topic) =>
            {
                match scenario.keeper_of(topic) {
                    Some(Keeper::Kafka | Keeper::Connect | Keeper::Debezium) => {}
                    Some(Keeper::Controllers) => {
                        let message = format!(
                            "`{topic}` is {}, and no topic: brokers do not tell how far it \
                             reaches",
                            Keeper::Controllers
                        );
                        return fail(&here("topic"), message);
                    }
                    None => return fail(&here("topic"), unknown_topic(topic)),
                }
            }
            FaultKind::LinkCut { .. } if scenario.topology.replication_link != Link::Proxy => {
                let message =
                    "a link cut needs `replication_link = \"proxy\"` in [topology]".to_owned();
                return fail(&here("kind"), message);
            }
            FaultKind::LinkCut { .. } | FaultKind::BrokerLoss { .. } if brokers == 1 => {
                let message = format!("`{}` needs more than one broker", fault.kind.name());
                return fail(&here("kind"), message);
            }
            FaultKind::AnswerLost { requests, .. } | FaultKind::RequestRefused { requests, .. }
                if requests
                    .topic
                    .as_ref()
                    .is_some_and(|topic| !topic_known(topic)) =>
            {
                let topic = requests.topic.as_deref().unwrap_or_default();
                return fail(&here("topic"), unknown_topic(topic));
            }
            FaultKind::ConsumerRestart { group, member, .. }
            | FaultKind::ConsumerPause { group, member, .. }
            | FaultKind::ConsumerZombie { group, member, .. } => {
                let Some(members) = scenario.members_of(group) else {
                    return fail(&here("group"), format!("there is no group `{group}`"));
                };
                if !(1..=members).contains(member) {
                    let message = format!("members are numbered 1 to {members}");
                    return fail(&here("member"), message);
                }
                let config = scenario.config_of(group);
                if let Some((key, message)) = cannot_be(&fault.kind, members, config) {
                    return fail(&here(key), message.to_owned());
                }
            }
            FaultKind::ConnectorRestart { .. } if scenario.capture.is_none() => {
                return fail(
                    &here("kind"),
                    "there is no connector without [capture]".to_owned(),
                );
            }
            _ => {}
        }
    }
    if scenario.guarantees.is_empty() {
        return fail(
            &[Key("name")],
            "a scenario claims something: add a [[guarantee]]".to_owned(),
        );
    }
    for (at, guarantee) in scenario.guarantees.iter().enumerate() {
        let here = |key| [Key("guarantee"), Index(at), Key(key)];
        let timed = guarantee.claim == Claim::RecoversWithin;
        if timed != guarantee.limit_ms.is_some() {
            let message = if timed {
                "`recovers-within` needs `limit_ms`".to_owned()
            } else {
                format!("`{}` has no `limit_ms`", guarantee.claim)
            };
            return fail(&here(if timed { "claim" } else { "limit_ms" }), message);
        }
        let by_itself = |group: &Group| group.commit == Commit::Auto;
        if guarantee.claim == Claim::ReprocessedWithinWindow
            && scenario.groups.iter().any(by_itself)
        {
            let message = "a group that commits by time (`commit = \"auto\"`) has no window in \
                           records";
            return fail(&here("claim"), message.to_owned());
        }
        let twice = scenario
            .guarantees
            .iter()
            .take(at)
            .any(|g| g.claim == guarantee.claim);
        if twice {
            return fail(
                &here("claim"),
                format!("`{}` is claimed twice", guarantee.claim),
            );
        }
    }
    if scenario.producers.is_empty() && scenario.writes.is_empty() {
        let message = "without a [[producer]] or a [[write]] nothing can be lost".to_owned();
        return fail(&[Key("name")], message);
    }
    Ok(())
}

/// What a consumer's fault asks of a group that the group cannot give.
fn cannot_be(
    fault: &FaultKind,
    members: u32,
    config: &Config,
) -> Option<(&'static str, &'static str)> {
    match fault {
        FaultKind::ConsumerRestart {
            offsets: Offsets::Deleted,
            signal,
            ..
        } => {
            let alone = members == 1
                && *signal == EndSignal::Term
                && !config.contains_key("group.instance.id");
            let why = "offsets are deleted of a group without members: one member, ended by \
                       `term`, without `group.instance.id`";
            (!alone).then_some(("offsets", why))
        }
        FaultKind::ConsumerPause {
            takeover: Takeover::Awaited,
            ..
        } => (members < 2).then_some(("takeover", "there is no other member to take over")),
        _ => None,
    }
}

/// A trigger that can never be reached would make a fault that never lands.
/// Rows that are there before the connector is written before all others, and
/// nothing has happened yet that they could wait for.
fn validate_before_capture(
    before: &[Write],
    write: &Write,
) -> Result<(), (&'static str, &'static str)> {
    if write.after.is_some() {
        return Err((
            "after",
            "nothing happens before the connector is created that a write could wait for",
        ));
    }
    let mut before = before.iter();
    if before.any(|write| write.start == WriteStart::AfterCapture) {
        return Err((
            "start",
            "what is written before the capture stands before the other [[write]] tables",
        ));
    }
    Ok(())
}

fn validate_trigger(scenario: &Scenario, trigger: &Trigger, faults: usize) -> Result<(), String> {
    match trigger {
        Trigger::Acknowledged(count) => {
            let records = scenario.records();
            (*count <= records)
                .then_some(())
                .ok_or_else(|| format!("only {records} records are sent"))
        }
        Trigger::Processed { group, percent } => {
            if scenario.members_of(group).is_none() {
                return Err(format!("there is no group `{group}`"));
            }
            (*percent <= 100)
                .then_some(())
                .ok_or_else(|| "percent is 0 to 100".to_owned())
        }
        Trigger::Captured(_) => scenario
            .capture
            .is_some()
            .then_some(())
            .ok_or_else(|| "nothing is captured without [capture]".to_owned()),
        Trigger::ElapsedMs(_) => Ok(()),
        Trigger::Injected(number) | Trigger::Healed(number) => (1..=faults)
            .contains(&usize::from(*number))
            .then_some(())
            .ok_or_else(|| format!("there is no fault {number} before this one")),
        Trigger::InSync {
            topic,
            partition,
            replicas,
        } => {
            validate_partition(scenario, topic, *partition)?;
            let factor = scenario
                .topics
                .iter()
                .find(|known| known.name == *topic)
                .map_or(1, |known| known.replication_factor);
            (i16::from(*replicas) < factor)
                .then_some(())
                .ok_or_else(|| format!("{topic} has {factor} replicas from the start"))
        }
    }
}

/// That there can be such a broker; with the key that says otherwise.
fn validate_broker(scenario: &Scenario, pick: &BrokerPick) -> Result<(), (&'static str, String)> {
    let brokers = scenario.topology.brokers;
    match pick {
        BrokerPick::Number(number) if !(1..=brokers).contains(number) => {
            Err(("broker", format!("brokers are numbered 1 to {brokers}")))
        }
        BrokerPick::Leader { topic, partition } | BrokerPick::Follower { topic, partition } => {
            validate_led(scenario, topic, *partition).map_err(|message| ("broker", message))
        }
        BrokerPick::GroupCoordinator { group } if scenario.members_of(group).is_none() => {
            Err(("group", format!("there is no group `{group}`")))
        }
        _ => Ok(()),
    }
}

/// A partition that a broker may lead: one of the scenario's, or of those that
/// are kept beside them.
fn validate_led(scenario: &Scenario, topic: &str, partition: i32) -> Result<(), String> {
    match scenario.keeper_of(topic) {
        None => validate_partition(scenario, topic, partition),
        Some(Keeper::Kafka) => {
            let partitions = scenario.partitions_of_kafkas(topic);
            numbered(topic, partition, partitions.unwrap_or_default())
        }
        Some(Keeper::Connect | Keeper::Debezium) => {
            numbered(topic, partition, partition.saturating_add(1))
        }
        Some(Keeper::Controllers) => Err(format!(
            "`{topic}` is led by the controllers' leader: `broker = \"controller\"`"
        )),
    }
}

fn validate_partition(scenario: &Scenario, topic: &str, partition: i32) -> Result<(), String> {
    let Some(partitions) = scenario.partitions_of(topic) else {
        return Err(match scenario.keeper_of(topic) {
            Some(keeper) => format!("`{topic}` is {keeper}, and its replicas are not followed"),
            None => format!("there is no topic `{topic}`"),
        });
    };
    numbered(topic, partition, partitions)
}

fn numbered(topic: &str, partition: i32, partitions: i32) -> Result<(), String> {
    (0..partitions)
        .contains(&partition)
        .then_some(())
        .ok_or_else(|| {
            let last = partitions - 1;
            format!("the partitions of {topic} are numbered 0 to {last}")
        })
}

fn quoted_after<'m>(message: &'m str, marker: &str) -> Option<&'m str> {
    let start = message.find(marker)? + marker.len();
    let rest = message.get(start..)?;
    rest.get(..rest.find('`')?)
}

/// The names that serde lists behind "expected".
fn quoted_list(message: &str, skip: usize) -> Vec<String> {
    let from = message.find("expected").unwrap_or(skip);
    message
        .get(from..)
        .unwrap_or_default()
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Where `word` stands within `span`, as a word of its own: an error about a
/// key inside a table otherwise points at the whole table.
fn find_word(text: &str, span: &Range<usize>, word: &str) -> Option<Range<usize>> {
    let within = text.get(span.clone())?;
    let boundary = |c: Option<char>| !c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    within.match_indices(word).find_map(|(at, _)| {
        let before = within.get(..at)?.chars().next_back();
        let after = within.get(at + word.len()..)?.chars().next();
        (boundary(before) && boundary(after)).then(|| {
            let start = span.start + at;
            start..start + word.len()
        })
    })
}

/// Where the value at `path` stands in the text, or the nearest table that
/// does where the value is a default.
fn span_of(text: &str, path: &[Step]) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut best: Option<Range<usize>> = None;
    let mut table: Option<&DeTable<'_>> = Some(document.get_ref());
    let mut array: Option<&[Spanned<DeValue<'_>>]> = None;
    for step in path {
        let value = match *step {
            Step::Key(key) => table?.get(key),
            Step::Index(at) => array?.get(at),
        };
        let Some(value) = value else { break };
        best = Some(value.span());
        table = value.get_ref().as_table();
        array = value.get_ref().as_array().map(AsRef::as_ref);
        if table.is_none() && array.is_none() {
            break;
        }
    }
    best
}

fn located(file: &str, text: &str, span: &Range<usize>, message: String) -> ScenarioError {
    let start = span.start.min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = text
        .get(line_start..start)
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let shown = masked(text);
    let source = shown.lines().nth(line - 1).unwrap_or_default();
    let room = source.chars().count().saturating_sub(column - 1).max(1);
    let marked = text
        .get(start..span.end.min(text.len()))
        .and_then(|marked| marked.lines().next())
        .map_or(1, |marked| marked.chars().count())
        .clamp(1, room);
    let gutter = " ".repeat(line.to_string().len());
    let snippet = format!(
        "{gutter} |\n{line} | {source}\n{gutter} | {}{}",
        " ".repeat(column - 1),
        "^".repeat(marked)
    );
    ScenarioError {
        file: file.to_owned(),
        line,
        column,
        message,
        snippet,
    }
}

mod transforms;

#[cfg(test)]
mod tests;
