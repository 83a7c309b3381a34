//! A subject that is checked: its process, what was said, and what it must say
//! next. Knows nothing of what a check is about.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::subject::SubjectError;
use ::subject::process::{ProcessClient, Spoken};
use ::subject::protocol::{
    Client, ClientError, ConsumerStart, ErrorClass, ProducerStart, Request, Start, SubjectEvent,
    VERSION,
};

use crate::failure::Failure;

/// How long a subject may take to start: a Java, with all its jars.
pub(super) const STARTING: Duration = Duration::from_mins(1);
/// How long any other answer may take.
pub(super) const ANSWER: Duration = Duration::from_secs(40);
/// How long a subject may take to end once it has said its last line.
const ENDING: Duration = Duration::from_secs(10);

/// Characters of a line that are shown.
const LINE_CHARS: usize = 240;
/// Lines that show a fault, at most.
const LINES_MAX: usize = 6;
/// Lines that are kept, at most: those before are not shown.
const KEPT: usize = 100_000;

/// What a subject does wrong, with the lines that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) lines: Vec<String>,
}

/// What became of a step.
pub(super) enum Stop {
    /// The subject does something wrong: nothing can follow from it.
    Wrong(Fault),
    /// The client cannot do it, by the subject's own word.
    Cannot(String),
    /// The check cannot be made here.
    Broken(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Broken(failure)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Wrong(fault)
    }
}

pub(super) type Step<T> = Result<T, Stop>;

/// A configuration.
pub(super) type Settings<'s> = &'s [(&'s str, &'s str)];

/// What a subject is started with.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) check: bool,
    pub(super) producer: Option<BTreeMap<String, String>>,
    pub(super) consumer: Option<(BTreeMap<String, String>, Vec<String>)>,
    /// Settings without which the check still makes sense.
    pub(super) optional: Vec<String>,
}

impl Wanted {
    pub(super) fn producer(mut self, settings: Settings<'_>) -> Self {
        self.producer = Some(config(settings));
        self
    }

    pub(super) fn consumer(mut self, topic: &str, settings: Settings<'_>) -> Self {
        self.consumer = Some((config(settings), vec![topic.to_owned()]));
        self
    }

    pub(super) fn optional(mut self, keys: &[&str]) -> Self {
        self.optional = keys.iter().map(|it| (*it).to_owned()).collect();
        self
    }

    /// Leaves a setting out; whether it was there and may be left out.
    fn leave_out(&mut self, key: &str) -> bool {
        if !self.optional.iter().any(|it| it == key) {
            return false;
        }
        let producer = self.producer.as_mut();
        let consumer = self.consumer.as_mut().map(|(config, _)| config);
        let configs = producer.into_iter().chain(consumer);
        configs.filter_map(|config| config.remove(key)).count() > 0
    }

    fn start(&self) -> Start {
        Start {
            protocol: VERSION,
            check: self.check,
            producer: (self.producer.clone()).map(|config| ProducerStart { config }),
            consumer: (self.consumer.clone())
                .map(|(config, topics)| ConsumerStart { config, topics }),
        }
    }
}

fn config(settings: Settings<'_>) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    settings.iter().map(owned).collect()
}

/// What a subject said when it was ready.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) client: String,
    pub(super) version: String,
    pub(super) config: BTreeMap<String, String>,
    pub(super) set: Vec<String>,
    /// What the client cannot do, and why.
    pub(super) cannot: BTreeMap<String, String>,
}

/// A subject and what was said.
pub(super) struct Dialogue {
    client: ProcessClient,
    said: Arc<Mutex<Vec<String>>>,
    /// Events that came before they were asked for.
    early: VecDeque<SubjectEvent>,
    pub(super) ready: Option<Ready>,
}

