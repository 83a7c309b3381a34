//! Converts a consumer's file: a member for each process that wrote it, with its
//! assignments, its reads and its commits.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Body, CommitResult, Content, Ending};
use model::ids::{
    GroupIx, MemberIx, Micros, Offset, PartitionRef, ProducerIx, RecordId, Sequence, TopicIx,
};

use super::convert::Context;
use super::error::KafkatestFlaw;
use super::event_channel::EventSender;
use super::head::Role;
use super::json::{Committed, Consumed, Partitions, ToolEvent};
use super::keys::Keys;
use super::lives::Lives;
use super::numbers::{self, counting};
use super::participants::{Basis, Certainty, Participants, Reading};
use super::quick::Record;
use super::reading::{Halt, LineEvent};
use super::source::Source;
use super::summary::{KafkatestNote, KafkatestSummary};
use super::topics::Topics;

/// How the client words a commit that the coordinator refused, or that the
/// client never sent. After all other errors it may have been stored.
const REFUSED: &str = "ommit cannot be completed since";

/// Tells the events of a consumer's file.
pub(super) struct ConsumerFile<'d> {
    participants: &'d Participants,
    keys: Option<&'d Keys>,
    lives: Option<&'d Lives>,
    source: &'d Source,
    file: usize,
    group: GroupIx,
    ordinal: u32,
    out: &'d mut EventSender,
    topics: Topics,
    incarnation: u32,
    process: Option<Process>,
    /// The prefix of the record before, if it is one producer's alone.
    last: Option<OnlyOne>,
    /// Records in a sum without a line of their own.
    untold: u64,
    /// Reads that may be of several records.
    guessed: u64,
    /// Records that were read, of all processes.
    read: u64,
    /// Facts that contradict others, and the first of them.
    contradictions: u64,
    contradiction: Option<&'static str>,
}

/// One process that wrote the file.
struct Process {
    member: MemberIx,
    ended: bool,
    /// Reads of each partition since the last sum.
    told: Vec<Portion>,
    /// Its assignment, where the file has it.
    given: Option<BTreeSet<PartitionRef>>,
    /// In which life it read a partition last.
    read_in: BTreeMap<PartitionRef, PartitionRef>,
    /// Records that the last poll returned and the client did not take. Nothing may follow
    /// them: `--max-messages` ended the client there.
    left: u64,
}

/// Records of one partition with lines of their own.
#[derive(Clone, Copy)]
struct Portion {
    partition: PartitionRef,
    first: Offset,
    last: Offset,
    count: u64,
}

/// A prefix that only one producer of a topic has.
#[derive(Clone, Copy)]
struct OnlyOne {
    topic: TopicIx,
    prefix: Option<i32>,
    producer: ProducerIx,
}

impl<'d> ConsumerFile<'d> {
    pub(super) fn new(
        known: Context<'d>,
        source: &'d Source,
        file: usize,
        (group, ordinal): (GroupIx, u32),
        out: &'d mut EventSender,
    ) -> Self {
        Self {
            participants: known.participants,
            keys: known.keys,
            lives: known.lives,
            source,
            file,
            group,
            ordinal,
            out,
            topics: Topics::new(),
            incarnation: 0,
            process: None,
            last: None,
            untold: 0,
            guessed: 0,
            read: 0,
            contradictions: 0,
            contradiction: None,
        }
    }

    fn contradict(&mut self, what: &'static str) {
        self.contradictions += 1;
        self.contradiction.get_or_insert(what);
    }

