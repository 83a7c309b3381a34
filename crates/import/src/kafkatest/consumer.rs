//! What a consumer's file tells: a member for each process that wrote it, its
//! assignments as they grow and shrink, what it read and what it committed.

use model::event::{Body, CommitResult, Content, Ending};
use model::ids::{GroupIx, MemberIx, Micros, PartitionRef, ProducerIx, RecordId, TopicIx};

use super::directory::{Basis, Certainty, Directory, Reading};
use super::error::Flaw;
use super::head::Role;
use super::json::{Committed, Consumed, Partitions, Said};
use super::numbers::{self, counting};
use super::outlet::Outlet;
use super::quick::Record;
use super::reading::{Halt, Told};
use super::source::Source;
use super::summary::Summary;
use super::topics::Topics;

/// How the client words a commit that the coordinator refused, or that the
/// client never sent. After all other errors it may have been stored.
const REFUSED: &str = "ommit cannot be completed since";

/// Tells the events of a consumer's file.
pub(super) struct Consuming<'d> {
    directory: &'d Directory,
    source: &'d Source,
    file: usize,
    group: GroupIx,
    ordinal: u32,
    outlet: &'d mut Outlet,
    topics: Topics,
    incarnation: u32,
    process: Option<Process>,
    /// The prefix of the record before, if it is one producer's alone.
    last: Option<Known>,
    /// Summed up, and not told one by one.
    untold: u64,
    /// Of whom it cannot be said which of several records they are.
    guessed: u64,
}

/// One process that wrote the file.
struct Process {
    member: MemberIx,
    ended: bool,
    /// Records told since the last sum.
    told: u64,
    /// What the last poll returned beyond what was taken of it. Nothing may
    /// follow it: `--max-messages` ended the client there.
    left: u64,
}

/// A prefix that only one producer of a topic has.
#[derive(Clone, Copy)]
struct Known {
    topic: TopicIx,
    prefix: Option<i32>,
    producer: ProducerIx,
}

impl<'d> Consuming<'d> {
    pub(super) fn new(
        directory: &'d Directory,
        source: &'d Source,
        file: usize,
        (group, ordinal): (GroupIx, u32),
        outlet: &'d mut Outlet,
    ) -> Self {
        Self {
            directory,
            source,
            file,
            group,
            ordinal,
            outlet,
            topics: Topics::new(),
            incarnation: 0,
            process: None,
            last: None,
            untold: 0,
            guessed: 0,
        }
    }

    pub(super) fn hear(&mut self, told: &Told<'_>) -> Result<(), Halt> {
        Role::Consumer.admit(told)?;
        let (at_ms, said) = match told {
            Told::Record(record) => return self.read(record),
            Told::Other { at_ms, said } => (at_ms, said),
        };
        let at = self.directory.moment(*at_ms);
        if **said == Said::Started {
            self.close(at);
        }
        let member = self.process(at)?.member;
        match said {
            Said::Ended => {
                if let Some(process) = &mut self.process {
                    process.ended = true;
                }
                let how = Ending::Clean;
                self.outlet.tell(at, Body::MemberEnded { member, how });
            }
            Said::Assigned(all) => {
                let partitions = self.partitions(all)?;
                self.outlet.tell(at, Body::Assigned { member, partitions });
            }
            Said::Revoked(all) => {
                let partitions = self.partitions(all)?;
                self.outlet.tell(at, Body::Revoked { member, partitions });
            }
            Said::Consumed(sum) => self.consumed(at, sum)?,
            Said::Committed(answer) => self.committed(at, member, answer)?,
            _ => {}
        }
        Ok(())
    }

    /// Tells what is known at the end of the file.
    pub(super) fn finish(self, summary: &mut Summary) -> Vec<i32> {
        let path = self.source.name.display();
        if self.untold > 0 {
            summary.lacking.push(format!(
                "{path}: {} records were counted (records_consumed) and not told one by one \
                 (record_data): was --verbose left out?",
                self.untold
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
    fn process(&mut self, at: Micros) -> Result<&mut Process, Flaw> {
        match &mut self.process {
            Some(process) => Ok(process),
            none => {
                let member = self.directory.member(self.ordinal, self.incarnation);
                let member = member.ok_or(Flaw::TooManyProcesses)?;
                let group = self.group;
                self.outlet.tell(at, Body::MemberStarted { member, group });
                Ok(none.insert(Process {
                    member,
                    ended: false,
                    told: 0,
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
            self.outlet.tell(at, Body::MemberEnded { member, how });
        }
    }

    fn read(&mut self, line: &Record<'_>) -> Result<(), Halt> {
        let at = self.directory.moment(line.at_ms);
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
            let identity = self.directory.identify(reading)?;
            self.guessed += u64::from(identity.certainty == Certainty::Guessed);
            identity.content
        };
        let process = self.process(at)?;
        process.told += 1;
        let member = process.member;
        let more = std::mem::take(&mut process.left);
        self.untold += more;
        let body = Body::Processed {
            member,
            from,
            offset,
            content,
        };
        self.outlet.tell(at, body);
        Ok(())
    }

    /// The record, where its prefix is one producer's alone, as that of the
    /// record before was.
    fn only(&mut self, reading: &Reading<'_>) -> Option<Content> {
        let value = counting(reading.value?)?;
        let (topic, prefix) = (reading.from.topic, value.prefix);
        let producer = match self.last {
            Some(last) if last.topic == topic && last.prefix == prefix => last.producer,
            _ => {
                let producer = self.directory.only(topic, prefix)?;
                self.last = Some(Known {
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
        let mut taken: u64 = 0;
        for share in &sum.partitions {
            self.partition(share.topic.as_bytes(), share.partition)?;
            taken = taken.saturating_add(share.count);
        }
        let process = self.process(at)?;
        let told = std::mem::take(&mut process.told);
        let before = std::mem::replace(&mut process.left, sum.count.saturating_sub(taken));
        let untold = taken.saturating_sub(told).saturating_add(before);
        self.untold = self.untold.saturating_add(untold);
        Ok(())
    }

    fn committed(
        &mut self,
        at: Micros,
        member: MemberIx,
        answer: &Committed<'_>,
    ) -> Result<(), Halt> {
        let result = result(answer.success, answer.error.as_deref());
        for position in &answer.offsets {
            let partition = self.partition(position.topic.as_bytes(), position.partition)?;
            let offset = numbers::position(position.offset)?;
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
            self.outlet.tell(at, body);
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
        let known = self.topics.partition(topic, partition, self.directory)?;
        match (known, self.directory.basis) {
            (Some(known), Basis::Survey) => Ok(known),
            (Some(known), Basis::Heads) if self.directory.reads(self.file, known.topic) => {
                Ok(known)
            }
            (_, Basis::Heads) => Err(Halt::Anew),
            (None, Basis::Survey) => Err(Flaw::Changed.into()),
        }
    }
}

fn result(success: bool, error: Option<&str>) -> CommitResult {
    match (success, error) {
        (true, _) => CommitResult::Accepted,
        (false, Some(error)) if error.contains(REFUSED) => CommitResult::Refused,
        (false, _) => CommitResult::Unknown,
    }
}
