//! Plans for a cluster that exists already: what fits, and names of the run's own.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::RunId;
use model::plan::{OwnNames, RunPlan, ScenarioPlan, TopicShape};
use model::scenario::client::ChosenClients;
use model::scenario::{EMBEDDED, NamedReleases, Scenario, embedded, parse};

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
    let text = embedded("debezium-offset-recovery").unwrap();
    let pinned = text.replace("[capture]", "[capture]\ndebezium = \"3.6.3.Final\"");
    let scenarios = [parse("x", &pinned).unwrap()];
    let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &scenarios, 1);
    let debezium = |version: &str| NamedReleases {
        debezium: Some(version.to_owned()),
        ..NamedReleases::default()
    };
    let kept = plan.clone().on_releases(&debezium("3.6.3.Final"));
    assert_eq!((kept.scenarios.len(), kept.skipped.len()), (1, 0));
    let other = plan.on_releases(&debezium("3.7.0.Final"));
    assert_eq!(other.skipped[0].reasons, ["is about Debezium 3.6.3.Final"]);
}

#[test]
fn a_scenario_about_one_kafka_runs_on_no_other_and_names_its_clients_by_it() {
    let text = embedded("exactly-once").unwrap();
    let about = |more: &str| {
        let topology = format!("\n[topology]\nkafka = \"3.9.1\"\n{more}\n[[topic]]");
        let text = text.replacen("\n[[topic]]", &topology, 1);
        let mut scenario = parse("x", &text).unwrap();
        let java = "java".parse().unwrap();
        scenario.put_in_force(&ChosenClients::all(&java));
        RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &[scenario], 1)
    };
    let kafka = |version: &str| NamedReleases {
        kafka: Some(version.to_owned()),
        ..NamedReleases::default()
    };
    let plan = about("");
    let clients = plan.scenarios[0].scenario.clients();
    let clients: Vec<String> = clients.iter().map(ToString::to_string).collect();
    assert_eq!(clients, ["java:3.9.1"]);
    let kept = plan.clone().on_kafka((4, 3)).on_releases(&kafka("3.9.1"));
    assert_eq!((kept.scenarios.len(), kept.skipped.len()), (1, 0));
    let other = plan.clone().on_releases(&kafka("4.3.1"));
    assert_eq!(other.skipped[0].reasons, ["is about Kafka 3.9.1"]);
    let cluster = plan.on_cluster(vec!["a:1".to_owned()], 3);
    assert_eq!(cluster.skipped[0].reasons, ["is about Kafka 3.9.1"]);

    // What its own release cannot do is not asked of the run's.
    let features = about("features = { \"transaction.version\" = 0 }\n").on_kafka((4, 3));
    assert_eq!(
        features.skipped[0].reasons,
        ["sets the feature transaction.version, which Kafka has from 4.0 on"]
    );
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
fn a_plan_that_was_edited_owns_nothing() {
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

#[test]
fn topics_look_like_those_of_the_cluster_but_what_is_tested_stays() {
    let text = |topic: &str| {
        format!(
            "name = \"x\"\ntitle = \"X\"\n[topology]\nbrokers = 3\n[[topic]]\nname = \"t\"\n\
             partitions = 4\n{topic}\n[[producer]]\ntopic = \"t\"\nrecords = 1\n\
             records_per_s = 1\nrecord_bytes = 200\n[[guarantee]]\nclaim = \"no-loss\"\n"
        )
    };
    let shaped = |topic: &str, shape: &TopicShape| {
        let scenarios = [parse("x", &text(topic)).unwrap()];
        let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &scenarios, 1);
        let plan = plan.with_topics(shape);
        let topics = plan
            .scenarios
            .iter()
            .map(|it| it.scenario.topics[0].clone());
        (topics.collect::<Vec<_>>(), plan.skipped)
    };
    let config = [("min.insync.replicas", "2"), ("retention.ms", "9")];
    let config = config.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let like = TopicShape {
        default_replicas: 3,
        partitions: Some(6),
        config: config.into(),
        ..TopicShape::default()
    };
    let one = "replication_factor = 1\nconfig = { \"min.insync.replicas\" = \"1\", \
               \"retention.ms\" = \"5\", \"segment.ms\" = \"7\" }";
    let (topics, _) = shaped(one, &like);
    assert_eq!((topics[0].replication_factor, topics[0].partitions), (3, 6));
    let kept: Vec<_> = topics[0].config.values().map(String::as_str).collect();
    assert_eq!(kept, ["2", "5", "7"]);

    let as_written = format!("{one}\nas_written = true");
    let (topics, _) = shaped(&as_written, &like);
    assert_eq!((topics[0].replication_factor, topics[0].partitions), (1, 4));
    assert_eq!(topics[0].config["min.insync.replicas"], "1");

    let (topics, _) = shaped("replication_factor = 2", &like);
    assert_eq!(topics[0].replication_factor, 2, "it says how many");
    let asked = |replicas| TopicShape {
        replicas: Some(replicas),
        ..like.clone()
    };
    let (topics, _) = shaped("replication_factor = 2", &asked(3));
    assert_eq!(topics[0].replication_factor, 3);
    let (topics, skipped) = shaped("replication_factor = 2", &asked(1));
    assert!(topics.is_empty());
    assert_eq!(
        skipped[0].reasons,
        ["needs 2 replicas of topic t, and --replication-factor gives 1"]
    );
}
