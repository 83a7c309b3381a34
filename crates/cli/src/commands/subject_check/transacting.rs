//! What a subject says of its transactions, beside the log.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use ::subject::protocol::{
    ClientError, ErrorClass, Position, Received, Request, SubjectEvent, limits,
};

use super::Bench;
use super::consuming::{Member, filled, reader};
use super::dialogue::{ANSWER, Dialogue, Step, Stop, Wanted};
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
            Some(SubjectEvent::Acknowledged { id, .. }) => acknowledged.push(id),
            Some(SubjectEvent::Done { op: done, error }) if done == op => {
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

/// A member that transacts, what it reads from, and what it writes to.
struct Transform {
    dialogue: Dialogue,
    member: Member,
    from: String,
    to: String,
    group: String,
}

impl Transform {
    fn start(bench: &mut Bench<'_>, name: &str) -> Step<Self> {
        let from = filled(bench, &format!("input-of-{name}"), 20)?;
        let to = bench.truth.topic(&format!("output-of-{name}"), 1, &[])?;
        let group = bench.truth.name(name);
        let mut wanted = reader(bench, &from, &group);
        wanted.producer = writer(bench, &group).producer;
        let mut dialogue = Dialogue::start(bench.command, &wanted)?;
        dialogue.must(&Request::InitTransactions)?;
        let member = Member::default();
        Ok(Self {
            dialogue,
            member,
            from,
            to,
            group,
        })
    }

    /// Reads so many records more; the next offset of each partition that was
    /// read, ever.
    fn read(&mut self, more: usize) -> Step<BTreeMap<i32, i64>> {
        let count = self.member.records.len() + more;
        // Some clients would give all that there is at once.
        self.member
            .read_by(5, &mut self.dialogue, &self.from, count)?;
        let next = |it: &Received| (it.partition, it.offset + 1);
        Ok(self.member.records.iter().map(next).collect())
    }

    fn positions(&self, next: &BTreeMap<i32, i64>) -> Request {
        let position = |(partition, offset): (&i32, &i64)| Position {
            topic: self.from.clone(),
            partition: *partition,
            offset: *offset,
        };
        Request::SendOffsets {
            offsets: next.iter().map(position).collect(),
        }
    }

    /// Ends the transaction, which has to be possible.
    fn end(&mut self, request: &Request) -> Step<()> {
        if let (Err(error), _) = end(&mut self.dialogue, request)? {
            let what = format!("`{}` fails: {error}", request.op());
            return Err(self.dialogue.last(&what).into());
        }
        Ok(())
    }

    /// The group has to have these positions now, or soon.
    fn has(&self, bench: &mut Bench<'_>, expected: &BTreeMap<i32, i64>, after: &str) -> Step<()> {
        let until = Instant::now() + MARKERS;
        let mut committed = bench.truth.committed(&self.group)?;
        while committed != *expected && Instant::now() < until {
            thread::sleep(LOOK);
            committed = bench.truth.committed(&self.group)?;
        }
        if committed == *expected {
            return Ok(());
        }
        let what =
            format!("after `{after}` the group has {committed:?}, and should have {expected:?}");
        Err(self.dialogue.fault(&what, &["send-offsets"]).into())
    }

    fn close(mut self) -> Step<()> {
        self.member.close(self.dialogue, &self.from)
    }
}

pub(super) fn hands_positions_over(bench: &mut Bench<'_>) -> Step<String> {
    let mut transform = Transform::start(bench, "transform")?;
    let (mut id, mut committed) = (0, BTreeMap::new());
    for request in [Request::CommitTransaction, Request::AbortTransaction] {
        let next = transform.read(10)?;
        transact(&mut transform.dialogue, &transform.to, id..id + 1)?;
        // Those that were polled since the last time: all that some clients take.
        let mut news = next.clone();
        news.retain(|partition, next| committed.get(partition) != Some(next));
        let news = transform.positions(&news);
        transform.dialogue.must(&news)?;
        transform.end(&request)?;
        if request == Request::CommitTransaction {
            committed = next;
        }
        transform.has(bench, &committed, request.op())?;
        id += 1;
    }
    transform.close()?;
    Ok("positions take effect with the transaction, or not".to_owned())
}

pub(super) fn hands_some_positions_over(bench: &mut Bench<'_>) -> Step<String> {
    let mut transform = Transform::start(bench, "some")?;
    let cannot = transform.dialogue.cannot(limits::SOME_OFFSETS);
    let read = transform.read(10)?;
    let first = read.iter().next();
    let some: BTreeMap<i32, i64> = first
        .map(|(partition, _)| (*partition, 1))
        .into_iter()
        .collect();
    transact(&mut transform.dialogue, &transform.to, 0..1)?;
    let some_positions = transform.positions(&some);
    if let Some(why) = cannot {
        if transform.dialogue.ask(some_positions)?.is_ok() {
            let what = "`ready` says that the client cannot hand some positions over, and \
                        `send-offsets` is done";
            return Err(transform.dialogue.fault(what, &["send-offsets"]).into());
        }
        transform.end(&Request::AbortTransaction)?;
        transform.has(bench, &BTreeMap::new(), "abort-transaction")?;
        transform.close()?;
        return Err(Stop::Cannot(why));
    }
    transform.dialogue.must(&some_positions)?;
    transform.end(&Request::CommitTransaction)?;
    transform.has(bench, &some, "commit-transaction")?;
    transform.close()?;
    Ok("some of the positions that were polled".to_owned())
}
