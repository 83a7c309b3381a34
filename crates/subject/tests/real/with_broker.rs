//! Subjects and a real broker.

use std::sync::Arc;
use std::time::Duration;

use crate::process::{
    Subject, acknowledged, config, consumer, count, failed, processed, producer, sent, served,
    unknown,
};
use model::event::{CommitResult, Content};
use model::pace::Pace;
use rustix::process::Signal;
use stack::artefacts::Parts;
use stack::embedded::{Stack, StackSpec};
use subject::clock::Clock;
use subject::role::{ClientCommand, ClientEvent, ConsumerRole, ProducerRole, Report, Role};
use testkit::Kafka;

const RECORDS: usize = 1000;

async fn one_broker(dir: &tempfile::TempDir) -> (Stack, String) {
    let kafka = Kafka::find(Parts::Kafka);
    let spec = StackSpec {
        broker_config: config(&[
            ("auto.create.topics.enable", "true"),
            ("num.partitions", "3"),
        ]),
        ..kafka.spec(dir.path())
    };
    let stack = kafka.start(spec).await;
    let bootstrap = stack.bootstrap_servers()[0].to_string();
    (stack, bootstrap)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_where_it_committed() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    let clock = Clock::start();

    let role = ProducerRole {
        client: served(),
        ..producer(clock, &bootstrap, "t")
    };
    let mut sender = Subject::start(clock, &Role::Producer(role));
    assert!(sender.wait().success());
    assert_eq!(sender.count(sent), RECORDS);
    assert_eq!(sender.count(acknowledged), RECORDS);

    for (group, signal, client) in [
        ("stopped", Signal::TERM, ClientCommand::BuiltIn),
        ("killed", Signal::KILL, ClientCommand::BuiltIn),
        ("stopped-behind-a-pipe", Signal::TERM, served()),
        ("killed-behind-a-pipe", Signal::KILL, served()),
    ] {
        let role = Role::Consumer(ConsumerRole {
            client,
            config: config(&[("group.instance.id", "consumer-0")]),
            ..consumer(clock, &bootstrap, "t", group)
        });
        let mut first = Subject::start(clock, &role);
        // Past a commit, and not at one.
        first.until(|reports| count(reports, processed) >= 409);
        first.signal(signal);
        assert_eq!(first.wait().success(), signal == Signal::TERM);

        let mut second = Subject::start(clock, &role);
        let before = first.distinct();
        second.until(|reports| count(reports, processed) >= RECORDS - before.len());
        second.signal(Signal::TERM);
        assert!(second.wait().success());

        let again = second.distinct().intersection(&before).count();
        println!(
            "{group}: first record {:?} after the start, {:?} after the restart; {again} again",
            first.first_record_after(),
            second.first_record_after()
        );
        assert!(second.first_record_after() < Duration::from_secs(5));
        match signal {
            Signal::KILL => assert!((1..=20).contains(&again), "{again}"),
            _ => assert_eq!(again, 0),
        }
        assert!(second.reports.iter().all(|report| !matches!(
            report.what,
            ClientEvent::Committed { result, .. } if result != CommitResult::Accepted
        )));
        assert!(second.reports.iter().all(|report| !matches!(
            report.what,
            ClientEvent::Processed { content, .. } if !matches!(content, Content::Ours(_))
        )));
        assert_eq!(second.reports.last().unwrap().what, ClientEvent::Ended);
    }
    stack.stop(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_partitions_and_give_back_what_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    let clock = Clock::start();
    let mut sender = Subject::start(clock, &Role::Producer(producer(clock, &bootstrap, "t")));
    assert!(sender.wait().success());

    for (group, assignor) in [("eager", "range"), ("cooperative", "cooperative-sticky")] {
        let role = Role::Consumer(ConsumerRole {
            config: config(&[
                ("partition.assignment.strategy", assignor),
                ("heartbeat.interval.ms", "200"),
            ]),
            changes: None,
            records_per_s: 100,
            ..consumer(clock, &bootstrap, "t", group)
        });
        let mut first = Subject::start(clock, &role);
        first.until(|reports| count(reports, processed) >= 50);
        let mut second = Subject::start(clock, &role);
        second.until(|reports| count(reports, processed) >= 50);
        // A clean leave: all partitions are the first one's again.
        second.signal(Signal::TERM);
        assert!(second.wait().success());
        let assigned = |what: &ClientEvent| matches!(what, ClientEvent::Assigned { .. });
        let before = (first.count(assigned), first.count(processed));
        first.until(|reports| {
            count(reports, assigned) > before.0 && count(reports, processed) > before.1 + 50
        });
        first.signal(Signal::TERM);
        assert!(first.wait().success());

        let mut both = first.positions();
        both.extend(second.positions());
        both.sort_unstable();
        // A partition that no reader has come to yet is not in it.
        assert_eq!(both[0].1, 0, "{group}");
        for pair in both.windows(2) {
            let ((partition, offset), next) = (pair[0], pair[1]);
            assert!(
                next == (partition, offset + 1) || (next.0 > partition && next.1 == 0),
                "{group}: {next:?} after {:?}",
                (partition, offset)
            );
        }
        assert!(first.reports.iter().any(
            |report| matches!(&report.what, ClientEvent::Revoked { partitions } if !partitions.is_empty())
        ));
    }
    stack.stop(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_costs_retries_and_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    let clock = Clock::start();
    let role = ProducerRole {
        records: 300,
        pace: Pace::steady(100),
        config: config(&[("acks", "all"), ("request.timeout.ms", "1000")]),
        ..producer(clock, &bootstrap, "t")
    };
    let mut sender = Subject::start(clock, &Role::Producer(role));
    sender.until(|reports| count(reports, acknowledged) >= 100);
    // A topic that has just been made costs some too.
    let before = retries(&sender.reports);
    let broker = Arc::clone(&stack.brokers()[0]);
    broker.service().pause().await.unwrap();
    // The schedule goes on while no broker answers.
    sender.until(|reports| count(reports, sent) == 300);
    broker.service().resume().await.unwrap();
    assert!(sender.wait().success());
    assert_eq!(sender.count(acknowledged), 300);
    assert_eq!(sender.count(failed) + sender.count(unknown), 0);
    let after = retries(&sender.reports);
    println!("retries: {before} before the freeze, {after} in the end");
    assert!(after > before);
    stack.stop(Duration::from_millis(100)).await;
}

/// With `acks=0` every record has its outcome while the broker has none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_waits_for_no_answer_ends_when_its_records_have_arrived() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    let clock = Clock::start();
    let role = ProducerRole {
        records: 300,
        pace: Pace::steady(100),
        config: config(&[("acks", "0")]),
        ..producer(clock, &bootstrap, "t")
    };
    let mut sender = Subject::start(clock, &Role::Producer(role));
    sender.until(|reports| count(reports, acknowledged) >= 100);
    let broker = Arc::clone(&stack.brokers()[0]);
    broker.service().pause().await.unwrap();
    sender.until(|reports| count(reports, acknowledged) == 300);
    // Long enough for one that does not wait to come to its end.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let resumed = clock.now();
    broker.service().resume().await.unwrap();
    assert!(sender.wait().success());
    let told = sender.reports.iter().filter(|it| acknowledged(&it.what));
    let no_offset = |it: &&Report| matches!(it.what, ClientEvent::Acknowledged { offset, .. } if offset.is_none());
    assert_eq!(told.filter(no_offset).count(), 300);
    let mut ends = sender
        .reports
        .iter()
        .filter(|it| it.what == ClientEvent::Ended);
    let ended = ends.next().unwrap();
    assert!(ended.at > resumed, "{ended:?}, resumed at {resumed}");
    stack.stop(Duration::from_millis(100)).await;
}

fn retries(reports: &[Report]) -> u64 {
    reports
        .iter()
        .rev()
        .find_map(|report| match report.what {
            ClientEvent::Counted { retries } => Some(retries),
            _ => None,
        })
        .unwrap_or(0)
}
