//! `ackproof lag`: how far the consumer groups of a cluster are behind, once.

mod brokers;
mod survey;
mod table;
mod unread;

use std::time::{Duration, SystemTime};

use ::lag::{GroupLag, LAG_SCHEMA, LagReport, LimitOutcome, Thresholds};
use chrono::{DateTime, SecondsFormat, Utc};
use model::ids::TopicName;
use tokio::time::{Instant, timeout_at};
use wire::{ClientOptions, RequestCounts};

use self::brokers::Brokers;
use self::survey::{OFFSETS_TOPIC, Survey};
use crate::args::{DataFormat, LagArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, print_raw};
use crate::secured;
use crate::text::{columns_of, fit};

/// No broker is waited for longer, so that the others are asked before the deadline.
const ANSWER_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum LagError {
    #[error("--window {window:?} does not fit into --timeout {timeout:?}")]
    Window { window: Duration, timeout: Duration },
    #[error("no broker answered within --timeout {0:?}")]
    Late(Duration),
    #[error("cannot write the result as JSON")]
    Json(#[source] serde_json::Error),
}

/// `ackproof lag`.
pub(crate) async fn lag(args: &LagArgs) -> Result<Exit, Failure> {
    let (window, timeout) = (args.window, args.timeout);
    if window >= timeout {
        let error = LagError::Window { window, timeout };
        return Err(Failure::usage(&error).hint("give a shorter window, or more time"));
    }
    let security = secured::reach(args.command_config.as_deref(), &args.resolve)?;
    let deadline = Instant::now() + timeout;
    let answer = ANSWER_MAX.min(timeout.saturating_sub(window) / 4);
    let requests = RequestCounts::default();
    let options = ClientOptions {
        client_id: "ackproof-lag".to_owned(),
        connect_timeout: answer,
        request_timeout: answer,
        requests: requests.clone(),
        security: security.clone(),
        ..ClientOptions::default()
    };
    let bootstrap: Vec<_> = args.bootstrap.iter().map(ToString::to_string).collect();
    let offsets_topic = [TopicName::new(OFFSETS_TOPIC)];
    let connected = Brokers::connect(&bootstrap, options, &offsets_topic);
    let (mut brokers, metadata) = match timeout_at(deadline, connected).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => {
            let plain = Failure::environment(&error);
            let looked = secured::unreachable(&args.bootstrap, &security, error);
            // Where there is no time to look, it is told as it was met.
            return Err(timeout_at(deadline, looked).await.unwrap_or(plain));
        }
        Err(_) => return Err(Failure::environment(&LagError::Late(timeout))),
    };
    let taken_at = DateTime::<Utc>::from(SystemTime::now());
    let mut survey = Survey::new(&args.groups, window, timeout);
    // What is missing at the deadline is told as unknown.
    let _ = timeout_at(deadline, survey.carry_out(&mut brokers, &metadata)).await;

    let thresholds = Thresholds {
        max_lag: args.max_lag,
        max_age_ms: args.max_age.map(ms),
    };
    let groups = survey.groups().into_iter();
    let groups: Vec<_> = groups.map(|it| GroupLag::of(it, thresholds)).collect();
    // A group that was asked for by its name is there, or is itself unknown.
    let incomplete = survey.incomplete();
    let missing: &[String] = if args.groups.is_empty() {
        &incomplete
    } else {
        &[]
    };
    let report = LagReport {
        schema: LAG_SCHEMA,
        taken_at: taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        cluster_id: metadata.cluster_id,
        window_ms: ms(window),
        brokers: u64::try_from(brokers.ids().count()).unwrap_or(u64::MAX),
        requests: requests.by_name(),
        thresholds,
        outcome: LagReport::judge(&groups, missing, thresholds),
        incomplete,
        skipped: survey.skipped(),
        groups,
    };
    match args.format {
        DataFormat::Human => {
            let text = table::text(&report, !args.groups.is_empty());
            print(&fit(&text, columns_of(std::io::stdout())))?;
        }
        DataFormat::Json => {
            let json = serde_json::to_string_pretty(&report)
                .map_err(|error| Failure::environment(&LagError::Json(error)))?;
            print_raw(&format!("{json}\n"))?;
        }
    }
    Ok(match report.outcome {
        None | Some(LimitOutcome::Held) => Exit::Held,
        Some(LimitOutcome::Broken) => Exit::Violated,
        Some(LimitOutcome::Unknown) => Exit::Inconclusive,
    })
}

fn ms(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}
