//! Reads a file of cases, and writes other expectations into it.

use model::anomaly::Anomaly;
use model::claim::{
    AlertContract, Claim, Contract, FaultContract, GroupContract, Guarantee, Level, QuotaContract,
    Traffic,
};
use model::event::Event;
use model::ids::FaultIx;
use model::scenario::{Occurrence, OccurrenceKind};

use crate::notation::Scribe;

/// A line number and what is wrong there.
type Mistake = (usize, String);

pub(super) struct File {
    lines: Vec<String>,
    pub(super) cases: Vec<Case>,
}

pub(super) struct Case {
    pub(super) line: usize,
    pub(super) name: String,
    /// What is promised.
    pub(super) contract: Contract,
    /// Of which anomalies mutants are shown.
    pub(super) calibrated: Vec<Anomaly>,
    pub(super) history: Vec<String>,
    pub(super) events: Vec<Event>,
    pub(super) expected: Vec<String>,
    /// Of the lines of the file, which hold the expectations.
    written: std::ops::Range<usize>,
}

/// The keys before a history, with an example of each.
const PLAN: [&str; 10] = [
    "requires: no-loss, recovers-within 1000 ms",
    "requires: every claim",
    "observes: no-duplicates",
    "expects violated: no-loss",
    "group: g commits every 2 records",
    "fault: broker-pause meets any traffic | changes | reads of g",
    "must happen: compaction of t",
    "quota: consumer_byte_rate 20000 of client id billing for g",
    "alert: of g tells of f0, lasts 60 ms, at the latest, behind 100 | of g tells of nothing, \
     lasts 60 ms, behind 0",
    "calibrate: lost-write",
];

/// The keys behind it.
const EXPECTED: [&str; 9] = [
    "finds: nothing",
    "rules: no-loss HELD: 1 acknowledged record, all stored",
    "doubts: not read to the end: t-0",
    "lands: broker-pause",
    "misses: broker-pause",
    "verdict: HELD, as expected",
    "plants: lost-write: p0/0 at t-0@0 dropped from the log",
    "value: coverage.expired = 1",
    "proof: lost-write",
];

/// A section, or a case of it, which begins as its section does.
#[derive(Clone, Default)]
struct Draft {
    line: usize,
    name: String,
    plan: Vec<(usize, String)>,
    history: Vec<(usize, String)>,
    expected: Vec<String>,
    written: std::ops::Range<usize>,
}

impl File {
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let (mut section, mut drafts) = (Draft::default(), Vec::new());
        let mut is_case = true;
        for (at, line) in lines.iter().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix("== ") {
                section = Draft::new(at, name.to_owned());
                drafts.push(section.clone());
                is_case = false;
            } else if let Some(name) = line.strip_prefix("case: ") {
                if !is_case {
                    section = drafts.pop().unwrap_or_default();
                    is_case = true;
                    drafts.extend((!section.expected.is_empty()).then(|| section.clone()));
                }
                drafts.push(section.case(at, name));
            } else if let Some(draft) = drafts.last_mut() {
                draft.add(at, line)?;
            } else {
                let why = "a file begins with `== ` and what its first cases show".to_owned();
                return Err((at + 1, why));
            }
        }
        let cases = drafts
            .into_iter()
            .map(Draft::read)
            .collect::<Result<_, _>>()?;
        Ok(Self { lines, cases })
    }

    /// Puts what was found in the place of what is expected of these cases.
    pub(super) fn replace(&mut self, found: &[(usize, Vec<String>)]) {
        for (case, found) in found.iter().rev() {
            let written = self.cases[*case].written.clone();
            self.lines.splice(written, found.iter().cloned());
        }
    }

    pub(super) fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

fn starts_as_any(line: &str, examples: &[&str]) -> bool {
    let mut keys = examples.iter().filter_map(|it| it.split_once(':'));
    keys.any(|(key, _)| line.split_once(':').is_some_and(|(it, _)| it == key))
}

impl Draft {
    fn new(at: usize, name: String) -> Self {
        Self {
            line: at + 1,
            name,
            written: at + 1..at + 1,
            ..Self::default()
        }
    }

    fn case(&self, at: usize, name: &str) -> Self {
        Self {
            plan: self.plan.clone(),
            history: self.history.clone(),
            ..Self::new(at, format!("{}: {name}", self.name))
        }
    }

    fn add(&mut self, at: usize, line: &str) -> Result<(), Mistake> {
        if line.starts_with("    ") && !self.expected.is_empty() {
            return self.expect(at, line);
        }
        if line.starts_with("  ") && self.expected.is_empty() {
            self.history.push((at + 1, line.trim().to_owned()));
            self.written = at + 1..at + 1;
            return Ok(());
        }
        if starts_as_any(line, &EXPECTED) {
            return self.expect(at, line);
        }
        if starts_as_any(line, &PLAN) && self.expected.is_empty() {
            self.plan.push((at + 1, line.to_owned()));
            self.written = at + 1..at + 1;
            return Ok(());
        }
        let right = PLAN.iter().chain(&EXPECTED);
        let right: Vec<String> = right.map(|it| format!("\n  {it}")).collect();
        Err((
            at + 1,
            format!(
                "`{line}` is no line of a case. A case is `case: NAME`, what is promised, the \
                 history (two spaces before each line), and what is expected. It begins with \
                 what stands between `== TITLE` and its first case. There is{}",
                right.concat()
            ),
        ))
    }

    fn expect(&mut self, at: usize, line: &str) -> Result<(), Mistake> {
        if self.expected.is_empty() {
            self.written = at..at;
        }
        if self.written.end != at {
            return Err((at + 1, "what is expected is one block of lines".to_owned()));
        }
        self.written.end = at + 1;
        self.expected.push(line.to_owned());
        Ok(())
    }

