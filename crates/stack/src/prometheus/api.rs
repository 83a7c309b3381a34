//! What a Prometheus server says of its rules, its alerts and its series (its HTTP API,
//! version 1).
//!
//! Knows the API; not which alerts there should be.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::rest::{Answer, Method, RestError, ask};

/// The labels by which exporters name a group.
const GROUP_LABELS: [&str; 6] = [
    "group_id",
    "consumergroup",
    "group",
    "consumer_group",
    "groupid",
    "group_name",
];
/// The labels by which they name a topic.
const TOPIC_LABELS: [&str; 2] = ["topic_name", "topic"];

/// What went wrong with a question.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It did not answer.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// It refused.
    #[error("Prometheus answered {path} with {status}: {message}")]
    Refused {
        /// What was asked for.
        path: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// It answered something else than its documentation says.
    #[error("Prometheus's answer to {path} is not understood")]
    Answer {
        /// What was asked for.
        path: &'static str,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

/// A server.
#[derive(Clone, Debug)]
pub struct Api {
    url: String,
}

/// An alert rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The alert's name.
    pub alert: String,
    /// How long its condition must last, with one interval of evaluation, in milliseconds.
    pub for_ms: u64,
    /// How far back its expression looks at most, in milliseconds.
    pub looks_back_ms: u64,
    /// Why it cannot be evaluated, where it cannot.
    pub error: Option<String>,
}

/// An alert that is pending or fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// Its other labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it fires.
    pub is_firing: bool,
    /// Since when its condition is true, in microseconds by the server's clock (Unix time).
    pub active_at_us: i64,
}

/// How many series name a group and its topic, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// The moment, in microseconds by the server's clock (Unix time).
    pub at_us: i64,
    /// Those of the group.
    pub of_group: u64,
    /// Those of the topic.
    pub of_topic: u64,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<RuleGroup>,
}

#[derive(Deserialize)]
struct RuleGroup {
    interval: f64,
    rules: Vec<RuleOf>,
}

#[derive(Deserialize)]
struct RuleOf {
    name: String,
    query: String,
    #[serde(default)]
    duration: f64,
    #[serde(default, rename = "lastError")]
    last_error: Option<String>,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<AlertOf>,
}

#[derive(Deserialize)]
struct AlertOf {
    labels: BTreeMap<String, String>,
    state: String,
    #[serde(rename = "activeAt")]
    active_at: String,
}

#[derive(Deserialize)]
struct Scalar {
    result: (f64, String),
}