    pub(super) fn take(&mut self, told: &LineEvent<'_>) -> Result<(), Halt> {
        Role::Consumer.admit(told)?;
        let (at_ms, said) = match told {
            LineEvent::Record(record) => return self.read(record),
            LineEvent::Other { at_ms, said } => (at_ms, said),
        };
        let at = self.participants.moment(*at_ms);
        match said {
            ToolEvent::Started => self.close(at),
            // It is asked to end and ends at one time.
            ToolEvent::Idle | ToolEvent::Ended | ToolEvent::Unknown(_) => {}
            _ => self.goes_on(),
        }
        let member = self.process(at)?.member;
        match said {
            ToolEvent::Ended => {
                if let Some(process) = &mut self.process {
                    process.ended = true;
                }
                let how = Ending::Clean;
                self.out.send(at, Body::MemberEnded { member, how });
            }
            ToolEvent::Assigned(all) => {
                let partitions = self.partitions(all)?;
                if let Some(process) = &mut self.process {
                    let given = process.given.get_or_insert_default();
                    given.extend(partitions.iter().copied());
                }
                let partitions = self.in_all_lives(partitions);
                self.out.send(at, Body::Assigned { member, partitions });
            }
            ToolEvent::Revoked(all) => {
                let partitions = self.partitions(all)?;
                let partitions = self.in_all_lives(partitions);
                self.out.send(at, Body::Revoked { member, partitions });
            }
            ToolEvent::Consumed(sum) => self.consumed(at, sum)?,
            ToolEvent::Committed(answer) => self.committed((at, *at_ms), member, answer)?,
            _ => {}
        }
        Ok(())
    }

    /// Emits the events at the end of the file.
    pub(super) fn finish(self, summary: &mut KafkatestSummary) -> Vec<i32> {
        let path = self.source.name.display();
        if self.untold > 0 {
            summary.lacking.push(format!(
                "{path}: {} records were counted (records_consumed) and not told one by one \
                 (record_data): was --verbose left out?",
                self.untold
            ));
        }
        if self.read + self.untold == 0 {
            summary.notes.push(KafkatestNote::Idle {
                path: self.source.name.clone(),
            });
        }
        if let Some(what) = self.contradiction {
            summary.lacking.push(format!(
                "{path}: {} facts contradict others; the first: {what}",
                self.contradictions
            ));
        }
        if self.guessed > 0 {
            summary.lacking.push(format!(
                "{path}: {} records were read of which it cannot be told who sent them, because \
                 the producers that could have sent alike values or did not tell all",
                self.guessed
            ));
        }
        self.topics.counts()
    }

    /// The process that writes, begun if it is new.
    fn process(&mut self, at: Micros) -> Result<&mut Process, KafkatestFlaw> {
        match &mut self.process {
            Some(process) => Ok(process),
            none => {
                let member = self.participants.member(self.ordinal, self.incarnation);
                let member = member.ok_or(KafkatestFlaw::TooManyProcesses)?;
                let group = self.group;
                self.out.send(at, Body::MemberStarted { member, group });
                Ok(none.insert(Process {
                    member,
                    ended: false,
                    told: Vec::new(),
                    given: None,
                    read_in: BTreeMap::new(),
                    left: 0,
                }))
            }
        }
    }

    /// Another process follows the one that wrote the file so far.
    fn close(&mut self, at: Micros) {
        let Some(process) = self.process.take() else {
            return;
        };
        self.incarnation = self.incarnation.saturating_add(1);
        if !process.ended {
            let (member, how) = (process.member, Ending::Killed);
            self.out.send(at, Body::MemberEnded { member, how });
        }
    }

    fn read(&mut self, line: &Record<'_>) -> Result<(), Halt> {
        let at = self.participants.moment(line.at_ms);
        let from = self.partition(line.topic, line.partition)?;
        let offset = numbers::record_offset(line.offset)?;
        let reading = Reading {
            at_ms: line.at_ms,
            from,
            offset,
            value: line.value,
        };
        let content = if let Some(content) = self.only(&reading) {
            content
        } else {
            let identity = self.participants.identify(reading)?;
            self.guessed += u64::from(identity.certainty == Certainty::Guessed);
            identity.content
        };
        let content = self.damaged(&reading, line, content)?;
        let base = from;
        let (from, content) = self.in_life(&reading, content);
        self.read += 1;
        let divided = self.lives.is_some();
        let process = self.process(at)?;
        process.tell(base, offset);
        if divided {
            process.read_in.insert(base, from);
        }
        let member = process.member;
        let stranger = process
            .given
            .as_ref()
            .is_some_and(|given| !given.contains(&base));
        let ended = process.ended;
        let more = std::mem::take(&mut process.left);
        self.untold += more;
        if stranger {
            self.contradict("it read from a partition that it was never given");
        }
        if ended {
            self.contradict("it read behind its own end (shutdown_complete)");
        }
        let body = Body::Processed {
            member,
            from,
            offset,
            content,
        };
        self.out.send(at, body);
        Ok(())
    }

