//! The options of `lag` and `alerts`, and how durations are typed. What they mean is for the
//! commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{DataFormat, ResolveArgs};

const LAG_HELP: &str = "\
Records behind and lost are counted in offsets, as Kafka's own tools do. Time behind is the
age of the next unread record, read from the log. Rates are measured over --window; a
consumer that commits every 5 s needs a longer one. Deletion is the earliest that retention
can take an unread record, at these rates. What could not be established is `?`, with its
reason below the table. Nothing in the cluster is changed. docs/guides/lag.md explains every
column.

Exit codes:
  0    every threshold is kept, or none was given
  1    a threshold is broken: more behind, older, or deleted unread
  2    bad usage
  3    no threshold is broken, and one cannot be decided: a number is unknown
  4    no broker answered";

#[derive(Debug, Args)]
#[command(after_help = LAG_HELP)]
pub(crate) struct LagArgs {
    /// A broker of the cluster; several are separated by commas
    #[arg(long, value_name = "HOST:PORT", required = true, value_delimiter = ',')]
    pub(crate) bootstrap: Vec<proxy::HostPort>,
    /// How to reach it, where it asks for TLS or SASL: a client.properties, as
    /// Kafka's own tools take it
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) resolve: ResolveArgs,
    /// This group, with a line for each partition; several, each with its own
    /// --group [default: all groups, a line for each]
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// The most records that a group may be behind, over all its partitions
    #[arg(long, value_name = "N")]
    pub(crate) max_lag: Option<u64>,
    /// The greatest age of a group's next unread record, such as 90s, 5m or 2h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) max_age: Option<Duration>,
    /// How long rates are measured; 0s measures none
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub(crate) window: Duration,
    /// When the command ends, whatever brokers answer
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub(crate) timeout: Duration,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = DataFormat::Human)]
    pub(crate) format: DataFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Write alert rules for the metrics of an exporter
    Init(AlertsInitArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AlertsInitArgs {
    /// Where the rules go; nothing may be there
    #[arg(value_name = "FILE.yml", default_value = "lag-alerts.yml")]
    pub(crate) file: PathBuf,
    /// The exporter whose metrics Prometheus scrapes
    #[arg(long, value_enum)]
    pub(crate) exporter: Exporter,
    /// The most records that a group may be behind in a topic
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_lag: u64,
    /// The greatest age of a group's next unread record, where the exporter has
    /// it
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub(crate) max_age: Duration,
    /// How long a condition must last before its alert fires
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "2m")]
    pub(crate) lasting: Duration,
    /// How long a position may stand still while something is unread; longer
    /// than the commit interval of any client
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub(crate) stalled: Duration,
    /// How long ago a group that is gone was still there
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1h")]
    pub(crate) vanished: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exporter {
    /// kminion (Redpanda), with `minion.consumerGroups` as it is by default
    Kminion,
    /// `kafka_exporter` (danielqsj)
    #[value(name = "kafka-exporter")]
    Kafka,
    /// klag-exporter, with partition granularity
    #[value(name = "klag-exporter")]
    Klag,
}

/// Reads `500ms`, `90s`, `5m`, `2h` or `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    let number = digits.parse::<u64>().ok().filter(|_| unit_ms > 0);
    let ms = number.and_then(|it| it.checked_mul(unit_ms));
    // What a number of milliseconds in Prometheus or in Kafka's protocol holds.
    let ms = ms.filter(|it| i64::try_from(*it).is_ok());
    ms.map(Duration::from_millis)
        .ok_or_else(|| "it takes a whole number and a unit: 500ms, 90s, 5m, 2h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let ms = |text| duration(text).map(|it| it.as_millis());
        assert_eq!(ms("0s"), Ok(0));
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("90s"), Ok(90_000));
        assert_eq!(ms("5m"), Ok(300_000));
        assert_eq!(ms("7d"), Ok(604_800_000));
        for wrong in [
            "",
            "5",
            "m",
            "-5m",
            "5 m",
            "1.5h",
            "5min",
            "99999999999999999d",
            "é",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