impl Dialogue {
    /// Starts the command, and asks nothing so far.
    pub(super) fn open(command: &[String]) -> Step<Self> {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = Arc::clone(&said);
        let tap = move |whose, line: &[u8]| {
            let sign = match whose {
                Spoken::Request => '>',
                Spoken::Event => '<',
            };
            let line: String = String::from_utf8_lossy(line)
                .chars()
                .take(LINE_CHARS)
                .collect();
            let mut said = lock(&hears);
            if said.len() < KEPT {
                said.push(format!("{sign} {line}"));
            }
        };
        let client = ProcessClient::start(command, Some(Box::new(tap)));
        let client = client.map_err(|error| {
            Stop::Wrong(Fault {
                what: error.to_string(),
                lines: Vec::new(),
            })
        })?;
        Ok(Self {
            client,
            said,
            early: VecDeque::new(),
            ready: None,
        })
    }

    /// Starts a subject and waits until it is ready, without those of the
    /// optional settings that it refuses.
    pub(super) fn start(command: &[String], wanted: &Wanted) -> Step<Self> {
        let mut wanted = wanted.clone();
        loop {
            let mut dialogue = Self::open(command)?;
            dialogue.request(Request::Start(wanted.start()))?;
            let (key, reason) = match dialogue.event(STARTING)? {
                Some(SubjectEvent::Ready {
                    protocol: VERSION,
                    client,
                    version,
                    config,
                    set,
                    cannot,
                }) => {
                    dialogue.ready = Some(Ready {
                        client,
                        version,
                        config,
                        set,
                        cannot,
                    });
                    return Ok(dialogue);
                }
                Some(SubjectEvent::Refused { key, reason }) => (key, reason),
                Some(_) => {
                    return Err(dialogue
                        .last("its first answer is neither `ready` nor `refused`")
                        .into());
                }
                None => {
                    let what = format!("it does not answer `start` for {} s", STARTING.as_secs());
                    return Err(dialogue.last(&what).into());
                }
            };
            let left_out = key.as_deref().is_some_and(|key| wanted.leave_out(key));
            if !left_out {
                let key = key.map_or(String::new(), |key| format!("{key}: "));
                return Err(Stop::Cannot(format!("it refuses {key}{reason}")));
            }
        }
    }

    /// Why the client cannot do this (`protocol::limits`), where it cannot.
    pub(super) fn cannot(&self, limit: &str) -> Option<String> {
        let ready = self.ready.as_ref()?;
        ready.cannot.get(limit).cloned()
    }

    /// Writes a line that need not be a request.
    pub(super) fn raw(&self, line: &str) {
        self.client.write_line(line.as_bytes());
    }

    pub(super) fn request(&mut self, request: Request) -> Step<()> {
        let written = self.client.request(request);
        written.map_err(|error| self.gone(&error).into())
    }

    /// Whether it takes more requests at the moment.
    pub(super) fn has_room(&self) -> bool {
        self.client.has_room()
    }

    /// The next event.
    pub(super) fn event(&mut self, wait: Duration) -> Step<Option<SubjectEvent>> {
        if let Some(event) = self.early.pop_front() {
            return Ok(Some(event));
        }
        self.new_event(wait)
    }

