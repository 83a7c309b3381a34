//! Reads histories in words: one operation a line. `forms` has every line that
//! there is; the anomalies of the catalogue and the files in `tests/cases` are
//! written in them.
//!
//! Names: `t` is a topic, `t-0` a partition, `t-0@7` an offset in it, `g` a
//! group, `m0` a member, `p0/3` a record by its producer and its place in the
//! order of sending, `p0/t1` a transaction of `p0`, `rows/7` a row, `c0` a
//! change, `tx0` a transaction of the database, `f0` a fault. `,` lists.
//!
//! Shorter:
//!
//! ```text
//! p0/3 is sent to t-0 and acknowledged at t-0@7
//! p0/3-5 are sent to t-0 and acknowledged from t-0@7
//! m0 processes p0/3-5 from t-0@7
//! t-0 is read from 0: p0/3-5, nothing x2
//! ```
//!
//! What a history would say of itself is left out: topics, partitions and
//! tables are those that are named, each operation is a millisecond, what a
//! producer sends between the beginning and the end of a transaction belongs
//! to it, traffic ends before the first line that reads the truth (unless a
//! line says where), and the history is complete (unless it breaks off). A
//! partition that is read ends behind what is listed.

mod forms;
mod operations;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Body, Event};
use model::ids::{
    GroupIx, Micros, PartitionIndex, PartitionRef, ProducerIx, RecordId, TableIx, TopicIx,
    TransactionRef,
};

use forms::FORMS;
use words::{kind_of, numbered_range};

/// The events of a history in words; panics with the line that is none.
#[track_caller]
pub(crate) fn history(text: &str) -> Vec<Event> {
    let mut scribe = Scribe::new(text);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let wrong = scribe.line(line.trim()).err();
        assert!(wrong.is_none(), "{}", wrong.unwrap_or_default());
    }
    scribe.finish()
}

/// What has been read so far. Names get their numbers where they first occur.
#[derive(Default)]
pub(crate) struct Scribe {
    bodies: Vec<(When, Body)>,
    topics: Names,
    groups: Names,
    tables: Names,
    partitions: BTreeMap<TopicIx, i32>,
    open: BTreeMap<ProducerIx, TransactionRef>,
    transactional: BTreeSet<RecordId>,
    /// Traffic has ended, or a line is going to say where it ends.
    truth: bool,
    broken_off: bool,
    /// Microseconds since the last operation.
    passed: u64,
    elsewhen: Option<u64>,
}

#[derive(Clone, Copy)]
enum When {
    /// So many microseconds after the operation before.
    After(u64),
    /// At this moment, which moves no other.
    At(u64),
}

#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn number(&mut self, name: &str) -> u16 {
        let at = self.0.iter().position(|known| known == name);
        let at = at.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        u16::try_from(at).unwrap()
    }
}

impl Scribe {
    /// Looks for lines that are not where one would be put by itself.
    pub(crate) fn new(text: &str) -> Self {
        let has = |words: &str| text.lines().any(|line| line.trim().starts_with(words));
        Self {
            truth: has("the traffic "),
            ..Self::default()
        }
    }

    pub(crate) fn finish(self) -> Vec<Event> {
        let mut all = Vec::new();
        for (topic, name) in self.topics.0.iter().enumerate() {
            let topic = TopicIx::new(u16::try_from(topic).unwrap());
            all.push(Body::TopicDeclared {
                topic,
                name: name.clone(),
                partitions: self.partitions.get(&topic).copied().unwrap_or(1),
            });
        }
        for (table, name) in self.tables.0.iter().enumerate() {
            let topic = self.topics.0.iter().position(|topic| topic == name);
            all.push(Body::TableDeclared {
                table: TableIx::new(u16::try_from(table).unwrap()),
                name: name.clone(),
                topic: TopicIx::new(u16::try_from(topic.unwrap()).unwrap()),
            });
        }
        let mut all: Vec<(When, Body)> = all
            .into_iter()
            .map(|body| (When::After(1000), body))
            .chain(self.bodies)
            .collect();
        if !self.broken_off {
            let last = [Body::TrafficEnded, Body::Completed];
            let last = last.into_iter().skip(usize::from(self.truth));
            all.extend(last.map(|body| (When::After(1000), body)));
        }
        let mut now = 0;
        let timed = all.into_iter().map(|(when, body)| {
            let at = match when {
                When::After(us) => {
                    now += us;
                    now
                }
                When::At(at) => at,
            };
            let at = Micros::new(at);
            Event { at, body }
        });
        timed.collect()
    }

    #[allow(clippy::unnecessary_wraps, reason = "a form ends with it")]
    fn say(&mut self, body: Body) -> Option<()> {
        let when = match self.elsewhen {
            Some(at) => When::At(at),
            None => When::After(1000 + std::mem::take(&mut self.passed)),
        };
        self.bodies.push((when, body));
        Some(())
    }

    fn begin_truth(&mut self) {
        if !self.truth {
            self.truth = true;
            let _ = self.say(Body::TrafficEnded);
        }
    }

