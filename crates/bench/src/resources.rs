//! What processes and the machine used while a scenario ran, out of samples, and whether the
//! machine was busy with something else. Knows nothing of how samples are taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Others used so much of the machine, in percent: it is busy.
const BUSY_PERCENT: u64 = 10;
/// The hypervisor took so much, in percent: it is busy.
const STOLEN_PERCENT: u64 = 2;

/// One look at everything that belongs to a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Milliseconds since sampling began.
    pub at_ms: u64,
    /// The processes that were there, by their names.
    pub processes: BTreeMap<String, ProcessSample>,
    /// Processor time of all of them so far, with those that have ended.
    pub own_cpu_ms: u64,
    /// What the brokers' log directories take on disk, in bytes.
    pub disk_bytes: u64,
    /// Of it, segments of the scenario's topics.
    pub segment_bytes: u64,
    /// Bytes over the loopback device so far, of all connections of the machine.
    pub loopback_bytes: u64,
    /// The machine's processors so far.
    pub machine: MachineTime,
}

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessSample {
    /// Processor time so far, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory.
    pub resident_bytes: u64,
}

/// What the machine's processors did so far, in milliseconds over all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineTime {
    /// Work, whoever's.
    pub busy_ms: u64,
    /// Taken by the hypervisor.
    pub stolen_ms: u64,
    /// All the time there was, idle and stolen included.
    pub total_ms: u64,
}

/// What one process used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProcessUse {
    /// Its name.
    pub name: String,
    /// Processor time, in milliseconds.
    pub cpu_ms: u64,
    /// The most resident memory.
    pub resident_max_bytes: u64,
    /// Resident memory by time: milliseconds since sampling began, and bytes; at most 200.
    pub resident: Vec<(u64, u64)>,
}

/// What a scenario used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Used {
    /// How many samples there are.
    pub samples: u64,
    /// Each process, in the order of names.
    pub processes: Vec<ProcessUse>,
    /// The most resident memory of all processes at one moment.
    pub resident_max_bytes: u64,
    /// The most that the brokers' log directories took.
    pub disk_max_bytes: u64,
    /// The most that segments of the scenario's topics took.
    pub segment_max_bytes: u64,
    /// Bytes over the loopback device, of all connections of the machine: requests and
    /// responses, replication, and ackproof's own observer.
    pub loopback_bytes: u64,
    /// What others used of the machine's processors, in percent of all.
    pub others_percent: u64,
    /// What the hypervisor took.
    pub stolen_percent: u64,
}

/// Points of memory by time that are kept, at most.
const POINTS_MAX: usize = 200;

