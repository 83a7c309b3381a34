//! `ackproof stack`: a local Kafka for own use, held by this process or, if
//! detached, by one like it in the background.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::stack::archive::Archives;
use ::stack::artefacts::Parts;
use ::stack::detached::{
    DEFAULT_STACK, RunningStack, StackName, State, StateFile, ask_to_stop, spawn_holder,
};
use ::stack::embedded::{CdcSpec, Stack, StackProgress, StackSpec};
use ::stack::ports::{ReservedPort, TakenPort};
use ::stack::process::ProcessSnapshot;
use ::stack::secured::{BrokerCertificate, Protocol, Secured, USER};
use ::stack::training::train;

use clap::ValueEnum as _;
use model::scenario::Config;
use model::scenario::settings::{self, Misuse, Whose};
use secret::Secrets;
use serde_json::{Value, json};
use wire::{ClientOptions, ClientSecurity, Cluster, ClusterOptions, Connection, Hash, ScramUser};

use crate::args::{
    DataFormat, StackNameArgs, StackSecurity, StackStatusArgs, StackUpArgs, VersionArgs,
};
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::interrupt::Interrupt;
use crate::output::{note, print, print_raw};
use crate::provision::{Provision, provide, this_program};
use crate::settings::artefacts;

/// How long processes may take to leave in order; their data goes anyway.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How long a detached stack may take to end.
const DOWN_BOUND: Duration = Duration::from_secs(30);
/// How long brokers may take to hear of a user.
const USERS_BOUND: Duration = Duration::from_secs(20);
/// How often the start of a detached stack is looked at.
const POLL: Duration = Duration::from_millis(50);
/// The end of a detached stack's log that is shown when it did not start.
const TAIL_LINES: usize = 12;

#[derive(Debug, thiserror::Error)]
enum StackCommandError {
    #[error("cannot make a place for the stack's data at {}", path.display())]
    Place { path: PathBuf, source: io::Error },
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("a stack is running already (pid {pid})")]
    AlreadyUp { pid: u32 },
    #[error("the stack did not start in the background; {} ends with:\n{tail}", log.display())]
    NotStarted { log: PathBuf, tail: String },
    #[error("--broker-config: {0}")]
    BrokerConfig(String),
}

/// `ackproof stack up`.
pub(crate) async fn up(args: &StackUpArgs) -> Result<Exit, Failure> {
    let mut interrupt = Interrupt::listen()
        .map_err(|error| Failure::environment(&StackCommandError::Signals(error)))?;
    let broker_config = broker_config(args)?;
    if args.detach {
        return detach(args, &mut interrupt).await;
    }
    let parts = if args.cdc {
        Parts::KafkaAndCdc
    } else {
        Parts::Kafka
    };
    let request = artefacts(&args.versions, parts);
    let provision = tokio::select! {
        provided = provide(&request) => provided?,
        () = interrupt.happened() => return Err(Failure::interrupted()),
    };
    let place = Place::make(provision.cache.root())?;
    // A start that is dropped half-way leaves nothing running.
    let secured = secured(args, &place)?;
    let stack = tokio::select! {
        stack = start(args, broker_config, &provision, &place, secured.as_ref()) => stack?,
        () = interrupt.happened() => return Err(Failure::interrupted()),
    };
    let running = RunningStack::held_here(&stack).map_err(|error| Failure::environment(&error))?;
    let running = running.for_clients_with(secured.map(|it| it.client_properties));
    let noted = if args.detached {
        Some(Noted::write(&running, &args.name.name)?)
    } else {
        None
    };
    print(&describe(&running))?;
    if !args.detached {
        note("Ctrl-C stops it\n");
    }
    interrupt.happened().await;
    note("stopping\n");
    stack.stop(STOP_GRACE).await;
    drop(noted);
    Ok(Exit::Held)
}

/// Certificates and users, where clients are to need them.
fn secured(args: &StackUpArgs, place: &Place) -> Result<Option<Secured>, Failure> {
    let protocol = match args.security {
        None => return Ok(None),
        Some(StackSecurity::Ssl) => Protocol::Ssl,
        Some(StackSecurity::SaslPlaintext) => Protocol::SaslPlaintext,
        Some(StackSecurity::SaslSsl) => Protocol::SaslSsl,
    };
    let dir = place.path.join("security");
    Secured::make(&dir, protocol, &BrokerCertificate::default())
        .map(Some)
        .map_err(|error| Failure::environment(&error))
}

