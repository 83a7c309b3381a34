//! What a subject says of its transactions, beside the log.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use ::subject::protocol::{ClientError, ErrorClass, Event, Position, Request};

use super::Bench;
use super::consuming::{Member, filled, reader};
use super::dialogue::{ANSWER, Dialogue, Step, Wanted};
use super::producing::plain;
use super::truth::{Log, Stored, Transaction};

fn writer(bench: &Bench<'_>, id: &str) -> Wanted {
    let bootstrap = bench.truth.bootstrap.as_str();
    let settings = [("bootstrap.servers", bootstrap), ("transactional.id", id)];
    Wanted::default().producer(&settings)
}

/// Sends records of these ids within a transaction that is begun.
fn transact(dialogue: &mut Dialogue, topic: &str, ids: std::ops::Range<u64>) -> Step<()> {
    dialogue.must(&Request::BeginTransaction)?;
    for id in ids {
        dialogue.request(Request::Send(plain(id, topic, format!("{id}").as_bytes())))?;
    }
    Ok(())
}

/// Asks for the end of a transaction; which records were acknowledged before
/// the answer.
fn end(dialogue: &mut Dialogue, request: &Request) -> Step<(Result<(), ClientError>, Vec<u64>)> {
    let op = request.op();
    dialogue.request(request.clone())?;
    let until = Instant::now() + ANSWER;
    let mut acknowledged = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match dialogue.event(left)? {
            Some(Event::Acknowledged { id, .. }) => acknowledged.push(id),
            Some(Event::Done { op: done, error }) if done == op => {
                return match error {
                    Some(error)
                        if error.class == ErrorClass::Retriable && Instant::now() < until =>
                    {
                        dialogue.request(request.clone())?;
                        continue;
                    }
                    error => Ok((error.map_or(Ok(()), Err), acknowledged)),
                };
            }
            Some(_) => {}
            None => {
                let what = format!("it does not answer `{op}` for {} s", ANSWER.as_secs());
                return Err(dialogue.last(&what).into());
            }
        }
    }
}

/// How long markers of a transaction that has ended may take to be written: the
/// coordinator answers before the brokers act on it.
const MARKERS: Duration = Duration::from_secs(20);

/// A topic's records, once no transaction of it is open.
fn ended_log(bench: &mut Bench<'_>, topic: &str) -> Step<Log> {
    let until = Instant::now() + MARKERS;
    loop {
        let log = bench.truth.log(topic, 1)?;
        let is_open = log.values().any(|it| it.transaction == Transaction::Open);
        if !is_open || Instant::now() >= until {
            return Ok(log);
        }
        thread::sleep(LOOK);
    }
}

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(50);

pub(super) fn commits_and_aborts(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("transactions", 1, &[])?;
    let wanted = writer(bench, &bench.truth.name("transactions"));
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    dialogue.must(&Request::InitTransactions)?;
    for (ids, request) in [
        (0..3, Request::CommitTransaction),
        (3..6, Request::AbortTransaction),
        (6..9, Request::CommitTransaction),
    ] {
        let commits = request == Request::CommitTransaction;
        transact(&mut dialogue, &topic, ids.clone())?;
        let (answer, acknowledged) = end(&mut dialogue, &request)?;
        if let Err(error) = answer {
            let what = format!("`{}` fails: {error}", request.op());
            return Err(dialogue.last(&what).into());
        }
        if commits && let Some(id) = ids.clone().find(|id| !acknowledged.contains(id)) {
            let what = format!("a transaction is committed, and record {id} of it has no outcome");
            return Err(dialogue.about(&what, id).into());
        }
        let log = ended_log(bench, &topic)?;
        for id in ids {
            let value = Some(format!("{id}").into_bytes());
            let stored = log.values().find(|it| it.value == value);
            let is_committed = stored.is_some_and(super::truth::Stored::is_committed);
            if is_committed != commits {
                let what = format!(
                    "`{}` is done, and record {id} of the transaction is {}committed in the log",
                    request.op(),
                    if is_committed { "" } else { "not " }
                );
                return Err(dialogue.fault(&what, &["-transaction"]).into());
            }
        }
    }
    dialogue.close_quietly()?;
    Ok("two committed and one aborted, as in the log".to_owned())
}

