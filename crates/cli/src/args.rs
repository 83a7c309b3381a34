//! What the user typed, and the help that goes with it. What it means is for
//! `settings`.

use std::ffi::OsString;
use std::path::PathBuf;

use model::scenario::client::{ChosenClients, ClientSpec};
use stack::detached::{DEFAULT_STACK, StackName};

use crate::version::version;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Reads a whole number from `least` to `most`.
fn whole<T: TryFrom<u64>>(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok();
        let number = number.filter(|it| (least..=most).contains(it));
        number
            .and_then(|it| T::try_from(it).ok())
            .ok_or_else(|| format!("it takes a whole number from {least} to {most}"))
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    every guarantee held, or was violated where the scenario is there to show it
  1    at least one guarantee was violated
  2    bad usage or bad input; nothing was started
  3    at least one scenario was inconclusive, and none violated
  4    the environment failed: a download, a port, a process that would not start
  130  interrupted";

/// Proves, or disproves, what a Kafka pipeline promises about delivery.
///
/// It starts a real Kafka, Kafka Connect, Debezium and PostgreSQL, sends
/// records with an identity, injects faults under traffic, and reads the log
/// back through an independent client. For each guarantee it says HELD,
/// VIOLATED or INCONCLUSIVE.
#[derive(Debug, Parser)]
#[command(name = "ackproof", version = version(), after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and judge what happened
    Run(RunArgs),
    /// Run scenarios with several clients or versions, and compare the
    /// guarantees
    Matrix(MatrixArgs),
    /// Measure rates and latencies, and what guarantees cost
    Bench(BenchArgs),
    /// Delete topics and groups that a killed run left in your cluster
    Cleanup(CleanupArgs),
    /// Write a first scenario of your own, with an explanation of every line
    Init(InitArgs),
    /// List suites and scenarios
    List(ListArgs),
    /// Explain a scenario's plan, an anomaly, a claim or a rule of the audit
    Explain(ExplainArgs),
    /// Judge recorded files: a run directory, or another tool's recording
    Check(CheckArgs),
    /// Compare two runs: what of the later one is worse
    Diff(DiffArgs),
    /// Read your configurations: what they guarantee, and what weakens that
    Audit(AuditArgs),
    /// Inspect, export and merge recorded histories
    #[command(subcommand)]
    History(HistoryCommand),
    /// Run a local Kafka, optionally with Debezium and PostgreSQL
    #[command(subcommand)]
    Stack(StackCommand),
    /// Say how far the consumer groups of a cluster are behind, once
    Lag(LagArgs),
    /// Write Prometheus alert rules for lag
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Run a fault-injecting proxy in front of a cluster
    Proxy(ProxyArgs),
    /// Check that this machine has what ackproof needs
    Doctor(VersionArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a manual page for each command into a folder
    Man {
        /// The folder
        dir: PathBuf,
    },
    /// Check a client of your own that speaks the subject protocol
    #[command(subcommand)]
    Subject(SubjectCommand),
    /// Drive a client under test; started by ackproof itself
    #[command(hide = true)]
    DriveClient,
    /// Become a client's command that ends with its parent; started by ackproof
    /// itself
    #[command(hide = true)]
    DieWithParent {
        /// The process that starts it
        parent: u32,
        /// The command
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

/// Scenarios at once where the user does not say.
pub(crate) const JOBS_DEFAULT: u16 = 4;

#[derive(Clone, Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RunArgs {
    /// Suites, scenarios (see `ackproof list`), scenario files, or folders of
    /// scenario files; `all` is every scenario of `list`
    #[arg(
        value_name = "SUITE|SCENARIO|FILE.toml|DIR",
        default_value = "delivery"
    )]
    pub(crate) names: Vec<String>,
    /// Print the plan, as `explain` does, and start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Output directory: empty, or not there yet [default: runs/DATE-TIME-SEED, in UTC]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Random seed; the same seed gives the same plan [default: random, and
    /// printed]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX),
          allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// How many scenarios at once; one with several brokers counts as two
    #[arg(long, value_name = "N", default_value_t = JOBS_DEFAULT,
          allow_negative_numbers = true, value_parser = whole::<u16>(1, 64))]
    pub(crate) jobs: u16,
    /// How often each scenario is run
    #[arg(long, value_name = "N", default_value_t = 1,
          allow_negative_numbers = true, value_parser = whole::<u32>(1, 1000))]
    pub(crate) repeat: u32,
    /// Stop at the first scenario that does not come out as expected
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Rerun the scenarios of this run directory that did not come out as
    /// expected, with its seed, versions and cluster unless others are given
    #[arg(long, value_name = "RUN_DIR", conflicts_with = "names")]
    pub(crate) rerun_failed: Option<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Human)]
    pub(crate) format: RunFormat,
    /// Run against this cluster of yours (several addresses are separated by
    /// commas), with topics and groups of the run's own that it deletes
    /// afterwards. Suites leave out what does not fit, and say why
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',',
          conflicts_with_all = ["kafka", "debezium", "kafka_home"])]
    pub(crate) bootstrap: Vec<proxy::HostPort>,
    /// Run against the brokers of the Compose project of this file, which has to
    /// be up, and break their containers for faults; one scenario at a time
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["bootstrap", "resolve", "kafka", "debezium", "kafka_home"])]
    pub(crate) compose: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) alerts: AlertWatchArgs,
    #[command(flatten)]
    pub(crate) clients: ClientArgs,
    #[command(flatten)]
    pub(crate) versions: VersionArgs,
}

