//! Plans of scenarios: everything that the seed decides.

use std::collections::BTreeSet;

use model::ids::{ProducerIx, RunId, Sequence};
use model::plan::{ScenarioPlan, key_turn, partition_for, topic_for};
use model::scenario::{EMBEDDED, Producer, Trigger, embedded, parse};

fn planned(name: &str, seed: u64) -> ScenarioPlan {
    let scenario = parse(name, embedded(name).unwrap()).unwrap();
    ScenarioPlan::new(scenario, seed, RunId::new(7), 1)
}

/// Where the first producer's record goes.
fn partition(plan: &ScenarioPlan, sequence: u64) -> i32 {
    let partitions = plan.topics()[0].partitions;
    let sequence = Sequence::new(sequence);
    partition_for(plan.seed, ProducerIx::new(0), sequence, partitions).get()
}

#[test]
fn records_go_to_each_topic_in_turn_and_those_of_one_key_to_one() {
    let all = ["a", "b", "c"];
    let grid =
        (1..=3).flat_map(|topics| [None, Some(1), Some(3), Some(4)].map(|keys| (topics, keys)));
    for (topics, keys) in grid {
        for records in 0..20 {
            let topics = &all[..topics];
            let text = format!(
                "topic = \"a\"\nalso_to = {:?}\nrecords = {records}\nrecords_per_s = 1\n\
                 record_bytes = 200\n{}",
                &topics[1..],
                keys.map_or_else(String::new, |keys| format!("keys = {keys}\n"))
            );
            let producer: Producer = toml::from_str(&text).unwrap();
            let to = |sequence| {
                let turn = key_turn(Sequence::new(sequence), keys);
                (turn, *topic_for(topics, turn).unwrap())
            };
            for topic in topics {
                let sent = (0..records).filter(|it| to(*it).1 == *topic).count();
                assert_eq!(producer.records_to(topic), sent as u64, "{text}");
            }
            let targets: BTreeSet<_> = (0..records).map(to).collect();
            let turns: BTreeSet<_> = targets.iter().map(|(turn, _)| turn).collect();
            assert_eq!(turns.len(), targets.len(), "{text}");
            assert_eq!(producer.records_to("elsewhere"), 0);
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_plan_and_another_makes_another() {
    assert_eq!(planned("broker-restart", 1), planned("broker-restart", 1));
    let (one, two) = (planned("broker-restart", 1), planned("broker-restart", 2));
    let order =
        |plan: &ScenarioPlan| -> Vec<i32> { (0..100).map(|n| partition(plan, n)).collect() };
    assert_ne!(order(&one), order(&two));
    assert_ne!(one.record_run_id, two.record_run_id);
}

#[test]
fn every_round_visits_every_partition_once() {
    let plan = planned("broker-restart", 3);
    for round in 0..50 {
        let mut seen: Vec<i32> = (0..3).map(|n| partition(&plan, round * 3 + n)).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }
}

#[test]
fn a_schedule_is_as_long_as_its_slowest_part() {
    assert_eq!(planned("broker-restart", 1).schedule_ms(), 10_000);
    assert_eq!(planned("network-partition", 1).schedule_ms(), 12_000);
}

#[test]
fn a_repeated_fault_is_planned_once_for_each_time() {
    let text = embedded("broker-restart").unwrap().replace(
        "down_ms = 3000",
        "down_ms = 3000\ntimes = 3\npause_ms = 1000\njitter_ms = 50",
    );
    let more = "\n[[fault]]\nkind = \"broker-pause\"\nfor_ms = 10\nafter = { healed = 1 }\n";
    let scenario = parse("three", &(text + more)).unwrap();
    let plan = ScenarioPlan::new(scenario, 1, RunId::new(7), 1);
    let after: Vec<&Trigger> = plan.scenario.faults.iter().map(|it| &it.after).collect();
    let healed = Trigger::Healed;
    assert_eq!(
        after[1..],
        [&healed(1), &healed(2), &healed(3)],
        "the other fault waits for the last time"
    );
    assert!(plan.fault_delays_ms[1] >= 1000);
    assert_ne!(plan.fault_delays_ms[1], plan.fault_delays_ms[2]);
    assert_eq!(plan.contract().faults.len(), 4);
}

#[test]
fn a_plan_survives_being_written_down() {
    for (name, _) in EMBEDDED {
        let plan = planned(name, 9);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<ScenarioPlan>(&text).unwrap(), plan);
    }
}
