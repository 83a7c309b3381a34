//! Every wait of the engine: what for, for how long at most, and how far it
//! is. Nothing else in this crate sleeps or waits: a test of this module reads
//! the sources. Knows nothing of who waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::error::EngineError;

/// Something that is waited for; each has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// The user's cluster to answer at all.
    Reach,
    /// The processes of the stack to be ready.
    Ready,
    /// A group to have its partitions.
    Assignment,
    /// The user's application to read.
    AppJoined,
    /// The user's application to have done everything.
    AppDone,
    /// Prometheus to have series of a group and its topic.
    Exporter,
    /// Connector and tasks to run, and the slot to be streamed from.
    Streaming,
    /// Faults that can still come, once everything else is written.
    Faults,
    /// A member that writes to be in the middle of its work.
    MidWork,
    /// A broker in a role: leader, follower, coordinator, controller.
    Role,
    /// An answer to lose.
    Answer,
    /// A broker to end on SIGTERM.
    BrokerEnd,
    /// A broker in a container to answer again.
    Restored,
    /// Other brokers to lead what a lost one led.
    Takeover,
    /// All replicas to be in sync.
    InSync,
    /// Another member to take over from one that is frozen.
    MemberTakeover,
    /// A new member to get the partitions of one that is frozen.
    Replacement,
    /// A zombie to be told that it is one.
    Refusal,
    /// A group without members, whose offsets can be deleted.
    EmptyGroup,
    /// The replication connection to change after a connector's restart.
    Reconnect,
    /// A task to stream again after its worker was lost and came back.
    TakenUp,
    /// The replication connection where no task is restarted: nothing should change.
    Unchanged,
    /// Connect to report as running what streams already.
    Settled,
    /// A subject that was asked to leave to do so.
    Leaving,
    /// Events to come out behind what their connector has confirmed.
    Confirmed,
    /// The last change of every table to come out.
    Captured,
    /// A group to read to the end.
    GroupEnd,
    /// A group that writes to commit everything.
    GroupCommit,
    /// Open transactions to be closed.
    Transactions,
    /// A topic that no broker knows to be there after all.
    Deleted,
    /// A leader to confirm what the replicas that are left have.
    HighWatermark,
    /// Replicas to be in sync again before they are read.
    Replicas,
    /// A group's members to be gone, so that it can be deleted.
    MembersGone,
    /// What was deleted to be gone.
    Gone,
}

/// How long, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Always so long.
    Fixed(Duration),
    /// As the scenario says, in these words.
    Planned(&'static str),
}

/// What becomes of a scenario when the limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It ends: INCONCLUSIVE, with what did not happen.
    Ends,
    /// It goes on, and the verdict rests on what there is: this.
    GoesOn(&'static str),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(limit) => write!(f, "{} s", limit.as_secs()),
            Self::Planned(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ends => "the scenario ends",
            Self::GoesOn(words) => words,
        })
    }
}

impl Wait {
    /// All of them, in the order of a run.
    pub const ALL: [Self; 34] = [
        Self::Reach,
        Self::Ready,
        Self::Streaming,
        Self::Assignment,
        Self::AppJoined,
        Self::Exporter,
        Self::Role,
        Self::MidWork,
        Self::Answer,
        Self::BrokerEnd,
        Self::Restored,
        Self::Takeover,
        Self::InSync,
        Self::MemberTakeover,
        Self::Replacement,
        Self::Refusal,
        Self::EmptyGroup,
        Self::Reconnect,
        Self::TakenUp,
        Self::Unchanged,
        Self::Settled,
        Self::Faults,
        Self::Deleted,
        Self::Captured,
        Self::Confirmed,
        Self::GroupCommit,
        Self::Transactions,
        Self::GroupEnd,
        Self::AppDone,
        Self::Leaving,
        Self::HighWatermark,
        Self::Replicas,
        Self::MembersGone,
        Self::Gone,
    ];