pub(super) fn knows_that_it_is_fenced(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("fenced", 1, &[])?;
    let wanted = writer(bench, &bench.truth.name("fenced"));
    let mut first = Dialogue::start(bench.command, &wanted)?;
    first.must(&Request::InitTransactions)?;
    transact(&mut first, &topic, 0..1)?;
    first.must(&Request::Flush)?;
    let mut second = Dialogue::start(bench.command, &wanted)?;
    second.must(&Request::InitTransactions)?;
    let (answer, _) = end(&mut first, &Request::CommitTransaction)?;
    let class = match answer {
        Ok(()) => {
            let what = "another client has its transactional.id, and it says that it committed";
            return Err(first.fault(what, &["-transaction"]).into());
        }
        Err(error) => error.class,
    };
    if class != ErrorClass::Fenced {
        let what = format!(
            "another client has its transactional.id, and the error of its commit is of the class \
             {class:?}, not `fenced`"
        );
        return Err(first.fault(&what, &["commit-transaction"]).into());
    }
    let log = ended_log(bench, &topic)?;
    if log.values().any(Stored::is_committed) {
        let what = "another client has its transactional.id, and its record is committed";
        return Err(first.last(what).into());
    }
    transact(&mut second, &topic, 1..2)?;
    let (answer, _) = end(&mut second, &Request::CommitTransaction)?;
    if let Err(error) = answer {
        let what = format!("it took over a transactional.id and cannot commit: {error}");
        return Err(second.last(&what).into());
    }
    second.close_quietly()?;
    // A client that is fenced may be unable to close well; it has to end.
    first.request(Request::Close)?;
    first.end_input();
    if first.ends(Duration::from_secs(30)).is_none() {
        return Err(first.last("fenced, it does not end after `close`").into());
    }
    Ok("the first of two with one transactional.id".to_owned())
}

pub(super) fn hands_positions_over(bench: &mut Bench<'_>) -> Step<String> {
    let from = filled(bench, "input-of", 20)?;
    let to = bench.truth.topic("output-of", 1, &[])?;
    let group = bench.truth.name("transform");
    let mut wanted = reader(bench, &from, &group);
    wanted.producer = writer(bench, &bench.truth.name("transform")).producer;
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    dialogue.must(&Request::InitTransactions)?;
    let mut member = Member::default();
    member.read(&mut dialogue, &from, 10)?;
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    for record in &member.records {
        next.insert(record.partition, record.offset + 1);
    }
    let offsets: Vec<Position> = next
        .iter()
        .map(|(partition, offset)| Position {
            topic: from.clone(),
            partition: *partition,
            offset: *offset,
        })
        .collect();
    for (id, request, expected) in [
        (0, Request::AbortTransaction, BTreeMap::new()),
        (1, Request::CommitTransaction, next),
    ] {
        transact(&mut dialogue, &to, id..id + 1)?;
        let offsets = offsets.clone();
        dialogue.must(&Request::SendOffsets { offsets })?;
        let (answer, _) = end(&mut dialogue, &request)?;
        if let Err(error) = answer {
            let what = format!("`{}` fails: {error}", request.op());
            return Err(dialogue.last(&what).into());
        }
        let until = Instant::now() + MARKERS;
        let mut committed = bench.truth.committed(&group)?;
        while committed != expected && Instant::now() < until {
            thread::sleep(LOOK);
            committed = bench.truth.committed(&group)?;
        }
        if committed != expected {
            let what = format!(
                "after `{}` the group has {committed:?}, and should have {expected:?}",
                request.op()
            );
            return Err(dialogue.fault(&what, &["send-offsets"]).into());
        }
    }
    member.close(dialogue, &from)?;
    Ok("positions take effect with the transaction, or not".to_owned())
}
