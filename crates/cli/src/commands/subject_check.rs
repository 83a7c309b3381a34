//! `ackproof subject`: a client behind the subject protocol, served or checked.
//! A check tries every message of the protocol, good and bad, and reads the
//! truth back through a client that is none of the subject's.

use std::time::{Duration, Instant};

use ::stack::archive::Archives;
use ::stack::artefacts::{Artefacts, Parts};
use ::stack::embedded::{Stack, StackSpec};
use ::subject::protocol::{
    ErrorClass, Outgoing, ProducerStart, Request, Start, SubjectEvent, VERSION,
};
use ::subject::role::ClientCommand;
use model::scenario::client::{ClientSpec, ClientSpecError};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::args::{SubjectCheckArgs, SubjectServeArgs};
use crate::commands::local_stack::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::provision::{provide, provide_client, this_program};
use crate::settings::artefacts;

mod consuming;
mod dialogue;
mod members;
mod producing;
mod session;
mod transacting;
mod truth;

use dialogue::{Fault, Settings, Step, Stop};
use truth::Truth;

/// How long brokers may take to leave in order; their data goes anyway.
const STOP_GRACE: Duration = Duration::from_millis(500);
/// How long ackproof's own client may take for the records of a check.
const FILLING: Duration = Duration::from_mins(1);

/// What is checked, in the order of the protocol's page.
const CHECKS: [(&str, Check); 24] = [
    ("start", session::tells_what_it_is),
    ("start with \"check\"", session::says_what_is_possible),
    ("refused", session::refuses_an_unknown_setting),
    (
        "unknown fields and ops",
        session::answers_what_it_does_not_know,
    ),
    ("signals", session::ignores_signals),
    ("end of standard input", session::ends_with_its_input),
    ("send: all kinds of records", producing::carries_all_kinds),
    (
        "send: a header without a value",
        producing::carries_a_header_without_a_value,
    ),
    ("send: a burst", producing::carries_a_burst),
    ("send: acks=0", producing::tells_no_offset_without_an_answer),
    (
        "send: no broker takes it",
        producing::acknowledges_only_what_is_stored,
    ),
    ("send: what cannot be", producing::fails_what_cannot_be),
    ("poll", consuming::gives_what_is_stored),
    ("isolation.level", consuming::reads_what_is_committed),
    ("commit", consuming::commits),
    ("seek", consuming::seeks),
    ("enable.auto.commit", consuming::commits_by_itself),
    (
        "assigned, revoked, continue",
        members::gives_partitions_away,
    ),
    (
        "revoked: a cooperative rebalance",
        members::gives_some_partitions_away,
    ),
    ("commit: a stale member", members::knows_that_it_is_stale),
    ("transactions", transacting::commits_and_aborts),
    ("transactions: fenced", transacting::knows_that_it_is_fenced),
    ("send-offsets", transacting::hands_positions_over),
    (
        "send-offsets: some of them",
        transacting::hands_some_positions_over,
    ),
];

type Check = fn(&mut Bench<'_>) -> Step<String>;

/// What a check works with.
struct Bench<'b> {
    command: &'b [String],
    truth: Truth,
}

/// What is missing on this machine.
#[derive(Debug, thiserror::Error)]
enum SubjectCommandError {
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("ackproof's own client does not fill a topic: {0}")]
    NotFilled(String),
}

/// `ackproof subject serve`.
pub(crate) fn serve(args: &SubjectServeArgs) -> Result<Exit, Failure> {
    let failed = |error: &::subject::SubjectError| Failure::environment(error);
    let runtime = runtime()?;
    let command = runtime.block_on(provide_client(args.client.clone(), None))?;
    let client = ::subject::open(&command).map_err(|error| failed(&error))?;
    match ::subject::serve::serve(client).map_err(|error| failed(&error))? {
        ::subject::serve::Served::Closed => Ok(Exit::Held),
        ::subject::serve::Served::Refused => Ok(Exit::Usage),
    }
}

fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::environment(&SubjectCommandError::Runtime(error)))
}

/// What is checked: a client by its name, or a command of the user's.
fn named(words: &[String]) -> Result<ClientSpec, Failure> {
    let [word] = words else {
        return Ok(ClientSpec::Command(words.to_vec()));
    };
    match word.parse() {
        // A program may have any name.
        Err(ClientSpecError::Unknown { .. }) if is_program(word) => {
            Ok(ClientSpec::Command(words.to_vec()))
        }
        named => named.map_err(|error| Failure::usage(&error)),
    }
}

fn is_program(word: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    word.contains('/') || std::env::split_paths(&path).any(|dir| dir.join(word).is_file())
}

/// The command line of a subject that is this client.
async fn subject(client: ClientSpec, brokers: Option<Artefacts>) -> Result<Vec<String>, Failure> {
    let served = match provide_client(client, brokers).await? {
        ClientCommand::Command(words) => return Ok(words),
        ClientCommand::BuiltIn => "librdkafka".to_owned(),
        ClientCommand::Library(path) => format!("librdkafka:{}", path.display()),
    };
    let program = this_program()?.to_string_lossy().into_owned();
    let words = ["subject", "serve"].map(str::to_owned);
    Ok([program].into_iter().chain(words).chain([served]).collect())
}

