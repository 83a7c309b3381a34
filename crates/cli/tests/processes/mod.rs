//! The program under test as a process: started, signalled, waited for.

use std::collections::BTreeMap;
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

/// `ackproof stack up`, until it is dropped.
#[allow(dead_code, reason = "not every test needs a stack")]
pub(crate) struct StackUp {
    child: Child,
    printed: BTreeMap<String, String>,
}

#[allow(dead_code, reason = "not every test needs a stack")]
impl StackUp {
    /// Starts it with these arguments, and waits until it has printed where everything is.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = ackproof()
            .args(["stack", "up"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut printed = BTreeMap::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let (name, value) = line.split_at(17);
            printed.insert(name.trim().to_owned(), value.trim().to_owned());
            if name.starts_with("logs") {
                break;
            }
        }
        Self { child, printed }
    }

    /// What it printed beside a name, such as `bootstrap.servers`.
    pub(crate) fn printed(&self, name: &str) -> &str {
        &self.printed[name]
    }
}

impl Drop for StackUp {
    fn drop(&mut self) {
        send(Signal::INT, &self.child);
        wait_for_end(&mut self.child);
    }
}
