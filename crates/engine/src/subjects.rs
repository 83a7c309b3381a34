//! Starts subjects, tells them their roles, and writes down what they report.
//! Knows the protocol and nothing of the clients behind it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cdc::form::Form;
use model::event::{Body, Ending, Isolation};
use model::ids::{GroupIx, MemberIx, PartitionRef, ProducerIx, TopicIx};
use model::plan::{PlannedTopic, ScenarioPlan};
use model::scenario::{Config, EndSignal, Group, Producer, words};
use secret::Secrets;
use stack::process::{Child, ChildSpec, Exit, ProcessSnapshot, Signal, Stream, Trouble};
use subject::identity::ChangeTopic;
use subject::protocol::{ClientEvent, ConsumerRole, LargeRecords, ProducerRole, Report, Role};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cleanup::Made;
use crate::configs::InForce;
use crate::error::EngineError;
use crate::hearing;
use crate::ledger::{Ledger, Tally};
use crate::transforms::{self, Amid, Voice};
use crate::wait::{Wait, Waiting};
use crate::watch::{Parts, subject_gone};

/// What every subject needs to be started.
#[derive(Clone)]
pub(crate) struct Launcher {
    /// The program; started as `PROGRAM subject`.
    pub(crate) program: PathBuf,
    /// Where logs go.
    pub(crate) logs: PathBuf,
    /// What must not be in them.
    pub(crate) secrets: Secrets,
    /// `bootstrap.servers`.
    pub(crate) bootstrap: String,
    pub(crate) ledger: Ledger,
    pub(crate) configs: InForce,
    pub(crate) parts: Parts,
    pub(crate) made: Made,
}

/// What a subject's reports are about.
#[derive(Clone, Debug)]
enum Speaker {
    Producer(ProducerIx),
    Member { member: MemberIx, group: GroupIx },
    Transformer(Voice),
}

impl Speaker {
    const fn group(&self) -> Option<GroupIx> {
        match self {
            Self::Producer(_) => None,
            Self::Member { group, .. } => Some(*group),
            Self::Transformer(voice) => Some(voice.group()),
        }
    }
}

/// How far a subject has come, by its own word.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that was said, independent of the others"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    ready: bool,
    assigned: bool,
    ended: bool,
    /// Records that it made, that stand in the log, and that it did not commit
    /// so far.
    uncommitted: u64,
    /// Whether the brokers did not let it have its way, as one whose place is
    /// another's.
    refused: bool,
}

/// A running subject.
struct Subject {
    who: String,
    child: Arc<Child>,
    told: watch::Receiver<Told>,
    /// Ends when everything that the subject wrote has been written down.
    reader: JoinHandle<Result<(), EngineError>>,
    // Closing it asks the subject to stop, should nothing else reach it.
    _stdin: tokio::process::ChildStdin,
}

impl Launcher {
    async fn launch(
        &self,
        who: String,
        role: &Role,
        speaker: Speaker,
        topic: TopicIx,
    ) -> Result<Subject, EngineError> {
        let log = self.logs.join(log_of(&who));
        let mut spec = ChildSpec::new(&self.program, log).arg("subject");
        spec.secrets = self.secrets.clone();
        spec.stdin = Stream::Piped;
        spec.stdout = Stream::Piped;
        let mut child = spec.spawn()?;
        let broken = |what: &str| EngineError::Broken(format!("{who}: {what}"));
        let mut stdin = child
            .take_stdin()
            .and_then(Result::ok)
            .ok_or_else(|| broken("no standard input"))?;
        let stdout = child
            .take_stdout()
            .and_then(Result::ok)
            .ok_or_else(|| broken("no standard output"))?;
        let mut line =
            serde_json::to_vec(role).map_err(|error| EngineError::Broken(error.to_string()))?;
        line.push(b'\n');
        // A subject that ends at once shows in its exit, which says more.
        let _ = stdin.write_all(&line).await;
        let (tell, told) = watch::channel(Told::default());
        let listener = Listener {
            who: who.clone(),
            speaker,
            topic,
            ledger: self.ledger.clone(),
            configs: self.configs.clone(),
            tell,
        };
        let child = Arc::new(child);
        self.parts.add_subject(&who, &child);
        Ok(Subject {
            who,
            child,
            told,
            reader: tokio::spawn(listener.listen(BufReader::new(stdout))),
            _stdin: stdin,
        })
    }
}

