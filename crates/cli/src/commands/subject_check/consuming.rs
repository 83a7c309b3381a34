//! What a subject says of records that it reads, and what it commits, beside
//! the log and the group's offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ::subject::protocol::{Outgoing, Position, Received, Request, SubjectEvent, limits};

use model::ids::TopicPartition;

use super::Bench;
use super::dialogue::{ANSWER, Dialogue, Step, Stop, Wanted};
use super::producing::{differs, of_all_kinds, plain, without_header_value};
use super::truth::{Log, Stored, Transaction};

/// How long a member may take to get its partitions and their records.
const READING: Duration = Duration::from_mins(1);

/// A consumer's settings.
pub(super) fn reader(bench: &Bench<'_>, topic: &str, group: &str) -> Wanted {
    let settings = [
        ("bootstrap.servers", bench.truth.bootstrap.as_str()),
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("heartbeat.interval.ms", "500"),
        ("session.timeout.ms", "6000"),
    ];
    let optional = ["heartbeat.interval.ms", "session.timeout.ms"];
    Wanted::default()
        .consumer(topic, &settings)
        .optional(&optional)
}

/// What a consumer was given and told.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// What it has, by its own word.
    pub(super) owned: BTreeSet<i32>,
    /// What was taken from it, ever.
    pub(super) taken: BTreeSet<i32>,
    /// What it was given, in its order.
    pub(super) records: Vec<Received>,
}

impl Member {
    /// Polls once; before it lets go of partitions, `revoked` is asked.
    pub(super) fn poll(
        &mut self,
        dialogue: &mut Dialogue,
        topic: &str,
        max: u64,
        revoked: &mut dyn FnMut(&mut Dialogue, &Self) -> Step<()>,
    ) -> Step<usize> {
        dialogue.request(Request::Poll { max, wait_ms: 100 })?;
        let until = Instant::now() + ANSWER;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match dialogue.event(left)? {
                Some(SubjectEvent::Polled { records, error }) => {
                    if let Some(error) = error {
                        return Err(dialogue.last(&format!("it cannot poll: {error}")).into());
                    }
                    if records.len() as u64 > max {
                        let what =
                            format!("it was asked for {max} records and gave {}", records.len());
                        return Err(dialogue.last(&what).into());
                    }
                    let stranger = records
                        .iter()
                        .find(|it| !self.owned.contains(&it.partition));
                    if let Some(record) = stranger {
                        let what = format!(
                            "it gives a record of partition {}, which it was not assigned",
                            record.partition
                        );
                        return Err(dialogue.last(&what).into());
                    }
                    let count = records.len();
                    self.records.extend(records);
                    return Ok(count);
                }
                Some(event) => self.rebalanced(dialogue, topic, event, revoked)?,
                None => {
                    let what = format!("it does not answer `poll` for {} s", ANSWER.as_secs());
                    return Err(dialogue.last(&what).into());
                }
            }
        }
    }

    /// Takes note of what is given and taken.
    pub(super) fn rebalanced(
        &mut self,
        dialogue: &mut Dialogue,
        topic: &str,
        event: SubjectEvent,
        revoked: &mut dyn FnMut(&mut Dialogue, &Self) -> Step<()>,
    ) -> Step<()> {
        let (partitions, is_given, is_asked) = match event {
            SubjectEvent::Assigned { partitions } => (partitions, true, false),
            SubjectEvent::Revoked { partitions } => (partitions, false, true),
            SubjectEvent::Lost { partitions } => (partitions, false, false),
            _ => return Err(dialogue.last("it says what nothing asked for").into()),
        };
        if let Some(other) = partitions.iter().find(|it| it.topic.as_str() != topic) {
            let what = format!("it tells of the topic {}, and reads {topic}", other.topic);
            return Err(dialogue.last(&what).into());
        }
        let number = |it: &TopicPartition| it.partition.get();
        for partition in partitions.iter().map(number) {
            if is_given && !self.owned.insert(partition) {
                let what = format!("it is assigned partition {partition}, which it has already");
                return Err(dialogue.last(&what).into());
            }
        }
        if is_asked {
            revoked(dialogue, self)?;
            dialogue.request(Request::Continue)?;
        }
        if !is_given {
            for partition in partitions.iter().map(number) {
                self.owned.remove(&partition);
                self.taken.insert(partition);
            }
        }
        Ok(())
    }

    /// Closes it.
    pub(super) fn close(&mut self, dialogue: Dialogue, topic: &str) -> Step<()> {
        dialogue.close(&mut |dialogue, event| {
            self.rebalanced(dialogue, topic, event, &mut |_, _| Ok(()))
        })
    }

    /// Reads until it has so many records.
    pub(super) fn read(&mut self, dialogue: &mut Dialogue, topic: &str, count: usize) -> Step<()> {
        self.read_by(100, dialogue, topic, count)
    }

    /// Reads until it has so many records, by polls of `max` at most.
    pub(super) fn read_by(
        &mut self,
        max: u64,
        dialogue: &mut Dialogue,
        topic: &str,
        count: usize,
    ) -> Step<()> {
        let until = Instant::now() + READING;
        while self.records.len() < count {
            self.poll(dialogue, topic, max, &mut |_, _| Ok(()))?;
            if Instant::now() >= until {
                let what = format!(
                    "it gives {} of {count} records in {} s",
                    self.records.len(),
                    READING.as_secs()
                );
                return Err(dialogue.last(&what).into());
            }
        }
        Ok(())
    }
}

