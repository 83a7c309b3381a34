//! One partition of one group: from positions and ends to what is unread, since when, and
//! until when. Offsets are counted, as Kafka's own tools do. Knows nothing of the group's
//! other partitions.

use model::ids::{Offset, TopicPartition};
use serde::Serialize;

use crate::known::{self, Known, Reason, Until};

/// Clocks of producers, brokers and this machine differ: a timestamp this far in the future
/// is of now.
pub const CLOCK_TOLERANCE_MS: i64 = 1000;

/// A partition's log at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSeen {
    /// The first offset that it still holds.
    pub start: Offset,
    /// Its end for a `read_uncommitted` consumer: the high watermark.
    pub end: Offset,
    /// Its end for a `read_committed` consumer: the last stable offset.
    pub stable_end: Offset,
}

/// The next record that the group has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextUnread {
    /// There is none: only transaction markers, or holes of compaction, lie before the end.
    None,
    /// A record.
    Record(UnreadRecord),
}

/// A record that is still in the log and was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadRecord {
    /// Its timestamp in milliseconds since the epoch; none where it has none.
    pub timestamp_ms: Option<i64>,
    /// Whether it belongs to a transaction, whose marker takes an offset too.
    pub transactional: bool,
}

/// What may delete a partition's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Whether `cleanup.policy` has `delete`.
    pub deletes: bool,
    /// Whether `cleanup.policy` has `compact`.
    pub compacts: bool,
    /// `retention.ms`; none without a limit.
    pub ms: Option<u64>,
    /// `retention.bytes` of the partition; none without a limit.
    pub bytes: Option<u64>,
}

/// The first observation of the window over which rates are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The position then, if there was one.
    pub position: Known<Option<Offset>>,
    /// The time from that position to the later one, in milliseconds.
    pub position_ms: u64,
    /// The end of the log then.
    pub end: Known<Offset>,
    /// The time from that end to the later one, in milliseconds.
    pub end_ms: u64,
}

/// Everything that was observed of one partition of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSeen {
    /// The partition.
    pub partition: TopicPartition,
    /// The `client.id` of the member that it is assigned to.
    pub member: Option<String>,
    /// The next offset to read; none where nothing is committed. Observed before the log, so
    /// that it cannot be behind the end by chance only.
    pub position: Known<Option<Offset>>,
    /// The log.
    pub log: Known<LogSeen>,
    /// The next unread record; asked for only where something is unread.
    pub next: Known<NextUnread>,
    /// The same partition a while before.
    pub earlier: Known<Earlier>,
    /// What deletes its records.
    pub retention: Known<Retention>,
    /// The bytes of its log.
    pub log_bytes: Known<u64>,
    /// The time of the observation, in milliseconds since the epoch.
    pub now_ms: i64,
    /// Whether the position is a share group's start offset, behind which some records are
    /// done with.
    pub shared: bool,
}

/// How a group stands to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionState {
    /// Nothing is unread.
    CaughtUp,
    /// More is read than is written.
    CatchingUp,
    /// As much is read as is written.
    KeepingPace,
    /// Something is unread; no rates were measured.
    Behind,
    /// Less is read than is written.
    FallingBehind,
    /// Something is unread, and the position did not move.
    Stalled,
    /// Nothing is committed: a consumer begins where `auto.offset.reset` says.
    NoPosition,
    /// The position lies behind the end: the log was truncated or made anew.
    PastEnd,
    /// Records between the position and the log's start were deleted unread.
    Lost,
    /// It could not be established.
    Unknown,
}

