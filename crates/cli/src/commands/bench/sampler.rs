//! Looks at the processes of a run, at the brokers' disks and at the machine, a few times a
//! second. Knows Linux's files (proc(5)); what cannot be read counts as nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bench::resources::{Conditions, MachineTime, ProcessSample, Sample};

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Every so many times it looks at disks, which takes longer.
const DISK_EVERY: u32 = 4;
/// How long the machine is looked at while nothing runs.
const LOOK: Duration = Duration::from_secs(1);

/// Takes samples until it is asked for them.
pub(super) struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    /// Begins. `data` holds the brokers' log directories, once there are any.
    pub(super) fn start(data: PathBuf, topics: Vec<String>) -> Self {
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || {
            let began = Instant::now();
            let mut looked = Looker::default();
            let mut samples = Vec::new();
            let mut disk = (0, 0);
            for number in 0u32.. {
                if number.is_multiple_of(DISK_EVERY) {
                    disk = on_disk(&data, &topics);
                }
                let at_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                let (processes, own_cpu_ms) = looked.processes();
                samples.push(Sample {
                    at_ms,
                    processes,
                    own_cpu_ms,
                    disk_bytes: disk.0,
                    segment_bytes: disk.1,
                    loopback_bytes: loopback_bytes(),
                    machine: machine(),
                });
                match stopped.recv_timeout(INTERVAL) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            samples
        });
        Self { stop, thread }
    }

    /// Ends, and gives the samples; none where the thread broke off.
    pub(super) fn finish(self) -> Vec<Sample> {
        // A thread that is gone has nothing to stop.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_default()
    }
}

/// The machine, while nothing of ours runs.
pub(super) fn conditions() -> Conditions {
    let before = machine();
    thread::sleep(LOOK);
    let after = machine();
    let total_ms = after.total_ms.saturating_sub(before.total_ms);
    let percent = |of_ms: u64| (of_ms * 100).checked_div(total_ms);
    Conditions {
        load_average: fs::read_to_string("/proc/loadavg").ok().map(|text| {
            let words: Vec<&str> = text.split_whitespace().take(3).collect();
            words.join(" ")
        }),
        busy_percent: percent(after.busy_ms.saturating_sub(before.busy_ms)),
        stolen_percent: percent(after.stolen_ms.saturating_sub(before.stolen_ms)),
    }
}

/// One line of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of children that have ended and were waited for.
    ended_ticks: u64,
    started: u64,
}

/// Knows processes again.
#[derive(Default)]
struct Looker {
    /// By process id and start: the name.
    names: BTreeMap<(u32, u64), String>,
    /// How many there were of each kind.
    kinds: BTreeMap<&'static str, u32>,
}

impl Looker {
    /// This process and all below it, by their names; and the processor time of all of them,
    /// with those that have ended.
    fn processes(&mut self) -> (BTreeMap<String, ProcessSample>, u64) {
        let all = all_processes();
        let mut ours = vec![std::process::id()];
        let mut at = 0;
        while let Some(parent) = ours.get(at).copied() {
            let children = all.iter().filter(|(_, stat)| stat.parent == parent);
            let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
            ours.extend(children);
            at += 1;
        }
        let mut samples: BTreeMap<String, ProcessSample> = BTreeMap::new();
        let mut shared: BTreeMap<String, u64> = BTreeMap::new();
        let mut ticks = 0;
        for pid in ours {
            let Some(stat) = all.get(&pid) else { continue };
            ticks += stat.own_ticks + stat.ended_ticks;
            let name = self.name(pid, stat.started);
            let (resident, of_it_shared) = memory(pid);
            let sample = samples.entry(name.clone()).or_default();
            sample.cpu_ms += ms(stat.own_ticks);
            // Processes of one name share what is shared, as PostgreSQL's do.
            sample.resident_bytes += resident.saturating_sub(of_it_shared);
            let most = shared.entry(name).or_default();
            *most = (*most).max(of_it_shared);
        }
        for (name, bytes) in shared {
            if let Some(sample) = samples.get_mut(&name) {
                sample.resident_bytes += bytes;
            }
        }
        (samples, ms(ticks))
    }

    fn name(&mut self, pid: u32, started: u64) -> String {
        if let Some(name) = self.names.get(&(pid, started)) {
            return name.clone();
        }
        let (kind, is_one) = kind_of(pid);
        let name = if is_one {
            kind.to_owned()
        } else {
            let number = self.kinds.entry(kind).or_default();
            *number += 1;
            format!("{kind} {number}")
        };
        // Between fork and exec a child still has its parent's command line.
        if kind != "starting" {
            self.names.insert((pid, started), name.clone());
        }
        name
    }
}

