//! `ackproof subject`: a client behind the subject protocol, served or checked.
//! A check tries every message of the protocol, good and bad, and reads the
//! truth back through a client that is none of the subject's.

use std::time::Duration;

use ::stack::archive::Archives;
use ::stack::artefacts::Parts;
use ::stack::embedded::{Stack, StackSpec};
use ::subject::protocol::{Event, Outgoing, ProducerStart, Request, Start, VERSION};
use ::subject::role::ClientCommand;
use tokio::runtime::{Builder, Handle};

use crate::args::{SubjectCheckArgs, SubjectServeArgs};
use crate::commands::local_stack::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::provision::{provide, this_program};
use crate::settings::artefacts;

mod consuming;
mod dialogue;
mod members;
mod producing;
mod session;
mod transacting;
mod truth;

use dialogue::{Fault, Step, Stop};
use truth::Truth;

/// How long brokers may take to leave in order; their data goes anyway.
const STOP_GRACE: Duration = Duration::from_millis(500);
/// How long ackproof's own client may take for the records of a check.
const FILLING: Duration = Duration::from_mins(1);

/// What is checked, in the order of the protocol's page.
const CHECKS: [(&str, Check); 17] = [
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
    ("send: a burst", producing::carries_a_burst),
    ("send: acks=0", producing::tells_no_offset_without_an_answer),
    (
        "send: no broker takes it",
        producing::acknowledges_only_what_is_stored,
    ),
    ("send: what cannot be", producing::fails_what_cannot_be),
    ("poll", consuming::gives_what_is_stored),
    ("commit, seek", consuming::commits_and_seeks),
    ("enable.auto.commit", consuming::commits_by_itself),
    (
        "assigned, revoked, continue",
        members::gives_partitions_away,
    ),
    ("commit: a stale member", members::knows_that_it_is_stale),
    ("transactions", transacting::commits_and_aborts),
];

/// As many again as a subject with transactions has to pass.
const OF_TRANSACTIONS: [(&str, Check); 2] = [
    ("transactions: fenced", transacting::knows_that_it_is_fenced),
    ("send-offsets", transacting::hands_positions_over),
];

type Check = fn(&mut Bench<'_>) -> Step<String>;

/// What a check works with.
struct Bench<'b> {
    command: &'b [String],
    truth: Truth,
}

/// The command line is none.
#[derive(Debug, thiserror::Error)]
enum SubjectCommandError {
    #[error("no client is called {0:?}: `librdkafka`, `librdkafka:/PATH/librdkafka.so.1`")]
    NoClient(String),
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("ackproof's own client does not fill a topic: {0}")]
    NotFilled(String),
}

/// `ackproof subject serve`.
pub(crate) fn serve(args: &SubjectServeArgs) -> Result<Exit, Failure> {
    let failed = |error: &::subject::SubjectError| Failure::environment(error);
    let client = ::subject::open(&client(&args.client)?).map_err(|error| failed(&error))?;
    match ::subject::serve::serve(client).map_err(|error| failed(&error))? {
        ::subject::serve::Served::Closed => Ok(Exit::Held),
        ::subject::serve::Served::Refused => Ok(Exit::Usage),
    }
}

/// A client of ours by its name.
fn client(name: &str) -> Result<ClientCommand, Failure> {
    match name.strip_prefix("librdkafka") {
        Some("") => Ok(ClientCommand::BuiltIn),
        Some(library) if library.starts_with(":/") => {
            Ok(ClientCommand::Library(library[1..].into()))
        }
        _ => Err(Failure::usage(&SubjectCommandError::NoClient(
            name.to_owned(),
        ))),
    }
}

/// The command line that is checked: one of the user's, or this program's for a
/// client of ours.
fn command(words: &[String]) -> Result<Vec<String>, Failure> {
    match words {
        [name] if name == "librdkafka" || name.starts_with("librdkafka:") => {
            client(name)?;
            let program = this_program()?.to_string_lossy().into_owned();
            let words = ["subject", "serve", name].map(str::to_owned);
            Ok([program].into_iter().chain(words).collect())
        }
        words => Ok(words.to_vec()),
    }
}

