//! What a plan needs of the user's cluster, and the cluster does
//! not allow or cannot give: asked before anything is sent. Makes no topic of
//! the plan's; to ask for coordinators makes Kafka's own topics, as any group
//! does.

use std::collections::BTreeSet;
use std::time::Duration;

use model::ids::{GroupId, TopicName};
use model::plan::{OwnNames, OwnPrefix, RunPlan, ScenarioPlan};
use model::scenario::{Config, Scenario, Transactions};
use proxy::HostPort;
use wire::{
    Cluster, ConfigValue, Configs, ErrorCode, NewTopic, Operation, Topics, TransactionalId,
    WireError,
};

use crate::connect::reach;
use crate::error::EngineError;
use crate::settings::UserCluster;

/// How long one question is asked again.
const QUESTION_LIMIT: Duration = Duration::from_secs(3);

const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const GROUP_AUTHORIZATION_FAILED: i16 = 30;
pub(crate) const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;

/// Asks a cluster for everything that the plan is going to need. What may
/// surprise, and hinders nothing, in words.
///
/// # Errors
/// [`EngineError::Lacks`] with everything that is missing.
pub async fn preflight(of: &UserCluster, plan: &RunPlan) -> Result<Vec<String>, EngineError> {
    let addresses: Vec<String> = of.bootstrap.iter().map(HostPort::to_string).collect();
    let mut cluster = reach(&addresses, &of.security).await?;
    cluster.set_retry_for(QUESTION_LIMIT);
    let mut preflight = Preflight {
        brokers: cluster.brokers().count(),
        cluster,
        lacks: BTreeSet::new(),
        notes: Vec::new(),
    };
    let configs = preflight.broker_configs().await?;
    for scenario in &plan.scenarios {
        preflight.topics(scenario, &configs).await?;
        preflight.groups(scenario, &configs).await?;
        preflight.transactions(scenario, &configs).await?;
    }
    if !preflight.lacks.is_empty() {
        return Err(EngineError::Lacks {
            lacks: preflight.lacks.into_iter().collect(),
        });
    }
    let creates = known(&configs, "auto.create.topics.enable") == Some("true");
    if creates {
        preflight.notes.push(
            "the brokers create topics by themselves (auto.create.topics.enable): one that a \
             client deletes during the run comes back empty"
                .to_owned(),
        );
    }
    Ok(preflight.notes)
}

struct Preflight {
    cluster: Cluster,
    brokers: usize,
    lacks: BTreeSet<String>,
    /// What may surprise.
    notes: Vec<String>,
}

impl Preflight {
    fn lacks(&mut self, what: impl Into<String>) {
        self.lacks.insert(what.into());
    }

