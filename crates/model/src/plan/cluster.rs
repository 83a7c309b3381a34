//! A plan for a cluster that is somebody else's: which scenarios fit it, and
//! names of their own in it. Knows nothing of how a cluster is reached.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{OwnPrefix, RunPlan, ScenarioPlan};
use crate::scenario::Misfit;

/// A cluster that is somebody else's, and what it meant for the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCluster {
    /// `HOST:PORT` of some of its brokers.
    pub bootstrap: Vec<String>,
    /// How many brokers it had.
    pub brokers: usize,
    /// The run's own directory: whoever works for the run holds it, also
    /// against one who has a copy.
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
    /// The same plan for a cluster that is somebody else's: without the
    /// scenarios that do not fit it, and the others with names of their own
    /// for everything that they make in it.
    #[must_use]
    pub fn on_cluster(mut self, bootstrap: Vec<String>, brokers: usize) -> Self {
        let run = self.run;
        let scenarios = self.scenarios.into_iter().zip(1..);
        self.scenarios = scenarios
            .map(|(plan, number)| {
                let prefix = OwnPrefix::new(run, number, &plan.scenario);
                (plan.scenario.misfits(brokers), plan.named(prefix, brokers))
            })
            .filter_map(|(misfits, plan)| fit(plan, &misfits, &mut self.skipped))
            .collect();
        self.cluster = Some(PlannedCluster {
            bootstrap,
            brokers,
            run_dir: None,
        });
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
                fit(plan, &misfits, &mut self.skipped)
            })
            .collect();
        self
    }

    /// The same plan for this release of Debezium and no other: without the
    /// scenarios that name another.
    #[must_use]
    pub fn on_debezium(mut self, version: &str) -> Self {
        let scenarios = self.scenarios.into_iter();
        self.scenarios = scenarios
            .filter_map(|plan| {
                let capture = plan.scenario.capture.as_ref();
                let own = capture.and_then(|it| it.debezium.clone());
                let other = own.filter(|own| own != version);
                let misfit = other.map(|version| Misfit::Debezium { version });
                fit(plan, misfit.as_slice(), &mut self.skipped)
            })
            .collect();
        self
    }
}

