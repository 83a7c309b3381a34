//! A subject as the engine has it: a process with a role on its standard
//! input and reports on its standard output.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use model::ids::{Micros, ProducerIx, RunId};
use model::pace::Pace;
use model::scenario::{Commit, Fence};
use rustix::process::{Pid, Signal, kill_process};
use subject::clock::Clock;
use subject::role::{
    ClientCommand, ClientEvent, ConsumerRole, ProducerRole, Report, Role, TargetTopic,
};

pub(crate) const RUN: RunId = RunId::new(0xfeed);

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Subject {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Report>,
    /// When it was started.
    pub(crate) started: Micros,
    /// All that it has reported so far.
    pub(crate) reports: Vec<Report>,
}

impl Subject {
    pub(crate) fn start(clock: Clock, role: &Role) -> Self {
        let started = clock.now();
        let mut child = Command::new(program())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", serde_json::to_string(role).unwrap()).unwrap();
        let stdout = child.stdout.take().unwrap();
        let (to, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let report = serde_json::from_str(&line.unwrap()).unwrap();
                if to.send(report).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            stdin: Some(stdin),
            lines,
            started,
            reports: Vec::new(),
        }
    }

    /// Reads on until the reports say so.
    pub(crate) fn until(&mut self, enough: impl Fn(&[Report]) -> bool) {
        let patience = Instant::now() + PATIENCE;
        while !enough(&self.reports) {
            let left = patience.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(report) => self.reports.push(report),
                Err(error) => panic!(
                    "{error} after {} reports, the last {:?}",
                    self.reports.len(),
                    self.reports.last()
                ),
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Reads to the end of its output.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let patience = Instant::now() + PATIENCE;
        loop {
            let left = patience.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(report) => self.reports.push(report),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the subject does not end"),
            }
        }
        self.child.wait().unwrap()
    }

    pub(crate) fn count(&self, what: fn(&ClientEvent) -> bool) -> usize {
        count(&self.reports, what)
    }

    /// From its start until it processed its first record.
    pub(crate) fn first_record_after(&self) -> Duration {
        let first = self
            .reports
            .iter()
            .find(|report| processed(&report.what))
            .unwrap();
        Duration::from_micros(first.at.since(self.started).get())
    }

    /// Where the records stood that it processed, in its order.
    pub(crate) fn positions(&self) -> Vec<(i32, i64)> {
        self.reports
            .iter()
            .filter_map(|report| match &report.what {
                ClientEvent::Processed {
                    partition, offset, ..
                } => Some((partition.get(), offset.get())),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn distinct(&self) -> BTreeSet<(i32, i64)> {
        self.positions().into_iter().collect()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn count(reports: &[Report], what: fn(&ClientEvent) -> bool) -> usize {
    reports.iter().filter(|report| what(&report.what)).count()
}

pub(crate) fn sent(what: &ClientEvent) -> bool {
    matches!(what, ClientEvent::Sent { .. })
}

pub(crate) fn acknowledged(what: &ClientEvent) -> bool {
    matches!(what, ClientEvent::Acknowledged { .. })
}

pub(crate) fn failed(what: &ClientEvent) -> bool {
    matches!(what, ClientEvent::Failed { .. })
}

pub(crate) fn unknown(what: &ClientEvent) -> bool {
    matches!(what, ClientEvent::Unknown { .. })
}

pub(crate) fn processed(what: &ClientEvent) -> bool {
    matches!(what, ClientEvent::Processed { .. })
}

pub(crate) fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn producer(clock: Clock, bootstrap: &str, topic: &str) -> ProducerRole {
    ProducerRole {
        clock,
        client: ClientCommand::BuiltIn,
        bootstrap: bootstrap.to_owned(),
        run: RUN,
        producer: ProducerIx::new(0),
        topics: vec![TargetTopic {
            name: topic.to_owned(),
            partitions: 3,
        }],
        partition_seed: 41,
        records: 1000,
        pace: Pace::steady(1000),
        begin_at: None,
        record_bytes: 512,
        large: None,
        compressible_percent: 0,
        is_silent: false,
        keys: None,
        template: None,
        config: config(&[
            ("acks", "all"),
            ("max.in.flight.requests.per.connection", "5"),
        ]),
    }
}

pub(crate) fn consumer(clock: Clock, bootstrap: &str, topic: &str, group: &str) -> ConsumerRole {
    ConsumerRole {
        clock,
        client: ClientCommand::BuiltIn,
        bootstrap: bootstrap.to_owned(),
        run: RUN,
        group: group.to_owned(),
        topic: topic.to_owned(),
        changes: None,
        records_per_s: 500,
        commit: Commit::After,
        commit_every_records: 20,
        max_poll_records: 1,
        fence: Fence::None,
        config: BTreeMap::new(),
    }
}

/// The built-in client, behind a pipe.
pub(crate) fn served() -> ClientCommand {
    let program = program().to_string_lossy().into_owned();
    ClientCommand::Command(vec![program, "serve".to_owned()])
}

/// The example of this crate, which cargo builds beside its tests; but not
/// with `--test`, which then runs an old one.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("examples/subject");
    assert!(
        program.is_file(),
        "no {}: run the tests without --test, or build the example first",
        program.display()
    );
    program
}
