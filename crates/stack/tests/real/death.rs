//! `kill -9` of the program that holds a stack leaves nothing, whatever its
//! children are doing.
//!
//! The holder is this test program itself, started again with a variable that
//! tells it what to hold.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use stack::artefacts::{Parts, fetch_with};
use stack::cache::Cache;
use stack::embedded::{CdcSpec, StackSpec};
use stack::maven::Maven;
use stack::process::ProcessSnapshot;
use stack::training::Training;
use testkit::request;

use crate::fixture::Fixture;

const ROLE: &str = "ACKPROOF_TEST_HOLDS";
const DIR: &str = "ACKPROOF_TEST_DIR";
const HELD: &str = "held";
const SETTINGS: &str = "settings.xml";

/// Not a test of its own: what the others start and kill.
#[tokio::test]
async fn holder() {
    let Ok(role) = env::var(ROLE) else { return };
    let dir = env::var(DIR).unwrap();
    match role.as_str() {
        "stack" => hold_stack().await,
        "start" => hold_start(Path::new(&dir)).await,
        "maven" => hold_maven(Path::new(&dir)),
        "training" => hold_training(Path::new(&dir)).await,
        _ => panic!("{role}"),
    }
}

fn say_held() {
    // Not println!, which the test harness captures.
    let mut stdout = std::io::stdout();
    stdout.write_all(format!("\n{HELD}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

/// Everything at once: a frozen broker, and a query that works for hours.
async fn hold_stack() {
    let fixture = Fixture::new(Parts::KafkaAndCdc);
    let spec = StackSpec {
        brokers: 3,
        cdc: Some(CdcSpec::default()),
        ..fixture.spec()
    };
    let stack = fixture.start(spec).await;
    let database = stack.cdc().unwrap().postgres().connection_parameters();
    let (client, connection) = tokio_postgres::Config::new()
        .host(&database.host)
        .port(database.port)
        .user(&database.user)
        .dbname(&database.dbname)
        .connect(tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let endless = client.batch_execute("SELECT count(*) FROM generate_series(1, 1e12)");
    let hold = async {
        stack.brokers()[0].service().pause().await.unwrap();
        say_held();
        std::future::pending::<()>().await;
    };
    let (ended, ()) = tokio::join!(endless, hold);
    ended.unwrap();
}

/// Three brokers, which may be killed before they are there.
async fn hold_start(dir: &Path) {
    let fixture = Fixture::new(Parts::Kafka);
    let spec = StackSpec {
        brokers: 3,
        archives: fixture.spec().archives,
        ..StackSpec::new(dir)
    };
    let _stack = fixture.start(spec).await;
    std::future::pending::<()>().await;
}

/// A fetch from the repository that the settings name.
fn hold_maven(dir: &Path) {
    let settings = dir.join(SETTINGS);
    let maven = Maven::find(env::var_os("PATH").as_deref())
        .unwrap()
        .with_args(["-s", settings.to_str().unwrap()])
        .with_args([format!(
            "-Dmaven.repo.local={}",
            dir.join("empty").display()
        )]);
    let cache = Cache::at(dir.join("cache"));
    let fetched = fetch_with(
        &cache,
        &request(Parts::Kafka),
        || Some(maven.clone()),
        &mut |_| {},
    );
    panic!("{fetched:?}");
}

async fn hold_training(dir: &Path) {
    let fixture = Fixture::new(Parts::Kafka);
    let cache = Cache::at(dir.join("cache"));
    let training = Training::in_background(&cache, &fixture.kafka.artefacts, &fixture.kafka.java);
    // Until it has a process.
    while descendants(std::process::id()).is_empty() {
        tokio::task::yield_now().await;
    }
    say_held();
    training.unwrap().finish().await;
}

#[test]
fn nothing_of_a_stack_with_a_frozen_broker_and_a_busy_database_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = spawn_holder("stack", dir.path());
    wait_until_said(&mut holder);
    kill_and_expect_nothing(holder, 9);
}

#[test]
fn nothing_of_three_brokers_is_left_at_any_moment_of_their_start() {
    for wanted in [1, 2, 3] {
        let dir = tempfile::tempdir().unwrap();
        let holder = spawn_holder("start", dir.path());
        let brokers = loop {
            let brokers = processes_naming(dir.path());
            if brokers.len() >= wanted {
                break brokers;
            }
            thread::yield_now();
        };
        // SIGKILL reaches a stopped process too.
        let frozen = brokers.keys().next().copied().unwrap();
        let frozen = rustix::process::Pid::from_raw(i32::try_from(frozen).unwrap()).unwrap();
        rustix::process::kill_process(frozen, rustix::process::Signal::STOP).unwrap();
        kill_and_expect_nothing(holder, wanted);
        // One started between the look at them and the kill would be missed.
        let since = Instant::now();
        while !processes_naming(dir.path()).is_empty() {
            assert!(since.elapsed() < Duration::from_secs(2), "a late one");
            thread::yield_now();
        }
    }
}

/// The processes whose command line names a file in `dir`.
fn processes_naming(dir: &Path) -> BTreeMap<u32, ProcessSnapshot> {
    let dir = format!("{}/", dir.display());
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|it| it.parse::<u32>().ok()) else {
            continue;
        };
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&dir)
            && let Ok(snapshot) = ProcessSnapshot::of(pid)
        {
            found.insert(pid, snapshot);
        }
    }
    found
}

#[test]
fn nothing_of_a_fetch_is_left() {
    let dir = tempfile::tempdir().unwrap();
    // A repository that accepts, never answers, and outlives the holder: else
    // Maven would end because of that.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!(
        "<settings><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf>\
         <url>http://{}</url></mirror></mirrors></settings>",
        silent.local_addr().unwrap()
    );
    fs::write(dir.path().join(SETTINGS), mirror).unwrap();
    let holder = spawn_holder("maven", dir.path());
    let _connection = silent.accept().unwrap();
    kill_and_expect_nothing(holder, 1);
}

#[test]
fn nothing_of_a_training_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = spawn_holder("training", dir.path());
    wait_until_said(&mut holder);
    kill_and_expect_nothing(holder, 1);
}

fn wait_until_said(holder: &mut Child) {
    let stdout = BufReader::new(holder.stdout.take().unwrap());
    let held = stdout.lines().any(|line| line.unwrap() == HELD);
    assert!(held, "the holder ended early");
}

fn kill_and_expect_nothing(mut holder: Child, expected_at_least: usize) {
    let children = descendants(holder.id());
    assert!(children.len() >= expected_at_least, "{children:?}");

    holder.kill().unwrap();
    let killed = Instant::now();
    holder.wait().unwrap();
    let mut left = children;
    while !left.is_empty() {
        left.retain(|_, before| before.is_alive());
        assert!(killed.elapsed() < Duration::from_secs(2), "left: {left:?}");
        thread::yield_now();
    }
}

fn spawn_holder(role: &str, dir: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "death::holder", "--nocapture"])
        .env(ROLE, role)
        .env(DIR, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Every process below `root`, by pid.
fn descendants(root: u32) -> BTreeMap<u32, ProcessSnapshot> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|it| it.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, it)| it.split(' ').nth(1)?.parse().ok());
        if let Some(parent) = parent {
            parents.insert(pid, parent);
        }
    }
    let is_below = |mut pid: u32| {
        while let Some(&parent) = parents.get(&pid) {
            if parent == root {
                return true;
            }
            pid = parent;
        }
        false
    };
    parents
        .keys()
        .filter(|&&pid| is_below(pid))
        .filter_map(|&pid| Some((pid, ProcessSnapshot::of(pid).ok()?)))
        .collect()
}
