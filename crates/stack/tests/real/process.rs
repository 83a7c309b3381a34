//! Children of any program: started, signalled, ended.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use stack::process::{Child, ChildSpec, Exit, ProcessError, ProcessSnapshot, Signal, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Only a hang takes as long.
const HANG: Duration = Duration::from_secs(2);

fn sleeper(dir: &Path) -> Child {
    ChildSpec::new("sleep", dir.join("log"))
        .arg("60")
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_child_that_ends_says_how_to_everyone_who_waits() {
    let dir = tempfile::tempdir().unwrap();
    let child = ChildSpec::new("sh", dir.path().join("log"))
        .args(["-c", "echo out; echo err >&2; exit 7"])
        .spawn()
        .unwrap();
    let (a, b) = tokio::join!(child.wait(), child.wait());
    assert_eq!((a, b), (Exit::Code(7), Exit::Code(7)));
    assert_eq!(child.try_status(), Some(Exit::Code(7)));
    let log = fs::read_to_string(child.log()).unwrap();
    assert_eq!(log, "out\nerr\n");
    assert!(matches!(
        child.signal(Signal::Term),
        Err(ProcessError::Ended { .. })
    ));
}

#[tokio::test]
async fn a_paused_child_is_stopped_and_a_resumed_one_is_the_same_process() {
    let dir = tempfile::tempdir().unwrap();
    let child = sleeper(dir.path());
    let before = child.snapshot().unwrap();
    let paused = child.pause().await.unwrap();
    assert_eq!(paused.state, 'T');
    let resumed = child.resume().await.unwrap();
    assert_ne!(resumed.state, 'T');
    assert!(before.is_same_process(&paused) && paused.is_same_process(&resumed));
}

/// A shell that says the process id of a child of its own, and waits.
async fn with_a_child(dir: &Path) -> (Child, u32) {
    let mut child = ChildSpec {
        stdout: Stream::Piped,
        ..ChildSpec::new("sh", dir.join("log")).args(["-c", "sleep 60 & echo $!; wait"])
    }
    .spawn()
    .unwrap();
    let mut stdout = child.take_stdout().unwrap().unwrap();
    let mut digits = Vec::new();
    loop {
        match stdout.read_u8().await.unwrap() {
            b'\n' => break,
            digit => digits.push(digit),
        }
    }
    let below = String::from_utf8(digits).unwrap().parse().unwrap();
    (child, below)
}

#[tokio::test]
async fn a_paused_child_stands_still_with_its_own_children() {
    let dir = tempfile::tempdir().unwrap();
    let (child, below) = with_a_child(dir.path()).await;
    let states = |child: &Child| -> Vec<(u32, char)> {
        let tree = child.tree().unwrap().into_iter();
        tree.map(|it| (it.pid, it.state)).collect()
    };
    child.pause().await.unwrap();
    assert_eq!(states(&child), [(child.pid(), 'T'), (below, 'T')]);
    child.resume().await.unwrap();
    assert!(states(&child).iter().all(|(_, state)| *state != 'T'));
    child.pause().await.unwrap();
    child.kill().await;
    assert!(!ProcessSnapshot::of(below).is_ok_and(|it| it.state != 'Z'));
}

#[tokio::test]
async fn ending_a_paused_child_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    let child = sleeper(dir.path());
    child.pause().await.unwrap();
    assert_eq!(
        child.end(Signal::Term, Duration::from_secs(5)).await,
        Exit::Signal(15)
    );
}

#[tokio::test]
async fn a_child_deaf_to_sigterm_is_killed_after_the_grace() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = ChildSpec {
        stdout: Stream::Piped,
        ..ChildSpec::new("sh", dir.path().join("log"))
            .args(["-c", "trap '' TERM; echo deaf; while :; do sleep 60; done"])
    }
    .spawn()
    .unwrap();
    let mut said = [0; 5];
    let mut stdout = child.take_stdout().unwrap().unwrap();
    stdout.read_exact(&mut said).await.unwrap();
    assert_eq!(
        child.end(Signal::Term, Duration::from_millis(50)).await,
        Exit::Signal(9)
    );
}

#[tokio::test]
async fn pipes_carry_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = ChildSpec {
        stdin: Stream::Piped,
        stdout: Stream::Piped,
        ..ChildSpec::new("cat", dir.path().join("log"))
    }
    .spawn()
    .unwrap();
    let mut stdin = child.take_stdin().unwrap().unwrap();
    let mut stdout = child.take_stdout().unwrap().unwrap();
    stdin.write_all(b"through and back").await.unwrap();
    drop(stdin);
    let mut back = String::new();
    stdout.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "through and back");
    assert!(child.wait().await.is_success());
}

#[tokio::test]
async fn a_dropped_child_is_gone_with_its_own_children() {
    let dir = tempfile::tempdir().unwrap();
    let (child, grandchild) = with_a_child(dir.path()).await;
    let pid = child.pid();
    drop(child);
    assert!(ProcessSnapshot::of(pid).is_err(), "killed and reaped");
    // Its own child is reaped by init, in its own time.
    let gone = Instant::now();
    while ProcessSnapshot::of(grandchild).is_ok_and(|it| it.state != 'Z') {
        assert!(gone.elapsed() < HANG, "the grandchild lives");
        thread::yield_now();
    }
}

#[tokio::test]
async fn a_child_spawned_by_a_thread_that_ends_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().to_owned();
    let child = thread::spawn(move || sleeper(&log)).join().unwrap();
    // The death signal, were it tied to that thread, would have been sent
    // before join() returned: give the child one round trip to act on it.
    child.pause().await.unwrap();
    child.resume().await.unwrap();
    assert_eq!(child.try_status(), None);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = ChildSpec::new("/no/such/program", dir.path().join("log"))
        .spawn()
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot start /no/such/program");
}