impl Api {
    /// Of a server at `http://HOST:PORT`.
    pub fn at(url: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url }
    }

    /// Its alert rules.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn rules(&self) -> Result<Vec<Rule>, ApiError> {
        let found: Groups = self.get("/api/v1/rules", "?type=alert").await?;
        let groups = found.groups.into_iter();
        let rules = groups.flat_map(|group| {
            let interval = group.interval;
            let alerts = group.rules.into_iter().filter(|it| it.kind == "alerting");
            alerts.map(move |rule| Rule {
                alert: rule.name,
                for_ms: ms(rule.duration + interval),
                looks_back_ms: looks_back_ms(&rule.query),
                error: rule.last_error.filter(|error| !error.is_empty()),
            })
        });
        Ok(rules.collect())
    }

    /// Its alerts that are pending or fire.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn alerts(&self) -> Result<Vec<Alert>, ApiError> {
        let found: Alerts = self.get("/api/v1/alerts", "").await?;
        let alerts = found.alerts.into_iter().map(|mut alert| {
            let active = DateTime::parse_from_rfc3339(&alert.active_at);
            Alert {
                name: alert.labels.remove("alertname").unwrap_or_default(),
                labels: alert.labels,
                is_firing: alert.state == "firing",
                active_at_us: active.map_or(0, |at| at.timestamp_micros()),
            }
        });
        Ok(alerts.collect())
    }

    /// How many series name this group and this topic now.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn series(&self, group: &str, topic: &str) -> Result<Series, ApiError> {
        let (at_us, of_group) = self.count(&GROUP_LABELS, group).await?;
        let (_, of_topic) = self.count(&TOPIC_LABELS, topic).await?;
        Ok(Series {
            at_us,
            of_group,
            of_topic,
        })
    }

    async fn count(&self, labels: &[&str], value: &str) -> Result<(i64, u64), ApiError> {
        let value = value.replace('\\', r"\\").replace('"', "\\\"");
        // Prometheus makes series of alerts itself, with the labels of these.
        let each = labels
            .iter()
            .map(|label| format!("{{{label}=\"{value}\",__name__!~\"ALERTS|ALERTS_FOR_STATE\"}}"));
        let each: Vec<String> = each.collect();
        let query = format!("scalar(count({}) or vector(0))", each.join(" or "));
        let question = format!("?query={}", in_url(&query));
        let found: Scalar = self.get("/api/v1/query", &question).await?;
        let (time, count) = found.result;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a time of this age fits many times"
        )]
        let at_us = (time * 1e6) as i64;
        Ok((at_us, count.parse().unwrap_or(0)))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &'static str,
        asked: &str,
    ) -> Result<T, ApiError> {
        let url = format!("{}{path}{asked}", self.url);
        let Answer { status, mut body } = ask(Method::Get, url, None).await?;
        if status != 200 {
            let message = body["error"].as_str().unwrap_or("no reason given");
            return Err(ApiError::Refused {
                path,
                status,
                message: message.to_owned(),
            });
        }
        let data = body.get_mut("data").map_or(Value::Null, Value::take);
        serde_json::from_value(data).map_err(|source| ApiError::Answer { path, source })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a conversion of a float saturates"
)]
fn ms(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// Everything but letters and digits escaped.
fn in_url(text: &str) -> String {
    let escaped = text.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    escaped.collect()
}

/// How far back an expression looks: its longest range and its longest offset.
fn looks_back_ms(expression: &str) -> u64 {
    let expression = without_strings(expression);
    let ranges = expression.split('[').skip(1);
    // A subquery has its range before its step.
    let ranges = ranges.filter_map(|rest| duration_ms(rest.split([']', ':']).next()?.trim()));
    let offsets = expression.split("offset ").skip(1);
    let offsets = offsets.filter_map(|rest| {
        let word = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        duration_ms(word)
    });
    ranges.max().unwrap_or(0) + offsets.max().unwrap_or(0)
}

/// Labels may hold anything.
fn without_strings(expression: &str) -> String {
    let mut kept = String::with_capacity(expression.len());
    let mut chars = expression.chars();
    while let Some(char) = chars.next() {
        if !['"', '\'', '`'].contains(&char) {
            kept.push(char);
            continue;
        }
        while let Some(inside) = chars.next() {
            if inside == '\\' && char != '`' {
                chars.next();
            } else if inside == char {
                break;
            }
        }
    }
    kept
}

/// `1h30m`, as Prometheus writes durations; a number alone is of seconds.
fn duration_ms(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.len()
            - behind
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (unit, behind) = behind.split_at(letters);
        let unit_ms = match unit {
            "ms" => 1,
            "s" | "" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        total = total.checked_add(number.checked_mul(unit_ms)?)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_looks_back_over_its_longest_range_and_offset() {
        for (expression, ms) in [
            ("lag > 10", 0),
            (
                "changes(position[10m]) == 0 and min_over_time(lag[5m]) > 0",
                600_000,
            ),
            ("max(members offset 1h) unless max(members)", 3_600_000),
            ("max_over_time(members[1d2h30m] offset 5s) == 0", 95_405_000),
            ("max_over_time(rate(x[1m])[30m:10s]) > 0", 1_800_000),
            ("lag{topic=\"a[5d] offset 3d\", group='b\\'[1w]'} > 0", 0),
        ] {
            assert_eq!(looks_back_ms(expression), ms, "{expression}");
        }
    }

    #[test]
    fn a_question_is_escaped() {
        assert_eq!(in_url("a{b=\"ü\"}"), "a%7Bb%3D%22%C3%BC%22%7D");
    }
}