    fn new_event(&mut self, wait: Duration) -> Step<Option<SubjectEvent>> {
        // These were not asked for: they mean nothing here.
        const TALK: fn(&SubjectEvent) -> bool = |event| {
            matches!(
                event,
                SubjectEvent::Note { .. }
                    | SubjectEvent::Counted { .. }
                    | SubjectEvent::Throttled { .. }
                    | SubjectEvent::Error { .. }
                    | SubjectEvent::Committed { .. }
            )
        };
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.client.event(left) {
                Ok(Some(event)) if TALK(&event) => {}
                Ok(event) => return Ok(event),
                Err(error) => return Err(self.gone(&error).into()),
            }
        }
    }

    /// Waits for the answer to a request. Events of other kinds wait.
    pub(super) fn answer(&mut self, op: &str) -> Step<Result<(), ClientError>> {
        let until = Instant::now() + ANSWER;
        let mut early = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.new_event(left)? {
                Some(SubjectEvent::Done { op: done, error }) if done == op => {
                    self.early.extend(early);
                    return Ok(error.map_or(Ok(()), Err));
                }
                Some(event) => early.push(event),
                None => {
                    let what = format!("it does not answer `{op}` for {} s", ANSWER.as_secs());
                    return Err(self.last(&what).into());
                }
            }
        }
    }

    /// Makes a request and waits for its answer.
    pub(super) fn ask(&mut self, request: Request) -> Step<Result<(), ClientError>> {
        let op = request.op();
        self.request(request)?;
        self.answer(op)
    }

    /// Makes a request that has to succeed, again where it may be.
    pub(super) fn must(&mut self, request: &Request) -> Step<()> {
        let until = Instant::now() + ANSWER;
        loop {
            match self.ask(request.clone())? {
                Ok(()) => return Ok(()),
                Err(error) if error.class == ErrorClass::Retriable && Instant::now() < until => {}
                Err(error) => {
                    let what = format!("`{}` fails: {error}", request.op());
                    return Err(self.last(&what).into());
                }
            }
        }
    }

    /// Closes it; events before the answer are `told`.
    pub(super) fn close(
        mut self,
        told: &mut dyn FnMut(&mut Self, SubjectEvent) -> Step<()>,
    ) -> Step<()> {
        let op = Request::Close.op();
        self.request(Request::Close)?;
        let until = Instant::now() + ANSWER;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.event(left)? {
                Some(SubjectEvent::Done { op: done, error }) if done == op => {
                    if let Some(error) = error {
                        return Err(self.last(&format!("it cannot be closed: {error}")).into());
                    }
                    break;
                }
                Some(event) => told(&mut self, event)?,
                None => {
                    let what = format!("it does not answer `close` for {} s", ANSWER.as_secs());
                    return Err(self.last(&what).into());
                }
            }
        }
        self.must_end(0, "after `close`")
    }

    /// Closes one that has nothing to tell any more.
    pub(super) fn close_quietly(self) -> Step<()> {
        self.close(&mut |dialogue, event| match event {
            SubjectEvent::Revoked { .. } => dialogue.request(Request::Continue),
            _ => Ok(()),
        })
    }

    /// Says that nothing follows, without `close`.
    pub(super) fn end_input(&self) {
        self.client.end_input();
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.client.pid()
    }

    /// Waits for its end; whatever its exit code.
    pub(super) fn ends(&mut self, bound: Duration) -> Option<std::process::ExitStatus> {
        self.client.wait(bound)
    }

    /// It has to end with this code, and say no more.
    pub(super) fn must_end(mut self, code: i32, when: &str) -> Step<()> {
        let before = lock(&self.said).len();
        let Some(exit) = self.client.wait(ENDING) else {
            let what = format!("it still runs {} s {when}", ENDING.as_secs());
            return Err(self.last(&what).into());
        };
        if exit.code() != Some(code) {
            let what = format!("it ends with {exit} {when}, not with code {code}");
            return Err(self.last(&what).into());
        }
        if lock(&self.said).len() > before {
            return Err(self.last(&format!("it says more {when}")).into());
        }
        Ok(())
    }

    /// A fault that the last lines show.
    pub(super) fn last(&self, what: &str) -> Fault {
        let said = lock(&self.said);
        let from = said.len().saturating_sub(LINES_MAX);
        Fault {
            what: what.to_owned(),
            lines: said[from..].to_vec(),
        }
    }

    /// A fault that those lines show which have all of these words.
    pub(super) fn fault(&self, what: &str, words: &[&str]) -> Fault {
        let said = lock(&self.said);
        let showing = said
            .iter()
            .filter(|line| words.iter().all(|it| line.contains(it)));
        let lines: Vec<String> = showing.take(LINES_MAX).cloned().collect();
        drop(said);
        if lines.is_empty() {
            return self.last(what);
        }
        Fault {
            what: what.to_owned(),
            lines,
        }
    }

    /// A fault about one record that was sent.
    pub(super) fn about(&self, what: &str, id: u64) -> Fault {
        let mut fault = self.fault(what, &[&format!("\"id\":{id},")]);
        if fault.lines.iter().all(|line| !line.contains("\"id\"")) {
            fault = self.fault(what, &[&format!("\"id\": {id},")]);
        }
        fault
    }

    fn gone(&self, error: &SubjectError) -> Fault {
        self.last(&format!("{error}"))
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