/// Tells the brokers the passwords of SCRAM, which are in the cluster's metadata, and waits
/// until each of them lets the user in.
async fn add_users(stack: &Stack, secured: &Secured) -> Result<(), Failure> {
    let user = |hash| ScramUser::new(USER, &secured.password, hash);
    let users = [user(Hash::Sha256), user(Hash::Sha512)];
    let servers = stack.direct_servers();
    let servers = servers.iter().map(ToString::to_string);
    let connected = Cluster::connect(servers, ClusterOptions::default()).await;
    let mut cluster = connected.map_err(|error| Failure::environment(&error))?;
    let added = cluster.set_scram_users(&users).await;
    added.map_err(|error| Failure::environment(&error))?;
    let security = ClientSecurity::read(&secured.client_properties)
        .map_err(|error| Failure::environment(&error))?;
    let since = Instant::now();
    for broker in stack.bootstrap_servers() {
        let options = ClientOptions {
            security: security.clone(),
            ..ClientOptions::default()
        };
        while let Err(error) = Connection::connect(broker.to_string(), options.clone()).await {
            if since.elapsed() > USERS_BOUND {
                return Err(Failure::environment(&error));
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

/// What the user sets for the brokers, which Kafka must know.
fn broker_config(args: &StackUpArgs) -> Result<Config, Failure> {
    let mut config = Config::new();
    for (key, value) in &args.broker_configs {
        config.insert(key.clone(), value.clone());
    }
    match settings::first_misuse(Whose::Broker, &config) {
        Some((_, Misuse::Name(why) | Misuse::Value(why))) => {
            Err(Failure::usage(&StackCommandError::BrokerConfig(why)))
        }
        None => Ok(config),
    }
}

async fn start(
    args: &StackUpArgs,
    config: Config,
    provision: &Provision,
    place: &Place,
    secured: Option<&Secured>,
) -> Result<Stack, Failure> {
    let Provision {
        cache,
        artefacts,
        java,
        others: _,
    } = provision;
    let mut ports = Ports::new(args);
    let client_ports = (1..=args.brokers)
        .filter_map(|broker| ports.next().map(|port| port.map(|port| (broker, port))))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::environment(&error).hint("give another --port"))?;
    let mut one = || ports.next().transpose();
    let cdc = if args.cdc {
        let port = |taken: Result<Option<ReservedPort>, TakenPort>| {
            taken.map_err(|error| Failure::environment(&error).hint("give another --port"))
        };
        Some(CdcSpec {
            connect_port: port(one())?,
            postgres_port: port(one())?,
            ..CdcSpec::default()
        })
    } else {
        None
    };
    let auto_create = creates_topics(args).to_string();
    let mut broker_config = secured.map_or_else(Default::default, |it| it.broker_config.clone());
    broker_config.insert("auto.create.topics.enable".to_owned(), auto_create);
    broker_config.extend(config.plain());
    let secrets = secured.map_or_else(Secrets::default, |it| it.secrets.clone());
    let spec = StackSpec {
        brokers: args.brokers,
        client_ports,
        broker_config,
        secrets: secrets.and(config.secrets()),
        cdc,
        archives: Archives::find(cache, artefacts, java),
        ..StackSpec::new(&place.path)
    };
    let ready = |StackProgress::Ready { name, ready_ms }| {
        note(&format!("{name} is ready after {ready_ms} ms\n"));
    };
    let stack = Stack::start(artefacts, java, spec, ready)
        .await
        .map_err(|error| {
            Failure::environment(&error).hint("`ackproof doctor` lists what is missing")
        })?;
    if let Some(secured) = secured.filter(|it| it.has_users) {
        add_users(&stack, secured).await?;
    }
    Ok(stack)
}

/// Whether brokers make topics when they are first used. Connectors rely on
/// it, and say nothing where they do not.
const fn creates_topics(args: &StackUpArgs) -> bool {
    args.cdc || args.auto_create_topics
}

/// The ports that were asked for, one after the other.
struct Ports {
    next: Option<u16>,
}

impl Ports {
    const fn new(args: &StackUpArgs) -> Self {
        Self { next: args.port }
    }

    /// The next; none where any will do.
    fn next(&mut self) -> Option<Result<ReservedPort, TakenPort>> {
        let port = self.next?;
        self.next = port.checked_add(1);
        Some(ReservedPort::at(port))
    }
}

/// Starts this program again in the background, and waits until that one holds
/// a stack.
async fn detach(args: &StackUpArgs, interrupt: &mut Interrupt) -> Result<Exit, Failure> {
    let file = state_file(&args.name)?;
    if let State::Running(running) = read(&file)? {
        let error = StackCommandError::AlreadyUp {
            pid: running.holder.pid,
        };
        return Err(Failure::usage(&error).hint(
            "`ackproof stack status` says where it is, `ackproof stack down` ends it, and \
                 `--name` gives another stack a name of its own",
        ));
    }
    let log = file.path().with_extension("log");
    let holder = spawn_holder(&this_program()?, &holder_args(args), &log)
        .map_err(|error| Failure::environment(&error))?;
    loop {
        match read(&file)? {
            State::Running(running) if running.holder.pid == holder => {
                print(&describe(&running))?;
                return Ok(Exit::Held);
            }
            _ if has_ended(holder) => {
                let tail = tail(&log);
                let error = StackCommandError::NotStarted { log, tail };
                return Err(Failure::environment(&error));
            }
            _ => {}
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = interrupt.happened() => {
                end(holder);
                return Err(Failure::interrupted());
            }
        }
    }
}

/// What the one in the background is told.
fn holder_args(args: &StackUpArgs) -> Vec<OsString> {
    let mut told: Vec<OsString> = ["stack", "up", "--detached", "--brokers"]
        .map(OsString::from)
        .into();
    told.push(args.brokers.to_string().into());
    if args.cdc {
        told.push("--cdc".into());
    }
    if args.auto_create_topics {
        told.push("--auto-create-topics".into());
    }
    for (key, value) in &args.broker_configs {
        told.push("--broker-config".into());
        told.push(format!("{key}={value}").into());
    }
    if let Some(name) = args.security.and_then(|it| it.to_possible_value()) {
        told.push("--security".into());
        told.push(name.get_name().to_owned().into());
    }
    told.push("--name".into());
    told.push(args.name.name.to_string().into());
    let versions = &args.versions;
    let mut pass = |flag: &str, value: Option<OsString>| {
        if let Some(value) = value {
            told.push(flag.into());
            told.push(value);
        }
    };
    pass("--port", args.port.map(|port| port.to_string().into()));
    pass("--kafka", versions.kafka.clone().map(Into::into));
    pass("--debezium", versions.debezium.clone().map(Into::into));
    pass(
        "--kafka-home",
        versions.kafka_home.clone().map(PathBuf::into_os_string),
    );
    told
}

/// `ackproof stack down`.
pub(crate) async fn down(args: &StackNameArgs) -> Result<Exit, Failure> {
    let file = state_file(args)?;
    match read(&file)? {
        State::Running(running) => {
            ask_to_stop(&running, DOWN_BOUND)
                .await
                .map_err(|error| Failure::environment(&error))?;
            note(&format!(
                "the stack of process {} is down\n",
                running.holder.pid
            ));
        }
        State::Stale(stale) => {
            file.remove()
                .map_err(|error| Failure::environment(&error))?;
            note(&format!(
                "process {} ended without a word, and its stack with it\n",
                stale.holder.pid
            ));
        }
        State::None => note(&format!("no stack{} is running\n", called(args))),
    }
    Ok(Exit::Held)
}

/// `ackproof stack status`.
pub(crate) fn status(args: &StackStatusArgs) -> Result<Exit, Failure> {
    let file = state_file(&args.name)?;
    let running = match read(&file)? {
        State::Running(running) => Some(running),
        State::None | State::Stale(_) => None,
    };
    match (args.format, &running) {
        (DataFormat::Json, running) => {
            let stack = running.as_ref().map(data);
            let text = json!({"name": args.name.name.to_string(), "stack": stack});
            print_raw(&format!("{text:#}\n"))?;
        }
        (DataFormat::Human, Some(running)) => print(&describe(running))?,
        (DataFormat::Human, None) => note(&format!(
            "no stack{} is running: `ackproof stack up --detach{}` starts one\n",
            called(&args.name),
            option(&args.name)
        )),
    }
    Ok(match running {
        Some(_) => Exit::Held,
        None => Exit::Environment,
    })
}

fn state_file(args: &StackNameArgs) -> Result<StateFile, Failure> {
    StateFile::user(&args.name).map_err(|error| Failure::environment(&error))
}

/// ` NAME`, where it is not the one that needs none.
fn called(args: &StackNameArgs) -> String {
    match args.name.as_str() {
        DEFAULT_STACK => String::new(),
        name => format!(" {name}"),
    }
}

fn option(args: &StackNameArgs) -> String {
    match args.name.as_str() {
        DEFAULT_STACK => String::new(),
        name => format!(" --name {name}"),
    }
}

/// Where everything is, for other programs.
fn data(stack: &RunningStack) -> Value {
    let postgres = stack.postgres.as_ref().map(|to| {
        let url = format!(
            "postgresql://{}@{}:{}/{}",
            to.user, to.host, to.port, to.dbname
        );
        json!({"url": url, "host": to.host, "port": to.port, "user": to.user, "dbname": to.dbname})
    });
    let processes = stack.processes.iter();
    let processes =
        processes.map(|it| json!({"name": it.name, "pid": it.process.pid, "log": it.log}));
    json!({
        "bootstrap_servers": stack.bootstrap_servers,
        "connect": stack.connect.map(|it| format!("http://{it}")),
        "postgresql": postgres,
        "auto_create_topics": stack.creates_topics,
        "client_properties": stack.client_properties,
        "pid": stack.holder.pid,
        "dir": stack.dir,
        "processes": processes.collect::<Vec<_>>(),
    })
}

/// `ackproof stack fetch`.
pub(crate) async fn fetch(args: &VersionArgs) -> Result<Exit, Failure> {
    let mut interrupt = Interrupt::listen()
        .map_err(|error| Failure::environment(&StackCommandError::Signals(error)))?;
    let fetching = async {
        let provision = provide(&artefacts(args, Parts::KafkaAndCdc)).await?;
        note("training what makes it start fast\n");
        let trained = train(&provision.cache, &provision.artefacts, &provision.java).await;
        if let Err(error) = trained {
            // Everything runs without, only slower to start.
            note(&format!("done without fast start-up: {}\n", chain(&error)));
        }
        Ok(provision)
    };
    let provision = tokio::select! {
        fetched = fetching => fetched?,
        () = interrupt.happened() => return Err(Failure::interrupted()),
    };
    let mut out = String::new();
    for (name, version) in provision.versions() {
        let _ = writeln!(out, "{name} {version}");
    }
    print(&out)?;
    Ok(Exit::Held)
}

/// Where everything is.
fn describe(stack: &RunningStack) -> String {
    let mut rows = Vec::new();
    let servers: Vec<String> = stack
        .bootstrap_servers
        .iter()
        .map(ToString::to_string)
        .collect();
    rows.push(("bootstrap.servers".to_owned(), servers.join(",")));
    for (server, number) in servers.iter().zip(1..) {
        rows.push((format!("broker {number}"), server.clone()));
    }
    if let Some(path) = &stack.client_properties {
        rows.push(("client.properties".to_owned(), path.display().to_string()));
    }
    if let Some(connect) = stack.connect {
        rows.push(("kafka connect".to_owned(), format!("http://{connect}")));
    }
    if let Some(to) = &stack.postgres {
        rows.push((
            "postgresql".to_owned(),
            format!(
                "postgresql://{}@{}:{}/{}",
                to.user, to.host, to.port, to.dbname
            ),
        ));
    }
    let topics = if stack.creates_topics {
        "made by brokers when they are first used"
    } else {
        "not made by brokers (--auto-create-topics): create them first"
    };
    rows.push(("topics".to_owned(), topics.to_owned()));
    rows.push(("held by process".to_owned(), stack.holder.pid.to_string()));
    rows.push((
        "logs".to_owned(),
        stack.dir.join("logs").display().to_string(),
    ));
    rows.into_iter().fold(String::new(), |mut out, (what, at)| {
        let _ = writeln!(out, "{what:17}  {at}");
        out
    })
}

fn read(file: &StateFile) -> Result<State, Failure> {
    file.read().map_err(|error| Failure::environment(&error))
}

fn has_ended(pid: u32) -> bool {
    // A child that has ended stays a zombie until this process ends.
    ProcessSnapshot::of(pid).map_or(true, |process| process.state == 'Z')
}

fn end(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// The directory of a stack that this process holds; goes when it is dropped.
pub(super) struct Place {
    path: PathBuf,
}

impl Place {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn make(cache: &Path) -> Result<Self, Failure> {
        let parent = cache.join("stacks");
        remove_left_behind(&parent);
        let path = parent.join(std::process::id().to_string());
        fs::create_dir_all(&path).map_err(|source| {
            Failure::environment(&StackCommandError::Place {
                path: path.clone(),
                source,
            })
        })?;
        Ok(Self { path })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now, the next one removes.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the data of stacks whose holder was killed.
fn remove_left_behind(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let holder = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if holder.is_some_and(|pid| ProcessSnapshot::of(pid).is_err()) {
            // The disk is not lost for lack of it.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The note by which others find the stack; goes when it is dropped.
struct Noted {
    file: StateFile,
}

impl Noted {
    fn write(stack: &RunningStack, name: &StackName) -> Result<Self, Failure> {
        let file = StateFile::user(name).map_err(|error| Failure::environment(&error))?;
        file.write(stack)
            .map_err(|error| Failure::environment(&error))?;
        Ok(Self { file })
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // A note that stays is recognised as stale.
        let _ = self.file.remove();
    }
}
