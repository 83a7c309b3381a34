//! `ackproof subject check` finds nothing wrong with a right subject, and finds
//! what a faulty one does wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use stack::artefacts::Parts;
use stack::embedded::StackSpec;
use testkit::Kafka;

/// Each fault, and the check that has to find it.
const FAULTS: [(&str, &str); 19] = [
    ("acknowledges-before-sending", "send: no broker takes it"),
    ("forgets-an-error", "send: no broker takes it"),
    ("takes-an-error-for-success", "send: no broker takes it"),
    ("swallows-a-revocation", "assigned, revoked, continue"),
    ("commits-ahead", "commit "),
    ("lies-about-the-offset", "send: all kinds of records"),
    ("never-answers-a-send", "send: all kinds of records"),
    ("gives-records-twice", "poll"),
    ("loses-a-header", "send: all kinds of records"),
    ("damages-a-value", "send: all kinds of records"),
    ("fails-what-is-stored", "send: all kinds of records"),
    ("ignores-a-setting", "refused"),
    ("ends-with-an-error", "start"),
    ("outlives-its-input", "end of standard input"),
    ("forgets-to-seek", "seek"),
    ("says-that-it-cannot-seek", "seek"),
    ("reads-uncommitted", "isolation.level"),
    ("commits-what-is-aborted", "transactions"),
    ("takes-a-refused-commit-for-one", "commit: a stale member"),
];

/// At once: most of a check is waiting for what must not happen.
const AT_ONCE: usize = 8;

/// The example of this crate, which cargo builds beside its tests; but not
/// with `--test`, which then runs an old one.
fn faulty() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(|deps| deps.parent()).unwrap();
    let program = target.join("examples/faulty_subject");
    assert!(
        program.is_file(),
        "no {}: run the tests without --test, or build the example first",
        program.display()
    );
    program
}

fn checked(bootstrap: &str, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ackproof"))
        .args(["subject", "check", "--bootstrap", bootstrap])
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}{log}");
    (output.status.code(), said)
}

#[derive(Clone, Copy)]
enum Subject {
    /// A client of ackproof's own.
    Right(&'static str),
    /// A fault, and the check that has to find it; an empty one is no fault.
    Faulty(&'static str, &'static str),
}

fn nothing_is_wrong(bootstrap: &str, client: &str) {
    let (code, said) = checked(bootstrap, &[client]);
    println!("{said}");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(" 0 that the client cannot do"), "{said}");
}

fn its_fault_is_found(bootstrap: &str, fault: &str, check: &str) {
    // A wrapper that does not ignore signals would be another fault.
    let words = [
        "sh",
        "-c",
        "trap '' TERM INT; exec \"$0\" \"$@\"",
        &faulty().display().to_string(),
        fault,
        env!("CARGO_BIN_EXE_ackproof"),
        "subject",
        "serve",
        "librdkafka",
    ];
    let (code, said) = checked(bootstrap, &words);
    if check.is_empty() {
        assert_eq!(code, Some(0), "{said}");
        return;
    }
    let found = said.lines().filter(|line| line.starts_with("WRONG"));
    let found: Vec<&str> = found.collect();
    println!("{fault}:\n{}", found.join("\n"));
    let name = |line: &&str| {
        line.trim_start_matches("WRONG")
            .trim_start()
            .starts_with(check)
    };
    assert!(
        found.iter().any(name),
        "{fault} is not found by {check:?}:\n{said}"
    );
    assert_eq!(code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_a_subject_is_found_and_a_right_one_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let kafka = Kafka::find(Parts::Kafka);
    let spec = StackSpec {
        broker_config: [("auto.create.topics.enable".to_owned(), "false".to_owned())].into(),
        ..kafka.spec(dir.path())
    };
    let stack = kafka.start(spec).await;
    let bootstrap = stack.bootstrap_servers()[0].to_string();

    let clients = ["java", "librdkafka"].map(Subject::Right);
    let faults = [("none", "")].into_iter().chain(FAULTS);
    let with_faults = faults.map(|(fault, check)| Subject::Faulty(fault, check));
    let subjects = Mutex::new(clients.into_iter().chain(with_faults));
    let work = || loop {
        let Some(subject) = subjects.lock().unwrap().next() else {
            return;
        };
        match subject {
            Subject::Right(client) => nothing_is_wrong(&bootstrap, client),
            Subject::Faulty(fault, check) => its_fault_is_found(&bootstrap, fault, check),
        }
    };
    tokio::task::block_in_place(|| {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                worker.join().unwrap();
            }
        });
    });
    stack.stop(Duration::from_millis(100)).await;
}