impl PartitionState {
    /// The words of the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CaughtUp => "caught-up",
            Self::CatchingUp => "catching-up",
            Self::KeepingPace => "keeping-pace",
            Self::Behind => "behind",
            Self::FallingBehind => "falling-behind",
            Self::Stalled => "stalled",
            Self::NoPosition => "no-position",
            Self::PastEnd => "past-end",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

/// One partition of a group, with everything that could be established.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionLag {
    /// The partition's topic and number.
    #[serde(flatten)]
    pub partition: TopicPartition,
    /// The `client.id` of the member that has it.
    pub member: Option<String>,
    /// How the group stands to it.
    pub state: PartitionState,
    /// The next offset to read; `null` where nothing is committed.
    #[serde(serialize_with = "known::serialize")]
    pub position: Known<Option<Offset>>,
    /// The first offset of the log.
    #[serde(serialize_with = "known::serialize")]
    pub log_start: Known<Offset>,
    /// The end for `read_uncommitted`: the high watermark.
    #[serde(serialize_with = "known::serialize")]
    pub end: Known<Offset>,
    /// The end for `read_committed`: the last stable offset.
    #[serde(serialize_with = "known::serialize")]
    pub stable_end: Known<Offset>,
    /// Offsets that are unread and still in the log, up to `end`.
    #[serde(serialize_with = "known::serialize")]
    pub behind: Known<u64>,
    /// The same up to `stable_end`.
    #[serde(serialize_with = "known::serialize")]
    pub behind_stable: Known<u64>,
    /// Whether `behind` is an upper bound: some of the offsets may hold no record for the
    /// group (compaction, transaction markers, records that a share group has done).
    pub at_most: bool,
    /// Offsets that were deleted unread.
    #[serde(serialize_with = "known::serialize")]
    pub lost: Known<u64>,
    /// The age of the next unread record that is still in the log; 0 where none is unread.
    #[serde(serialize_with = "known::serialize")]
    pub age_ms: Known<u64>,
    /// Offsets written per second in the window.
    #[serde(serialize_with = "known::serialize")]
    pub produced_per_s: Known<f64>,
    /// Offsets that the position moved per second in the window.
    #[serde(serialize_with = "known::serialize")]
    pub consumed_per_s: Known<f64>,
    /// When nothing is unread any more, at these rates.
    #[serde(serialize_with = "known::serialize")]
    pub caught_up_in_ms: Known<Until>,
    /// The earliest that retention deletes an unread record, at these rates.
    #[serde(serialize_with = "known::serialize")]
    pub deleted_in_ms: Known<Until>,
}

impl PartitionLag {
    /// Derives everything that follows from the observation.
    pub fn of(seen: PartitionSeen) -> Self {
        let behind = behind(&seen);
        let behind_stable = behind_stable(&seen, &behind);
        let age_ms = age_ms(&seen, &behind);
        let produced_per_s = produced_per_s(&seen);
        let consumed_per_s = consumed_per_s(&seen);
        let backlog = Backlog::of(&behind, &produced_per_s, &consumed_per_s);
        let caught_up_in_ms = match &behind {
            Ok(0) => Ok(Until::In(0)),
            _ => backlog.clone().map(Backlog::caught_up),
        };
        let deleted_in_ms = deleted_in(&seen, &behind, &age_ms, backlog);
        let lost = lost(&seen);
        Self {
            state: state(&seen, &behind, &lost, &produced_per_s, &consumed_per_s),
            at_most: seen.shared
                || matches!(&seen.next, Ok(NextUnread::Record(it)) if it.transactional)
                || seen.retention.as_ref().is_ok_and(|it| it.compacts),
            log_start: seen.log.clone().map(|it| it.start),
            end: seen.log.clone().map(|it| it.end),
            stable_end: seen.log.clone().map(|it| it.stable_end),
            partition: seen.partition,
            member: seen.member,
            position: seen.position,
            behind,
            behind_stable,
            lost,
            age_ms,
            produced_per_s,
            consumed_per_s,
            caught_up_in_ms,
            deleted_in_ms,
        }
    }
}

fn distance(from: Offset, to: Offset) -> u64 {
    u64::try_from(to.get().saturating_sub(from.get())).unwrap_or(0)
}