/// `ackproof subject check`.
pub(crate) fn check(args: &SubjectCheckArgs) -> Result<Exit, Failure> {
    let command = command(&args.command)?;
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::environment(&SubjectCommandError::Runtime(error)))?;
    let handle = runtime.handle().clone();
    // Ctrl-C ends the process, and with it all that it started.
    handle.spawn(async {
        if let Ok(mut interrupt) = Interrupt::listen() {
            interrupt.happened().await;
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    });
    let exit = match args.bootstrap.first() {
        Some(bootstrap) => check_all(&command, handle, bootstrap.to_string()),
        None => with_a_broker(args, &handle, |bootstrap| {
            check_all(&command, handle.clone(), bootstrap)
        }),
    };
    runtime.shutdown_background();
    exit
}

/// Starts a broker for as long as `then` takes.
fn with_a_broker(
    args: &SubjectCheckArgs,
    handle: &Handle,
    then: impl FnOnce(String) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let started = async {
        let provision = provide(&artefacts(&args.versions, Parts::Kafka)).await?;
        let place = Place::make(provision.cache.root())?;
        let archives = Archives::find(&provision.cache, &provision.artefacts, &provision.java);
        let spec = StackSpec {
            broker_config: [("auto.create.topics.enable".to_owned(), "false".to_owned())].into(),
            archives,
            ..StackSpec::new(place.path())
        };
        let stack = Stack::start(&provision.artefacts, &provision.java, spec, |_| {}).await;
        let stack = stack.map_err(|error| Failure::environment(&error))?;
        Ok::<_, Failure>((stack, place))
    };
    let (stack, place) = handle.block_on(started)?;
    let exit = then(stack.bootstrap_servers()[0].to_string());
    handle.block_on(stack.stop(STOP_GRACE));
    drop(place);
    exit
}

fn check_all(command: &[String], handle: Handle, bootstrap: String) -> Result<Exit, Failure> {
    let truth = Truth::connect(handle, bootstrap)?;
    let mut bench = Bench { command, truth };
    let (mut right, mut wrong, mut skipped) = (0, 0, 0);
    let width = CHECKS.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, check) in CHECKS.iter().chain(&OF_TRANSACTIONS) {
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
            Err(Stop::Skipped(why)) => {
                skipped += 1;
                print(&format!("skipped  {name:width$}  {why}\n"))?;
            }
            Err(Stop::Broken(failure)) => return Err(failure),
        }
    }
    bench.truth.clean_up();
    print(&format!(
        "{right} right, {wrong} wrong, {skipped} skipped\n"
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
        let not_filled = |what: String| Failure::environment(&SubjectCommandError::NotFilled(what));
        let failed = |error: ::subject::SubjectError| not_filled(error.to_string());
        let mut client = ::subject::open(&ClientCommand::BuiltIn).map_err(failed)?;
        let bootstrap = ("bootstrap.servers".to_owned(), self.truth.bootstrap.clone());
        let start = Request::Start(Start {
            protocol: VERSION,
            producer: Some(ProducerStart {
                config: [bootstrap, ("acks".to_owned(), "all".to_owned())].into(),
            }),
            ..Start::default()
        });
        client.request(start).map_err(failed)?;
        for record in records {
            client
                .request(Request::Send(record.clone()))
                .map_err(failed)?;
        }
        client.request(Request::Flush).map_err(failed)?;
        let until = std::time::Instant::now() + FILLING;
        let mut acknowledged = 0;
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            match client.event(left).map_err(failed)? {
                Some(Event::Acknowledged { .. }) => acknowledged += 1,
                Some(Event::Done { .. }) if acknowledged == records.len() => break,
                Some(Event::Done { .. }) | None => {
                    let of = records.len();
                    return Err(not_filled(format!(
                        "{acknowledged} of {of} are acknowledged"
                    )));
                }
                Some(_) => {}
            }
        }
        client.request(Request::Close).map_err(failed)
    }
}