/// The name of the log of a process.
fn log_of(who: &str) -> String {
    format!("{}.log", who.replace(' ', "-"))
}

/// Which records a consumer is given, by its configuration in force. Clients'
/// defaults differ: librdkafka's is `read_committed`, the Java client's is not.
fn isolation(config: &BTreeMap<String, String>) -> Option<Isolation> {
    match config.get("isolation.level")?.as_str() {
        "read_committed" => Some(Isolation::ReadCommitted),
        "read_uncommitted" => Some(Isolation::ReadUncommitted),
        _ => None,
    }
}

fn is_assignment(what: &ClientEvent) -> bool {
    matches!(what, ClientEvent::Assigned { partitions } if !partitions.is_empty())
}

struct Listener {
    who: String,
    speaker: Speaker,
    topic: TopicIx,
    ledger: Ledger,
    configs: InForce,
    tell: watch::Sender<Told>,
}

impl Listener {
    async fn listen(
        mut self,
        mut stdout: BufReader<tokio::process::ChildStdout>,
    ) -> Result<(), EngineError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = stdout.read_until(b'\n', &mut line).await;
            // Killed while writing: a line that is not whole was not said.
            if !matches!(read, Ok(1..)) || line.last() != Some(&b'\n') {
                if let Speaker::Transformer(voice) = &mut self.speaker {
                    let words = voice.last_words();
                    for body in words {
                        self.ledger.note(body);
                    }
                }
                return Ok(());
            }
            let report: Report =
                serde_json::from_slice(&line).map_err(|_| EngineError::Protocol {
                    who: self.who.clone(),
                    line: String::from_utf8_lossy(&line).chars().take(200).collect(),
                })?;
            self.hear(report);
        }
    }

    fn hear(&mut self, report: Report) {
        match (&mut self.speaker, report.what) {
            (speaker, ClientEvent::Ready { client, mut config }) => {
                if let Some(group) = speaker.group()
                    && let Some(isolation) = isolation(&config)
                {
                    let body = Body::IsolationDeclared { group, isolation };
                    self.ledger.record(report.at, body);
                }
                config.insert("client".to_owned(), client);
                self.configs.set(&self.who, config.into());
                self.tell.send_modify(|told| told.ready = true);
            }
            (_, ClientEvent::Ended) => self.tell.send_modify(|told| told.ended = true),
            (_, ClientEvent::Note { .. }) => {}
            (Speaker::Transformer(voice), what) => {
                let (amid, refused) = (Voice::amid(&what), Voice::is_refusal(&what));
                let assigned = is_assignment(&what);
                for body in voice.understand(what) {
                    self.ledger.record(report.at, body);
                }
                self.tell.send_if_modified(|told| {
                    let before = *told;
                    match amid {
                        Amid::Another => told.uncommitted += 1,
                        Amid::Nothing => told.uncommitted = 0,
                        Amid::Same => {}
                    }
                    told.assigned |= assigned;
                    told.refused |= refused;
                    *told != before
                });
            }
            (Speaker::Producer(producer), what) => {
                let producer = *producer;
                if let Some(body) = hearing::of_producer(producer, self.topic, what) {
                    self.ledger.record(report.at, body);
                }
            }
            (Speaker::Member { member, .. }, what) => {
                let member = *member;
                let assigned = is_assignment(&what);
                if let Some(body) = hearing::of_member(member, self.topic, what) {
                    self.ledger.record(report.at, body);
                }
                if assigned {
                    self.tell.send_modify(|told| told.assigned = true);
                }
            }
        }
    }
}

impl Subject {
    /// Waits until it says so, or fails when it ends first.
    async fn wait_told(&mut self, condition: impl Fn(&Told) -> bool) -> Result<(), EngineError> {
        let mut told = self.told.clone();
        let waited = told.wait_for(|told| condition(told)).await.is_ok();
        if waited {
            return Ok(());
        }
        Err(self.ended_early().await)
    }

    async fn ended_early(&mut self) -> EngineError {
        if let Ok(Err(error)) = (&mut self.reader).await {
            return error;
        }
        let exit = self.child.wait().await;
        subject_gone(&self.who, Trouble::Ended(exit), self.child.log())
    }

