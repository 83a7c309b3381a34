//! What the user typed for `ackproof audit`.

use std::path::PathBuf;
use std::str::FromStr;

use audit::product::{ClientNameError, Software};
use clap::{Args, ValueEnum};

use super::{ResolveArgs, whole};

const HELP: &str = "\
It reads .properties, JSON of connectors, Compose files, Strimzi resources, Spring's
application.yml, postgresql.conf and .sql, and says which file and line each finding
is from. docs/guides/audit.md has what is read, promises, suppressions and baselines.

Exit codes:
  0    nothing that counts was found (--fail-on)
  1    something was
  2    bad usage, or a file that is no configuration
  4    the environment failed: a cluster or Connect does not answer, a demonstration
       could not be run, an output could not be written
  130  interrupted";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct AuditArgs {
    /// Configurations, or folders of them
    #[arg(value_name = "FILE|DIR", required_unless_present_any = ["bootstrap", "connect"])]
    pub(crate) inputs: Vec<PathBuf>,
    /// Which client reads clients' settings, where the files do not tell:
    /// java@3.1.0, librdkafka@2.12.1, sarama@1.45, spring, franz-go, kafka-go,
    /// kafka-python, aiokafka, kafkajs; of one file FILE=java@3.1.0, each file with
    /// its own --client
    #[arg(long = "client", value_name = "[FILE=]CLIENT[@VERSION]")]
    pub(crate) clients: Vec<ClientOf>,
    /// Also read brokers, topics and features of this cluster
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub(crate) bootstrap: Vec<proxy::HostPort>,
    /// How to reach it, where it asks for TLS or SASL: a client.properties, as
    /// Kafka's own tools take it
    #[arg(long, value_name = "FILE", requires = "bootstrap")]
    pub(crate) command_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) resolve: ResolveArgs,
    /// A consumer group of that cluster; several, each with its own --group
    #[arg(long = "group", value_name = "GROUP", requires = "bootstrap")]
    pub(crate) groups: Vec<String>,
    /// Also read the connectors of this Connect worker, such as
    /// `https://connect:8443`
    #[arg(long, value_name = "URL")]
    pub(crate) connect: Option<String>,
    /// The CA that signed the worker's certificate, as PEM [default: those that this
    /// machine trusts]
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub(crate) connect_ca: Option<PathBuf>,
    /// A file with USER:PASSWORD for the worker's basic authentication
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub(crate) connect_auth: Option<PathBuf>,
    /// Promises and suppressions [default: ackproof-audit.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Sends have to survive an outage of so many seconds
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1, 31_536_000))]
    pub(crate) outage_s: Option<u64>,
    /// Reading has to go on so many seconds after a kill
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1, 31_536_000))]
    pub(crate) recovery_s: Option<u64>,
    /// A consumer or connector may be stopped for so many hours
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1, 87_600))]
    pub(crate) pause_h: Option<u64>,
    /// Findings that do not count, by rule, file and key
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the findings of now to --baseline; into one that is there, only what
    /// is in it already: it shrinks
    #[arg(long, requires = "baseline")]
    pub(crate) write_baseline: bool,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    pub(crate) fail_on: FailOn,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = AuditFormat::Human)]
    pub(crate) format: AuditFormat,
    /// Also write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also write it as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
    /// Also write it as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Also write it as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Run the scenarios that show the findings, with the client that was
    /// audited where ackproof can run it, and attach what they show
    #[arg(long)]
    pub(crate) demonstrate: bool,
    /// Where the demonstrations' runs go [default: runs/audit-PID]
    #[arg(long, value_name = "DIR", requires = "demonstrate")]
    pub(crate) out: Option<PathBuf>,
    /// Show notes in full, too
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// A client, of one file or of all that do not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientOf {
    pub(crate) file: Option<String>,
    pub(crate) client: Software,
}

impl FromStr for ClientOf {
    type Err = ClientNameError;

    fn from_str(text: &str) -> Result<Self, ClientNameError> {
        let (file, client) = match text.rsplit_once('=') {
            Some((file, client)) => (Some(file.to_owned()), client),
            None => (None, text),
        };
        Ok(Self {
            file,
            client: client.parse()?,
        })
    }
}

impl AuditArgs {
    /// The client that reads a file: its own, or that of all.
    pub(crate) fn client_of(&self, path: &str) -> Option<&Software> {
        let is_of = |file: &str| path == file || path.ends_with(&format!("/{file}"));
        let own = self
            .clients
            .iter()
            .find(|it| it.file.as_deref().is_some_and(is_of));
        let of_all = || self.clients.iter().find(|it| it.file.is_none());
        own.or_else(of_all).map(|it| &it.client)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// Nothing
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// Lines for people
    Human,
    /// The report as JSON
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Markdown
    Markdown,
    /// Lines that GitHub Actions shows beside the files
    Github,
}