/// A plan that fits; one that does not is told once, whatever its repetitions.
fn fit(
    plan: ScenarioPlan,
    misfits: &[Misfit],
    skipped: &mut Vec<SkippedScenario>,
) -> Option<ScenarioPlan> {
    if misfits.is_empty() {
        return Some(plan);
    }
    if plan.repetition == 1 {
        skipped.push(SkippedScenario {
            scenario: plan.scenario.name,
            suite: plan.scenario.suite,
            reasons: misfits.iter().map(Misfit::to_string).collect(),
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
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::ids::RunId;
    use crate::plan::OwnNames;
    use crate::scenario::{EMBEDDED, Scenario, parse};

    fn all(repeat: u32, brokers: usize) -> RunPlan {
        let scenarios: Vec<Scenario> = EMBEDDED
            .iter()
            .map(|(name, text)| parse(name, text).unwrap())
            .collect();
        RunPlan::new(RunId::new(0xab), 1, BTreeMap::new(), &scenarios, repeat)
            .on_cluster(vec!["a:1".to_owned()], brokers)
    }

    fn names(plan: &RunPlan) -> BTreeSet<&str> {
        let kept = plan.scenarios.iter();
        kept.map(|it| it.scenario.name.as_str()).collect()
    }

    #[test]
    fn what_fits_is_kept_and_what_does_not_is_told_once_with_its_reasons() {
        let plan = all(2, 3);
        let kept = names(&plan);
        for fits in ["consumer-restart", "network-partition", "exactly-once"] {
            assert!(kept.contains(fits), "{fits}");
        }
        let skipped = &plan.skipped;
        assert_eq!(kept.len() + skipped.len(), EMBEDDED.len());
        assert_eq!(plan.scenarios.len(), 2 * kept.len());
        let restart = skipped.iter().find(|it| it.scenario == "broker-restart");
        assert_eq!(
            restart.unwrap().reasons,
            ["needs to stop and start brokers (broker-restart)"]
        );
    }

    #[test]
    fn what_a_version_of_kafka_cannot_do_is_skipped() {
        let name = "unclean-election-on";
        let scenarios = ["broker-restart", name].map(|name| {
            let (_, text) = EMBEDDED.iter().find(|(it, _)| *it == name).unwrap();
            parse(name, text).unwrap()
        });
        let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &scenarios, 2);
        let kept = plan.clone().on_kafka((3, 9));
        assert_eq!((kept.scenarios.len(), kept.skipped.len()), (4, 0));
        let old = plan.on_kafka((3, 8));
        assert_eq!(names(&old), BTreeSet::from(["broker-restart"]));
        assert_eq!(old.skipped.len(), 1);
        assert_eq!(old.skipped[0].scenario, name);
    }

    #[test]
    fn a_scenario_about_one_debezium_does_not_run_on_another() {
        let text = crate::scenario::embedded("debezium-offset-recovery").unwrap();
        let of = |version: &str| {
            let pinned = format!("[capture]\ndebezium = \"{version}\"");
            parse("x", &text.replace("[capture]", &pinned)).unwrap()
        };
        let scenarios = [of("3.6.3.Final")];
        let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &scenarios, 1);
        let kept = plan.clone().on_debezium("3.6.3.Final");
        assert_eq!((kept.scenarios.len(), kept.skipped.len()), (1, 0));
        let other = plan.on_debezium("3.7.0.Final");
        assert_eq!(other.skipped[0].reasons, ["is about Debezium 3.6.3.Final"]);
    }

    #[test]
    fn no_two_scenarios_or_repetitions_share_a_name_and_all_are_their_own() {
        let plan = all(2, 3);
        let mut seen = BTreeSet::new();
        for scenario in &plan.scenarios {
            let own = OwnNames::of(scenario).unwrap();
            assert_eq!(own.topics().len(), scenario.topics().len());
            for topic in own.topics() {
                assert!(seen.insert(topic.to_string()), "{topic}");
            }
            for group in own.groups() {
                assert!(seen.insert(group.to_string()), "{group}");
            }
        }
        assert!(
            seen.iter()
                .all(|name| name.starts_with("ackproof-00000000000000ab-"))
        );
    }

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
            let prefix = OwnPrefix::new(RunId::new(1), 1, &before.scenario);
            let mut after = before.scenario.clone();
            after.prefix_names(&prefix);
            let mut found = Vec::new();
            texts(&serde_json::to_value(&after).unwrap(), &mut found);
            for text in found {
                assert!(!old.contains(&text), "{name} still says {text}");
            }
        }
    }

    #[test]
    fn names_change_nothing_that_the_seed_decides() {
        let scenarios = [parse("x", EMBEDDED[0].1).unwrap()];
        let own = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &scenarios, 1);
        let theirs = all(1, 3);
        for (one, other) in own.scenarios.iter().zip(&theirs.scenarios) {
            if one.scenario.name == other.scenario.name {
                assert_eq!(one.fault_delays_ms, other.fault_delays_ms);
            }
        }
    }

    #[test]
    fn a_plan_that_somebody_changed_owns_nothing() {
        let plan = all(1, 3);
        let mut scenario = plan.scenarios[0].clone();
        scenario.scenario.topics[0].name = "payments".to_owned();
        assert!(OwnNames::of(&scenario).is_err());
        let text = serde_json::to_string(&plan.scenarios[0]).unwrap();
        let prefix = plan.scenarios[0].prefix.as_ref().unwrap().to_string();
        let changed = text.replace(&format!("\"{prefix}\""), "\"pay\"");
        assert_ne!(changed, text);
        assert!(serde_json::from_str::<ScenarioPlan>(&changed).is_err());
    }
}
