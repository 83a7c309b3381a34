//! Processes that carry a variable in their environment, wherever they went since: below
//! another process, in a session of their own, or left behind by one that was killed.

use std::collections::BTreeSet;
use std::fs;

use super::snapshot::ProcessSnapshot;
use crate::linux;

/// Looks in rounds, at most: one that is killed may have started another just before.
const ROUNDS: usize = 5;

/// Kills (SIGKILL) every process of ours whose environment has `variable` with exactly this
/// value. Says how many those were.
pub fn kill_marked(variable: &str, value: &str) -> usize {
    let mark = format!("{variable}={value}").into_bytes();
    // One that was killed is there for a moment longer.
    let mut killed = BTreeSet::new();
    for _ in 0..ROUNDS {
        let before = killed.len();
        for process in marked(&mark) {
            if linux::signal_process(process.pid, rustix::process::Signal::KILL).is_ok() {
                killed.insert(process.pid);
            }
        }
        if killed.len() == before {
            break;
        }
    }
    killed.len()
}

fn marked(mark: &[u8]) -> Vec<ProcessSnapshot> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let has_mark = |pid: &u32| {
        // Those of others cannot be read, and are none of ours.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|it| it == mark)
    };
    let own = std::process::id();
    pids.filter(|pid| *pid != own)
        .filter(has_mark)
        .filter_map(|pid| ProcessSnapshot::of(pid).ok())
        .filter(ProcessSnapshot::is_alive)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_processes_with_the_very_mark_are_killed() {
        let value = format!("{}-marked", std::process::id());
        let start = |value: &str| {
            let mut command = Command::new("sleep");
            command.arg("60").env("ACKPROOF_TEST_MARK", value);
            command.spawn().unwrap()
        };
        let (mut own, mut other) = (start(&value), start(&format!("{value}2")));
        assert_eq!(kill_marked("ACKPROOF_TEST_MARK", &value), 1);
        assert!(!own.wait().unwrap().success());
        assert_eq!(other.try_wait().unwrap(), None, "it goes on");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