/// What a process is, and whether all of its kind are one.
fn kind_of(pid: u32) -> (&'static str, bool) {
    if pid == std::process::id() {
        return ("ackproof", true);
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let words: Vec<&str> = line.split('\0').collect();
    let has = |part: &str| words.iter().any(|it| it.contains(part));
    if words.contains(&"kafka.Kafka") {
        ("broker", false)
    } else if has("org.apache.kafka.connect.cli") {
        ("Connect", true)
    } else if words.first().is_some_and(|it| it.contains("postgres")) {
        ("PostgreSQL", true)
    } else if words.contains(&"drive-client") {
        ("client", false)
    } else if has("java") {
        ("other Java", true)
    } else if line.is_empty() || words.contains(&"bench") {
        ("starting", true)
    } else {
        ("other", true)
    }
}

fn all_processes() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let stats = pids.filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, stat_in(&text)?))
    });
    stats.collect()
}

/// Behind the name, which may hold anything, the fields begin with the state.
fn stat_in(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own_ticks: number(11)? + number(12)?,
        ended_ticks: number(13)? + number(14)?,
        started: number(19)?,
    })
}

/// Resident memory, and what of it is shared, in bytes.
fn memory(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let page = rustix::param::page_size() as u64;
    let mut pages = text.split_whitespace().skip(1).map(str::parse::<u64>);
    let mut next = || pages.next().and_then(Result::ok).unwrap_or(0) * page;
    (next(), next())
}

fn ms(ticks: u64) -> u64 {
    let per_s = rustix::param::clock_ticks_per_second().max(1);
    ticks.saturating_mul(1000) / per_s
}

fn machine() -> MachineTime {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    machine_in(&text)
}

/// The first line: user, nice, system, idle, iowait, irq, softirq, steal. Guests' time is
/// part of user's.
fn machine_in(text: &str) -> MachineTime {
    let line = text.lines().next().unwrap_or_default();
    let fields = line.split_whitespace().skip(1).take(8);
    let ticks: Vec<u64> = fields.map(|it| it.parse().unwrap_or(0)).collect();
    let sum = |places: &[usize]| {
        let all = places.iter().filter_map(|at| ticks.get(*at));
        ms(all.sum())
    };
    MachineTime {
        busy_ms: sum(&[0, 1, 2, 5, 6]),
        stolen_ms: sum(&[7]),
        total_ms: sum(&[0, 1, 2, 3, 4, 5, 6, 7]),
    }
}

fn loopback_bytes() -> u64 {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    loopback_in(&text).unwrap_or(0)
}

/// What was received; it is what was sent.
fn loopback_in(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|it| it.trim_start().strip_prefix("lo:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes that everything below a folder takes on disk, and the bytes of the segments of
/// these topics.
fn on_disk(folder: &Path, topics: &[String]) -> (u64, u64) {
    let (mut disk, mut segments) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let of_topic = folder
            .file_name()
            .and_then(|it| it.to_str()?.rsplit_once('-'))
            .is_some_and(|(topic, _)| topics.iter().any(|it| it == topic));
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let path = entry.path();
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            disk += metadata.blocks() * 512;
            if of_topic && path.extension().is_some_and(|it| it == "log") {
                segments += metadata.len();
            }
        }
    }
    (disk, segments)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let line = "7 (a (b) c) S 3 7 7 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 1 0 999 0 0";
        let stat = stat_in(line).unwrap();
        assert_eq!(
            (stat.parent, stat.own_ticks, stat.ended_ticks),
            (3, 110, 15)
        );
        assert_eq!(stat.started, 999);
        assert_eq!(stat_in("7 (a"), None);

        let machine = machine_in("cpu  10 20 30 400 50 6 7 8 0 0\ncpu0 1 2\n");
        let ticks = |of: u64| ms(of);
        assert_eq!(machine.busy_ms, ticks(73));
        assert_eq!(
            (machine.stolen_ms, machine.total_ms),
            (ticks(8), ticks(531))
        );

        let dev = "Inter-|\n face |bytes\n    lo: 4096 1 0 0 0 0 0 0 4096 1\n  eth0: 7 1\n";
        assert_eq!(loopback_in(dev), Some(4096));
    }

    #[test]
    fn this_process_is_seen() {
        let (processes, own_ms) = Looker::default().processes();
        assert!(processes["ackproof"].resident_bytes > 1_000_000);
        assert!(own_ms >= processes["ackproof"].cpu_ms);
    }

    #[test]
    fn segments_are_told_from_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let partition = dir.path().join("broker-1/orders-0");
        fs::create_dir_all(&partition).unwrap();
        fs::create_dir_all(dir.path().join("broker-1/__offsets-0")).unwrap();
        fs::write(partition.join("0.log"), vec![1; 5000]).unwrap();
        fs::write(partition.join("0.index"), vec![1; 100]).unwrap();
        fs::write(dir.path().join("broker-1/__offsets-0/0.log"), vec![1; 700]).unwrap();
        let (disk, segments) = on_disk(dir.path(), &["orders".to_owned()]);
        assert_eq!(segments, 5000);
        assert!(disk >= 5800, "{disk}");
        assert_eq!(on_disk(&dir.path().join("none"), &[]), (0, 0));
    }
}