    /// Waits until it has ended and everything it said is written down.
    async fn finish(mut self) -> Result<(), EngineError> {
        let exit = self.child.wait().await;
        let read = (&mut self.reader).await;
        if let Ok(Err(error)) = read {
            return Err(error);
        }
        if self.told.borrow().ended && exit.is_success() {
            Ok(())
        } else {
            Err(subject_gone(
                &self.who,
                Trouble::Ended(exit),
                self.child.log(),
            ))
        }
    }
}

/// Runs one producer until every record has an outcome.
pub(crate) async fn run_producer(
    launcher: &Launcher,
    plan: &ScenarioPlan,
    number: ProducerIx,
    producer: &Producer,
    topic: &PlannedTopic,
) -> Result<(), EngineError> {
    let role = Role::Producer(ProducerRole {
        clock: launcher.ledger.clock(),
        bootstrap: launcher.bootstrap.clone(),
        run: plan.records_run,
        producer: number,
        topic: topic.name.clone(),
        partitions: topic.partitions,
        partition_seed: plan.seed,
        records: producer.records,
        records_per_s: producer.records_per_s,
        record_bytes: producer.record_bytes,
        large: producer
            .large_every
            .zip(producer.large_bytes)
            .map(|(every, bytes)| LargeRecords { every, bytes }),
        keys: producer.keys,
        config: producer.config.plain(),
    });
    let who = format!("producer {number}");
    let subject = launcher
        .launch(who, &role, Speaker::Producer(number), topic.ix)
        .await?;
    subject.finish().await
}

/// What change events a topic carries, if any.
pub(crate) fn changes_of(plan: &ScenarioPlan, topic: TopicIx) -> Option<ChangeTopic> {
    let capture = plan.scenario.capture.as_ref()?;
    let mut tables = plan.tables().into_iter();
    let (table, ..) = tables.find(|(_, _, carries)| *carries == topic)?;
    let form = Form::of(capture);
    Some(ChangeTopic { table, form })
}

/// What the members of a group do.
enum Task {
    Read {
        role: ConsumerRole,
        topic: TopicIx,
        config: Config,
    },
    Transform(transforms::Work),
}

/// A consumer group: its members, restarted ones included.
pub(crate) struct Members {
    launcher: Launcher,
    name: String,
    group: GroupIx,
    task: Task,
    incarnations: Arc<AtomicU32>,
    /// How often a member of each number was started.
    starts: BTreeMap<u32, u32>,
    running: BTreeMap<u32, (MemberIx, Subject)>,
    /// Those whose place another has taken while they were there.
    replaced: BTreeMap<u32, (MemberIx, Subject)>,
}

impl Members {
    /// A group without members so far. `incarnations` numbers the members of
    /// all groups of a scenario.
    pub(crate) fn new(
        launcher: &Launcher,
        plan: &ScenarioPlan,
        group: &Group,
        number: GroupIx,
        topic: TopicIx,
        incarnations: &Arc<AtomicU32>,
    ) -> Self {
        let role = ConsumerRole {
            clock: launcher.ledger.clock(),
            bootstrap: launcher.bootstrap.clone(),
            run: plan.records_run,
            group: group.name.clone(),
            topic: group.topic.clone(),
            changes: changes_of(plan, topic),
            records_per_s: group.records_per_s,
            commit: group.commit,
            commit_every_records: group.commit_every_records,
            max_poll_records: group.max_poll_records,
            fence: group.fence,
            config: BTreeMap::new(),
        };
        let task = Task::Read {
            role,
            topic,
            config: group.config.clone(),
        };
        Self::doing(task, launcher, &group.name, number, incarnations)
    }

    /// A group that writes, without members so far.
    pub(crate) fn transforming(
        work: transforms::Work,
        launcher: &Launcher,
        name: &str,
        number: GroupIx,
        incarnations: &Arc<AtomicU32>,
    ) -> Self {
        Self::doing(Task::Transform(work), launcher, name, number, incarnations)
    }

    fn doing(
        task: Task,
        launcher: &Launcher,
        name: &str,
        group: GroupIx,
        incarnations: &Arc<AtomicU32>,
    ) -> Self {
        Self {
            launcher: launcher.clone(),
            name: name.to_owned(),
            group,
            task,
            incarnations: Arc::clone(incarnations),
            starts: BTreeMap::new(),
            running: BTreeMap::new(),
            replaced: BTreeMap::new(),
        }
    }

