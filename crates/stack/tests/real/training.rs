//! Start-up archives: trained once, done without when they are no good.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use stack::archive::{Archives, Program, Training, train};
use stack::artefacts::Parts;
use stack::cache::Cache;
use stack::stack::{Stack, StackSpec};

use crate::fixture::{Fixture, GRACE, entries};

#[tokio::test]
async fn an_archive_is_made_used_and_when_broken_done_without() {
    let fixture = Fixture::new(Parts::Kafka);
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let find = || Archives::find(&cache, &fixture.artefacts, &fixture.java);
    assert!(!find().has(Program::Broker));

    let training = Training::in_background(&cache, &fixture.artefacts, &fixture.java).unwrap();
    assert!(
        Training::in_background(&cache, &fixture.artefacts, &fixture.java).is_none(),
        "one at a time"
    );
    drop(training);
    // It ends when the runtime comes round to it, and takes its files along.
    let since = Instant::now();
    while entries(&dir.path().join("scratch")) > 0 {
        assert!(since.elapsed() < Duration::from_secs(5), "leftovers");
        tokio::task::yield_now().await;
    }
    assert!(!find().has(Program::Broker), "half made");

    let archives = train(&cache, &fixture.artefacts, &fixture.java)
        .await
        .unwrap();
    assert!(archives.has(Program::Broker) && !archives.has(Program::Connect));
    let stack = fixture
        .start(StackSpec {
            archives: archives.clone(),
            ..fixture.spec()
        })
        .await;
    let archive = archives.dir().unwrap().join("broker.archive");
    assert!(is_mapped(&stack, &archive), "the JVM took it");
    stack.stop(GRACE).await;

    fs::write(&archive, "no archive at all").unwrap();
    let spec = StackSpec {
        archives: find(),
        ..StackSpec::new(fixture.dir.path().join("again"))
    };
    assert!(spec.archives.has(Program::Broker));
    let stack = fixture.start(spec).await;
    assert!(!is_mapped(&stack, &archive));
    stack.stop(GRACE).await;
}

/// Whether the first broker has mapped a file into its memory: proc(5).
fn is_mapped(stack: &Stack, file: &Path) -> bool {
    let pid = stack.brokers()[0].service().pid().unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.contains(file.to_str().unwrap())
}
