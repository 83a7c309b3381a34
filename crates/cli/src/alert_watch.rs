//! The Prometheus whose alerts a run watches: the user's, or one that is started with the
//! user's exporter and rules; and how long its rules need. Knows nothing of scenarios.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use model::plan::{AlertWatch, RunPlan};
use stack::cache::Cache;
use stack::prometheus::api::{Api, Rule};
use stack::prometheus::{
    EVALUATION_INTERVAL, MetricsUrl, Prometheus, PrometheusError, SCRAPE_INTERVAL, VERSION, provide,
};

use crate::args::AlertWatchArgs;
use crate::failure::Failure;
use crate::output::note;

/// How long what an alert must tell of lasts at most, where the user does not say.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// What comes before a rule's own time: a coordinator that misses a member
/// (`session.timeout.ms` of the suite), a scrape, an evaluation, and as much again.
const BEFORE: Duration = Duration::from_secs(9).saturating_add(SCRAPE_INTERVAL);

/// Whose alerts are watched, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct AlertSettings {
    source: Source,
    limit: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Source {
    /// Of this exporter, by these rules.
    Exporter(MetricsUrl, PathBuf),
    /// Of the user's Prometheus.
    Prometheus(String),
}

/// What is lacking for alerts to be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AlertUsageError {
    #[error("--exporter needs --rules: the alert rules that are to be tested")]
    Rules,
    #[error("--rules needs --exporter: whose metrics the rules are about")]
    Exporter,
    #[error("--alert-timeout is for alerts: it needs --exporter or --prometheus")]
    Alerts,
    #[error(
        "an exporter watches one cluster, and the scenarios have to run there: add --bootstrap \
         with an address of that cluster"
    )]
    Cluster,
    #[error("none of these scenarios is about alerts; `ackproof run alerts` is the suite that is")]
    Scenario,
    #[error("there is no alert rule in {0}")]
    Rule(String),
}

/// The building of Prometheus broke off.
#[derive(Debug, thiserror::Error)]
#[error("building Prometheus broke off")]
struct BrokeOff(#[source] tokio::task::JoinError);

/// A Prometheus whose alerts are watched. One that was started here ends with it.
#[derive(Debug)]
pub(crate) struct WatchedPrometheus {
    url: String,
    _own: Option<Prometheus>,
}

impl AlertSettings {
    /// What the user asks for, if anything.
    pub(crate) fn of(
        args: &AlertWatchArgs,
        is_on_cluster: bool,
    ) -> Result<Option<Self>, AlertUsageError> {
        let source = match (&args.exporter, &args.rules, &args.prometheus) {
            (Some(exporter), Some(rules), _) => Source::Exporter(exporter.clone(), rules.clone()),
            (Some(_), None, _) => return Err(AlertUsageError::Rules),
            (None, Some(_), _) => return Err(AlertUsageError::Exporter),
            (None, None, Some(url)) => Source::Prometheus(url.clone()),
            (None, None, None) if args.alert_timeout.is_some() => {
                return Err(AlertUsageError::Alerts);
            }
            (None, None, None) => return Ok(None),
        };
        if !is_on_cluster {
            return Err(AlertUsageError::Cluster);
        }
        let limit = args.alert_timeout;
        Ok(Some(Self { source, limit }))
    }

    /// Starts what is not there yet, and has the plan take the time that the rules need.
    pub(crate) async fn watch(&self, plan: &mut RunPlan) -> Result<WatchedPrometheus, Failure> {
        let watched = match &self.source {
            Source::Prometheus(url) => WatchedPrometheus {
                url: url.clone(),
                _own: None,
            },
            Source::Exporter(exporter, rules) => {
                let own = start(exporter, rules.clone()).await?;
                WatchedPrometheus {
                    url: own.url().to_owned(),
                    _own: Some(own),
                }
            }
        };
        let rules = Api::at(&watched.url).rules().await.map_err(|error| {
            Failure::environment(&error)
                .hint("--prometheus takes the http:// address of its server")
        })?;
        for (rule, error) in rules.iter().filter_map(|it| Some((it, it.error.as_ref()?))) {
            note(&format!(
                "rule {} cannot be evaluated: {error}\n",
                rule.alert
            ));
        }
        if rules.is_empty() {
            return Err(Failure::usage(&AlertUsageError::Rule(match &self.source {
                Source::Exporter(_, rules) => rules.display().to_string(),
                Source::Prometheus(url) => url.clone(),
            })));
        }
        if matches!(self.source, Source::Exporter(..)) {
            let version = VERSION.to_owned();
            plan.versions.insert("prometheus".to_owned(), version);
        }
        let wait = self.limit.unwrap_or_else(|| needed(&rules).min(WAIT_MAX));
        plan.watch_alerts(AlertWatch {
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            is_limit: self.limit.is_some(),
        });
        Ok(watched)
    }
}

impl WatchedPrometheus {
    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// How long the slowest rule needs.
fn needed(rules: &[Rule]) -> Duration {
    let each = rules.iter();
    let each = each.map(|rule| rule.for_ms.saturating_add(rule.looks_back_ms));
    let slowest = Duration::from_millis(each.max().unwrap_or(0));
    slowest
        .saturating_add(BEFORE)
        .saturating_add(EVALUATION_INTERVAL)
}

async fn start(exporter: &MetricsUrl, rules: PathBuf) -> Result<Prometheus, Failure> {
    let cache = Cache::user().map_err(|error| Failure::environment(&error))?;
    let building = cache.clone();
    let program = tokio::task::spawn_blocking(move || {
        provide(&building, env::var_os("PATH").as_deref(), || {
            note(&format!(
                "building Prometheus {VERSION} with Go, once: some minutes\n"
            ));
        })
    });
    let program = program
        .await
        .map_err(|error| Failure::environment(&BrokeOff(error)))?
        .map_err(|error| {
            Failure::environment(&error)
                .hint("install Prometheus or Go, or name a Prometheus of yours with --prometheus")
        })?;
    let started = Prometheus::start(&program, &cache, exporter, &rules).await;
    started.map_err(|error| match error {
        PrometheusError::Start(_) | PrometheusError::Io { .. } => Failure::usage(&error)
            .hint("`promtool check rules FILE` says what is wrong with a file of rules"),
        _ => Failure::environment(&error),
    })
}
