//! Fetching: once, checked, by one at a time, and what is said when it fails.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use stack::artefacts::{
    ArtefactRequest, FetchError, FetchProgress, PartKind, Parts, Pinning, Versions, fetch_with,
};
use stack::cache::Cache;
use stack::checksums::ChecksumsError;
use stack::diagnose::{Diagnosis, Health, diagnose};
use stack::maven::{Maven, MavenError};
use testkit::request;

use crate::fixture::{Fixture, entries};

fn maven() -> Option<Maven> {
    Maven::find(env::var_os("PATH").as_deref())
}

#[test]
fn two_at_once_fetch_once_and_a_warm_cache_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let events = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let seen = &mut |event| events.lock().unwrap().push(event);
                let got = fetch_with(&cache, &request(Parts::Kafka), maven, seen).unwrap();
                assert_eq!(got.kafka.pinning, Pinning::Verified);
                assert!(got.jars.len() > 80);
            });
        }
    });
    let events = events.into_inner().unwrap();
    let resolved = events
        .iter()
        .filter(|it| matches!(it, FetchProgress::Resolving(_)));
    assert_eq!(resolved.count(), 1, "{events:?}");
    assert_eq!(entries(&dir.path().join("scratch")), 0);

    let since = Instant::now();
    let unasked = || panic!("Maven is not needed");
    fetch_with(&cache, &request(Parts::Kafka), unasked, &mut |it| {
        panic!("{it:?}")
    })
    .unwrap();
    assert!(since.elapsed() < Duration::from_millis(200));

    // A part that lost a file is fetched again.
    let jar = fs::read_dir(dir.path().join("parts/kafka-4.3.1"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .find(|it| it.extension().is_some_and(|it| it == "jar"))
        .unwrap();
    fs::remove_file(&jar).unwrap();
    fetch_with(&cache, &request(Parts::Kafka), maven, &mut |_| {}).unwrap();
    assert!(jar.exists());
}

#[test]
fn a_repository_that_altered_a_file_is_refused_and_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("mvn");
    // What a hostile mirror would make of it: the name is right.
    let alter = "#!/bin/sh\n\
        for arg; do case $arg in -DoutputDirectory=*) dir=${arg#*=};; esac; done\n\
        mkdir -p \"$dir\"; echo evil > \"$dir/debezium-connector-postgres-3.7.0.Final-plugin.tar.gz\"\n\
        echo evil > \"$dir/kafka-clients-4.3.1.jar\"\n";
    fs::write(&script, alter).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let hostile = || Maven::find(Some(dir.path().as_os_str()));
    let cache = Cache::at(dir.path().join("cache"));
    let error = fetch_with(&cache, &request(Parts::Kafka), hostile, &mut |_| {}).unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::Checksums {
                part: PartKind::Kafka,
                source: ChecksumsError::Missing { .. } | ChecksumsError::Mismatch { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(entries(&cache.root().join("parts")), 0);
    assert_eq!(entries(&cache.root().join("scratch")), 0);
}

#[test]
fn no_maven_no_network_and_no_such_version_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("cache"));
    let fail = |request: &ArtefactRequest, maven: &dyn Fn() -> Option<Maven>| match fetch_with(
        &cache,
        request,
        maven,
        &mut |_| {},
    )
    .unwrap_err()
    {
        FetchError::Maven { source, .. } => source,
        other => panic!("{other:?}"),
    };
    let default = request(Parts::Kafka);
    let none = fail(&default, &|| Maven::find(Some(dir.path().as_os_str())));
    assert!(matches!(none, MavenError::NotInstalled), "{none:?}");

    // A port where nothing listens.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = dir.path().join("settings.xml");
    let mirror = format!(
        "<settings><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf>\
         <url>http://{closed}</url></mirror></mirrors></settings>"
    );
    fs::write(&settings, mirror).unwrap();
    let repository = format!("-Dmaven.repo.local={}", dir.path().join("empty").display());
    let cut_off = || {
        let maven = maven()?.with_args(["-s", settings.to_str()?]);
        Some(maven.with_args([&repository]))
    };
    let unreachable = fail(&default, &cut_off);
    assert!(
        matches!(unreachable, MavenError::Unreachable { .. }),
        "{unreachable:?}"
    );

    let wrong = ArtefactRequest {
        versions: Versions {
            kafka: "4.3.99".to_owned(),
            ..Versions::default()
        },
        ..default
    };
    let missing = fail(&wrong, &maven);
    assert!(
        matches!(&missing, MavenError::NotInRepository { complaint, .. } if complaint.contains("4.3.99")),
        "{missing:?}"
    );
}

#[test]
fn an_unpacked_distribution_is_used_and_never_called_verified() {
    let fixture = Fixture::new(Parts::Kafka);
    let home = fixture.dir.path();
    let at_home = || ArtefactRequest {
        kafka_home: Some(home.to_owned()),
        ..request(Parts::Kafka)
    };
    let unasked = || panic!("Maven is not needed");
    let error = fetch_with(&fixture.kafka.cache, &at_home(), unasked, &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, FetchError::NotKafkaHome { .. }),
        "{error:?}"
    );
    symlink(&fixture.kafka.artefacts.kafka.path, home.join("libs")).unwrap();
    let got = fetch_with(&fixture.kafka.cache, &at_home(), unasked, &mut |_| {}).unwrap();
    assert_eq!(got.kafka.version, "4.3.1");
    assert_eq!(got.kafka.pinning, Pinning::Unpinned);
    assert_eq!(got.jars.len(), fixture.kafka.artefacts.jars.len());
}

#[tokio::test]
async fn a_diagnosis_names_what_is_missing_and_what_to_do_and_fetches_nothing() {
    let fixture = Fixture::new(Parts::KafkaAndCdc);
    let wanted = request(Parts::KafkaAndCdc);
    let here = diagnose(&fixture.kafka.cache, &wanted, fixture.dir.path()).await;
    let health = |all: &[Diagnosis], subject| {
        let found = all.iter().find(|it| it.subject == subject);
        found.map(|it| (it.health, it.advice.is_some()))
    };
    for subject in [
        "java",
        "maven",
        "kafka",
        "debezium",
        "postgresql",
        "postgresql runs",
    ] {
        let found = health(&here, subject);
        assert!(
            matches!(found, Some((Health::Good, _))),
            "{subject}: {here:?}"
        );
    }
    let empty = Cache::at(fixture.dir.path().join("cache"));
    let there = diagnose(&empty, &wanted, fixture.dir.path()).await;
    assert_eq!(health(&there, "kafka"), Some((Health::Degraded, true)));
    assert!(!empty.root().exists());
}
