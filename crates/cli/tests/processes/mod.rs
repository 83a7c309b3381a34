//! The program under test as a process: started, signalled, waited for.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Far above what any step takes; only a hang reaches it.
const HANG: Duration = Duration::from_mins(3);

pub(crate) fn ackproof() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ackproof"))
}

/// Starts a run and waits until its fault is in force.
pub(crate) fn until_in_force(mut command: Command) -> Child {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("in force") {
        let read = stderr.read_line(&mut said).unwrap();
        assert!(
            read > 0,
            "it ended before its fault came into force: {said}"
        );
    }
    // Whatever else it says must not block it.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    child
}

pub(crate) fn send(signal: Signal, to: &Child) {
    let pid = Pid::from_raw(i32::try_from(to.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

pub(crate) fn wait_for_end(child: &mut Child) -> ExitStatus {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(since.elapsed() < HANG, "it does not end");
        std::thread::yield_now();
    }
}
