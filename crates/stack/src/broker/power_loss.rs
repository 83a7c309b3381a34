//! A broker's logs after its machine has lost its power, at the worst: nothing is
//! left of what Kafka had not forced to disk.
//!
//! Kafka leaves it to the operating system when an append reaches the disk. What
//! it has forced (`flush.messages`, `flush.ms`, a segment that was closed) it
//! notes in `recovery-point-offset-checkpoint`, and its recovery after an unclean
//! end begins there. So each log is cut at its recovery point, in the file and
//! between two batches, as a file system may leave it. Indexes, producer
//! snapshots and leader epochs behind the cut the broker corrects itself, as
//! after any unclean end.
//!
//! The checkpoint is as old as `log.flush.offset.checkpoint.interval.ms`. A topic
//! whose every append is forced (`flush.messages=1`) has lost nothing, whatever
//! the checkpoint says. The log of the cluster's metadata is forced before any
//! controller votes for it (KIP-595) and is left as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{BrokerError, LocalBroker};

const METADATA_TOPIC: &str = "__cluster_metadata";
const CHECKPOINT: &str = "recovery-point-offset-checkpoint";

/// A batch begins with its base offset (8 bytes) and the length of what follows
/// these two fields (4); 11 bytes later stands its last offset's delta (4).
const BATCH_HEAD: usize = 27;
const BATCH_LENGTH_COUNTS_FROM: u64 = 12;

/// What was cut off a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutLog {
    /// The directory's name: `TOPIC-PARTITION`.
    pub partition: String,
    /// Whether all of it was forced to disk, so that nothing was cut.
    pub is_forced: bool,
    /// Its size, in bytes.
    pub bytes_before: u64,
    /// Its size, in bytes.
    pub bytes_after: u64,
    /// The offset after its last record.
    pub end_before: i64,
    /// The offset after its last record.
    pub end_after: i64,
}

impl LocalBroker {
    /// The topics that it holds partitions of, but the cluster's metadata.
    ///
    /// # Errors
    /// [`BrokerError::Io`].
    pub fn held_topics(&self) -> Result<BTreeSet<String>, BrokerError> {
        let logs = self.logs()?;
        Ok(logs.into_iter().map(|log| log.topic).collect())
    }

    /// Cuts every log back to what was forced to disk: to its recovery point, or
    /// not at all where every append to its topic is forced. Says what of each
    /// log is gone.
    ///
    /// # Errors
    /// [`super::ServiceError::Running`], as [`Self::wipe_partitions`], and
    /// [`BrokerError::Io`].
    pub fn cut_unforced(&self, forced: &BTreeSet<String>) -> Result<Vec<CutLog>, BrokerError> {
        self.check_down()?;
        let checkpoint = self.data_dir.join(CHECKPOINT);
        let text = match fs::read_to_string(&checkpoint) {
            // Nothing was noted yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(self.io_error(&checkpoint))?,
        };
        let recovery_points = recovery_points(&text);
        let mut cut = Vec::new();
        for log in self.logs()? {
            let to = if forced.contains(&log.topic) {
                None
            } else {
                Some(recovery_points.get(&log.name).copied().unwrap_or(0))
            };
            let path = self.data_dir.join(&log.name);
            cut.push(cut_log(&path, log.name, to).map_err(self.io_error(&path))?);
        }
        Ok(cut)
    }

    fn logs(&self) -> Result<Vec<LogDir>, BrokerError> {
        let mut logs = Vec::new();
        for entry in fs::read_dir(&self.data_dir).map_err(self.io_error(&self.data_dir))? {
            let entry = entry.map_err(self.io_error(&self.data_dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            logs.extend(LogDir::named(name).filter(|log| log.topic != METADATA_TOPIC));
        }
        logs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(logs)
    }
}

struct LogDir {
    name: String,
    topic: String,
}

impl LogDir {
    /// `orders-0`, but not `orders-0.ID-delete`, nor a file.
    fn named(name: String) -> Option<Self> {
        let (topic, partition) = name.rsplit_once('-')?;
        let is_partition = !partition.is_empty() && partition.bytes().all(|it| it.is_ascii_digit());
        let topic = topic.to_owned();
        is_partition.then_some(Self { name, topic })
    }
}

/// By `TOPIC-PARTITION`. Behind a version and a count each line is a topic, a
/// partition and an offset.
fn recovery_points(text: &str) -> BTreeMap<String, i64> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (topic, partition) = (words.next()?, words.next()?);
        let offset = words.next()?.parse().ok()?;
        Some((format!("{topic}-{partition}"), offset))
    });
    lines.collect()
}

