//! A plan for a user's cluster: which scenarios fit it, and names of their own in it. Knows nothing of how a cluster is reached.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{NameMark, OwnPrefix, RunPlan, ScenarioPlan};
use crate::scenario::client::ChosenClients;
use crate::scenario::{BrokerHold, Link, NamedReleases, Problem};

/// A user's cluster, for which the plan is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCluster {
    /// `HOST:PORT` of some of its brokers.
    pub bootstrap: Vec<String>,
    /// How many brokers it had.
    pub brokers: usize,
    /// `HOST:PORT` to connect to in place of those that brokers advertise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resolve: BTreeMap<String, String>,
    /// The Compose file of the project that its brokers are containers of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compose: Option<PathBuf>,
    /// The run's own directory. Processes of the run lock it, so that a copy of the
    /// directory cannot be cleaned up at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_dir: Option<PathBuf>,
}

/// A scenario that is not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkippedScenario {
    /// Its name.
    pub scenario: String,
    /// Its suite.
    #[serde(default)]
    pub suite: String,
    /// Why, in words.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub reasons: Vec<String>,
}

impl RunPlan {
    /// The same plan for a user's cluster: without the scenarios that do not fit it. The
    /// others get names of their own for everything that they make in it.
    #[must_use]
    pub fn on_cluster(self, bootstrap: Vec<String>, brokers: usize) -> Self {
        self.on_cluster_named(bootstrap, brokers, &NameMark::default(), BrokerHold::None)
    }

    /// The same with names that begin so, where this can be done to the brokers.
    #[must_use]
    pub fn on_cluster_named(
        mut self,
        bootstrap: Vec<String>,
        brokers: usize,
        mark: &NameMark,
        hold: BrokerHold,
    ) -> Self {
        let run = self.run;
        let scenarios = self.scenarios.into_iter().zip(1..);
        self.scenarios = scenarios
            .map(|(plan, number)| {
                let prefix = OwnPrefix::new(mark, run, number, &plan.scenario);
                (
                    plan.scenario.misfits(brokers, hold),
                    plan.named(prefix, brokers),
                )
            })
            .filter_map(|(misfits, plan)| fit(plan, misfits, &mut self.skipped))
            .collect();
        self.cluster = Some(PlannedCluster {
            bootstrap,
            brokers,
            resolve: BTreeMap::new(),
            compose: None,
            run_dir: None,
        });
        self
    }

    /// The same plan with a proxy before the brokers in every scenario: for brokers that clients
    /// do not find where they are told to.
    #[must_use]
    pub fn behind_proxy(mut self) -> Self {
        for plan in &mut self.scenarios {
            plan.scenario.topology.link = Link::Proxy;
        }
        self
    }

    /// The same plan for brokers of this release line (`(3, 9)`) that ackproof
    /// starts: without the scenarios that need a newer one.
    #[must_use]
    pub fn on_kafka(mut self, line: (u32, u32)) -> Self {
        let scenarios = self.scenarios.into_iter();
        self.scenarios = scenarios
            .filter_map(|plan| {
                let misfits = plan.scenario.misfits_kafka(line);
                fit(plan, misfits, &mut self.skipped)
            })
            .collect();
        self
    }

    /// The same plan for these releases and no others: without the scenarios
    /// that name another.
    #[must_use]
    pub fn on_releases(mut self, releases: &NamedReleases) -> Self {
        let scenarios = self.scenarios.into_iter();
        self.scenarios = scenarios
            .filter_map(|plan| {
                let own = plan.scenario.named_releases();
                let misfits = [
                    ("Kafka", own.kafka, &releases.kafka),
                    ("Debezium", own.debezium, &releases.debezium),
                ]
                .into_iter()
                .filter_map(|(part, own, other)| {
                    let own = own.filter(|own| other.as_ref().is_some_and(|other| own != other));
                    own.map(|version| format!("is about {part} {version}"))
                })
                .collect();
                fit(plan, misfits, &mut self.skipped)
            })
            .collect();
        self
    }

    /// The same plan with these clients in place of the scenarios' own: without
    /// those that are about others, and those with a setting that a client
    /// would not take, by `check`.
    #[must_use]
    pub fn with_clients(
        mut self,
        chosen: &ChosenClients,
        check: impl Fn(&ScenarioPlan) -> Result<(), Problem>,
    ) -> Self {
        let scenarios = self.scenarios.into_iter();
        self.scenarios =
            scenarios
                .filter_map(|mut plan| {
                    let mut misfits = plan.scenario.misfits_clients(chosen);
                    if misfits.is_empty() {
                        plan.scenario.put_in_force(chosen);
                        let refused = check(&plan).err();
                        misfits.extend(refused.map(|it| {
                            format!("sets what the client does not take: {}", it.message)
                        }));
                    }
                    fit(plan, misfits, &mut self.skipped)
                })
                .collect();
        self
    }
}

/// A plan that fits. One that does not is skipped once, whatever its repetitions.
pub(super) fn fit(
    plan: ScenarioPlan,
    reasons: Vec<String>,
    skipped: &mut Vec<SkippedScenario>,
) -> Option<ScenarioPlan> {
    if reasons.is_empty() {
        return Some(plan);
    }
    if plan.repetition == 1 {
        skipped.push(SkippedScenario {
            scenario: plan.scenario.name,
            suite: plan.scenario.suite,
            reasons,
        });
    }
    None
}

impl ScenarioPlan {
    fn named(mut self, prefix: OwnPrefix, brokers: usize) -> Self {
        self.scenario.prefix_names(&prefix);
        self.scenario.topology.brokers = u8::try_from(brokers).unwrap_or(u8::MAX);
        self.prefix = Some(prefix);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::RunId;
    use crate::scenario::{EMBEDDED, parse};

    #[test]
    fn every_mention_of_a_name_is_changed_with_it() {
        /// Every text in a value, but those that are only for people.
        fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
            match value {
                serde_json::Value::String(text) => found.push(text.clone()),
                serde_json::Value::Array(all) => all.iter().for_each(|it| texts(it, found)),
                serde_json::Value::Object(all) => all
                    .iter()
                    .filter(|(key, _)| {
                        !["title", "suite", "kind", "config"].contains(&key.as_str())
                    })
                    .for_each(|(_, it)| texts(it, found)),
                _ => {}
            }
        }
        for (name, text) in EMBEDDED {
            let scenario = parse(name, text).unwrap();
            let before = ScenarioPlan::new(scenario, 1, RunId::new(1), 1);
            let old: BTreeSet<String> = before
                .topics()
                .into_iter()
                .take(before.scenario.topics.len())
                .map(|topic| topic.name)
                .chain(before.groups().map(|group| group.name.to_owned()))
                .collect();
            let prefix = OwnPrefix::new(&NameMark::default(), RunId::new(1), 1, &before.scenario);
            let mut after = before.scenario.clone();
            after.prefix_names(&prefix);
            let mut found = Vec::new();
            texts(&serde_json::to_value(&after).unwrap(), &mut found);
            for text in found {
                assert!(!old.contains(&text), "{name} still says {text}");
            }
        }
    }
}
