//! The note by which a running stack is found.

use std::path::PathBuf;
use std::time::Duration;

use stack::detached::{DetachedError, RunningStack, State, StateFile, ask_to_stop};
use stack::process::{ChildSpec, ProcessSnapshot};

fn held_by(holder: ProcessSnapshot) -> RunningStack {
    RunningStack {
        holder,
        dir: PathBuf::from("/stack"),
        bootstrap_servers: vec!["127.0.0.1:20000".parse().unwrap()],
        connect: None,
        postgres: None,
        client_properties: None,
        creates_topics: false,
        processes: Vec::new(),
    }
}

#[tokio::test]
async fn a_note_is_stale_once_its_holder_is_gone_and_a_live_one_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let file = StateFile::at(dir.path().join("state/stack.json"));
    assert_eq!(file.read().unwrap(), State::None);

    let holder = ChildSpec::new("sleep", dir.path().join("log"))
        .arg("60")
        .spawn()
        .unwrap();
    let noted = held_by(holder.snapshot().unwrap());
    file.write(&noted).unwrap();
    assert_eq!(file.read().unwrap(), State::Running(noted.clone()));
    assert!(matches!(
        file.write(&noted).unwrap_err(),
        DetachedError::AlreadyRunning { pid } if pid == holder.pid()
    ));

    ask_to_stop(&noted, Duration::from_secs(5)).await.unwrap();
    assert_eq!(file.read().unwrap(), State::Stale(noted.clone()));
    file.write(&noted).unwrap();
    file.remove().unwrap();
    assert_eq!(file.read().unwrap(), State::None);
}

#[test]
fn a_stranger_with_the_holders_pid_is_not_the_holder() {
    let here = ProcessSnapshot::of(std::process::id()).unwrap();
    let stranger = ProcessSnapshot {
        start_ticks: here.start_ticks + 1,
        ..here
    };
    assert!(held_by(here).is_held());
    assert!(!held_by(stranger).is_held());
}