    /// Starts a member of this number in the group, from 1.
    pub(crate) async fn start(&mut self, number: u32) -> Result<(), EngineError> {
        self.launcher.made.group(&self.name);
        let member = MemberIx::new(self.incarnations.fetch_add(1, Ordering::Relaxed));
        let group = self.group;
        let (role, speaker, topic, producer) = match &self.task {
            Task::Read {
                role,
                topic,
                config,
            } => {
                let config = config.for_member(number);
                let role = Role::Consumer(ConsumerRole {
                    config,
                    ..role.clone()
                });
                (role, Speaker::Member { member, group }, *topic, None)
            }
            Task::Transform(work) => {
                let (role, voice) = work.begin(number, member);
                let (topic, producer) = (work.from(), role.producer);
                let speaker = Speaker::Transformer(voice);
                (Role::Transform(role), speaker, topic, Some(producer))
            }
        };
        let starts = self.starts.entry(number).or_default();
        *starts += 1;
        let incarnation = *starts;
        let who = format!("{} {}", self.name, words::member(number, incarnation));
        let started = Body::MemberStarted { member, group };
        self.launcher.ledger.note(started);
        self.launcher.ledger.note(Body::MemberNamed {
            member,
            number,
            incarnation,
            producer,
            log: log_of(&who),
        });
        let subject = self.launcher.launch(who, &role, speaker, topic).await?;
        self.running.insert(number, (member, subject));
        Ok(())
    }

    /// Waits until every running member has partitions.
    pub(crate) async fn wait_assigned(&mut self) -> Result<(), EngineError> {
        for (_, subject) in self.running.values_mut() {
            subject.wait_told(|told| told.assigned).await?;
        }
        Ok(())
    }

    /// Whether there are more members than partitions for them.
    pub(crate) fn may_idle(&self, plan: &ScenarioPlan) -> bool {
        let members = plan.scenario.members_of(&self.name).unwrap_or_default();
        let topic = match &self.task {
            Task::Read { topic, .. } => *topic,
            Task::Transform(work) => work.from(),
        };
        let topics = plan.topics();
        let read = topics.iter().find(|known| known.ix == topic);
        read.is_some_and(|read| members > read.partitions.unsigned_abs())
    }

    /// The partitions that a member was given last, as far as nobody else was
    /// given them since.
    pub(crate) fn held_by(&self, number: u32, tally: &Tally) -> Vec<PartitionRef> {
        let Some((member, _)) = self.running.get(&number) else {
            return Vec::new();
        };
        let holders = tally.holders.iter();
        let held = holders.filter(|((of, _), holder)| *of == self.group && *holder == member);
        held.map(|((_, partition), _)| *partition).collect()
    }

    /// The process of a member as it is now.
    pub(crate) fn snapshot(&self, number: u32) -> Option<ProcessSnapshot> {
        let (_, subject) = self.running.get(&number)?;
        subject.child.snapshot().ok()
    }

    /// A member, and its process.
    pub(crate) fn process(&self, number: u32) -> Option<(MemberIx, Arc<Child>)> {
        let (member, subject) = self.running.get(&number)?;
        Some((*member, Arc::clone(&subject.child)))
    }

    /// Ends a member and waits until it is gone and all it said is written
    /// down.
    pub(crate) async fn end(
        &mut self,
        number: u32,
        signal: EndSignal,
    ) -> Result<Exit, EngineError> {
        let Some((member, mut subject)) = self.running.remove(&number) else {
            return Err(EngineError::Lacking {
                what: format!("member {number} of {}", self.name),
            });
        };
        let exit = match signal {
            EndSignal::Term => subject.child.end(Signal::Term, Wait::Leaving.fixed()).await,
            EndSignal::Kill => {
                subject.child.signal(Signal::Kill)?;
                subject.child.wait().await
            }
        };
        if let Ok(Err(error)) = (&mut subject.reader).await {
            return Err(error);
        }
        self.note_end(member, &subject, exit);
        Ok(exit)
    }

    fn note_end(&self, member: MemberIx, subject: &Subject, exit: Exit) {
        let told = *subject.told.borrow();
        let clean = told.ended && !told.refused && exit.is_success();
        self.launcher.ledger.note(Body::MemberEnded {
            member,
            how: if clean { Ending::Clean } else { Ending::Killed },
        });
    }

