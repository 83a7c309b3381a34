//! Fresh log directories are what Kafka's own tool makes of them.

use std::fs;
use std::os::unix::fs::symlink;

use stack::artefacts::{ArtefactRequest, Parts, fetch};
use stack::cache::Cache;
use testkit::request;

use crate::fixture::{Fixture, GRACE, entries};

/// The level in force, as Kafka's tool tells it.
fn level<'t>(told: &'t str, feature: &str) -> &'t str {
    let line = told.lines().find(|it| it.contains(feature)).unwrap();
    let level = line.split("FinalizedVersionLevel:").nth(1).unwrap();
    level.split_whitespace().next().unwrap()
}

/// An unpacked distribution stands for any Kafka that is not the default.
#[tokio::test]
async fn the_storage_tool_of_any_kafka_is_asked_once_and_its_features_are_in_force() {
    let mut fixture = Fixture::new(Parts::Kafka);
    let home = fixture.dir.path().join("home");
    fs::create_dir_all(home.join("libs")).unwrap();
    for jar in &fixture.kafka.artefacts.jars {
        symlink(jar, home.join("libs").join(jar.file_name().unwrap())).unwrap();
    }
    let cache = Cache::at(fixture.dir.path().join("cache"));
    let request = ArtefactRequest {
        kafka_home: Some(home),
        ..request(Parts::Kafka)
    };
    fixture.kafka.artefacts = fetch(&cache, &request, &mut |_| {}).unwrap();

    let stack = fixture.start(fixture.spec()).await;
    let features = fixture.tool("FeatureCommand", &stack.brokers()[0], &["describe"]);
    assert_eq!(level(&features, "transaction.version"), "2");
    assert_eq!(level(&features, "eligible.leader.replicas.version"), "1");
    stack.stop(GRACE).await;

    let tool_log = cache.root().join("logs/storage-tool.log");
    let asked = fs::read_to_string(&tool_log).unwrap();
    assert_eq!(entries(&cache.root().join("formats")), 1);
    assert_eq!(entries(&cache.root().join("scratch")), 0);
    let stack = fixture.start(fixture.spec()).await;
    stack.stop(GRACE).await;
    assert_eq!(fs::read_to_string(&tool_log).unwrap(), asked, "asked again");

    // Other features are another format, of other log directories.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut spec = fixture.kafka.spec(elsewhere.path());
    spec.features = [("transaction.version".to_owned(), 1)].into();
    let stack = fixture.start(spec).await;
    let features = fixture.tool("FeatureCommand", &stack.brokers()[0], &["describe"]);
    assert_eq!(level(&features, "transaction.version"), "1");
    assert_eq!(level(&features, "eligible.leader.replicas.version"), "1");
    stack.stop(GRACE).await;
    assert_eq!(entries(&cache.root().join("formats")), 2);
}