/// Which clients are put to the test. They replace those that scenarios name,
/// but where a scenario is about its own.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ClientArgs {
    /// The client of all producers and groups: librdkafka, java, either with
    /// :VERSION or :/PATH, or 'command:PROGRAM ARGS' [default: the scenario's,
    /// or the librdkafka that ackproof is built with]
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<ClientSpec>,
    /// The client of producers and of transforms, in place of --client
    #[arg(long, value_name = "CLIENT")]
    pub(crate) producer_client: Option<ClientSpec>,
    /// The client of groups that only read, in place of --client
    #[arg(long, value_name = "CLIENT")]
    pub(crate) consumer_client: Option<ClientSpec>,
}

impl ClientArgs {
    pub(crate) fn chosen(&self) -> ChosenClients {
        let or_all = |own: &Option<ClientSpec>| own.clone().or_else(|| self.client.clone());
        ChosenClients {
            producers: or_all(&self.producer_client),
            consumers: or_all(&self.consumer_client),
        }
    }
}

const MATRIX_HELP: &str = "\
There is a column for each --client, for each --kafka, or for each pair of them.
Each column is a run of its own with the same seed, in a folder of the output
directory, and `ackproof check` takes it. The table is also in matrix.md and
matrix.json there.

Exit codes:
  0    every column was run; with two columns: no guarantee got worse
  1    with two columns: a guarantee that is HELD in the first is VIOLATED in
       the second; what is only observed does not count
  2    bad usage or bad input; nothing was started
  3    with two columns: none got worse, and one is INCONCLUSIVE where that
       matters: HELD and then INCONCLUSIVE, or not known in the first and not
       HELD in the second
  4    the environment failed: a download, a port, a process that would not start
  130  interrupted";

#[derive(Clone, Debug, Args)]
#[command(after_help = MATRIX_HELP)]
pub(crate) struct MatrixArgs {
    /// Suites, scenarios, scenario files or folders of them, as `run` takes them
    #[arg(
        value_name = "SUITE|SCENARIO|FILE.toml|DIR",
        default_value = "delivery"
    )]
    pub(crate) names: Vec<String>,
    /// A client to compare, as `run` takes it; several, each with its own
    /// --client
    #[arg(long = "client", value_name = "CLIENT")]
    pub(crate) clients: Vec<ClientSpec>,
    /// A version of Kafka's brokers to compare; several, each with its own
    /// --kafka
    #[arg(long, value_name = "VERSION", conflicts_with = "bootstrap")]
    pub(crate) kafka: Vec<String>,
    /// Output directory: empty, or not there yet [default: runs/DATE-TIME-SEED, in UTC]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Random seed of every column [default: random, and printed]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX),
          allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// How many scenarios at once, over all columns; one with several brokers
    /// counts as two
    #[arg(long, value_name = "N", default_value_t = JOBS_DEFAULT,
          allow_negative_numbers = true, value_parser = whole::<u16>(1, 64))]
    pub(crate) jobs: u16,
    /// How often each scenario is run in each column; the worst verdict counts
    #[arg(long, value_name = "N", default_value_t = 1,
          allow_negative_numbers = true, value_parser = whole::<u32>(1, 1000))]
    pub(crate) repeat: u32,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Run against this cluster of yours, as `run` does
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub(crate) bootstrap: Vec<proxy::HostPort>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

