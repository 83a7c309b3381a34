//! Histories and events as short lines, so that a case is read at a glance.

use std::io::BufRead;

use import::jepsen::{Conversion, Foresight, JepsenError, JepsenSettings, JepsenSummary, convert};
use model::event::{Body, Content, Event, Isolation, Outcome, TransactionOutcome};
use model::ids::PartitionRef;

/// One conversion. A record that is polled before it is sent has no sender then.
pub(crate) fn import(
    input: impl BufRead,
    name: &str,
    settings: JepsenSettings,
    sink: &mut dyn FnMut(Event),
) -> Result<JepsenSummary, JepsenError> {
    Ok(
        match convert(input, name, settings, &Foresight::default(), sink)? {
            Conversion::Complete(summary) => summary,
            Conversion::Repeat(_) => JepsenSummary::default(),
        },
    )
}

/// Everything an import gives.
pub(crate) fn run(
    edn: &[u8],
    settings: JepsenSettings,
) -> (Vec<Event>, Result<JepsenSummary, JepsenError>) {
    let mut events = Vec::new();
    let told = import(edn, "h.edn", settings, &mut |event| events.push(event));
    (events, told)
}

/// The import of a history that is in order.
pub(crate) fn read(edn: &str) -> (Vec<Event>, JepsenSummary) {
    let (events, summary) = run(edn.as_bytes(), JepsenSettings::default());
    (events, summary.unwrap())
}

/// The events of a history as they are told at last, and how often it was.
pub(crate) fn told_twice(edn: &str) -> (Vec<Event>, u32) {
    let mut foresight = Foresight::default();
    for times in 1.. {
        let mut events = Vec::new();
        let mut sink = |event| events.push(event);
        let settings = JepsenSettings::default();
        match convert(edn.as_bytes(), "h.edn", settings, &foresight, &mut sink).unwrap() {
            Conversion::Complete(_) => return (events, times),
            Conversion::Repeat(more) => foresight = more,
        }
    }
    unreachable!()
}

/// The message of one that is not.
pub(crate) fn refused(edn: &[u8]) -> String {
    let (_, summary) = run(edn, JepsenSettings::default());
    summary.unwrap_err().to_string()
}

/// Lines of `PROCESS TYPE F VALUE...` as Jepsen writes operations, one every
/// millisecond.
pub(crate) fn history(lines: &str) -> String {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let operations = lines.enumerate().map(|(index, line)| {
        let mut words = line.splitn(4, ' ');
        let [process, kind, function, rest] = [(); 4].map(|()| words.next().unwrap_or("nil"));
        let time_ns = index * 1_000_000;
        format!(
            "{{:process {process}, :type :{kind}, :f :{function}, \
             :value {rest}, :time {time_ns}, :index {index}}}\n"
        )
    });
    operations.collect()
}

/// The events, a line each, without the declarations at the beginning, without
/// keys that are new, and without the frame of transactions: every operation is
/// one.
pub(crate) fn shown(events: &[Event]) -> String {
    let lines = events.iter().filter_map(|event| match &event.body {
        Body::IsolationDeclared { .. }
        | Body::TransactionBegun { .. }
        | Body::TransactionJoined { .. }
        | Body::TransactionEnding { .. }
        | Body::TransactionCompleted { .. } => None,
        body => shown_one(body),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shown_one(body: &Body) -> Option<String> {
    match body {
        Body::Imported { .. } | Body::TopicDeclared { .. } | Body::GroupDeclared { .. } => None,
        body => Some(line(body)),
    }
}

/// Checks what a history in lines means.
#[track_caller]
pub(crate) fn check(lines: &str, expected: &str) {
    let (events, _) = read(&history(lines));
    compare(&shown(&events), expected);
}

/// The same, with the frame of transactions.
#[track_caller]
pub(crate) fn check_whole(lines: &str, expected: &str) {
    let (events, _) = read(&history(lines));
    let lines = events.iter().filter_map(|event| shown_one(&event.body));
    compare(&lines.collect::<Vec<_>>().join("\n"), expected);
}

#[track_caller]
fn compare(shown: &str, expected: &str) {
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(shown, expected.join("\n"));
}

pub(crate) fn line(body: &Body) -> String {
    let number = |place: &PartitionRef| place.partition;
    match body {
        Body::Imported { tool } => format!("imported from {tool}"),
        Body::TopicDeclared {
            name, partitions, ..
        } => format!("topic {name} of {partitions}"),
        Body::GroupDeclared { name, .. } => format!("group {name}"),
        Body::IsolationDeclared { isolation, .. } => match isolation {
            Isolation::ReadCommitted => "read-committed".to_owned(),
            Isolation::ReadUncommitted => "read-uncommitted".to_owned(),
        },
        Body::MemberStarted { member, .. } => format!("m{member} started"),
        Body::MemberEnded { member, how } => format!("m{member} {how:?}"),
        Body::Assigned { member, partitions } => {
            let all: Vec<String> = partitions.iter().map(|at| number(at).to_string()).collect();
            format!("m{member} assigned {}", all.join(" "))
        }
        Body::Repositioned {
            member,
            partition,
            next,
        } => match next {
            Some(next) => format!("m{member} next {}@{next}", number(partition)),
            None => format!("m{member} next {}@anywhere", number(partition)),
        },
        Body::Processed {
            member,
            from,
            offset,
            content,
        } => {
            let content = match content {
                Content::Ours(record) => record.to_string(),
                Content::Foreign => "foreign".to_owned(),
                content => panic!("{content:?} is nothing an importer knows"),
            };
            format!("m{member} read {}@{offset} {content}", number(from))
        }
        Body::ReadRolledBack {
            member,
            from,
            offset,
            content,
        } => {
            let content = match content {
                Content::Ours(record) => record.to_string(),
                _ => "foreign".to_owned(),
            };
            format!("m{member} saw {}@{offset} {content}", number(from))
        }
        Body::OrderForgotten {
            producer,
            partition,
        } => format!("p{producer} begins anew in {}", number(partition)),
        Body::RebalancesUnrecorded { .. } => "rebalances untold".to_owned(),
        Body::SendInvoked { record, to } => format!("{record} sent to {}", number(to)),
        Body::SendCompleted { record, outcome } => match outcome {
            Outcome::Acknowledged { at, offset } => {
                format!("{record} acknowledged {}@{offset}", number(at))
            }
            Outcome::Failed { error } => format!("{record} failed: {error}"),
            Outcome::Unknown { error } => format!("{record} unknown: {error}"),
        },
        Body::TransactionBegun { transaction } => format!("{transaction} begun"),
        Body::TransactionJoined {
            transaction,
            member,
        } => format!("{transaction} joined by m{member}"),
        Body::TransactionEnding {
            transaction,
            intent,
        } => format!("{transaction} ending: {intent:?}"),
        Body::TransactionCompleted {
            transaction,
            outcome,
        } => match outcome {
            TransactionOutcome::Unknown { error } => format!("{transaction} unknown: {error}"),
            outcome => format!("{transaction} {outcome:?}"),
        },
        Body::Incomplete { description } => format!("lacking: {description}"),
        body => panic!("an importer of Jepsen does not tell {body:?}"),
    }
}
