//! What the user typed of the alerts that `run` watches.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stack::prometheus::MetricsUrl;

use super::lag::duration;

/// Whose alerts are watched.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AlertWatchArgs {
    /// For the suite `alerts`: the metrics of your exporter, which watches the
    /// cluster of --bootstrap
    #[arg(long, value_name = "URL", conflicts_with = "prometheus")]
    pub(crate) exporter: Option<MetricsUrl>,
    /// Your alert rules, for --exporter; Prometheus itself evaluates them: the
    /// one in PATH, or one that Go builds, once
    #[arg(long, value_name = "FILE", conflicts_with = "prometheus")]
    pub(crate) rules: Option<PathBuf>,
    /// For the suite `alerts`: your own Prometheus, with its exporter and its
    /// rules
    #[arg(long, value_name = "URL", value_parser = prometheus)]
    pub(crate) prometheus: Option<String>,
    /// When an alert must have fired: what it tells of lasts so long [default:
    /// what the slowest rule needs, 5m at most]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) alert_timeout: Option<Duration>,
}

fn prometheus(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://");
    let is_fit = |rest: &&str| !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']);
    rest.filter(is_fit)
        .map(|_| text.trim_end_matches('/').to_owned())
        .ok_or_else(|| "it takes http://HOST:PORT, without a user and without TLS".to_owned())
}
