//! The scenarios of an earlier run that are to be run again.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use checker::Examples;
use model::plan::{BadMark, RunPlan};
use model::scenario::client::ClientSpecError;
use stack::prometheus::NotMetricsUrl;

use crate::args::{AlertWatchArgs, ClusterArgs, RunArgs};
use crate::failure::Failure;
use crate::judgement::judge_run;
use crate::run_dir::{RunDir, RunDirError};

/// The arguments that run again what did not come out as it should; none
/// where everything did. What the user says besides, wins.
pub(crate) fn failed(args: &RunArgs, dir: &Path) -> Result<Option<RunArgs>, Failure> {
    let dir = RunDir::open(dir);
    let plan = dir.plan().map_err(RunDirError::into_failure)?;
    let verdict =
        judge_run(&dir, &plan, Examples::at_most(0)).map_err(|error| Failure::usage(&error))?;
    let mut names: Vec<String> = Vec::new();
    for (planned, judged) in plan.scenarios.iter().zip(&verdict.scenarios) {
        let name = planned.file.as_ref().unwrap_or(&planned.scenario.name);
        if !judged.as_expected && !names.contains(name) {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    let mut again = args.clone();
    again.names = names;
    again.seed = Some(args.seed.unwrap_or(plan.seed));
    if args.repeat == 1 {
        let repetitions = plan.scenarios.iter().map(|scenario| scenario.repetition);
        again.repeat = repetitions.max().unwrap_or(1);
    }
    let clients = &mut again.clients;
    for (flag, client) in [
        ("--client", &mut clients.client),
        ("--producer-client", &mut clients.producer_client),
        ("--consumer-client", &mut clients.consumer_client),
    ] {
        if let (None, Some(given)) = (&client, given(&plan, flag)) {
            let given = given
                .parse()
                .map_err(|error: ClientSpecError| Failure::usage(&error))?;
            *client = Some(given);
        }
    }
    watch_again(&plan, &mut again.alerts)?;
    let versions = &mut again.versions;
    if versions.kafka.is_none()
        && versions.kafka_home.is_none()
        && args.bootstrap.is_empty()
        && args.compose.is_none()
    {
        versions.kafka = given(&plan, "--kafka").map(str::to_owned);
        versions.kafka_home = given(&plan, "--kafka-home").map(Into::into);
        if versions.debezium.is_none() {
            versions.debezium = given(&plan, "--debezium").map(str::to_owned);
        }
        if let Some(cluster) = &plan.cluster {
            again.compose = args.compose.clone().or_else(|| cluster.compose.clone());
            if again.compose.is_none() {
                let all = cluster.bootstrap.iter().map(|at| at.parse());
                again.bootstrap = all
                    .collect::<Result<_, proxy::HostPortError>>()
                    .map_err(|error| Failure::usage(&error))?;
            }
            again.cluster = cluster_again(&plan, &args.cluster)?;
        }
    }
    Ok(Some(again))
}

/// Reaches the cluster as before, and makes the same in it, unless the user says otherwise.
fn cluster_again(plan: &RunPlan, now: &ClusterArgs) -> Result<ClusterArgs, Failure> {
    let mut again = now.clone();
    if again.command_config.is_none() {
        again.command_config = given(plan, "--command-config").map(Into::into);
    }
    if again.replication_factor.is_none() {
        again.replication_factor =
            given(plan, "--replication-factor").and_then(|it| it.parse().ok());
    }
    if again.like.is_none() {
        again.like = given(plan, "--like").map(str::to_owned);
    }
    if again.prefix.is_none() {
        let before = given(plan, "--prefix").map(str::parse).transpose();
        again.prefix = before.map_err(|error: BadMark| Failure::usage(&error))?;
    }
    if again.topic_config.is_empty() {
        again.topic_config = all_given(plan, "--topic-config");
    }
    if again.resolve.resolve.is_empty() {
        again.resolve.resolve = all_given(plan, "--resolve");
    }
    Ok(again)
}

/// Watches the same alerts, unless others are named.
fn watch_again(plan: &RunPlan, alerts: &mut AlertWatchArgs) -> Result<(), Failure> {
    if alerts.exporter.is_none() && alerts.prometheus.is_none() {
        let exporter = given(plan, "--exporter").map(str::parse).transpose();
        alerts.exporter = exporter.map_err(|error: NotMetricsUrl| Failure::usage(&error))?;
        alerts.prometheus = given(plan, "--prometheus").map(str::to_owned);
        if alerts.rules.is_none() {
            alerts.rules = given(plan, "--rules").map(Into::into);
        }
    }
    if alerts.alert_timeout.is_none() {
        let limited = plan.scenarios.iter().find_map(|scenario| scenario.alerts);
        let limit = limited.filter(|watch| watch.is_limit);
        alerts.alert_timeout = limit.map(|watch| Duration::from_millis(watch.wait_ms));
    }
    Ok(())
}

/// All values of an option that may be given several times.
fn all_given<T: FromStr>(plan: &RunPlan, option: &str) -> Vec<T> {
    let commands = plan.circumstances.iter().map(|it| &it.command);
    let words = commands.flat_map(|it| it.windows(2));
    let values = words.filter_map(|words| match words {
        [own, value] if own == option => value.parse().ok(),
        _ => None,
    });
    values.collect()
}

/// The value of an option in the earlier run's command.
fn given<'p>(plan: &'p RunPlan, option: &str) -> Option<&'p str> {
    let command = &plan.circumstances.as_ref()?.command;
    let at = command.iter().position(|word| word == option)?;
    command.get(at + 1).map(String::as_str)
}