const CLEANUP_HELP: &str = "\
Deletes the topics and groups of the run that are still there, by the names in
its plan.json, and nothing else. Before that it mends what faults broke outside: by
commands of yours, or in containers (--compose). It may be repeated. Not for a run that goes on:
Ctrl-C ends that in order.

Exit codes:
  0    nothing of the run is left
  2    bad usage, or no run directory
  4    the cluster does not answer, or something could not be deleted
  130  interrupted";

#[derive(Debug, Args)]
#[command(after_help = CLEANUP_HELP)]
pub(crate) struct CleanupArgs {
    /// A directory that `ackproof run --bootstrap` or `--compose` has written
    #[arg(value_name = "RUN_DIR")]
    pub(crate) dir: PathBuf,
    /// How to reach the cluster, where its listener asks for TLS or SASL by now:
    /// a client.properties, as Kafka's own tools take it
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) resolve: ResolveArgs,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct VersionArgs {
    /// Another version of Kafka, resolved without pinned checksums
    #[arg(long = "kafka", value_name = "VERSION")]
    pub(crate) kafka: Option<String>,
    /// Another version of Debezium, resolved without pinned checksums
    #[arg(long = "debezium", value_name = "VERSION")]
    pub(crate) debezium: Option<String>,
    /// An unpacked Kafka distribution to use in place of a download
    #[arg(long, value_name = "DIR", conflicts_with = "kafka")]
    pub(crate) kafka_home: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunFormat {
    /// Lines for people
    Human,
    /// The verdict as JSON, and nothing else
    Json,
    /// What happens while it happens, a JSON object a line
    JsonLines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people
    Human,
    /// The verdict as JSON, and nothing else
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where it goes; nothing may be there
    #[arg(value_name = "FILE.toml", default_value = "scenario.toml")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) clients: ClientArgs,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = DataFormat::Human)]
    pub(crate) format: DataFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Scenarios, suites, scenario files, folders of them, anomalies, claims or
    /// rules of the audit; `anomalies`, `claims` and `rules` list them all
    #[arg(value_name = "NAME|FILE.toml|DIR", required = true)]
    pub(crate) names: Vec<String>,
    /// Shows the delays that this seed draws
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX),
          allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) clients: ClientArgs,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = DataFormat::Human)]
    pub(crate) format: DataFormat,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct CheckArgs {
    /// A directory that `ackproof run` has written, or with --from the files
    /// of another tool (`-` is standard input); nothing in them is changed
    #[arg(value_name = "RUN_DIR|FILE", required_unless_present = "groups")]
    pub(crate) paths: Vec<PathBuf>,
    /// Which tool recorded the files
    #[arg(long, value_enum, value_name = "TOOL")]
    pub(crate) from: Option<Tool>,
    /// A consumer's file, and the group that its name does not tell [kafkatest
    /// reads it from consumer-GROUP-N.jsonl]
    #[arg(long = "group", value_name = "GROUP=FILE", requires = "from")]
    pub(crate) groups: Vec<String>,
    /// What the files are held to; `all-acknowledged` may stand beside another,
    /// with a comma [default: every anomaly counts but `reprocessed`, and but
    /// what Jepsen allows in its own histories]
    #[arg(
        long,
        value_enum,
        value_name = "EXPECTATION",
        value_delimiter = ',',
        requires = "from"
    )]
    pub(crate) expect: Vec<Expectation>,
    /// How a topic is cleaned: `compact`, `delete`, `compact,delete` or `none`
    /// [kafkatest; default: unknown, so that what a later record of its key may
    /// have replaced cannot be told]
    #[arg(long = "cleanup", value_name = "TOPIC=POLICY", requires = "from")]
    pub(crate) cleanup: Vec<String>,
    /// How many examples of each anomaly to prove, at most; without it 5, of
    /// which the lines show one
    #[arg(long, value_name = "N", value_parser = whole::<u8>(0, 100),
          allow_negative_numbers = true)]
    pub(crate) examples: Option<u8>,
    /// Also write the report of a run directory, as a page for browsers, to this file
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub(crate) html: Option<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