/// What is wrong with records that were given, beside the log: each once, in
/// its partition's order, from the first to the last.
pub(super) fn compare(dialogue: &Dialogue, records: &[Received], log: &Log) -> Step<()> {
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    for record in records {
        let (partition, offset) = (record.partition, record.offset);
        let here = format!("the record of partition {partition}, offset {offset}");
        let shows = [
            format!("\"offset\":{offset}"),
            format!("\"partition\":{partition}"),
        ];
        let shows: Vec<&str> = shows
            .iter()
            .map(String::as_str)
            .chain(["\"polled\""])
            .collect();
        let there = match log.get(&(partition, offset)) {
            None => Some("there is nothing".to_owned()),
            Some(there) => differs(there, &as_stored(record)),
        };
        if let Some(difference) = there {
            let what = format!("{here} is not the one in the log: {difference}");
            return Err(dialogue.fault(&what, &shows).into());
        }
        if let Some(before) = last
            .insert(partition, offset)
            .filter(|before| *before >= offset)
        {
            let what = format!("{here} is given after offset {before}, without a `seek`");
            return Err(dialogue.fault(&what, &shows).into());
        }
    }
    let given: BTreeSet<(i32, i64)> = records.iter().map(|it| (it.partition, it.offset)).collect();
    if let Some((partition, offset)) = log.keys().find(|it| !given.contains(*it)) {
        let what = format!("the record of partition {partition}, offset {offset} is not given");
        return Err(dialogue.last(&what).into());
    }
    Ok(())
}

fn as_stored(record: &Received) -> Stored {
    Stored {
        key: record.key.as_ref().map(|it| it.0.clone()),
        value: record.value.as_ref().map(|it| it.0.clone()),
        headers: record
            .headers
            .iter()
            .map(|it| {
                (
                    it.key.clone().into_bytes(),
                    it.value.as_ref().map(|it| it.0.clone()),
                )
            })
            .collect(),
        transaction: Transaction::None,
    }
}

/// A topic with records of all kinds, `more` of them plain.
pub(super) fn filled(bench: &mut Bench<'_>, name: &str, more: u64) -> Step<String> {
    let topic = bench.truth.topic(name, 3, &[])?;
    let mut records = of_all_kinds(&topic);
    records.push(without_header_value(records.len() as u64, &topic));
    let first = records.len() as u64;
    records.extend((first..first + more).map(|id| Outgoing {
        id,
        topic: topic.clone(),
        partition: i32::try_from(id % 3).ok(),
        value: Some(::subject::protocol::Bytes(
            format!("record {id}").into_bytes(),
        )),
        ..Outgoing::default()
    }));
    bench.fill(&records)?;
    Ok(topic)
}