    /// What is waited for, in words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Reach => "a bootstrap address to answer",
            Self::Ready => "brokers, Connect and PostgreSQL to be ready",
            Self::Assignment => "the assignment of partitions",
            Self::AppJoined => "your application to have its partitions",
            Self::AppDone => "your application to have done everything",
            Self::Exporter => "Prometheus to have series of a group and its topic",
            Self::Streaming => "the connector to stream from its replication slot",
            Self::Faults => "the faults that are still to come",
            Self::MidWork => "a transform's member to be in the middle of its work",
            Self::Role => "a broker to play the part that the fault names",
            Self::Answer => "an answer to lose (onset = \"answers-first\")",
            Self::BrokerEnd => "a broker to end on SIGTERM",
            Self::Restored => "a broker in a container to answer again",
            Self::Takeover => "other brokers to lead what the lost one led",
            Self::InSync => "all replicas to be in sync",
            Self::MemberTakeover => "another member to take over (takeover = \"awaited\")",
            Self::Replacement => "a new member to get the partitions of a frozen one",
            Self::Refusal => "the brokers to refuse a zombie",
            Self::EmptyGroup => "the deletion of a group's offsets",
            Self::Reconnect => "a restarted task to connect again",
            Self::TakenUp => "a task of a worker that was lost to stream again",
            Self::Unchanged => "the connection to change where no task was restarted",
            Self::Settled => "Connect to report as running what streams already",
            Self::Leaving => "a client to leave on SIGTERM",
            Self::Confirmed => "events to come out that the connector has confirmed",
            Self::Captured => "the last change of every table to come out",
            Self::GroupEnd => "a group to read to the end",
            Self::GroupCommit => "a transform to commit everything",
            Self::Transactions => "open transactions to be closed",
            Self::Deleted => "a topic that no broker knows any more",
            Self::HighWatermark => "a leader to confirm what the replicas left have",
            Self::Replicas => "replicas to be in sync before they are read",
            Self::MembersGone => "a group's members to be gone, to delete it",
            Self::Gone => "deleted topics to be gone",
        }
    }

    /// How long, at most.
    pub const fn limit(self) -> Limit {
        match self {
            Self::Reach | Self::Deleted => fixed(5),
            Self::Assignment
            | Self::Restored
            | Self::AppJoined
            | Self::Takeover
            | Self::InSync
            | Self::MemberTakeover
            | Self::Reconnect
            | Self::MembersGone => fixed(60),
            Self::Streaming => Limit::Planned("60 s, and 1 ms for each row written before"),
            Self::Faults => Limit::Planned(
                "as long as something comes out, and 5 s; at most `drain_timeout_ms`, and the \
                 times that the faults name",
            ),
            Self::MidWork | Self::EmptyGroup | Self::Settled | Self::HighWatermark => fixed(10),
            Self::Role | Self::BrokerEnd | Self::Refusal | Self::Replicas | Self::Gone => fixed(30),
            Self::Answer => fixed(2),
            Self::Exporter => fixed(90),
            Self::Ready | Self::Replacement => fixed(120),
            Self::TakenUp => fixed(150),
            Self::Unchanged | Self::Confirmed => fixed(3),
            Self::Leaving => fixed(15),
            Self::Captured | Self::GroupEnd | Self::GroupCommit | Self::AppDone => {
                Limit::Planned("`drain_timeout_ms`")
            }
            Self::Transactions => Limit::Planned("`transaction.timeout.ms`, and 20 s"),
        }
    }

    /// What becomes of the scenario then.
    pub const fn then(self) -> Then {
        match self {
            Self::Reach
            | Self::Ready
            | Self::Assignment
            | Self::AppJoined
            | Self::Streaming
            | Self::Role
            | Self::Replacement
            | Self::EmptyGroup => Then::Ends,
            Self::AppDone => Then::GoesOn("what it did not do is INCONCLUSIVE"),
            Self::Exporter => Then::GoesOn("what is claimed of alerts is INCONCLUSIVE"),
            Self::Faults => Then::GoesOn("they do not land"),
            Self::MidWork
            | Self::Answer
            | Self::MemberTakeover
            | Self::Refusal
            | Self::Reconnect
            | Self::TakenUp => Then::GoesOn("the fault does not land, or is not healed"),
            Self::BrokerEnd | Self::Leaving => {
                Then::GoesOn("it is killed, and the evidence says so")
            }
            Self::Restored | Self::Takeover | Self::InSync | Self::Unchanged | Self::Settled => {
                Then::GoesOn("the fault's evidence says so")
            }
            Self::Deleted => Then::GoesOn("it was deleted, and its records are gone"),
            Self::Captured | Self::Confirmed => Then::GoesOn("what has not come out is judged"),
            Self::GroupEnd | Self::GroupCommit => Then::GoesOn("unread records are judged"),
            Self::Transactions | Self::HighWatermark | Self::Replicas => {
                Then::GoesOn("what can be read is read")
            }
            Self::MembersGone | Self::Gone => Then::GoesOn("it is told as left behind"),
        }
    }

    /// The limit of a wait that has a fixed one.
    pub(crate) fn fixed(self) -> Duration {
        match self.limit() {
            Limit::Fixed(limit) => limit,
            Limit::Planned(_) => unreachable!("the plan says how long this wait may take"),
        }
    }
}