impl Used {
    /// Out of samples in the order of time.
    pub fn of(samples: &[Sample]) -> Self {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            return Self::default();
        };
        let mut by_name: BTreeMap<&str, ProcessUse> = BTreeMap::new();
        let apart = samples.len().div_ceil(POINTS_MAX).max(1);
        let mut started: BTreeMap<&str, u64> = BTreeMap::new();
        for (sample, at) in samples.iter().zip(0usize..) {
            for (name, process) in &sample.processes {
                // What it used before it was first seen is its own, but for ackproof itself.
                let before = if at == 0 { process.cpu_ms } else { 0 };
                let before = *started.entry(name).or_insert(before);
                let of = by_name.entry(name).or_insert_with(|| ProcessUse {
                    name: name.clone(),
                    cpu_ms: 0,
                    resident_max_bytes: 0,
                    resident: Vec::new(),
                });
                of.cpu_ms = of.cpu_ms.max(process.cpu_ms.saturating_sub(before));
                of.resident_max_bytes = of.resident_max_bytes.max(process.resident_bytes);
                if at % apart == 0 {
                    of.resident.push((sample.at_ms, process.resident_bytes));
                }
            }
        }
        let processes: Vec<ProcessUse> = by_name.into_values().collect();
        let own_ms = last.own_cpu_ms.saturating_sub(first.own_cpu_ms);
        let total_ms = last.machine.total_ms.saturating_sub(first.machine.total_ms);
        let busy_ms = last.machine.busy_ms.saturating_sub(first.machine.busy_ms);
        let stolen_ms = last
            .machine
            .stolen_ms
            .saturating_sub(first.machine.stolen_ms);
        let percent = |of_ms: u64| (of_ms * 100).checked_div(total_ms).unwrap_or(0);
        let most = |of: fn(&Sample) -> u64| samples.iter().map(of).max().unwrap_or(0);
        Self {
            samples: samples.len() as u64,
            resident_max_bytes: most(|it| it.processes.values().map(|it| it.resident_bytes).sum()),
            disk_max_bytes: most(|it| it.disk_bytes),
            segment_max_bytes: most(|it| it.segment_bytes),
            loopback_bytes: last.loopback_bytes.saturating_sub(first.loopback_bytes),
            others_percent: percent(busy_ms.saturating_sub(own_ms)),
            stolen_percent: percent(stolen_ms),
            processes,
        }
    }

    /// Why a time that was too long may be the machine's fault; none on one that did little
    /// else.
    pub fn busy(&self) -> Option<String> {
        if self.samples < 2 {
            return Some("what else the machine did is not known".to_owned());
        }
        if self.stolen_percent >= STOLEN_PERCENT {
            return Some(format!(
                "the hypervisor took {} % of the processors",
                self.stolen_percent
            ));
        }
        (self.others_percent >= BUSY_PERCENT).then(|| {
            format!(
                "other processes used {} % of the processors",
                self.others_percent
            )
        })
    }

    /// Milliseconds of processor time of all processes.
    pub fn cpu_ms(&self) -> u64 {
        self.processes.iter().map(|it| it.cpu_ms).sum()
    }
}

/// The machine before or after everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Conditions {
    /// The load averages of 1, 5 and 15 minutes, as the kernel writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_average: Option<String>,
    /// What was in use of the processors while ackproof only looked, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_percent: Option<u64>,
    /// What the hypervisor took meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen_percent: Option<u64>,
}

impl Conditions {
    /// In words.
    pub fn words(&self) -> String {
        let part = |of: Option<u64>, what: &str| of.map(|it| format!("{it} % {what}"));
        let parts = [
            part(self.busy_percent, "of the processors in use"),
            part(self.stolen_percent, "stolen"),
            self.load_average.as_ref().map(|it| format!("load {it}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            "not known".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: u64, cpu_ms: u64, resident_bytes: u64, busy_ms: u64) -> Sample {
        let process = ProcessSample {
            cpu_ms,
            resident_bytes,
        };
        Sample {
            at_ms,
            processes: [("broker".to_owned(), process)].into(),
            own_cpu_ms: cpu_ms,
            disk_bytes: at_ms,
            loopback_bytes: 10 * at_ms,
            machine: MachineTime {
                busy_ms,
                stolen_ms: 0,
                total_ms: 2 * at_ms,
            },
            ..Sample::default()
        }
    }

    #[test]
    fn what_is_used_is_told_from_what_others_use() {
        let used = Used::of(&[
            sample(0, 500, 10, 0),
            sample(500, 700, 30, 500),
            sample(1000, 900, 20, 1000),
        ]);
        assert_eq!(used.processes[0].cpu_ms, 400);
        assert_eq!(used.resident_max_bytes, 30);
        assert_eq!((used.disk_max_bytes, used.loopback_bytes), (1000, 10_000));
        assert_eq!(used.others_percent, 30);
        assert_eq!(
            used.busy().as_deref(),
            Some("other processes used 30 % of the processors")
        );
        let alone = Used::of(&[sample(0, 0, 1, 0), sample(1000, 990, 1, 1000)]);
        assert_eq!(alone.busy(), None);
        assert!(Used::of(&[]).busy().is_some());
    }
}