pub(super) fn gives_what_is_stored(bench: &mut Bench<'_>) -> Step<String> {
    let topic = filled(bench, "read", 300)?;
    let log = bench.truth.log(&topic, 3)?;
    let wanted = reader(bench, &topic, &bench.truth.name("read"));
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let mut member = Member::default();
    member.read(&mut dialogue, &topic, log.len())?;
    // Nothing may follow.
    for _ in 0..5 {
        member.poll(&mut dialogue, &topic, 100, &mut |_, _| Ok(()))?;
    }
    compare(&dialogue, &member.records, &log)?;
    member.close(dialogue, &topic)?;
    Ok(format!("{} records, each once and in order", log.len()))
}

fn position(topic: &str, partition: i32, offset: i64) -> Position {
    Position {
        topic: topic.to_owned(),
        partition,
        offset,
    }
}

pub(super) fn commits(bench: &mut Bench<'_>) -> Step<String> {
    let topic = filled(bench, "commit", 60)?;
    let log = bench.truth.log(&topic, 3)?;
    let group = bench.truth.name("commit");
    let wanted = reader(bench, &topic, &group);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let mut member = Member::default();
    member.read(&mut dialogue, &topic, log.len())?;
    let offsets = vec![position(&topic, 0, 3), position(&topic, 2, 5)];
    dialogue.must(&Request::Commit { offsets })?;
    let committed = bench.truth.committed(&group)?;
    if committed != BTreeMap::from([(0, 3), (2, 5)]) {
        let what = format!(
            "it was to commit 3 of partition 0 and 5 of partition 2; the group has {committed:?}"
        );
        return Err(dialogue.fault(&what, &["commit"]).into());
    }
    let before = bench.truth.committed(&group)?;
    member.close(dialogue, &topic)?;
    let after = bench.truth.committed(&group)?;
    if before != after {
        return Err(super::dialogue::Fault {
            what: format!("it commits by itself at `close`: {before:?}, then {after:?}"),
            lines: Vec::new(),
        }
        .into());
    }
    // The next one goes on where this one committed.
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let mut next = Member::default();
    let starts = BTreeMap::from([(0, 3), (1, 0), (2, 5)]);
    let rest = log
        .keys()
        .filter(|(partition, offset)| starts.get(partition).is_some_and(|from| offset >= from));
    next.read(&mut dialogue, &topic, rest.count())?;
    for (partition, from) in starts {
        let first = next.records.iter().find(|it| it.partition == partition);
        if first.is_some_and(|it| it.offset != from) {
            let what = format!(
                "it does not go on at the committed offset {from} of partition {partition}"
            );
            return Err(dialogue.fault(&what, &["\"polled\"", "\"offset\""]).into());
        }
    }
    next.close(dialogue, &topic)?;
    Ok("positions are committed as they were given, and read from".to_owned())
}

pub(super) fn seeks(bench: &mut Bench<'_>) -> Step<String> {
    let topic = filled(bench, "seek", 60)?;
    let log = bench.truth.log(&topic, 3)?;
    let wanted = reader(bench, &topic, &bench.truth.name("seek"));
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let cannot = dialogue.cannot(limits::SEEK);
    let mut member = Member::default();
    member.read(&mut dialogue, &topic, log.len())?;
    let seek = Request::Seek(position(&topic, 1, 4));
    if let Some(why) = cannot {
        if dialogue.ask(seek)?.is_ok() {
            let what = "`ready` says that the client cannot seek, and a `seek` is done";
            return Err(dialogue.fault(what, &["seek"]).into());
        }
        member.close(dialogue, &topic)?;
        return Err(Stop::Cannot(why));
    }
    dialogue.must(&seek)?;
    member.records.clear();
    let again = log
        .keys()
        .filter(|(partition, offset)| *partition == 1 && *offset >= 4);
    let again: Vec<(i32, i64)> = again.copied().collect();
    member.read(&mut dialogue, &topic, again.len())?;
    let given = member.records.iter().map(|it| (it.partition, it.offset));
    if given.collect::<Vec<_>>() != again {
        let what =
            "after `seek` to offset 4 of partition 1 it does not give the records from there";
        return Err(dialogue.fault(what, &["seek"]).into());
    }
    member.close(dialogue, &topic)?;
    Ok("a partition is read again from there".to_owned())
}