/// The position, and the log that it lies in: it is not behind the end.
fn placed(seen: &PartitionSeen) -> Known<(Offset, LogSeen)> {
    let position = seen.position.clone()?;
    let log = seen.log.clone()?;
    match position {
        // Wherever a consumer begins, there is nothing.
        None if log.start >= log.end => Ok((log.end, log)),
        None => Err(Reason::new(
            "nothing is committed: never, or it expired; auto.offset.reset decides where a \
             consumer begins",
        )),
        Some(position) if position > log.end => Err(Reason::new(format!(
            "the position {position} lies behind the log's end {}: the log was truncated or made \
             anew, and auto.offset.reset decides where a consumer goes on",
            log.end
        ))),
        Some(position) => Ok((position, log)),
    }
}

fn behind(seen: &PartitionSeen) -> Known<u64> {
    let (position, log) = placed(seen)?;
    Ok(match &seen.next {
        Ok(NextUnread::None) => 0,
        _ => distance(position.max(log.start), log.end),
    })
}

fn behind_stable(seen: &PartitionSeen, behind: &Known<u64>) -> Known<u64> {
    let behind = behind.clone()?;
    let (position, log) = placed(seen)?;
    let stable = distance(position.max(log.start), log.stable_end.min(log.end));
    Ok(stable.min(behind))
}

fn lost(seen: &PartitionSeen) -> Known<u64> {
    let (position, log) = placed(seen)?;
    Ok(distance(position, log.start.min(log.end)))
}

fn age_ms(seen: &PartitionSeen, behind: &Known<u64>) -> Known<u64> {
    if behind.clone()? == 0 {
        return Ok(0);
    }
    let NextUnread::Record(record) = seen.next.clone()? else {
        return Ok(0);
    };
    let timestamp_ms = record
        .timestamp_ms
        .ok_or_else(|| Reason::new("the next unread record has no timestamp"))?;
    let age_ms = seen.now_ms.saturating_sub(timestamp_ms);
    if age_ms < -CLOCK_TOLERANCE_MS {
        return Err(Reason::new(format!(
            "the next unread record's timestamp lies {} ms in the future",
            age_ms.unsigned_abs()
        )));
    }
    Ok(u64::try_from(age_ms).unwrap_or(0))
}

fn produced_per_s(seen: &PartitionSeen) -> Known<f64> {
    let earlier = seen.earlier.clone()?;
    let (before, after) = (earlier.end?, seen.log.clone()?.end);
    if after < before {
        return Err(Reason::new(format!(
            "the log's end moved back from {before} to {after}"
        )));
    }
    per_s(distance(before, after), earlier.end_ms)
}

fn consumed_per_s(seen: &PartitionSeen) -> Known<f64> {
    let earlier = seen.earlier.clone()?;
    let (before, after) = match (earlier.position?, seen.position.clone()?) {
        (Some(before), Some(after)) => (before, after),
        (None, None) => return Ok(0.0),
        _ => {
            return Err(Reason::new(
                "the position was committed first, or deleted, while the rates were measured",
            ));
        }
    };
    if after < before {
        return Err(Reason::new(format!(
            "the position was set back from {before} to {after}"
        )));
    }
    per_s(distance(before, after), earlier.position_ms)
}

fn per_s(offsets: u64, over_ms: u64) -> Known<f64> {
    if over_ms == 0 {
        return Err(Reason::new("no time passed between the two observations"));
    }
    Ok(float(offsets) * 1000.0 / float(over_ms))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "offsets and milliseconds are far below 2^53"
)]
fn float(number: u64) -> f64 {
    number as f64
}

/// What is unread, and how fast both of its ends move.
#[derive(Clone, Copy, Debug)]
struct Backlog {
    behind: f64,
    produced_per_s: f64,
    consumed_per_s: f64,
}

impl Backlog {
    fn of(
        behind: &Known<u64>,
        produced_per_s: &Known<f64>,
        consumed_per_s: &Known<f64>,
    ) -> Known<Self> {
        let behind = float(behind.clone()?);
        Ok(Self {
            behind,
            produced_per_s: produced_per_s.clone()?,
            consumed_per_s: consumed_per_s.clone()?,
        })
    }