    /// Reads a line; the error says what is right.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), String> {
        // An empty list, of which the space was trimmed.
        let space = if line.ends_with(':') { " " } else { "" };
        let line = &format!("{line}{space}");
        if let Some((at, rest)) = timed(line) {
            self.elsewhen = Some(at);
            let read = self.line(rest);
            self.elsewhen = None;
            return read;
        }
        if let Some(each) = expanded(line) {
            return each.iter().try_for_each(|line| self.line(line));
        }
        if self.operation(line).is_some() {
            return Ok(());
        }
        let (subject, first, second) = joined(line).ok_or_else(|| refused(line))?;
        self.line(first)?;
        self.line(&format!("{subject} {second}")).or_else(|why| {
            let again = self.line(&format!("{subject} is {second}"));
            again.map_err(|_| why)
        })
    }

    fn operation(&mut self, line: &str) -> Option<()> {
        let mut forms = FORMS.iter();
        forms.find_map(|(form, read)| read(self, &matched(form, line)?))
    }

    fn topic(&mut self, name: &str) -> TopicIx {
        TopicIx::new(self.topics.number(name))
    }

    fn group(&mut self, name: &str) -> GroupIx {
        GroupIx::new(self.groups.number(name))
    }

    fn partition(&mut self, word: &str) -> Option<PartitionRef> {
        let (topic, partition) = word.rsplit_once('-')?;
        let partition: i32 = partition.parse().ok()?;
        let topic = self.topic(topic);
        let count = self.partitions.entry(topic).or_default();
        *count = (*count).max(partition + 1);
        Some(PartitionRef {
            topic,
            partition: PartitionIndex::new(partition),
        })
    }
}

/// What a line says where its form has braces; none if it has another form.
fn matched<'a>(form: &str, line: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = form.split(['{', '}']);
    let mut rest = line.strip_prefix(parts.next()?)?;
    let mut words = Vec::new();
    while let (Some(example), Some(literal)) = (parts.next(), parts.next()) {
        let (word, left) = match literal {
            "" => (rest, ""),
            _ => rest.split_once(literal)?,
        };
        let of_a_kind = example.ends_with('…') || kind_of(example) == kind_of(word);
        of_a_kind.then_some(())?;
        words.push(word);
        rest = left;
    }
    rest.is_empty().then_some(words)
}

/// `at 5 ms: p0/3 is sent to t-0`
fn timed(line: &str) -> Option<(u64, &str)> {
    let (at, rest) = line.strip_prefix("at ")?.split_once(" ms: ")?;
    let (ms, us) = at.split_once('.').unwrap_or((at, "0"));
    let us: u64 = format!("{us:0<3}").parse().ok()?;
    Some((ms.parse::<u64>().ok()? * 1000 + us, rest))
}

/// One line for each record of a range outside a list.
fn expanded(line: &str) -> Option<Vec<String>> {
    let head = line.split_once(": ").map_or(line, |(head, _)| head);
    let range = head
        .split(' ')
        .find(|word| numbered_range(word).is_some())?;
    let (of, first, last) = numbered_range(range)?;
    let each = (first..=last).map(|at| {
        let line = line.replacen(range, &format!("{of}{at}"), 1);
        let line = line.replace(" are ", " is ");
        match line.rsplit_once(" from ") {
            Some((before, place)) => {
                let (partition, offset) = place.split_once('@')?;
                let offset = offset.parse::<u64>().ok()? + (at - first);
                Some(format!("{before} at {partition}@{offset}"))
            }
            None => Some(line),
        }
    });
    each.collect()
}

/// `p0/3 is sent to t-0 and acknowledged at t-0@7`: the subject, the first
/// operation, and what else the subject does.
fn joined(line: &str) -> Option<(&str, &str, &str)> {
    let (first, second) = line.split_once(" and ")?;
    let (subject, _) = first.split_once(' ')?;
    Some((subject, first, second))
}

/// The lines about the same kind of thing, the nearest first.
fn refused(line: &str) -> String {
    let words: BTreeSet<&str> = line.split(' ').collect();
    let subject = |line: &str| kind_of(line.split(' ').next().unwrap_or(line));
    let readable = FORMS
        .iter()
        .map(|(form, _)| form.replace(['{', '}', '…'], ""));
    let mut alike: Vec<String> = readable
        .filter(|form| subject(form) == subject(line))
        .collect();
    alike.sort_by_key(|form| {
        let common = form.split(' ').filter(|word| words.contains(word)).count();
        std::cmp::Reverse(common)
    });
    let alike: Vec<String> = alike.iter().take(6).map(|it| format!("\n  {it}")).collect();
    format!(
        "`{line}` is no line of a history; there is{}",
        alike.concat()
    )
}

#[test]
fn a_line_that_says_nothing_is_refused_with_those_like_it() {
    for (line, right) in [
        ("p0/0 is lost", "p0/3 is not written: ERROR"),
        ("p0/0 is sent to t", "p0/3 is sent to t-0"),
        ("t-0 is read from 0: p0", "t-0 is read from 5: LIST"),
        ("m0 commits t-0@1, perhaps", "m0 commits t-0@8, refused"),
        ("g reads t with care", "g reads t, u with read_committed"),
        ("tx0 moves rows/7 as c0", "tx0 updates rows/7 as c0"),
    ] {
        let refused = Scribe::default().line(line).unwrap_err();
        assert!(refused.contains(right), "{refused}");
    }
}
