//! `ackproof proxy`: the fault proxy on its own, before a cluster of the
//! user's, until Ctrl-C.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::proxy::{
    CONNECTIONS_MAX, ClusterProxy, ClusterSettings, HostPort, Http, ProxyEvent, ProxySecurity,
};
use engine::{EngineError, ProbedAddress, UserCluster};
use rustix::process::{Resource, getrlimit, setrlimit};
use wire::{ClientSecurity, Listener};

use crate::args::ProxyArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::secured;

#[derive(Debug, thiserror::Error)]
enum ProxyCommandError {
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

/// How many threads carry connections: half of the processors, because clients
/// and brokers need the others, and because idle threads cost too. Whichever
/// has something to do wakes another one to wait for what comes next.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

/// `ackproof proxy`.
pub(crate) async fn proxy(args: &ProxyArgs) -> Result<Exit, Failure> {
    let mut interrupt = Interrupt::listen()
        .map_err(|error| Failure::environment(&ProxyCommandError::Signals(error)))?;
    note(&room(raise_file_limit()));
    let security = secured::reach(args.command_config.as_deref(), &args.resolve)?;
    let found = tokio::select! {
        found = look(&args.bootstrap, &security) => found?,
        () = interrupt.happened() => return Err(Failure::interrupted()),
    };
    let settings = ClusterSettings {
        bootstrap: found.bootstrap,
        listen: args.listen,
        ports: args.ports.clone(),
        advertised_host: args.advertise.clone(),
        security: ProxySecurity::of(&security, args.listen.ip(), args.advertise.as_deref())
            .map_err(|error| Failure::environment(&error))?,
    };
    let trusted = settings.security.authority_pem();
    let trusted = trusted.map(|pem| TrustedFile::put(&args.ca, pem));
    let trusted = trusted.transpose().map_err(|error| {
        Failure::usage(&error).hint("name another file with --ca, or remove that one")
    })?;
    let proxy = ClusterProxy::start(settings, Arc::new(tell))
        .await
        .map_err(|error| match error {
            ::proxy::ClusterError::NothingToAdvertise(_) => {
                Failure::usage(&error).hint("--advertise HOST")
            }
            error => Failure::environment(&error),
        })?;
    match found.security {
        Security::Known => {
            let met = tokio::select! {
                met = proxy.discover_brokers() => met,
                () = interrupt.happened() => return Err(Failure::interrupted()),
            };
            met.map_err(|error| Failure::environment(&error).hint(HINT))?;
            let brokers = proxy.brokers().into_iter();
            let known: Vec<String> = brokers.map(|it| it.upstream.to_string()).collect();
            secured::note_without_effect(&args.resolve, &known);
        }
        Security::PassesThrough => note(
            "the brokers ask for SASL, which passes through: the others get a listener when an \
             answer to a client first names them\n",
        ),
    }
    let http = Http::start(args.api, proxy.clone())
        .await
        .map_err(|error| Failure::environment(&error))?;
    print(&describe(&proxy, &http, trusted.as_ref()))?;
    note("Ctrl-C stops it\n");
    interrupt.happened().await;
    note("stopping\n");
    drop((http, trusted));
    proxy.stop().await;
    Ok(Exit::Held)
}

const HINT: &str = "the proxy needs a listener of a running broker, and to know how it is reached \
                    where that asks for TLS or SASL: --bootstrap HOST:PORT --command-config FILE";

/// The certificate that clients have to trust, in a file while the proxy runs.
struct TrustedFile<'p>(&'p Path);

/// It could not be put there.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
struct NotPut {
    path: PathBuf,
    source: io::Error,
}

impl<'p> TrustedFile<'p> {
    fn put(path: &'p Path, pem: &str) -> Result<Self, NotPut> {
        let not_put = |source| NotPut {
            path: path.to_owned(),
            source,
        };
        let mut file = File::create_new(path).map_err(not_put)?;
        let file_of_ours = Self(path);
        file.write_all(pem.as_bytes()).map_err(not_put)?;
        Ok(file_of_ours)
    }
}

impl Drop for TrustedFile<'_> {
    fn drop(&mut self) {
        // It is of no more use, and of no harm.
        let _ = fs::remove_file(self.0);
    }
}

/// The addresses before which the proxy can stand.
struct Found {
    bootstrap: Vec<HostPort>,
    security: Security,
}

/// Whether the proxy can ask the brokers something itself: clients may know more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    Known,
    PassesThrough,
}