/// `ackproof subject check`.
pub(crate) fn check(args: &SubjectCheckArgs) -> Result<Exit, Failure> {
    let client = named(&args.client)?;
    let runtime = runtime()?;
    let handle = runtime.handle().clone();
    // Ctrl-C ends the process, and with it all that it started.
    handle.spawn(async {
        if let Ok(mut interrupt) = Interrupt::listen() {
            interrupt.happened().await;
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    });
    let exit = match args.bootstrap.first() {
        Some(bootstrap) => {
            let command = handle.block_on(subject(client, None))?;
            check_all(&command, handle, bootstrap.to_string())
        }
        None => with_a_broker(args, client, &handle),
    };
    runtime.shutdown_background();
    exit
}

/// Checks it with a broker that is started for as long as that takes.
fn with_a_broker(
    args: &SubjectCheckArgs,
    client: ClientSpec,
    handle: &Handle,
) -> Result<Exit, Failure> {
    let started = async {
        let provision = provide(&artefacts(&args.versions, Parts::Kafka)).await?;
        let command = subject(client, Some(provision.artefacts.clone())).await?;
        let place = Place::make(provision.cache.root())?;
        let archives = Archives::find(&provision.cache, &provision.artefacts, &provision.java);
        let spec = StackSpec {
            broker_config: [("auto.create.topics.enable".to_owned(), "false".to_owned())].into(),
            archives,
            ..StackSpec::new(place.path())
        };
        let stack = Stack::start(&provision.artefacts, &provision.java, spec, |_| {}).await;
        let stack = stack.map_err(|error| Failure::environment(&error))?;
        Ok::<_, Failure>((command, stack, place))
    };
    let (command, stack, place) = handle.block_on(started)?;
    let bootstrap = stack.bootstrap_servers()[0].to_string();
    let exit = check_all(&command, handle.clone(), bootstrap);
    handle.block_on(stack.stop(STOP_GRACE));
    drop(place);
    exit
}

fn check_all(command: &[String], handle: Handle, bootstrap: String) -> Result<Exit, Failure> {
    let truth = Truth::connect(handle, bootstrap)?;
    let mut bench = Bench { command, truth };
    let (mut right, mut wrong, mut lacking) = (0, 0, 0);
    let width = CHECKS.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, check) in &CHECKS {
        match check(&mut bench) {
            Ok(detail) => {
                right += 1;
                print(&format!("right    {name:width$}  {detail}\n"))?;
            }
            Err(Stop::Wrong(Fault { what, lines })) => {
                wrong += 1;
                print(&format!("WRONG    {name:width$}  {what}\n"))?;
                for line in lines {
                    print(&format!("           {line}\n"))?;
                }
            }
            Err(Stop::Cannot(why)) => {
                lacking += 1;
                print(&format!("cannot   {name:width$}  {why}\n"))?;
            }
            Err(Stop::Broken(failure)) => return Err(failure),
        }
    }
    bench.truth.clean_up();
    print(&format!(
        "{right} right, {wrong} wrong, {lacking} that the client cannot do\n"
    ))?;
    if wrong > 0 {
        note("docs/reference/subject-protocol.md has the protocol\n");
        return Ok(Exit::Violated);
    }
    Ok(Exit::Held)
}

impl Bench<'_> {
    /// Has ackproof's own client write these records, numbered from 0.
    fn fill(&self, records: &[Outgoing]) -> Result<(), Failure> {
        let sends = records.iter().cloned().map(Request::Send);
        self.own_client(&[], sends.chain([Request::Flush]).collect())
    }

    /// Has a producer of ackproof's own carry out these requests. All have to
    /// succeed, and all records to be acknowledged.
    fn own_client(&self, settings: Settings<'_>, requests: Vec<Request>) -> Result<(), Failure> {
        let not_filled = |what: String| Failure::environment(&SubjectCommandError::NotFilled(what));
        let failed = |error: ::subject::SubjectError| not_filled(error.to_string());
        let mut client = ::subject::open(&ClientCommand::BuiltIn).map_err(failed)?;
        let own = [
            ("bootstrap.servers", self.truth.bootstrap.as_str()),
            ("acks", "all"),
        ];
        let settings = own.iter().chain(settings);
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let start = Request::Start(Start {
            protocol: VERSION,
            producer: Some(ProducerStart {
                config: settings.map(owned).collect(),
            }),
            ..Start::default()
        });
        for request in [start].into_iter().chain(requests).chain([Request::Close]) {
            let op = request.op();
            client.request(request.clone()).map_err(failed)?;
            if op == "send" {
                continue;
            }
            let until = Instant::now() + FILLING;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                match client.event(left).map_err(failed)? {
                    Some(SubjectEvent::Ready { .. } | SubjectEvent::Done { error: None, .. }) => {
                        break;
                    }
                    Some(SubjectEvent::Done {
                        error: Some(error), ..
                    }) if error.class == ErrorClass::Retriable && !left.is_zero() => {
                        client.request(request.clone()).map_err(failed)?;
                    }
                    Some(
                        SubjectEvent::Done {
                            error: Some(error), ..
                        }
                        | SubjectEvent::Failed { error, .. }
                        | SubjectEvent::Unknown { error, .. },
                    ) => return Err(not_filled(format!("`{op}`: {error}"))),
                    Some(SubjectEvent::Refused { reason, .. }) => return Err(not_filled(reason)),
                    Some(_) => {}
                    None => return Err(not_filled(format!("`{op}` has no answer"))),
                }
            }
        }
        Ok(())
    }
}
