//! Start-up archives: trained once, done without when they are no good.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use stack::archive::{Archives, Program};
use stack::artefacts::Parts;
use stack::cache::Cache;
use stack::embedded::{Stack, StackSpec};
use stack::java::{OLDEST_MAJOR, all_javas};
use stack::training::{Training, train};

use crate::fixture::{Fixture, GRACE, entries};

/// The AOT cache and the class-data archive are two ways to the same: each
/// Java on this machine shows the one it has.
#[tokio::test]
async fn every_java_makes_an_archive_that_brokers_use_and_when_broken_do_without() {
    let mut majors = BTreeSet::new();
    for java in all_javas() {
        if java.version.major < OLDEST_MAJOR || !majors.insert(java.version.major) {
            continue;
        }
        let mut fixture = Fixture::new(Parts::Kafka);
        fixture.kafka.java = java;
        let cache = Cache::at(fixture.dir.path().join("cache"));
        let archives = train(&cache, &fixture.kafka.artefacts, &fixture.kafka.java)
            .await
            .unwrap();
        assert!(archives.has(Program::Broker) && !archives.has(Program::Connect));
        assert_eq!(entries(&cache.root().join("scratch")), 0);
        let archive = archives.dir().unwrap().join("broker.archive");
        let spec = |name| StackSpec {
            archives: archives.clone(),
            ..StackSpec::new(fixture.dir.path().join(name))
        };
        let stack = fixture.start(spec("whole")).await;
        assert!(
            is_mapped(&stack, &archive),
            "{}",
            fixture.kafka.java.version
        );
        stack.stop(GRACE).await;

        fs::write(&archive, "no archive at all").unwrap();
        let stack = fixture.start(spec("broken")).await;
        assert!(
            !is_mapped(&stack, &archive),
            "{}",
            fixture.kafka.java.version
        );
        stack.stop(GRACE).await;
    }
    assert!(!majors.is_empty());
}

#[tokio::test]
async fn a_training_that_is_given_up_leaves_nothing_half_made() {
    let fixture = Fixture::new(Parts::Kafka);
    let cache = Cache::at(fixture.dir.path());
    let begin = || Training::in_background(&cache, &fixture.kafka.artefacts, &fixture.kafka.java);
    let training = begin().unwrap();
    assert!(begin().is_none(), "one at a time");
    let since = Instant::now();
    while broker_log_bytes(cache.root()) == 0 {
        // It gives way to everything else, this loop included.
        assert!(since.elapsed() < Duration::from_mins(5), "not at work");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    drop(training);
    // It ends when the runtime comes round to it, and takes its files along.
    let since = Instant::now();
    while entries(&cache.root().join("scratch")) > 0 {
        assert!(since.elapsed() < Duration::from_secs(5), "leftovers");
        tokio::task::yield_now().await;
    }
    let found = Archives::find(&cache, &fixture.kafka.artefacts, &fixture.kafka.java);
    assert!(!found.has(Program::Broker));
}

/// What the broker in training has said so far.
fn broker_log_bytes(cache: &Path) -> u64 {
    let scratches = fs::read_dir(cache.join("scratch")).into_iter().flatten();
    scratches
        .filter_map(|it| fs::metadata(it.ok()?.path().join("stack/logs/broker-1.log")).ok())
        .map(|log| log.len())
        .sum()
}

/// Whether the first broker has mapped a file into its memory: proc(5).
fn is_mapped(stack: &Stack, file: &Path) -> bool {
    let pid = stack.brokers()[0].service().pid().unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.contains(file.to_str().unwrap())
}