    /// The brokers' settings, as one of them tells; nothing where it does not.
    async fn broker_configs(&mut self) -> Result<Configs, EngineError> {
        let Some(broker) = self.cluster.brokers().next().map(|broker| broker.id) else {
            return Ok(Configs::new());
        };
        match self.cluster.describe_broker_configs(broker).await {
            Ok(configs) => Ok(configs),
            Err(error) if refusal(&error) == Some(CLUSTER_AUTHORIZATION_FAILED) => {
                self.notes.push(
                    "the brokers' settings cannot be read (DescribeConfigs on the cluster): \
                     whether they fit is not checked, and the report has none of them"
                        .to_owned(),
                );
                Ok(Configs::new())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn topics(&mut self, plan: &ScenarioPlan, configs: &Configs) -> Result<(), EngineError> {
        let topics: Vec<NewTopic> = plan.scenario.topics.iter().map(new_topic).collect();
        for (name, outcome) in self.cluster.validate_topics(&topics).await? {
            let Err(refusal) = outcome else { continue };
            let code = refusal.code.get();
            if code == TOPIC_AUTHORIZATION_FAILED || code == CLUSTER_AUTHORIZATION_FAILED {
                let mark = mark(plan);
                self.lacks(format!(
                    "the right Create on topics whose names begin with `{mark}` (or on the \
                     cluster)"
                ));
            } else {
                self.lacks(format!("topic {name} cannot be created: {refusal}"));
            }
        }
        self.right_to_delete(plan).await?;
        let of_brokers = number(configs, "min.insync.replicas");
        for topic in &plan.scenario.topics {
            let replicas = u64::try_from(topic.replication_factor).unwrap_or(1);
            let own = topic.config.contains_key("min.insync.replicas");
            let is_bound = !own && waits_for_all(&plan.scenario, &topic.name);
            if let Some(min) = of_brokers.filter(|min| is_bound && *min > replicas) {
                self.lacks(format!(
                    "topic {} has {replicas} replica(s), and the brokers' \
                     min.insync.replicas={min}: nothing that is sent to it with acks=all is \
                     acknowledged; set replication_factor or min.insync.replicas of the [[topic]]",
                    topic.name
                ));
            }
        }
        Ok(())
    }

    /// What could not be deleted afterwards is not made.
    async fn right_to_delete(&mut self, plan: &ScenarioPlan) -> Result<(), EngineError> {
        let names = OwnNames::of(plan).map_err(|error| EngineError::ForeignName {
            name: error.to_string(),
        })?;
        let Some(name) = names.topics().first() else {
            return Ok(());
        };
        if !self.cluster.may_delete(name).await? {
            let mark = mark(plan);
            self.lacks(format!(
                "the right Delete on topics whose names begin with `{mark}`"
            ));
        }
        Ok(())
    }

    async fn groups(&mut self, plan: &ScenarioPlan, configs: &Configs) -> Result<(), EngineError> {
        let group = plan.groups().next();
        let Some(group) = group.map(|group| GroupId::new(group.name)) else {
            return Ok(());
        };
        let own = ("__consumer_offsets", "offsets.topic.replication.factor");
        if !self.can_be_made(own, configs).await? {
            return Ok(());
        }
        match self.cluster.group_rights(&group).await {
            Ok(rights) => {
                let mark = mark(plan);
                for missing in rights.missing(&[Operation::Read, Operation::Delete]) {
                    self.lacks(format!(
                        "the right {} on groups whose names begin with `{mark}`",
                        missing.name()
                    ));
                }
            }
            Err(error) if refusal(&error) == Some(GROUP_AUTHORIZATION_FAILED) => {
                let mark = mark(plan);
                self.lacks(format!(
                    "the rights Read and Delete on groups whose names begin with `{mark}`"
                ));
            }
            Err(error) => self.no_coordinator("groups", &error),
        }
        let scenario = &plan.scenario;
        let read = scenario.groups.iter();
        let read = read.map(|it| (&it.name, it.members, &it.config));
        let write = scenario.transforms.iter();
        let write = write.map(|it| (&it.name, it.members, &it.config));
        for (name, members, config) in read.chain(write) {
            if let Some(max) = number(configs, "group.max.size")
                && u64::from(members) > max
            {
                self.lacks(format!(
                    "group {name} has {members} members, and the brokers' group.max.size is {max}"
                ));
            }
            self.session(name, config, configs);
        }
        Ok(())
    }

    fn session(&mut self, group: &str, config: &Config, configs: &Configs) {
        let Some(ms) = config.get("session.timeout.ms") else {
            return;
        };
        let Ok(asked) = ms.parse::<u64>() else {
            return;
        };
        let floor = number(configs, "group.min.session.timeout.ms").unwrap_or(0);
        let ceiling = number(configs, "group.max.session.timeout.ms").unwrap_or(u64::MAX);
        if !(floor..=ceiling).contains(&asked) {
            self.lacks(format!(
                "group {group} has session.timeout.ms={asked}, and the brokers allow {floor} to \
                 {ceiling} (group.min.session.timeout.ms, group.max.session.timeout.ms)"
            ));
        }
    }

    async fn transactions(
        &mut self,
        plan: &ScenarioPlan,
        configs: &Configs,
    ) -> Result<(), EngineError> {
        let mut transforms = plan.scenario.transforms.iter();
        let Some(transform) = transforms.find(|it| it.transactions == Transactions::On) else {
            return Ok(());
        };
        let own = (
            "__transaction_state",
            "transaction.state.log.replication.factor",
        );
        if !self.can_be_made(own, configs).await? {
            return Ok(());
        }
        let id = TransactionalId::new(format!("{}-1", transform.name));
        match self.cluster.find_transaction_coordinator(&id).await {
            Ok(_) => {}
            Err(error) if refusal(&error) == Some(TRANSACTIONAL_ID_AUTHORIZATION_FAILED) => {
                let mark = mark(plan);
                self.lacks(format!(
                    "the right Write on transactional ids that begin with `{mark}`"
                ));
            }
            Err(error) => self.no_coordinator("transactions", &error),
        }
        Ok(())
    }

    /// One that is only not there yet is waited for when it is needed: a new
    /// cluster makes its topic first.
    fn no_coordinator(&mut self, of: &str, error: &WireError) {
        if error.code().is_some_and(|code| !code.is_retriable()) {
            self.lacks(format!("a coordinator for {of}: {error}"));
        }
    }

    /// Whether one of Kafka's own topics is there, or enough brokers to make
    /// it: a coordinator is waited for in vain otherwise.
    async fn can_be_made(
        &mut self,
        (topic, factor): (&str, &str),
        configs: &Configs,
    ) -> Result<bool, EngineError> {
        let Some(replicas) = number(configs, factor) else {
            return Ok(true);
        };
        if replicas <= self.brokers as u64 {
            return Ok(true);
        }
        let name = TopicName::new(topic);
        let found = self.cluster.metadata(Topics::Named(&[name])).await?;
        if found.topics.iter().any(|topic| topic.partitions.is_ok()) {
            return Ok(true);
        }
        let brokers = self.brokers;
        self.lacks(format!(
            "{topic}, which cannot be made: {factor} is {replicas}, and the cluster has {brokers} \
             broker(s)"
        ));
        Ok(false)
    }
}

/// What the names of the plan begin with.
fn mark(plan: &ScenarioPlan) -> &str {
    plan.prefix.as_ref().map_or("", OwnPrefix::mark)
}

/// Whether a producer to this topic asks for `acks=all`, to which alone
/// `min.insync.replicas` applies. It is the default of Java and librdkafka.
fn waits_for_all(scenario: &Scenario, topic: &str) -> bool {
    let producers = scenario.producers.iter();
    let producers = producers.flat_map(|it| it.topics().map(|topic| (topic, &it.config)));
    let transforms = scenario.transforms.iter();
    let transforms = transforms.map(|it| (it.to.as_str(), &it.producer_config));
    let mut configs = producers.chain(transforms);
    configs.any(|(to, config)| {
        to == topic && !matches!(config.get("acks").map(String::as_str), Some("0" | "1"))
    })
}

fn new_topic(topic: &model::scenario::Topic) -> NewTopic {
    NewTopic {
        topic: TopicName::new(topic.name.as_str()),
        partitions: u16::try_from(topic.partitions).unwrap_or(1),
        replication_factor: u16::try_from(topic.replication_factor).unwrap_or(1),
        config: topic.config.plain(),
    }
}

/// The code of what a broker refused, however often it was asked.
pub(crate) fn refusal(error: &WireError) -> Option<i16> {
    error.code().map(ErrorCode::get)
}

fn known<'c>(configs: &'c Configs, key: &str) -> Option<&'c str> {
    match &configs.get(key)?.value {
        ConfigValue::Known(value) => Some(value),
        ConfigValue::Unset | ConfigValue::Sensitive => None,
    }
}

fn number(configs: &Configs, key: &str) -> Option<u64> {
    known(configs, key)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use model::scenario::parse;

    use super::*;

    #[test]
    fn only_who_waits_for_all_replicas_is_bound_by_their_minimum() {
        let text = |acks: &str| {
            format!(
                "name = \"x\"\ntitle = \"X\"\n[[topic]]\nname = \"t\"\npartitions = 1\n\
                 replication_factor = 1\n[[producer]]\ntopic = \"t\"\nrecords = 1\n\
                 records_per_s = 1\nrecord_bytes = 200\nconfig = {{ {acks} }}\n\
                 [[guarantee]]\nclaim = \"no-loss\"\n"
            )
        };
        for (acks, waits) in [
            ("", true),
            ("acks = \"all\"", true),
            ("acks = \"-1\"", true),
            ("acks = \"1\"", false),
            ("acks = \"0\"", false),
        ] {
            let scenario = parse("x", &text(acks)).unwrap();
            assert_eq!(waits_for_all(&scenario, "t"), waits, "{acks}");
            assert!(!waits_for_all(&scenario, "other"), "{acks}");
        }
    }
}