    /// Waits until a member that writes is in the middle of its work: some of
    /// what it made stands in the log, and it is going to make some more before
    /// it commits. One that does not write is always.
    pub(crate) async fn wait_amid(&mut self, number: u32) -> Result<(), EngineError> {
        match (&self.task, self.running.get_mut(&number)) {
            (Task::Transform(work), Some((_, subject))) => {
                let half = work.commit_every_records().div_ceil(2);
                let amid = |told: &Told| (1..=half).contains(&told.uncommitted);
                subject.wait_told(amid).await
            }
            _ => Ok(()),
        }
    }

    /// How many records that a member made stand in the log, uncommitted; none
    /// where it does not write.
    pub(crate) fn uncommitted(&self, number: u32) -> Option<u64> {
        match (&self.task, self.running.get(&number)) {
            (Task::Transform(_), Some((_, subject))) => Some(subject.told.borrow().uncommitted),
            _ => None,
        }
    }

    /// Fails as soon as a member ends that nobody ended. One whose place
    /// another took back leaves by itself: a client that was frozen beyond its
    /// `session.timeout.ms` joins again, with its `group.instance.id`.
    pub(crate) fn check_alive(&self) -> Result<(), EngineError> {
        for (_, subject) in self.running.values() {
            if let Some(exit) = subject.child.try_status() {
                let told = *subject.told.borrow();
                if told.refused && told.ended && exit.is_success() {
                    continue;
                }
                let log = subject.child.log();
                return Err(subject_gone(&subject.who, Trouble::Ended(exit), log));
            }
        }
        Ok(())
    }

    /// Freezes a member, and returns once it stands still.
    pub(crate) async fn freeze(&self, number: u32) -> Result<(), EngineError> {
        if let Some((_, subject)) = self.running.get(&number) {
            subject.child.pause().await?;
        }
        Ok(())
    }

    /// Lets a frozen member whose place another has taken go on.
    pub(crate) async fn thaw(&self, number: u32) -> Result<(), EngineError> {
        if let Some((_, subject)) = self.replaced.get(&number) {
            subject.child.resume().await?;
        }
        Ok(())
    }

    /// Starts another member in the place of one that goes on being there, and
    /// waits until it has partitions.
    pub(crate) async fn replace(&mut self, number: u32) -> Result<(), EngineError> {
        if let Some(before) = self.running.remove(&number) {
            self.replaced.insert(number, before);
        }
        self.start(number).await?;
        match self.running.get_mut(&number) {
            Some((_, subject)) => subject.wait_told(|told| told.assigned).await,
            None => Ok(()),
        }
    }

    /// Waits until a member whose place another has taken was told so by the
    /// brokers, and ends it where it does not end by itself. Whether it was
    /// told, and how it ended.
    pub(crate) async fn see_off(
        &mut self,
        number: u32,
        waiting: &Waiting,
    ) -> Result<(Dismissal, Exit), EngineError> {
        let Some((member, mut subject)) = self.replaced.remove(&number) else {
            return Err(EngineError::Lacking {
                what: format!("a replaced member {number} of {}", self.name),
            });
        };
        let mut told = subject.told.clone();
        // The end of its reports ends the wait as well.
        let refused = async { told.wait_for(|told| told.refused).await.is_ok() };
        let dismissal = match waiting.done(refused).await {
            Some(true) => Dismissal::Refused,
            Some(false) | None => Dismissal::Untold,
        };
        let exit = subject.child.end(Signal::Term, Wait::Leaving.fixed()).await;
        if let Ok(Err(error)) = (&mut subject.reader).await {
            return Err(error);
        }
        self.note_end(member, &subject, exit);
        Ok((dismissal, exit))
    }

    /// Asks all members to leave, and waits for them.
    pub(crate) async fn leave(&mut self) -> Result<(), EngineError> {
        let numbers: Vec<u32> = self.running.keys().copied().collect();
        for number in numbers {
            self.end(number, EndSignal::Term).await?;
        }
        Ok(())
    }
}

/// Whether a member whose place another took was told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dismissal {
    /// The brokers refused what it asked for.
    Refused,
    /// Nobody told it anything.
    Untold,
}

/// The folder for logs, made if need be.
pub(crate) fn logs_in(folder: &Path) -> Result<PathBuf, EngineError> {
    let path = folder.join("logs");
    std::fs::create_dir_all(&path).map_err(|source| EngineError::Write {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}