    fn caught_up(self) -> Until {
        let gain_per_s = self.consumed_per_s - self.produced_per_s;
        if gain_per_s > 0.0 {
            Until::seconds(self.behind / gain_per_s)
        } else {
            Until::Never
        }
    }

    /// When the next unread record is as old as `retention_s`. The records of the backlog are
    /// taken as written evenly over `age_s`, later ones as written at the measured rate.
    fn expired(self, age_s: f64, retention_s: f64) -> Until {
        if age_s >= retention_s {
            return Until::In(0);
        }
        // The age of the next unread record grows by this much per second while the backlog
        // is read, and is `read_s` when it has been.
        let growth = 1.0 - self.consumed_per_s * age_s / self.behind;
        let read_s = self.behind / self.consumed_per_s;
        let in_backlog_s = (retention_s - age_s) / growth;
        if growth > 0.0 && in_backlog_s <= read_s {
            return Until::seconds(in_backlog_s);
        }
        // Then it is the age of records that are written from now on.
        let growth = 1.0 - self.consumed_per_s / self.produced_per_s;
        if growth > 0.0 && read_s.is_finite() {
            Until::seconds(read_s + (retention_s - read_s) / growth)
        } else {
            Until::Never
        }
    }

    /// When what is unread is as long as `retention_bytes`.
    fn outgrown(self, bytes_per_offset: f64, retention_bytes: f64) -> Until {
        let room = retention_bytes / bytes_per_offset - self.behind;
        let growth_per_s = self.produced_per_s - self.consumed_per_s;
        if room <= 0.0 {
            Until::In(0)
        } else if growth_per_s > 0.0 {
            Until::seconds(room / growth_per_s)
        } else {
            Until::Never
        }
    }
}

/// Retention deletes whole segments, so that this is the earliest.
fn deleted_in(
    seen: &PartitionSeen,
    behind: &Known<u64>,
    age_ms: &Known<u64>,
    backlog: Known<Backlog>,
) -> Known<Until> {
    if behind.clone()? == 0 {
        return Ok(Until::Never);
    }
    let retention = seen.retention.clone()?;
    if !retention.deletes || (retention.ms.is_none() && retention.bytes.is_none()) {
        return Ok(Until::Never);
    }
    let backlog = backlog?;
    let by_time = match retention.ms {
        None => Until::Never,
        Some(ms) => backlog.expired(float(age_ms.clone()?) / 1000.0, float(ms) / 1000.0),
    };
    let by_size = match retention.bytes {
        None => Until::Never,
        Some(bytes) => {
            let log = seen.log.clone()?;
            let held = distance(log.start, log.end).max(1);
            let bytes_per_offset = float(seen.log_bytes.clone()?) / float(held);
            backlog.outgrown(bytes_per_offset, float(bytes))
        }
    };
    Ok(by_time.min(by_size))
}

fn state(
    seen: &PartitionSeen,
    behind: &Known<u64>,
    lost: &Known<u64>,
    produced_per_s: &Known<f64>,
    consumed_per_s: &Known<f64>,
) -> PartitionState {
    let (Ok(position), Ok(log)) = (&seen.position, &seen.log) else {
        return PartitionState::Unknown;
    };
    if position.is_some_and(|it| it > log.end) {
        return PartitionState::PastEnd;
    }
    if matches!(lost, Ok(lost) if *lost > 0) {
        return PartitionState::Lost;
    }
    match behind {
        Err(_) => return PartitionState::NoPosition,
        Ok(0) => return PartitionState::CaughtUp,
        Ok(_) => {}
    }
    match (produced_per_s, consumed_per_s) {
        (_, Ok(consumed)) if *consumed == 0.0 => PartitionState::Stalled,
        (Ok(produced), Ok(consumed)) if consumed > produced => PartitionState::CatchingUp,
        (Ok(produced), Ok(consumed)) if consumed < produced => PartitionState::FallingBehind,
        (Ok(_), Ok(_)) => PartitionState::KeepingPace,
        _ => PartitionState::Behind,
    }
}
