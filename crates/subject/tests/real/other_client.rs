//! A driver and a client that is a program of its own: a shell that says what a
//! test has it say.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use model::pace::Pace;
use rustix::process::Signal;
use subject::clock::Clock;
use subject::role::{ClientCommand, ClientEvent, ProducerRole, Role};

use crate::process::{Subject, acknowledged, count, failed, producer, sent};

const READY: &str = r#"read start; echo '{"event":"ready","protocol":1,"client":"a shell","version":"1","config":{}}'"#;

/// How long a process may take to be gone.
const ENDING: Duration = Duration::from_secs(10);

fn shell(clock: Clock, script: &str) -> ProducerRole {
    let command = ["sh", "-c", script].map(str::to_owned);
    ProducerRole {
        records: 5,
        client: ClientCommand::Command(command.into()),
        ..producer(clock, "127.0.0.1:1", "t")
    }
}

fn ready(what: &ClientEvent) -> bool {
    matches!(what, ClientEvent::Ready { client, .. } if client == "a shell")
}

#[test]
fn what_the_client_says_is_told() {
    let clock = Clock::start();
    let script = format!(
        r#"{READY}
        for id in 0 1 2 3; do
            read send
            echo "{{\"event\":\"acknowledged\",\"id\":$id,\"partition\":0,\"offset\":$id}}"
        done
        read send; read flush
        echo '{{"event":"failed","id":4,"error":{{"name":"E","message":"full"}}}}'
        echo '{{"event":"done","op":"flush"}}'
        read close
        echo '{{"event":"done","op":"close"}}'"#
    );
    let mut subject = Subject::start(clock, &Role::Producer(shell(clock, &script)));
    assert!(subject.wait().success());
    assert_eq!(subject.count(ready), 1);
    assert_eq!(subject.count(sent), 5);
    assert_eq!(subject.count(acknowledged), 4);
    assert_eq!(subject.count(failed), 1);
    assert_eq!(subject.reports.last().unwrap().what, ClientEvent::Ended);
}

#[test]
fn a_client_that_ends_early_ends_its_driver() {
    let clock = Clock::start();
    let script = format!("{READY}; read send; exit 3");
    let mut subject = Subject::start(clock, &Role::Producer(shell(clock, &script)));
    assert_eq!(subject.wait().code(), Some(4));
    assert_eq!(subject.count(ready), 1);
}

#[test]
fn an_outcome_of_no_record_is_no_report() {
    let clock = Clock::start();
    let lie = r#"echo '{"event":"acknowledged","id":77,"partition":0,"offset":0}'"#;
    let script = format!("{READY}; {lie}; exec cat > /dev/null");
    let mut subject = Subject::start(clock, &Role::Producer(shell(clock, &script)));
    assert_eq!(subject.wait().code(), Some(4));
    assert_eq!(subject.count(acknowledged), 0);
}

/// It takes nothing, and the driver neither waits for it nor fills the memory.
#[test]
fn a_client_that_reads_nothing_holds_the_records_back() {
    let clock = Clock::start();
    let role = ProducerRole {
        records: 1_000_000,
        pace: Pace::steady(1_000_000),
        ..shell(clock, &format!("{READY}; exec sleep 600"))
    };
    let mut subject = Subject::start(clock, &Role::Producer(role));
    // What a pipe holds, and a little more.
    subject.until(|reports| count(reports, sent) > 100);
    subject.signal(Signal::KILL);
    subject.wait();
    assert!(subject.count(sent) < 1000, "{}", subject.count(sent));
}

#[test]
fn a_client_dies_with_its_driver() {
    let clock = Clock::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("echo $$ > {}; {READY}; exec sleep 600", file.display());
    let mut subject = Subject::start(clock, &Role::Producer(shell(clock, &script)));
    subject.until(|reports| count(reports, ready) == 1);
    let pid = fs::read_to_string(file).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    subject.signal(Signal::KILL);
    subject.wait();
    let since = Instant::now();
    while process.exists() {
        assert!(since.elapsed() < ENDING, "{} lives", process.display());
        thread::yield_now();
    }
}