/// Cuts a log at an offset, if one is given.
fn cut_log(dir: &Path, partition: String, to: Option<i64>) -> io::Result<CutLog> {
    let mut done = CutLog {
        partition,
        is_forced: to.is_none(),
        bytes_before: 0,
        bytes_after: 0,
        end_before: 0,
        end_after: 0,
    };
    for (number, base) in segments(dir)?.into_iter().enumerate() {
        let path = file_of(dir, base, "log");
        let bytes = fs::metadata(&path)?.len();
        let end = end_of(&path, base, i64::MAX)?;
        done.bytes_before += bytes;
        done.end_before = end.offset;
        let Some(to) = to else {
            done.bytes_after += bytes;
            done.end_after = end.offset;
            continue;
        };
        // A log has a segment, if only an empty one.
        if number > 0 && base >= to {
            for suffix in ["log", "index", "timeindex", "txnindex", "snapshot"] {
                remove_if_there(&file_of(dir, base, suffix))?;
            }
            continue;
        }
        let kept = end_of(&path, base, to)?;
        if kept.position < bytes {
            File::options()
                .write(true)
                .open(&path)?
                .set_len(kept.position)?;
        }
        done.bytes_after += kept.position;
        done.end_after = kept.offset;
    }
    Ok(done)
}

/// The base offsets of a log's segments, in order.
fn segments(dir: &Path) -> io::Result<Vec<i64>> {
    let mut bases = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "log") {
            let stem = path.file_stem().map(|it| it.to_string_lossy());
            bases.extend(stem.and_then(|it| it.parse::<i64>().ok()));
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

fn file_of(dir: &Path, base: i64, suffix: &str) -> PathBuf {
    dir.join(format!("{base:020}.{suffix}"))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A place between two batches of a segment.
#[derive(Debug, PartialEq, Eq)]
struct End {
    /// In bytes.
    position: u64,
    /// The offset after the last record before it.
    offset: i64,
}

/// Where the batches of a segment end that begin before an offset. What follows
/// the last whole batch counts as nothing.
fn end_of(path: &Path, base: i64, before: i64) -> io::Result<End> {
    let mut file = BufReader::new(File::open(path)?);
    let bytes = file.get_ref().metadata()?.len();
    let mut end = End {
        position: 0,
        offset: base,
    };
    let mut head = [0; BATCH_HEAD];
    while end.position + BATCH_HEAD as u64 <= bytes {
        file.read_exact(&mut head)?;
        let batch = Batch::of(&head);
        let next = end.position + BATCH_LENGTH_COUNTS_FROM + batch.length;
        if batch.base >= before || batch.length < BATCH_HEAD as u64 || next > bytes {
            break;
        }
        end = End {
            position: next,
            offset: batch.base + i64::from(batch.last_delta) + 1,
        };
        file.seek(SeekFrom::Start(next))?;
    }
    Ok(end)
}

struct Batch {
    base: i64,
    length: u64,
    last_delta: i32,
}

impl Batch {
    fn of(head: &[u8; BATCH_HEAD]) -> Self {
        let [
            b0,
            b1,
            b2,
            b3,
            b4,
            b5,
            b6,
            b7,
            l0,
            l1,
            l2,
            l3,
            ..,
            d0,
            d1,
            d2,
            d3,
        ] = *head;
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        Self {
            base: i64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
            length: u64::try_from(length).unwrap_or(0),
            last_delta: i32::from_be_bytes([d0, d1, d2, d3]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of `records` records from `base`, with nothing in it.
    fn batch(base: i64, records: i32, bytes: usize) -> Vec<u8> {
        let mut batch = base.to_be_bytes().to_vec();
        batch.extend(i32::try_from(bytes - 12).unwrap().to_be_bytes());
        batch.extend([0; 11]);
        batch.extend((records - 1).to_be_bytes());
        batch.resize(bytes, 0);
        batch
    }

    fn segment(dir: &Path, base: i64, batches: &[Vec<u8>]) {
        fs::write(file_of(dir, base, "log"), batches.concat()).unwrap();
        fs::write(file_of(dir, base, "index"), "").unwrap();
    }

    #[test]
    fn a_checkpoint_names_partitions() {
        let points = recovery_points("0\n2\norders 0 12\na-b 10 7\n");
        let expected = [("a-b-10".to_owned(), 7), ("orders-0".to_owned(), 12)];
        assert_eq!(points, expected.into());
    }

    #[test]
    fn a_log_is_cut_between_two_batches_and_keeps_its_first_segment() {
        let two = [batch(0, 10, 100), batch(10, 5, 80)];
        let cut = |to: Option<i64>| {
            let dir = tempfile::tempdir().unwrap();
            segment(dir.path(), 0, &two);
            segment(dir.path(), 15, &[batch(15, 1, 70)]);
            let cut = cut_log(dir.path(), "t-0".to_owned(), to).unwrap();
            assert_eq!((cut.bytes_before, cut.end_before), (250, 16));
            let left = fs::read_dir(dir.path()).unwrap().count();
            (cut.bytes_after, cut.end_after, left)
        };
        assert_eq!(cut(None), (250, 16, 4));
        assert_eq!(cut(Some(16)), (250, 16, 4));
        assert_eq!(cut(Some(15)), (180, 15, 2));
        assert_eq!(cut(Some(10)), (100, 10, 2));
        assert_eq!(cut(Some(0)), (0, 0, 2));
    }

    #[test]
    fn a_batch_that_was_not_written_whole_counts_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut torn = batch(10, 5, 80);
        torn.truncate(60);
        segment(dir.path(), 0, &[batch(0, 10, 100), torn]);
        let end = end_of(&file_of(dir.path(), 0, "log"), 0, i64::MAX).unwrap();
        assert_eq!((end.position, end.offset), (100, 10));
    }
}
