//! A broker whose log directory takes no more, without filling a disk and
//! without root.
//!
//! The kernel can bound how long the files of one process may become
//! (`RLIMIT_FSIZE`), also of one that runs. What a full disk answers with
//! ENOSPC in the middle of a batch, the bound answers with EFBIG: an
//! `IOException` to the JVM either way, which takes the whole log directory
//! offline, and the broker with it, since it has only one (KIP-112). What was
//! written of the batch stays, and is cut off when the broker starts again.
//!
//! The bound counts from each file's beginning, and holds for the broker's log
//! and the cluster's metadata too, which must go on: it cannot be lower than
//! what these need.
//!
//! A slow disk is not to be had this way. Appends end in the page cache, so
//! that limits on block devices (`io.max` of a control group) do not slow them
//! down, and need rights or a delegated group. What could are a file system in
//! user space, which needs `/dev/fuse` and a setuid helper, and a supervisor
//! that holds up system calls (`SECCOMP_RET_USER_NOTIF`), which would hold up
//! the writes to sockets with those to files, and cost all of them when nothing
//! is slow. Freezing the broker again and again slows everything at once, and
//! is the fault that it is: a pause.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::{BrokerError, LocalBroker};
use crate::linux::limit_file_size;
use crate::process::ProcessSnapshot;

/// The directory of the cluster's metadata.
const METADATA: &str = "__cluster_metadata-0";

/// What a broker's log and the cluster's metadata may still grow by: a failed
/// append is some 4 KB of log for each partition.
const ROOM_BYTES: u64 = 128 * 1024;

/// The loggers that write of a failed log directory.
const FAILURES: [&str; 2] = ["LogDirFailureChannel", "kafka.log.LogManager"];

/// A log directory that takes no more: [`LocalBroker::fill_disk`].
#[derive(Debug)]
pub struct FullDisk {
    headroom_bytes: u64,
    process: ProcessSnapshot,
    log_from: u64,
}

impl FullDisk {
    /// How many bytes the topic's longest partition can take before the first
    /// append fails: 0 unless there was less in it than the broker's own log
    /// needs.
    pub fn headroom_bytes(&self) -> u64 {
        self.headroom_bytes
    }

    /// The process that it holds for.
    pub fn process(&self) -> ProcessSnapshot {
        self.process
    }

    fn into_process(self) -> ProcessSnapshot {
        self.process
    }
}

impl LocalBroker {
    /// Lets this broker's log directory take no more: the next append to the
    /// longest partition of `topic` fails, after [`FullDisk::headroom_bytes`].
    /// It holds for this process; one that is started later has space again.
    ///
    /// # Errors
    /// [`crate::service::ServiceError::NotRunning`],
    /// [`BrokerError::NoPartition`].
    pub fn fill_disk(&self, topic: &str) -> Result<FullDisk, BrokerError> {
        let process = self.service.snapshot()?;
        let mut longest = None;
        for dir in self.partition_dirs(topic)? {
            longest = longest.max(Some(self.active_segment_bytes(&dir)?));
        }
        let longest = longest.ok_or_else(|| BrokerError::NoPartition {
            broker: self.id,
            topic: topic.to_owned(),
        })?;
        let log = self.service.log_file();
        let log_from = fs::metadata(log).map_err(self.io_error(log))?.len();
        let metadata = self.active_segment_bytes(&self.data_dir.join(METADATA))?;
        let limit_bytes = longest.max(log_from.max(metadata) + ROOM_BYTES);
        self.limit(process.pid, Some(limit_bytes))?;
        Ok(FullDisk {
            headroom_bytes: limit_bytes - longest,
            process,
            log_from,
        })
    }

    /// What the broker has said since of its log directory: nothing before an
    /// append has failed. That it has ended for it (exit code 1) is the
    /// process's to tell: [`crate::service::Service::wait`].
    ///
    /// # Errors
    /// [`BrokerError::Io`].
    pub fn disk_failures(&self, full: &FullDisk) -> Result<Vec<String>, BrokerError> {
        let path = self.service.log_file();
        let mut log = fs::File::open(path).map_err(self.io_error(path))?;
        let mut said = Vec::new();
        log.seek(SeekFrom::Start(full.log_from))
            .and_then(|_| log.read_to_end(&mut said))
            .map_err(self.io_error(path))?;
        let said = String::from_utf8_lossy(&said);
        let failures = said.lines().filter(|line| {
            line.contains("] ERROR ") && FAILURES.iter().any(|it| line.contains(it))
        });
        Ok(failures.map(str::to_owned).collect())
    }

    /// Gives the log directory its space back. A broker that has ended for the
    /// lack of it must be started again.
    ///
    /// # Errors
    /// [`BrokerError::Limit`].
    pub fn free_disk(&self, full: FullDisk) -> Result<(), BrokerError> {
        let filled = full.into_process();
        match self.service.snapshot() {
            Ok(now) if now.is_same_process(&filled) => self.limit(now.pid, None),
            // Another process was never short of space.
            _ => Ok(()),
        }
    }

    fn limit(&self, pid: u32, limit_bytes: Option<u64>) -> Result<(), BrokerError> {
        limit_file_size(pid, limit_bytes).map_err(|source| BrokerError::Limit {
            broker: self.id,
            source,
        })
    }

    /// How long the segment is that a partition is written to.
    fn active_segment_bytes(&self, partition: &Path) -> Result<u64, BrokerError> {
        let mut active = None;
        for entry in fs::read_dir(partition).map_err(self.io_error(partition))? {
            let path = entry.map_err(self.io_error(partition))?.path();
            if path.extension().is_some_and(|it| it == "log") {
                // Named after their first offsets, in digits of one width.
                active = active.max(Some(path));
            }
        }
        let Some(active) = active else { return Ok(0) };
        Ok(fs::metadata(&active).map_err(self.io_error(&active))?.len())
    }
}
