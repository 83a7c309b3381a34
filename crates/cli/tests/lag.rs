//! `ackproof lag` against real brokers: every state of a group and of a partition, brokers
//! that do not answer, and how many requests a thousand groups cost.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[path = "lag/kafka.rs"]
mod kafka;

use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::fresh_dir;
use wire::{Cluster, ClusterOptions, Isolation, OffsetSpec};

use kafka::{MINUTE_MS, Target, bootstrap, now_ms, start_brokers};
use processes::ackproof;

#[allow(dead_code, reason = "others use more of it")]
mod processes;

/// What the program prints and its exit code, beside the tests' runtime.
async fn output(args: Vec<String>) -> Output {
    let run = move || ackproof().arg("lag").args(args).output().unwrap();
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn lag(bootstrap: &str, args: &[&str]) -> (i32, Value) {
    let mut all = vec!["--format", "json", "--bootstrap", bootstrap];
    all.extend(args);
    let output = output(all.into_iter().map(str::to_owned).collect()).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.stdout.is_empty(), "{said}");
    let json = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code().unwrap(), json)
}

/// One group, without a window, with its only partition.
async fn one(group: &str, args: &[&str]) -> (i32, Value, Value) {
    let mut all = vec!["--window", "0s", "--group", group];
    all.extend(args);
    let (code, report) = lag(&bootstrap(), &all).await;
    let group = report["groups"][0].clone();
    let partition = group["partitions"][0].clone();
    (code, group, partition)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simple_consumer_in_every_place_of_a_log() {
    let target = Target::new("places", &[]).await;
    target.produce(now_ms() - 30 * MINUTE_MS, 10).await;
    for (group, next) in [("places-behind", 4), ("places-at", 10), ("places-past", 50)] {
        target.commit(group, next).await;
    }
    let limits = ["--max-lag", "5", "--max-age", "29m"];
    let (code, group, partition) = one("places-behind", &limits).await;
    assert_eq!(code, 1, "{group}");
    assert_eq!(
        (&group["type"], &group["state"]),
        (&"classic".into(), &"Empty".into())
    );
    assert_eq!(
        (&group["consumer"], &group["members"]),
        (&"simple".into(), &0.into())
    );
    assert_eq!((&group["behind"], &group["lost"]), (&6.into(), &0.into()));
    let age_ms = group["age_ms"].as_i64().unwrap();
    assert!(
        (30 * MINUTE_MS..60 * MINUTE_MS).contains(&age_ms),
        "{age_ms}"
    );
    assert_eq!(group["checks"][0]["outcome"], "broken");
    assert_eq!(group["checks"][1]["outcome"], "broken");
    assert_eq!(partition["state"], "behind");
    let unknown = partition["consumed_per_s"]["unknown"].as_str().unwrap();
    assert!(unknown.contains("--window 0s"), "{unknown}");
    let (code, group, _) = one("places-behind", &["--max-lag", "6", "--max-age", "1h"]).await;
    assert_eq!((code, &group["checks"][1]["outcome"]), (0, &"held".into()));

    let (code, group, partition) = one("places-at", &limits).await;
    assert_eq!((code, &partition["state"]), (0, &"caught-up".into()));
    assert_eq!((&group["behind"], &group["age_ms"]), (&0.into(), &0.into()));

    let (code, group, partition) = one("places-past", &limits).await;
    assert_eq!((code, &partition["state"]), (3, &"past-end".into()));
    let unknown = group["behind"]["unknown"].as_str().unwrap();
    assert!(unknown.contains("truncated or made anew"), "{unknown}");

    target.delete_records_before(6).await;
    let (code, group, partition) = one("places-behind", &["--max-lag", "100"]).await;
    assert_eq!((code, &partition["state"]), (1, &"lost".into()));
    assert_eq!((&group["lost"], &group["behind"]), (&2.into(), &4.into()));

    let (code, group, _) = one("places-none", &limits).await;
    assert_eq!((code, &group["consumer"]), (3, &"absent".into()));
    let unknown = group["behind"]["unknown"].as_str().unwrap();
    assert!(unknown.contains("offsets expired"), "{unknown}");
    // Nothing was asked to be judged.
    assert_eq!(one("places-none", &[]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_and_compacted_partitions() {
    let empty = Target::new("empty", &[]).await;
    empty.commit("empty-reader", 0).await;
    let (_, group, partition) = one("empty-reader", &[]).await;
    assert_eq!(partition["state"], "caught-up");
    assert_eq!(
        (&group["behind"], &group["at_most"]),
        (&0.into(), &false.into())
    );

    let compacted = Target::new("compacted", &[("cleanup.policy", "compact")]).await;
    compacted.produce(now_ms(), 3).await;
    compacted.commit("compacted-reader", 1).await;
    let (_, group, partition) = one("compacted-reader", &[]).await;
    assert_eq!(
        (&group["behind"], &group["at_most"]),
        (&2.into(), &true.into())
    );
    assert_eq!(partition["deleted_in_ms"], "never");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_and_its_marker() {
    let target = Target::new("transacted", &[]).await;
    target.produce(now_ms(), 2).await;
    target.commit("transacted-reader", 1).await;
    let transaction = target.begin("lag-mover", 3).await;
    let (_, group, partition) = one("transacted-reader", &[]).await;
    assert_eq!(
        (&group["behind"], &group["behind_stable"]),
        (&4.into(), &1.into())
    );
    assert_eq!(
        (&partition["end"], &partition["stable_end"]),
        (&5.into(), &2.into())
    );

    transaction.commit().await;
    let place = [target.place.clone()];
    let stable = OffsetSpec::Latest(Isolation::ReadCommitted);
    let mut cluster = Cluster::connect([bootstrap()], ClusterOptions::default())
        .await
        .unwrap();
    while cluster.list_offsets(&place, stable).await.unwrap()[&place[0]].get() < 6 {}
    // Behind the last record there is only the marker: nothing is unread.
    target.commit("transacted-reader", 5).await;
    let (_, group, partition) = one("transacted-reader", &[]).await;
    assert_eq!(partition["state"], "caught-up");
    assert_eq!((&group["behind"], &group["age_ms"]), (&0.into(), &0.into()));
    // In front of it, it is counted.
    target.commit("transacted-reader", 4).await;
    let (_, group, _) = one("transacted-reader", &[]).await;
    assert_eq!(
        (&group["behind"], &group["at_most"]),
        (&2.into(), &true.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_each_protocol_come_and_go() {
    let target = Target::new("members", &[]).await;
    target.produce(now_ms(), 5).await;
    let member = target.join("members-classic").await;
    let (code, group, partition) = one("members-classic", &["--max-lag", "100"]).await;
    assert_eq!(
        (&group["consumer"], &group["state"]),
        (&"present".into(), &"Stable".into())
    );
    assert_eq!(group["members"], 1);
    // It has the partition, and has committed nothing.
    assert_eq!((code, &partition["state"]), (3, &"no-position".into()));
    assert_eq!(partition["position"], Value::Null);
    assert_eq!(partition["member"], "");
    member.commit(3).await;
    let (_, group, _) = one("members-classic", &[]).await;
    assert_eq!(group["behind"], 2);
    member.leave().await;
    let (_, group, _) = one("members-classic", &[]).await;
    assert_eq!(
        (&group["consumer"], &group["members"]),
        (&"gone".into(), &0.into())
    );
    assert_eq!(group["behind"], 2);

    target.heartbeat("members-newer").await;
    let (_, group, partition) = one("members-newer", &[]).await;
    assert_eq!(
        (&group["type"], &group["members"]),
        (&"consumer".into(), &1.into())
    );
    assert_eq!(partition["state"], "no-position");

    target.share("members-share", 2).await;
    let (_, group, partition) = one("members-share", &[]).await;
    assert_eq!(
        (&group["type"], &group["consumer"]),
        (&"share".into(), &"gone".into())
    );
    assert_eq!(
        (&partition["position"], &group["behind"]),
        (&2.into(), &3.into())
    );
    assert_eq!(group["at_most"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_those_of_the_window() {
    let settings = [
        ("retention.ms", "3600000"),
        ("retention.bytes", "100000000"),
    ];
    let target = Target::new("moving", &settings).await;
    target.produce(now_ms() - 10 * MINUTE_MS, 20).await;
    target.commit("moving-reader", 1).await;
    target.commit("moving-stalled", 1).await;
    let done = AtomicBool::new(false);
    let moving = async {
        let mut next = 2;
        while !done.load(Ordering::Relaxed) {
            target.produce(now_ms(), 2).await;
            target.commit("moving-reader", next).await;
            next += 1;
        }
    };
    let asked = async {
        let groups = ["--group", "moving-reader", "--group", "moving-stalled"];
        let mut args = vec!["--window", "2s"];
        args.extend(groups);
        let report = lag(&bootstrap(), &args).await;
        done.store(true, Ordering::Relaxed);
        report
    };
    let ((), (code, report)) = tokio::join!(moving, asked);
    assert_eq!(code, 0);
    let [reader, stalled] = [&report["groups"][0], &report["groups"][1]];
    let rate = |group: &Value, of: &str| group[of].as_f64().unwrap();
    assert!(rate(reader, "produced_per_s") > 0.0 && rate(reader, "consumed_per_s") > 0.0);
    assert!(
        rate(reader, "consumed_per_s") < rate(reader, "produced_per_s"),
        "{reader}"
    );
    assert_eq!(reader["partitions"][0]["state"], "falling-behind");
    assert_eq!(reader["caught_up_in_ms"], "never");
    assert_eq!(stalled["consumed_per_s"], 0.0);
    assert_eq!(stalled["partitions"][0]["state"], "stalled");
    // The next record is ten minutes old, and goes after an hour; or a little sooner.
    let deleted_in_ms = stalled["deleted_in_ms"].as_i64().unwrap();
    assert!(deleted_in_ms <= 50 * MINUTE_MS, "{deleted_in_ms}");
    assert!(deleted_in_ms > 0, "{deleted_in_ms}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_groups_cost_no_more_requests_than_one() {
    let target = Target::new("thousand", &[]).await;
    target.produce(now_ms() - MINUTE_MS, 1000).await;
    for number in 0..1000 {
        target
            .commit(&format!("thousand-{number:03}"), number)
            .await;
    }
    let requests = |report: &Value| -> u64 {
        let counts = report["requests"].as_object().unwrap().values();
        counts.map(|it| it.as_u64().unwrap()).sum()
    };
    let one = ["--window", "0s", "--group", "thousand-000"];
    let (_, of_one) = lag(&bootstrap(), &one).await;
    let (_, of_all) = lag(&bootstrap(), &["--window", "0s", "--max-lag", "1000"]).await;
    let groups = of_all["groups"].as_array().unwrap();
    let ours: Vec<_> = groups
        .iter()
        .filter(|it| it["group"].as_str().unwrap().starts_with("thousand-"))
        .collect();
    assert_eq!(ours.len(), 1000);
    for (number, group) in (0..1000_i64).zip(ours) {
        assert_eq!(group["behind"], 1000 - number);
        assert_eq!(group["checks"][0]["outcome"], "held");
        assert!(group["age_ms"].as_i64().unwrap() >= MINUTE_MS, "{group}");
    }
    // Other tests' groups are of every type: each type is described and read by itself, and
    // their partitions may need a fetch of their own.
    assert!(requests(&of_one) <= 13, "{}", of_one["requests"]);
    assert!(requests(&of_all) <= 24, "{}", of_all["requests"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_answer_hides_its_groups_and_no_others() {
    let dir = fresh_dir(env!("CARGO_TARGET_TMPDIR"), "lag-three");
    let stack = start_brokers(&dir, 3).await;
    let at = stack.direct_servers()[0].to_string();
    let target = Target::at(&at, "spread", &[]).await;
    target.produce(now_ms(), 5).await;
    let mut hidden = 0;
    for number in 0..12 {
        let group = format!("spread-{number}");
        hidden += usize::from(target.commit(&group, 1).await != 1);
    }
    assert!((1..12).contains(&hidden), "{hidden}");
    for broker in &stack.brokers()[1..] {
        broker.service().pause().await.unwrap();
    }
    let limits = ["--window", "0s", "--timeout", "8s", "--max-lag", "10"];
    let since = Instant::now();
    let (code, report) = lag(&at, &limits).await;
    // Far below the retries of any client, and far above the limit.
    assert!(since.elapsed() < Duration::from_secs(40));
    assert_eq!(code, 3, "{report}");
    assert_eq!(
        report["incomplete"].as_array().unwrap().len(),
        2,
        "{report}"
    );
    assert_eq!(report["groups"].as_array().unwrap().len(), 12 - hidden);
    let group = ["--group", "spread-none"];
    let (code, report) = lag(&at, &[&limits[..], &group].concat()).await;
    assert_eq!(
        (code, &report["groups"][0]["consumer"]),
        (3, &"unknown".into())
    );

    // No broker answers.
    stack.brokers()[0].service().pause().await.unwrap();
    let args = ["--bootstrap", &at, "--timeout", "3s", "--window", "0s"];
    let since = Instant::now();
    let output = output(args.into_iter().map(str::to_owned).collect()).await;
    assert!(since.elapsed() < Duration::from_secs(40));
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(output.stdout.is_empty());
    for broker in stack.brokers() {
        broker.service().resume().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_for_people() {
    let target = Target::new("table", &[]).await;
    target.produce(now_ms() - 10 * MINUTE_MS, 1500).await;
    target.commit("table-reader", 100).await;
    let at = bootstrap();
    let args = ["--bootstrap", &at, "--window", "0s", "--max-lag", "1000"];
    let args = [&args[..], &["--group", "table-reader"]].concat();
    let output = output(args.into_iter().map(str::to_owned).collect()).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "table-reader  classic, Empty, 0 members, consumer simple",
        "table-0",
        "1,400",
        "0:10:",
        "broken: max-lag 1,000: group table-reader: 1,400",
        "rates were not measured (--window 0s)",
        "a threshold is broken",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}