const DIFF_HELP: &str = "\
Scenarios are compared by name; two runs of one scenario each are compared whatever their
names are. A loss is one too many. Other counts and times differ only where they do so by
more than chance explains. Times are compared between machines that are alike, and are
worse only where both runs have three repetitions or more (`run --repeat 3`).

Exit codes:
  0    nothing is worse
  1    a guarantee no longer holds, more is lost or doubled, or a time is longer
  2    bad usage, or a file without a verdict of ackproof";

#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub(crate) struct DiffArgs {
    /// A run directory, its `report.html` or its `verdict.json`; or the
    /// `performance.json` of benchmarks, on both sides
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// The later one
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = DiffFormat::Human)]
    pub(crate) format: DiffFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// Lines for people
    Human,
    /// Markdown, for a pull request
    Markdown,
    /// One JSON value
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// What Kafka's verifiable producer and consumer (`--verbose`) print, a
    /// file for each client
    Kafkatest,
    /// A history of Jepsen's Kafka workload, in EDN
    Jepsen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expectation {
    /// Nothing that was acknowledged or committed may be lost, invented or
    /// altered; duplicates and another order are only reported
    AtLeastOnce,
    /// Every anomaly counts, `reprocessed` included, but `G0` and
    /// `int-send-skip`: Kafka does not isolate writers from one another
    ExactlyOnce,
    /// Every anomaly counts, also what Jepsen allows and a rebalance explains
    Strict,
    /// Every send was acknowledged: one that failed counts, and one of unknown
    /// outcome
    AllAcknowledged,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Say what is in histories, and whether they are whole
    Stats(HistoryStatsArgs),
    /// Print a history's events for other programs
    Export(HistoryExportArgs),
    /// Make one history of files that one run recorded in several places
    Merge(HistoryMergeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct HistoryStatsArgs {
    /// Histories, folders of scenarios, or whole run directories
    #[arg(value_name = "FILE|RUN_DIR", required = true)]
    pub(crate) places: Vec<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = DataFormat::Human)]
    pub(crate) format: DataFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// Lines for people
    Human,
    /// One JSON value
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryExportArgs {
    /// A history, or the folder of a scenario
    #[arg(value_name = "FILE")]
    pub(crate) place: PathBuf,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    pub(crate) format: ExportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line, an event each (see docs/reference/history-format.md)
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryMergeArgs {
    /// Histories of one run, each with producers, members and partitions of
    /// its own; one that is cut off makes the result incomplete
    #[arg(value_name = "FILE", required = true)]
    pub(crate) places: Vec<PathBuf>,
    /// Where the merged history goes; nothing may be there
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SubjectCommand {
    /// Try every message of the subject protocol against a client
    Check(SubjectCheckArgs),
    /// Speak the subject protocol on standard input and output
    Serve(SubjectServeArgs),
}

const SUBJECT_CHECK_HELP: &str = "\
It starts a broker, tries every message, good and bad, and reads the truth back
through a client of its own. What the subject does wrong is shown with the lines
that show it. docs/reference/subject-protocol.md has the protocol.

Exit codes:
  0    the subject does nothing wrong (what its client cannot do is no mistake)
  1    it does something wrong
  2    bad usage
  4    the environment failed: a download, a port, a broker that would not start
  130  interrupted";

#[derive(Debug, Args)]
#[command(after_help = SUBJECT_CHECK_HELP)]
pub(crate) struct SubjectCheckArgs {
    /// A client by its name (`java:3.1.0`, `librdkafka:1.8.2`, as in `run
    /// --client`), or a program and its arguments
    #[arg(
        value_name = "CLIENT|COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) client: Vec<String>,
    /// Use this cluster of yours (plain listeners), with topics and groups of
    /// the check's own
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["kafka", "kafka_home"])]
    pub(crate) bootstrap: Vec<proxy::HostPort>,
    #[command(flatten)]
    pub(crate) versions: VersionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SubjectServeArgs {
    /// Its name: `librdkafka`, `librdkafka:1.8.2`, `java:3.1.0`
    #[arg(value_name = "CLIENT")]
    pub(crate) client: ClientSpec,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StackCommand {
    /// Start a stack, print its addresses, and keep it until Ctrl-C
    Up(StackUpArgs),
    /// Stop a detached stack
    Down(StackNameArgs),
    /// Say whether a detached stack is up, and where; exits with 4 if not
    Status(StackStatusArgs),
    /// Fetch everything a run needs, and train what makes it start fast
    Fetch(VersionArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StackNameArgs {
    /// Which detached stack: several may be up beside each other
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK)]
    pub(crate) name: StackName,
}

#[derive(Debug, Args)]
pub(crate) struct StackStatusArgs {
    #[command(flatten)]
    pub(crate) name: StackNameArgs,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = DataFormat::Human)]
    pub(crate) format: DataFormat,
}

/// `security.protocol` of a stack's listener for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StackSecurity {
    /// TLS, with client certificates
    Ssl,
    /// SASL: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512
    SaslPlaintext,
    /// The same within TLS
    SaslSsl,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
#[derive(Debug, Args)]
pub(crate) struct StackUpArgs {
    /// How many brokers
    #[arg(long, value_name = "N", default_value_t = 1,
          allow_negative_numbers = true, value_parser = whole::<u8>(1, 3))]
    pub(crate) brokers: u8,
    /// Also start Kafka Connect with Debezium, and PostgreSQL
    #[arg(long)]
    pub(crate) cdc: bool,
    /// The port of the first broker; the other brokers, Kafka Connect and
    /// PostgreSQL have the next ones, in this order [default: free ones]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_531))]
    pub(crate) port: Option<u16>,
    /// Let brokers make topics when they are first used; with --cdc they do, so
    /// that connectors of your own find theirs
    #[arg(long)]
    pub(crate) auto_create_topics: bool,
    /// A setting of the brokers, as in log.retention.check.interval.ms=5000; may be
    /// given several times
    #[arg(long = "broker-config", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) broker_configs: Vec<(String, String)>,
    /// Have clients connect by TLS or SASL, with certificates and a user made for
    /// this stack, and print the client.properties that does it
    #[arg(long, value_enum, conflicts_with = "cdc")]
    pub(crate) security: Option<StackSecurity>,
    #[command(flatten)]
    pub(crate) name: StackNameArgs,
    /// Keep it running in the background; `ackproof stack down` ends it
    #[arg(long)]
    pub(crate) detach: bool,
    /// This process is the one in the background
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) detached: bool,
    #[command(flatten)]
    pub(crate) versions: VersionArgs,
}

/// `KEY=VALUE`.
fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("it is not KEY=VALUE".to_owned()),
    }
}

mod alerts;
mod audit;
mod bench;
mod cluster;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod help;
mod lag;
mod proxy_args;

pub(crate) use self::lag::{AlertsCommand, AlertsInitArgs, Exporter, LagArgs};
pub(crate) use alerts::AlertWatchArgs;
pub(crate) use audit::{AuditArgs, AuditFormat, FailOn};
pub(crate) use bench::BenchArgs;
pub(crate) use cluster::{ClusterArgs, ResolveArgs, ResolvedAddress};
pub(crate) use proxy_args::ProxyArgs;