    /// The content of a read whose key differs from the acknowledged one.
    fn damaged(
        &self,
        reading: &Reading<'_>,
        line: &Record<'_>,
        content: Content,
    ) -> Result<Content, Halt> {
        let Some(keys) = self.keys else {
            // The keys have not been surveyed so far.
            return if line.key.flatten().is_some() {
                Err(Halt::Anew)
            } else {
                Ok(content)
            };
        };
        if keys.is_damaged(reading.from, reading.offset, line.key) {
            return Ok(Content::Corrupt);
        }
        Ok(content)
    }

    /// Where a record was read, in which life of the partition, and which it is.
    fn in_life(&self, reading: &Reading<'_>, content: Content) -> (PartitionRef, Content) {
        let (from, offset) = (reading.from, reading.offset);
        let Some(lives) = self.lives else {
            return (from, content);
        };
        let in_life = lives.read(from, reading.at_ms, offset, reading.value);
        let content = match content {
            Content::Ours(record) => {
                let sender = lives.sender(from, offset, in_life.life);
                let sender =
                    sender.filter(|sender| self.participants.alike(*sender, record.producer));
                let by_place = self.participants.by_place(from, offset) == Some(record);
                Content::Ours(RecordId {
                    producer: sender.unwrap_or(record.producer),
                    // A record named after its place is another one in another life.
                    sequence: if by_place && in_life.life > 0 {
                        let life = (in_life.life as u64) << 56;
                        Sequence::new(record.sequence.get() | life)
                    } else {
                        record.sequence
                    },
                })
            }
            other => other,
        };
        (in_life.partition, content)
    }

    /// Of which life of a partition a member commits: of the one that it read
    /// last.
    fn committed_in(&self, base: PartitionRef, at_ms: u64) -> PartitionRef {
        let Some(lives) = self.lives else {
            return base;
        };
        let process = self.process.as_ref();
        let read = process.and_then(|process| process.read_in.get(&base).copied());
        read.unwrap_or_else(|| lives.at(base, at_ms).partition)
    }

    fn in_all_lives(&self, partitions: Vec<PartitionRef>) -> Vec<PartitionRef> {
        let Some(lives) = self.lives else {
            return partitions;
        };
        let all = partitions.into_iter().flat_map(|of| lives.all(of));
        all.collect()
    }

    /// The line is not the first of a process.
    fn goes_on(&mut self) {
        if self.process.as_ref().is_some_and(|process| process.ended) {
            self.contradict("something stands behind its own end (shutdown_complete)");
        }
    }

    /// The record, where its prefix is one producer's alone, as that of the
    /// record before was.
    fn only(&mut self, reading: &Reading<'_>) -> Option<Content> {
        let value = counting(reading.value?)?;
        let (topic, prefix) = (reading.from.topic, value.prefix);
        let producer = match self.last {
            Some(last) if last.topic == topic && last.prefix == prefix => last.producer,
            _ => {
                let producer = self.participants.only(topic, prefix)?;
                self.last = Some(OnlyOne {
                    topic,
                    prefix,
                    producer,
                });
                producer
            }
        };
        Some(Content::Ours(RecordId {
            producer,
            sequence: value.count,
        }))
    }