pub(super) fn reads_what_is_committed(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("isolation", 1, &[])?;
    let record = |id| Request::Send(plain(id, &topic, id.to_string().as_bytes()));
    let transactions = [
        (0, Request::CommitTransaction),
        (1, Request::AbortTransaction),
        (2, Request::CommitTransaction),
    ];
    let mut requests = vec![Request::InitTransactions];
    for (id, end) in transactions {
        requests.extend([Request::BeginTransaction, record(id), Request::Flush, end]);
    }
    let id = bench.truth.name("isolation");
    bench.own_client(&[("transactional.id", &id)], requests)?;
    let mut wanted = reader(bench, &topic, &id);
    if let Some((config, _)) = &mut wanted.consumer {
        config.insert("isolation.level".to_owned(), "read_committed".to_owned());
    }
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let mut member = Member::default();
    member.read(&mut dialogue, &topic, 2)?;
    // Nothing may follow.
    for _ in 0..5 {
        member.poll(&mut dialogue, &topic, 100, &mut |_, _| Ok(()))?;
    }
    let value = |it: &Received| it.value.as_ref().map(|it| it.0.clone());
    let given: Vec<_> = member.records.iter().map(value).collect();
    if given != [Some(b"0".to_vec()), Some(b"2".to_vec())] {
        let what = "with isolation.level=read_committed it gives other records than those of the \
                    two committed transactions";
        return Err(dialogue.fault(what, &["\"polled\"", "\"offset\""]).into());
    }
    member.close(dialogue, &topic)?;
    Ok("the records of committed transactions, and no other".to_owned())
}

pub(super) fn commits_by_itself(bench: &mut Bench<'_>) -> Step<String> {
    let topic = filled(bench, "auto", 200)?;
    let group = bench.truth.name("auto");
    let settings = [
        ("bootstrap.servers", bench.truth.bootstrap.clone()),
        ("group.id", group.clone()),
        ("enable.auto.commit", "true".to_owned()),
        ("auto.commit.interval.ms", "200".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, it)| (*key, it.as_str()))
        .collect();
    let wanted = Wanted::default()
        .consumer(&topic, &settings)
        .optional(&["auto.commit.interval.ms"]);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let mut member = Member::default();
    let until = Instant::now() + READING;
    let ahead = |member: &Member, committed: &BTreeMap<i32, i64>| {
        committed.iter().find_map(|(partition, next)| {
            let of = member
                .records
                .iter()
                .filter(|it| it.partition == *partition);
            let given = of.map(|it| it.offset + 1).max().unwrap_or(0);
            (*next > given).then_some((*partition, *next, given))
        })
    };
    let mut committed = BTreeMap::new();
    let mut polls = 0;
    while committed.is_empty() || polls < 20 {
        member.poll(&mut dialogue, &topic, 2, &mut |_, _| Ok(()))?;
        polls += 1;
        committed = bench.truth.committed(&group)?;
        if let Some((partition, next, given)) = ahead(&member, &committed) {
            let what = format!(
                "it commits {next} of partition {partition} by itself, and gave the records \
                 before {given}"
            );
            return Err(dialogue.last(&what).into());
        }
        if Instant::now() >= until {
            let what = "with enable.auto.commit=true it commits nothing while it polls";
            return Err(dialogue.last(what).into());
        }
    }
    let lines = dialogue.last("").lines;
    member.close(dialogue, &topic)?;
    committed = bench.truth.committed(&group)?;
    if let Some((partition, next, given)) = ahead(&member, &committed) {
        let what = format!(
            "closed, it commits {next} of partition {partition}, and gave the records before {given}"
        );
        return Err(super::dialogue::Fault { what, lines }.into());
    }
    Ok(format!("after {polls} polls, no further than it gave"))
}