/// Looks at what is behind each address, and leaves out what is no broker.
async fn look(bootstrap: &[HostPort], security: &ClientSecurity) -> Result<Found, Failure> {
    let failure = |error| Failure::environment(&error).hint(HINT);
    if security.protocol() != wire::Protocol::Plaintext {
        tell_unreachable(bootstrap.to_vec(), security).await?;
        return Ok(Found {
            bootstrap: bootstrap.to_vec(),
            security: Security::Known,
        });
    }
    let passes =
        |it: &ProbedAddress| matches!(it.listener, Listener::Broker | Listener::Sasl { .. });
    let looked = engine::probe_addresses(bootstrap, security).await;
    let (usable, unusable): (Vec<ProbedAddress>, Vec<ProbedAddress>) =
        looked.into_iter().partition(passes);
    if usable.is_empty() {
        let looked = unusable;
        return Err(failure(EngineError::NoBroker { probed: looked }));
    }
    for it in unusable {
        note(&format!("left out: {it}\n"));
    }
    let is_plain = |it: &ProbedAddress| it.listener.is_plain_broker();
    let plain: Vec<HostPort> = usable
        .iter()
        .filter(|it| is_plain(it))
        .map(|it| it.at.clone())
        .collect();
    let security = if plain.is_empty() {
        Security::PassesThrough
    } else {
        tell_unreachable(plain, security).await?;
        Security::Known
    };
    Ok(Found {
        bootstrap: usable.into_iter().map(|it| it.at).collect(),
        security,
    })
}

/// Says which brokers clients cannot come to.
async fn tell_unreachable(
    bootstrap: Vec<HostPort>,
    security: &ClientSecurity,
) -> Result<(), Failure> {
    let cluster = UserCluster {
        bootstrap,
        security: security.clone(),
        containers: None,
    };
    let unreachable = engine::unreachable_brokers(&cluster).await;
    for error in unreachable.map_err(|error| Failure::environment(&error).hint(HINT))? {
        note(&format!("{error}\n"));
    }
    Ok(())
}

fn describe(proxy: &ClusterProxy, http: &Http, trusted: Option<&TrustedFile<'_>>) -> String {
    let brokers = proxy.brokers();
    let mut out = String::new();
    if let Some(first) = brokers.first() {
        let _ = writeln!(out, "bootstrap.servers  {}", first.advertised);
    }
    for broker in &brokers {
        let name = broker
            .node
            .map_or("bootstrap".to_owned(), |node| format!("broker {node}"));
        let _ = writeln!(
            out,
            "{name:17}  {} for {}",
            broker.advertised, broker.upstream
        );
    }
    if let Some(TrustedFile(path)) = trusted {
        let path = path.display();
        let _ = writeln!(
            out,
            "{:17}  {path} (ssl.truststore.type=PEM)",
            "clients trust"
        );
    }
    let _ = writeln!(out, "{:17}  http://{}", "faults", http.addr());
    out
}

/// Reports an event of the proxy on standard error.
fn tell(said: ProxyEvent) {
    match said {
        ProxyEvent::Closed {
            client,
            upstream,
            reason,
        } => note(&format!(
            "closed the connection of {client} to {upstream}: {reason}\n"
        )),
        ProxyEvent::NoRoom { upstream, reason } => note(&format!(
            "no more connections to {upstream} for now: {reason}; they wait until others close\n"
        )),
        ProxyEvent::Broker {
            upstream,
            advertised,
            ..
        } => note(&format!("{advertised} -> {upstream}\n")),
        _ => {}
    }
}

/// What is open besides connections, without any fault or broker too many: 32 of
/// them are pipes for bytes that pass.
const OTHER_DESCRIPTORS: u64 = 72;

/// Each connection takes two descriptors, and shells allow few by default. Says
/// how many there are now; `None` without a limit.
fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(
        Resource::Nofile,
        rustix::process::Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    // Fewer connections fit where it cannot be raised.
    if raised.is_ok() {
        limit.maximum
    } else {
        limit.current
    }
}

/// How many connections fit.
fn room(descriptors: Option<u64>) -> String {
    let per_broker = CONNECTIONS_MAX;
    match descriptors {
        Some(descriptors) if descriptors / 2 < per_broker as u64 => {
            let fit = descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2;
            format!("up to {fit} connections (ulimit -Hn {descriptors})\n")
        }
        _ => format!("room for {per_broker} connections to each broker\n"),
    }
}