const fn fixed(s: u64) -> Limit {
    Limit::Fixed(Duration::from_secs(s))
}

/// What a scenario waits for now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    waiting: BTreeMap<u64, (String, Instant, Duration)>,
}

impl Waits {
    /// Begins to wait, for as long as the wait's own limit lets it.
    pub(crate) fn begin(&self, wait: Wait, of: impl fmt::Display) -> Waiting {
        self.begin_for(wait, of, wait.fixed())
    }

    /// Begins to wait, for as long as the plan lets it.
    pub(crate) fn begin_for(
        &self,
        wait: Wait,
        of: impl fmt::Display,
        at_most: Duration,
    ) -> Waiting {
        let of = of.to_string();
        let what = match of.as_str() {
            "" => wait.what().to_owned(),
            of => format!("{} ({of})", wait.what()),
        };
        let mut open = self.open();
        open.next += 1;
        let number = open.next;
        let now = Instant::now();
        open.waiting.insert(number, (what.clone(), now, at_most));
        drop(open);
        Waiting {
            waits: self.clone(),
            number,
            what,
            at_most,
            until: now + at_most,
        }
    }

    /// What is waited for now, the longest first, each with how long it has
    /// waited and may.
    pub(crate) fn now(&self) -> Vec<String> {
        let open = self.open();
        let open_waits = open.waiting.values().map(|(what, since, at_most)| {
            format!(
                "{what}, {} of {} s",
                since.elapsed().as_secs(),
                at_most.as_secs()
            )
        });
        open_waits.collect()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that has begun, and its limit. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    waits: Waits,
    number: u64,
    what: String,
    at_most: Duration,
    until: Instant,
}

impl Waiting {
    /// Waits for something to be done; none when the time is up.
    pub(crate) async fn done<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.until, work).await.ok()
    }

    /// The same, where the scenario ends when the time is up.
    ///
    /// # Errors
    /// [`EngineError::Late`].
    pub(crate) async fn must<T>(&self, work: impl Future<Output = T>) -> Result<T, EngineError> {
        self.done(work).await.ok_or_else(|| self.late())
    }

    /// Pauses between two looks; false when the time is up.
    pub(crate) async fn pause(&self, interval: Duration) -> bool {
        if self.is_over() {
            return false;
        }
        tokio::time::sleep_until(self.until.min(Instant::now() + interval)).await;
        true
    }

    /// The same, where the scenario ends when the time is up.
    ///
    /// # Errors
    /// [`EngineError::Late`].
    pub(crate) async fn pause_or_fail(&self, interval: Duration) -> Result<(), EngineError> {
        if self.pause(interval).await {
            return Ok(());
        }
        Err(self.late())
    }

    /// Gives it more time, from now on.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.until = Instant::now() + by;
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// That it did not happen in its time.
    pub(crate) fn late(&self) -> EngineError {
        EngineError::Late {
            what: self.what.clone(),
            limit_ms: u64::try_from(self.at_most.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.open().waiting.remove(&self.number);
    }
}

/// Lets a time pass that the plan names: nothing is waited for.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The same, up to a moment.
pub(crate) async fn pass_until(moment: Instant) {
    tokio::time::sleep_until(moment).await;
}

/// What comes before a moment that the plan names; none where nothing does.
pub(crate) async fn before_moment<T>(moment: Instant, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(moment, work).await.ok()
}

/// The beat of what goes on beside something else, and ends with it.
pub(crate) fn beat(every: Duration) -> Interval {
    let mut beat = tokio::time::interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// What only this module may do.
    const OURS: [&str; 7] = [
        "tokio::time::sleep",
        "tokio::time::timeout",
        "tokio::time::interval",
        "sleep_until(",
        "timeout_at(",
        "thread::sleep",
        ".recv()",
    ];
    /// What a loop that waits has to do in every round: pause within a limit, or
    /// keep to the beat of what goes on beside something else, or take a step of
    /// which there are only so many.
    const BOUNDED: [&str; 9] = [
        ".pause(",
        ".pause_or_fail(",
        ".tick().await",
        "next_batch(",
        "join_next()",
        "read_until(",
        "waiting.is_over()",
        "Instant::now() < self.until",
        "if next >= self.until",
    ];
    /// Loops that stand in the wait of their caller, as they say.
    const WITHIN: [&str; 3] = [
        "pass(JOIN_INTERVAL)",
        "pass(COMMIT_INTERVAL)",
        "self.is_over(context)",
    ];

    fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if !path.ends_with("wait.rs") {
                found.push(path);
            }
        }
    }

    /// The blocks of `loop` and `while`, each from its first word.
    fn loops(text: &str) -> Vec<&str> {
        let starts = text
            .match_indices("loop {")
            .chain(text.match_indices("while "));
        let starts = starts.filter(|(at, _)| {
            let line = text[..*at].rsplit('\n').next().unwrap();
            !line.contains("//") && !line.ends_with(|it: char| it.is_alphanumeric())
        });
        starts
            .map(|(at, _)| {
                let rest = &text[at..];
                let mut depth = 0;
                let end = rest.char_indices().find_map(|(index, char)| {
                    match char {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => return None,
                    }
                    (depth == 0).then_some(index)
                });
                &rest[..end.unwrap()]
            })
            .collect()
    }

    #[test]
    fn nothing_in_the_engine_waits_without_a_limit() {
        let mut files = Vec::new();
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        sources(&src, &mut files);
        let mut looked_at = 0;
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for word in OURS {
                assert!(!text.contains(word), "{}: {word}", file.display());
            }
            for block in loops(text).into_iter().filter(|it| it.contains(".await")) {
                looked_at += 1;
                let known = BOUNDED.iter().chain(&WITHIN);
                assert!(
                    known.into_iter().any(|it| block.contains(it)),
                    "{}: a loop that waits has no limit:\n{block}",
                    file.display()
                );
            }
        }
        assert!(looked_at > 20, "{looked_at} loops");
    }

    /// `docs/reference/scenarios.md` has a line for each stage and each wait.
    #[test]
    fn every_limit_is_documented() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/scenarios.md");
        let docs = std::fs::read_to_string(docs).unwrap();
        for stage in crate::stage::Stage::ALL {
            let line = format!("| {} | {} |", stage.name(), stage.limit());
            assert!(
                docs.contains(&line),
                "not in docs/reference/scenarios.md: {line}"
            );
        }
        for wait in Wait::ALL {
            let line = format!("| {} | {} | {} |", wait.what(), wait.limit(), wait.then());
            assert!(
                docs.contains(&line),
                "not in docs/reference/scenarios.md: {line}"
            );
        }
    }

    #[tokio::test]
    async fn a_wait_is_shown_while_it_lasts_and_ends_at_its_limit() {
        let waits = Waits::default();
        let limit = Duration::from_millis(30);
        let waiting = waits.begin_for(Wait::GroupEnd, "billing", limit);
        let shown = ["a group to read to the end (billing), 0 of 0 s"];
        assert_eq!(waits.now(), shown);
        assert_eq!(waiting.done(std::future::ready(7)).await, Some(7));
        let never = waiting.must(std::future::pending::<()>()).await;
        assert_eq!(
            never.unwrap_err().to_string(),
            "gave up after 30 ms of waiting for a group to read to the end (billing)"
        );
        assert!(!waiting.pause(limit).await, "its time is up");
        drop(waiting);
        assert!(waits.now().is_empty());
    }
}