    fn read(self) -> Result<Case, Mistake> {
        if self.history.is_empty() {
            let why = "has no history: lines of it begin with two spaces";
            return Err((self.line, format!("{} {why}", self.name)));
        }
        let (mut contract, mut calibrated) = (Contract::default(), Vec::new());
        for (line, plan) in &self.plan {
            let (key, words) = plan.split_once(": ").unwrap_or((plan.as_str(), ""));
            let read = promise(&mut contract, &mut calibrated, key, words);
            read.map_err(|why| (*line, why))?;
        }
        let history: Vec<String> = self.history.iter().map(|(_, line)| line.clone()).collect();
        let mut scribe = Scribe::new(&history.join("\n"));
        for (line, operation) in &self.history {
            scribe.line(operation).map_err(|why| (*line, why))?;
        }
        Ok(Case {
            line: self.line,
            name: self.name,
            contract,
            calibrated,
            history,
            events: scribe.finish(),
            expected: self.expected,
            written: self.written,
        })
    }
}

fn promise(
    contract: &mut Contract,
    calibrated: &mut Vec<Anomaly>,
    key: &str,
    words: &str,
) -> Result<(), String> {
    let wrong = || {
        let examples = PLAN.iter().filter(|example| example.starts_with(key));
        let right: Vec<String> = examples.map(|it| format!("\n  {it}")).collect();
        format!("`{words}` is not understood; right is{}", right.concat())
    };
    let level = match key {
        "requires" => Some(Level::Required),
        "observes" => Some(Level::Observed),
        "expects violated" => Some(Level::ExpectViolated),
        _ => None,
    };
    if let Some(level) = level {
        for name in words.split(", ") {
            contract.guarantees.extend(claims(name, level)?);
        }
        return Ok(());
    }
    let read = match key {
        "group" => group(words).map(|group| contract.groups.push(group)),
        "fault" => {
            let number = u16::try_from(contract.faults.len()).unwrap();
            fault(number, words).map(|fault| contract.faults.push(fault))
        }
        "alert" => alert(words).map(|it| contract.alert = Some(it)),
        "must happen" => occurrence(words).map(|it| contract.must_happen.push(it)),
        "quota" => words.split_once(" for ").map(|(what, clients)| {
            let clients = clients.split(", ").filter(|client| *client != "no client");
            contract.quotas.push(QuotaContract {
                what: what.to_owned(),
                clients: clients.map(str::to_owned).collect(),
            });
        }),
        _ => {
            for name in words.split(", ") {
                calibrated.push(Anomaly::named(name).ok_or_else(|| {
                    let all: Vec<&str> = Anomaly::ALL.iter().map(|it| it.name()).collect();
                    format!("`{name}` is no anomaly; there is {}", all.join(", "))
                })?);
            }
            Some(())
        }
    };
    read.ok_or_else(wrong)
}

fn claims(words: &str, level: Level) -> Result<Vec<Guarantee>, String> {
    let (name, limit_ms) = match words.strip_suffix(" ms").and_then(|it| it.rsplit_once(' ')) {
        Some((name, limit)) => (name, limit.parse().ok()),
        None => (words, None),
    };
    let all = Claim::ALL.iter().copied();
    let named = all.filter(|claim| name == "every claim" || claim.name() == name);
    let guarantees: Vec<Guarantee> = named
        .map(|claim| Guarantee {
            claim,
            level,
            limit_ms,
        })
        .collect();
    if guarantees.is_empty() {
        let all: Vec<&str> = Claim::ALL.iter().map(|it| it.name()).collect();
        return Err(format!("`{name}` is no claim; there is {}", all.join(", ")));
    }
    Ok(guarantees)
}

fn group(words: &str) -> Option<GroupContract> {
    let (name, every) = words.split_once(" commits every ")?;
    Some(GroupContract {
        name: name.to_owned(),
        commit_every_records: every.strip_suffix(" records")?.parse().ok()?,
    })
}

fn fault(number: u16, words: &str) -> Option<FaultContract> {
    let (kind, meets) = words.split_once(" meets ")?;
    let meets = match meets {
        "any traffic" => Traffic::Any,
        "changes" => Traffic::Changes,
        _ => Traffic::Reads {
            group: meets.strip_prefix("reads of ")?.to_owned(),
        },
    };
    Some(FaultContract {
        fault: FaultIx::new(number),
        kind: kind.to_owned(),
        meets,
    })
}

fn alert(words: &str) -> Option<AlertContract> {
    let (group, rest) = words.strip_prefix("of ")?.split_once(" tells of ")?;
    let mut parts = rest.split(", ");
    let fault = match parts.next()? {
        "nothing" => None,
        fault => Some(FaultIx::new(fault.strip_prefix('f')?.parse().ok()?)),
    };
    let mut read = AlertContract {
        group: group.to_owned(),
        fault,
        lasts_ms: 0,
        is_limit: false,
        least_behind: 0,
    };
    for part in parts {
        if part == "at the latest" {
            read.is_limit = true;
        } else if let Some(ms) = part.strip_prefix("lasts ") {
            read.lasts_ms = ms.strip_suffix(" ms")?.parse().ok()?;
        } else {
            read.least_behind = part.strip_prefix("behind ")?.parse().ok()?;
        }
    }
    Some(read)
}

fn occurrence(words: &str) -> Option<Occurrence> {
    let (name, topic) = match words.split_once(" of ") {
        Some((name, topic)) => (name, Some(topic.to_owned())),
        None => (words, None),
    };
    let kind = *OccurrenceKind::ALL.iter().find(|it| it.name() == name)?;
    Some(Occurrence { kind, topic })
}