    fn consumed(&mut self, at: Micros, sum: &Consumed<'_>) -> Result<(), Halt> {
        let mut shares = Vec::with_capacity(sum.partitions.len());
        let mut taken: u64 = 0;
        for share in &sum.partitions {
            let partition = self.partition(share.topic.as_bytes(), share.partition)?;
            taken = taken.saturating_add(share.count);
            shares.push((partition, share));
        }
        let process = self.process(at)?;
        let told = std::mem::take(&mut process.told);
        let before = std::mem::replace(&mut process.left, sum.count.saturating_sub(taken));
        let mut untold = before;
        let mut wrong = None;
        if taken > sum.count {
            wrong = Some("records_consumed counts fewer records than its partitions");
        }
        let mut summed = 0;
        for (partition, share) in shares {
            let Some(portion) = told.iter().find(|it| it.partition == partition) else {
                untold = untold.saturating_add(share.count);
                continue;
            };
            summed += portion.count;
            untold = untold.saturating_add(share.count.saturating_sub(portion.count));
            if share.count < portion.count {
                wrong = Some("records_consumed counts fewer records than record_data told");
            }
            let differ = |said: Option<i64>, told: Offset| said.is_some_and(|it| it != told.get());
            let same_count = share.count == portion.count;
            if same_count
                && (differ(share.first, portion.first) || differ(share.last, portion.last))
            {
                wrong = Some("records_consumed names other offsets than record_data");
            }
        }
        // Partitions that the sum does not name were not in its poll.
        if summed < told.iter().map(|portion| portion.count).sum() && !sum.partitions.is_empty() {
            wrong = Some("records_consumed leaves out a partition that record_data told of");
        }
        self.untold = self.untold.saturating_add(untold);
        if let Some(what) = wrong {
            self.contradict(what);
        }
        Ok(())
    }

    fn committed(
        &mut self,
        (at, answer_ms): (Micros, u64),
        member: MemberIx,
        answer: &Committed<'_>,
    ) -> Result<(), Halt> {
        let result = result(answer.success, answer.error.as_deref());
        if answer.success
            && answer
                .error
                .as_deref()
                .is_some_and(|error| !error.is_empty())
        {
            self.contradict("a commit succeeded and has an error");
        }
        for position in &answer.offsets {
            let partition = self.partition(position.topic.as_bytes(), position.partition)?;
            let offset = numbers::position(position.offset)?;
            let partition = self.committed_in(partition, answer_ms);
            let result = match position.error.as_deref() {
                None | Some("") => result,
                error => self::result(false, error),
            };
            let body = Body::Committed {
                member,
                partition,
                offset,
                result,
            };
            self.out.send(at, body);
        }
        Ok(())
    }

    fn partitions(&mut self, all: &Partitions<'_>) -> Result<Vec<PartitionRef>, Halt> {
        all.partitions
            .iter()
            .map(|it| self.partition(it.topic.as_bytes(), it.partition))
            .collect()
    }

    fn partition(&mut self, topic: &[u8], partition: i64) -> Result<PartitionRef, Halt> {
        let known = self.topics.partition(topic, partition, self.participants)?;
        match (known, self.participants.basis) {
            (Some(known), Basis::Survey) => Ok(known),
            (Some(known), Basis::Heads) if self.participants.reads(self.file, known.topic) => {
                Ok(known)
            }
            (_, Basis::Heads) => Err(Halt::Anew),
            (None, Basis::Survey) => Err(KafkatestFlaw::Changed.into()),
        }
    }
}

fn result(success: bool, error: Option<&str>) -> CommitResult {
    match (success, error) {
        (true, None | Some("")) => CommitResult::Accepted,
        (false, Some(error)) if error.contains(REFUSED) => CommitResult::Refused,
        _ => CommitResult::Unknown,
    }
}

impl Process {
    /// Notes a record with a line of its own.
    #[inline]
    fn tell(&mut self, partition: PartitionRef, offset: Offset) {
        let mut told = self.told.iter_mut().rev();
        match told.find(|it| it.partition == partition) {
            Some(portion) => {
                portion.last = offset;
                portion.count += 1;
            }
            None => self.told.push(Portion {
                partition,
                first: offset,
                last: offset,
                count: 1,
            }),
        }
    }
}
