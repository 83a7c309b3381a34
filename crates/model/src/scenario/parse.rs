//! The form of a scenario file, and its errors: unknown keys, wrong types, impossible
//! values. Every error names file and line, and shows the text.

use std::borrow::Cow;
use std::ops::Range;

use secret::{Secrets, masked};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::settings::Misuse;
use super::{
    Commit, Fence, Group, QUOTA_KEYS, Quota, Scenario, Trigger, Write, WriteHow, WriteStart,
    releases,
};
use crate::claim::Claim;
use crate::record::OVERHEAD_BYTES_MAX;

/// A member must process the records in hand within this time, so that it can be asked to
/// stop.
const IN_HAND_S_MAX: u64 = 10;

/// An error in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}\n{snippet}")]
pub struct ScenarioError {
    /// The file, as the user named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The error, and the correct form.
    pub message: String,
    /// The line in question with a marker under the place.
    pub snippet: String,
}

/// Reads a scenario. `file` is only used to say where an error is.
pub fn parse(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let scenario = parse_for_cluster(file, text)?;
    own_brokers(&scenario).map_err(|problem| locate(file, text, &problem))?;
    Ok(scenario)
}

/// Reads a scenario for a user's cluster, whose number of brokers is not checked.
pub fn parse_for_cluster(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let at = |(span, message): Misfit| located(file, text, &span, &message);
    let syntax = |error: toml::de::Error| {
        let message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
        at((error.span().unwrap_or(0..0), message))
    };
    let mut document = DeTable::parse(text).map_err(syntax)?;
    if let Some(misfit) = shape::misfit(&document) {
        return Err(at(misfit));
    }
    let misread = |error: toml::de::Error| {
        let span = error.span().unwrap_or(0..0);
        at((span, error.message().to_owned()))
    };
    // Files write a fault as one flat table, plans do not.
    let faults = document.get_mut().remove("fault");
    let mut scenario =
        Scenario::deserialize(toml::de::Deserializer::from(document)).map_err(misread)?;
    if let Some(faults) = faults {
        let faults = Vec::<Spanned<toml::Table>>::deserialize(ValueDeserializer::from(faults));
        for fault in faults.map_err(misread)? {
            let span = fault.span();
            let read = fault::read(fault.into_inner()).map_err(|message| at((span, message)))?;
            scenario.faults.push(read);
        }
    }
    validate(&scenario)
        .and_then(|()| decidable::check(&scenario))
        .map_err(|problem| locate(file, text, &problem))?;
    Ok(scenario)
}

/// Where in a file a problem is.
pub fn locate(file: &str, text: &str, problem: &Problem) -> ScenarioError {
    let span = span_of(text, problem).unwrap_or(0..0);
    let mut text = Cow::Borrowed(text);
    if problem.half == Half::Key {
        // An unknown key may have a secret value.
        let value = Problem {
            half: Half::Value,
            ..problem.clone()
        };
        if let Some(hidden) = span_of(&text, &value) {
            let shown = text.char_indices().map(|(at, char)| {
                let is_hidden = hidden.contains(&at) && char != '\n';
                if is_hidden { '*' } else { char }
            });
            text = Cow::Owned(shown.collect());
        }
    }
    located(file, &text, &span, &problem.message)
}

/// The candidate nearest to `word`, if one is near enough to be meant.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    near(word, candidates).into_iter().next()
}

/// Those of the candidates that may have been meant, the nearest first.
pub fn near<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().max(3) / 3)
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

type Misfit = (Range<usize>, String);

/// An impossible value or key, and its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The way to the key, from the top.
    pub path: Vec<PathStep>,
    /// Which half of it is wrong.
    pub half: Half,
    /// The error, and the correct form.
    pub message: String,
}

impl Problem {
    /// A problem with the value at the end of a path.
    pub fn new(path: impl Into<Vec<PathStep>>, message: String) -> Self {
        Self {
            path: path.into(),
            half: Half::Value,
            message,
        }
    }

    /// A problem with a setting in a table of them.
    pub fn of_setting(table: impl Into<Vec<PathStep>>, key: &str, misuse: Misuse) -> Self {
        let mut path = table.into();
        path.push(PathStep::Key(key.to_owned().into()));
        let (half, message) = match misuse {
            Misuse::Name(message) => (Half::Key, message),
            Misuse::Value(message) => (Half::Value, message),
        };
        Self {
            path,
            half,
            message,
        }
    }
}

/// One step into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// To a key's value.
    Key(Cow<'static, str>),
    /// To one of several.
    Index(usize),
}

impl From<&'static str> for PathStep {
    fn from(key: &'static str) -> Self {
        Self::Key(Cow::Borrowed(key))
    }
}

impl From<usize> for PathStep {
    fn from(at: usize) -> Self {
        Self::Index(at)
    }
}

/// A half of a key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The key.
    Key,
    /// The value.
    Value,
}

fn fail(path: &[PathStep], message: impl Into<String>) -> Result<(), Problem> {
    Err(Problem::new(path, message.into()))
}

/// Fails with the first error.
fn validate(scenario: &Scenario) -> Result<(), Problem> {
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !plain(&scenario.name) {
        let message = format!(
            "`{}` is no scenario's name: it has only letters, digits, `.`, `_` and `-`, and does \
             not begin with `.`",
            scenario.name
        );
        return fail(&["name".into()], message);
    }
    if scenario.producers.is_empty() && scenario.writes.is_empty() {
        let message = "nothing is sent and nothing written: add a [[producer]] or a [[write]]";
        return fail(&["name".into()], message);
    }
    if let Some(version) = &scenario.topology.kafka
        && releases::kafka_line(version).is_none()
    {
        let message = format!("`{version}` is no release of Kafka: such as \"3.9.1\"");
        return fail(&["topology".into(), "kafka".into()], message);
    }
    for (at, topic) in scenario.topics.iter().enumerate() {
        let here = |key| [PathStep::from("topic"), at.into(), PathStep::from(key)];
        if !plain(&topic.name) || topic.name.len() > 200 {
            return fail(
                &here("name"),
                "a topic's name has 1 to 200 letters, digits, `.`, `_` or `-`",
            );
        }
        if scenario
            .topics
            .iter()
            .take(at)
            .any(|other| other.name == topic.name)
        {
            return fail(
                &here("name"),
                format!("topic `{}` is defined twice", topic.name),
            );
        }
        if let Some(keeper) = scenario.keeper_of(&topic.name) {
            let message = format!(
                "`{}` is {keeper}: leave this [[topic]] out; faults name it as it is, and no \
                 claim covers it",
                topic.name
            );
            return fail(&here("name"), message);
        }
        if let Some(table) = scenario.table_of(&topic.name) {
            let message = format!(
                "`{}` carries the changes of table {table}, and is made for the [capture]: leave \
                 this [[topic]] out",
                topic.name
            );
            return fail(&here("name"), message);
        }
    }
    let check_topic = |name: &str, path: &[PathStep]| {
        let known = scenario.check_topic(name);
        known.or_else(|message| fail(path, message))
    };
    let not_written = |name: &str| {
        let table = scenario.table_of(name)?;
        Some(format!(
            "`{name}` carries the changes of table {table}: only the connector writes to it"
        ))
    };
    for (at, producer) in scenario.producers.iter().enumerate() {
        let here = |key| [PathStep::from("producer"), at.into(), PathStep::from(key)];
        for (number, topic) in producer.topics().enumerate() {
            let here = here(if number == 0 { "topic" } else { "also_to" });
            check_topic(topic, &here)?;
            if let Some(message) = not_written(topic) {
                return fail(&here, message);
            }
            if producer.topics().take(number).any(|it| it == topic) {
                let message = format!("records go to each topic in turn: `{topic}` is named twice");
                return fail(&here, message);
            }
        }
        let longest = producer.topics().map(str::len).max().unwrap_or(0);
        let least = OVERHEAD_BYTES_MAX + longest;
        if (producer.record_bytes as usize) < least || producer.record_bytes > 900_000 {
            let message = format!(
                "a record that carries its identity has {least} to 900000 bytes here, not {}",
                producer.record_bytes
            );
            return fail(&here("record_bytes"), message);
        }
        let large = (producer.large_every, producer.large_bytes);
        if let (Some(_), None) | (None, Some(_)) = large {
            let key = producer
                .large_every
                .map_or("large_bytes", |_| "large_every");
            let message = "`large_every` and `large_bytes` go together".to_owned();
            return fail(&here(key), message);
        }
        if producer.steps_per_s.is_empty() != producer.step_ms.is_none() {
            let key = producer.step_ms.map_or("steps_per_s", |_| "step_ms");
            let message = "`steps_per_s` and `step_ms` go together".to_owned();
            return fail(&here(key), message);
        }
        let large_bytes = large.1.map(|bytes| bytes as usize);
        if large_bytes.is_some_and(|bytes| !(least..=10_000_000).contains(&bytes)) {
            let message = format!("a large record has {least} to 10000000 bytes here");
            return fail(&here("large_bytes"), message);
        }
    }
    for (at, group) in scenario.groups.iter().enumerate() {
        let here = |key| [PathStep::from("group"), at.into(), PathStep::from(key)];
        check_topic(&group.topic, &here("topic"))?;
        if scenario
            .groups
            .iter()
            .take(at)
            .any(|other| other.name == group.name)
        {
            return fail(
                &here("name"),
                format!("group `{}` is defined twice", group.name),
            );
        }
        let in_hand_max = IN_HAND_S_MAX * u64::from(group.records_per_s);
        if !(1..=in_hand_max).contains(&group.max_poll_records) {
            let message = format!(
                "a member that is asked to stop finishes what it has in hand, within \
                 {IN_HAND_S_MAX} s: 1 to {in_hand_max} records here, not {}",
                group.max_poll_records
            );
            return fail(&here("max_poll_records"), message);
        }
        if group.fence == Fence::Commit && group.commit != Commit::After {
            let message = "a fence commits the processed records: it needs `commit = \"after\"`";
            return fail(&here("fence"), message);
        }
    }
    transforms::validate(scenario, not_written)?;
    for (at, quota) in scenario.quotas.iter().enumerate() {
        let here = |key| [PathStep::from("quota"), at.into(), PathStep::from(key)];
        if quota.config.is_empty() {
            let message = format!("a quota sets one of {}", QUOTA_KEYS.join(", "));
            return fail(&here("config"), message);
        }
        for (key, value) in &quota.config {
            let number = value.parse::<f64>().ok();
            if !number.is_some_and(|number| number.is_finite() && number > 0.0) {
                let message = format!("`{key}` is a number above 0, not `{value}`");
                return fail(&here("config"), message);
            }
        }
        let same =
            |other: &Quota| (&other.user, &other.client_id) == (&quota.user, &quota.client_id);
        if scenario.quotas.iter().take(at).any(same) {
            let message = format!("the quota of {} is defined twice", quota.entity());
            return fail(&["quota".into(), at.into()], message);
        }
    }
    for (at, write) in scenario.writes.iter().enumerate() {
        let here = |key| [PathStep::from("write"), at.into(), PathStep::from(key)];
        if scenario.capture.is_none() {
            return fail(&here("table"), "rows are written for [capture] only");
        }
        if write.how == WriteHow::InsertAndTouch && write.table != "comments" {
            return fail(&here("how"), "only a comment touches its video");
        }
        if write.how == WriteHow::Copy && write.rows_per_s != 0 {
            return fail(&here("rows_per_s"), "COPY has no pace of its own");
        }
        if write.start == WriteStart::BeforeCapture {
            validate_before_capture(&scenario.writes[..at], write)
                .or_else(|(key, message)| fail(&here(key), message))?;
        }
        for (key, trigger) in [
            ("after", &write.after),
            ("commit_after", &write.commit_after),
        ] {
            let Some(trigger) = trigger else { continue };
            validate_trigger(scenario, trigger, scenario.faults.len())
                .or_else(|message| fail(&here(key), message))?;
        }
        if write.transaction.is_some() {
            validate_transaction(write)
                .or_else(|(key, message)| fail(&here(key), message.to_owned()))?;
        }
        if write.commit_after.is_some() && scenario.commits(at).is_none() {
            let message = "the last [[write]] of a `transaction` commits it: `commit_after` \
                           belongs there";
            return fail(&here("commit_after"), message.to_owned());
        }
    }
    for (at, fault) in scenario.faults.iter().enumerate() {
        let here = |key| [PathStep::from("fault"), at.into(), PathStep::from(key)];
        validate_trigger(scenario, &fault.after, at)
            .or_else(|message| fail(&here("after"), message))?;
        let possible = fault.kind.check(scenario);
        possible.or_else(|(key, message)| fail(&here(key), message))?;
    }
    if let Some(app) = &scenario.app {
        app.check(scenario).or_else(|(keys, message)| {
            let keys = keys.iter().map(|key| PathStep::from(*key));
            let path: Vec<PathStep> = std::iter::once("app".into()).chain(keys).collect();
            fail(&path, message)
        })?;
    }
    if let Some(alert) = &scenario.alert {
        let possible = alert.check(scenario);
        possible.or_else(|(key, message)| fail(&["alert".into(), key.into()], message))?;
    }
    if scenario.guarantees.is_empty() {
        return fail(
            &["name".into()],
            "a scenario claims something: add a [[guarantee]]",
        );
    }
    for (at, guarantee) in scenario.guarantees.iter().enumerate() {
        let here = |key| [PathStep::from("guarantee"), at.into(), PathStep::from(key)];
        let timed = guarantee.claim == Claim::RecoversWithin;
        if timed != guarantee.limit_ms.is_some() {
            let message = if timed {
                "`recovers-within` needs `limit_ms`".to_owned()
            } else {
                format!("`{}` has no `limit_ms`", guarantee.claim)
            };
            return fail(&here(if timed { "claim" } else { "limit_ms" }), message);
        }
        let by_itself = |group: &Group| group.commit == Commit::Auto;
        if guarantee.claim == Claim::ReprocessedWithinWindow
            && scenario.groups.iter().any(by_itself)
        {
            let message = "a group that commits by time (`commit = \"auto\"`) has no window in \
                           records";
            return fail(&here("claim"), message);
        }
        let twice = scenario
            .guarantees
            .iter()
            .take(at)
            .any(|g| g.claim == guarantee.claim);
        if twice {
            return fail(
                &here("claim"),
                format!("`{}` is claimed twice", guarantee.claim),
            );
        }
    }
    clients::validate(scenario)
}

/// That the scenario's own brokers hold its replicas.
fn own_brokers(scenario: &Scenario) -> Result<(), Problem> {
    let brokers = scenario.topology.brokers;
    let mut topics = scenario.topics.iter().enumerate();
    let Some((at, topic)) = topics.find(|(_, it)| it.replication_factor > i16::from(brokers))
    else {
        return Ok(());
    };
    let message = format!(
        "a broker holds one replica of a partition: {0} replicas need `brokers = {0}` in \
         [topology], where it is {brokers}",
        topic.replication_factor
    );
    let path = ["topic".into(), at.into(), "replication_factor".into()];
    Err(Problem::new(path, message))
}

/// Writes before the connector come before all others, and no trigger can precede them.
fn validate_before_capture(
    before: &[Write],
    write: &Write,
) -> Result<(), (&'static str, &'static str)> {
    if write.after.is_some() {
        return Err((
            "after",
            "nothing happens before the connector is created that a write could wait for",
        ));
    }
    let mut before = before.iter();
    if before.any(|write| write.start == WriteStart::AfterCapture) {
        return Err((
            "start",
            "writes with `start = \"before-capture\"` come before the other [[write]] tables",
        ));
    }
    Ok(())
}

/// A transaction that stays open while others write: nothing refers to its rows,
/// so that none of the others waits for it.
fn validate_transaction(write: &Write) -> Result<(), (&'static str, &'static str)> {
    if write.table != "comments" {
        return Err((
            "table",
            "comments that are written meanwhile may need the row: a `transaction` has comments \
             only",
        ));
    }
    if write.how != WriteHow::Insert {
        return Err(("how", "a `transaction` has rows by `how = \"insert\"`"));
    }
    if write.start != WriteStart::AfterCapture {
        return Err((
            "start",
            "a `transaction` is written when the connector streams",
        ));
    }
    Ok(())
}

/// A trigger that can never be reached would make a fault that never lands.
fn validate_trigger(scenario: &Scenario, trigger: &Trigger, faults: usize) -> Result<(), String> {
    match trigger {
        Trigger::Acknowledged(count) => {
            let records = scenario.records();
            (*count <= records).then_some(()).ok_or_else(|| {
                format!("`acknowledged = {count}` is never reached: {records} records are sent")
            })
        }
        Trigger::Processed { group, percent } => {
            scenario.check_group(group)?;
            (*percent <= 100)
                .then_some(())
                .ok_or_else(|| "percent is 0 to 100".to_owned())
        }
        Trigger::Captured(_) => scenario
            .capture
            .is_some()
            .then_some(())
            .ok_or_else(|| "nothing is captured without [capture]".to_owned()),
        Trigger::ElapsedMs(_) => Ok(()),
        Trigger::Injected(number) | Trigger::Healed(number) => (1..=faults)
            .contains(&usize::from(*number))
            .then_some(())
            .ok_or_else(|| format!("there is no fault {number} before this one")),
        Trigger::InSync {
            topic,
            partition,
            replicas,
        } => {
            scenario.check_partition(topic, *partition)?;
            let factor = scenario
                .topics
                .iter()
                .find(|known| known.name == *topic)
                .map_or(1, |known| known.replication_factor);
            (i16::from(*replicas) < factor)
                .then_some(())
                .ok_or_else(|| format!("{topic} has {factor} replicas from the start"))
        }
    }
}

/// Where a problem stands in the text, or the nearest table that does where
/// the value is a default.
fn span_of(text: &str, problem: &Problem) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut best: Option<Range<usize>> = None;
    let mut table: Option<&DeTable<'_>> = Some(document.get_ref());
    let mut array: Option<&[Spanned<DeValue<'_>>]> = None;
    for (step, left) in problem.path.iter().zip((0..problem.path.len()).rev()) {
        let value = match step {
            PathStep::Key(key) => {
                let (name, value) = table?.get_key_value(key.as_ref())?;
                if left == 0 && problem.half == Half::Key {
                    return Some(name.span());
                }
                Some(value)
            }
            PathStep::Index(at) => array?.get(*at),
        };
        let Some(value) = value else { break };
        best = Some(value.span());
        table = value.get_ref().as_table();
        array = value.get_ref().as_array().map(AsRef::as_ref);
        if table.is_none() && array.is_none() {
            break;
        }
    }
    best
}

fn located(file: &str, text: &str, span: &Range<usize>, message: &str) -> ScenarioError {
    let start = span.start.min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = text
        .get(line_start..start)
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let shown = masked(text);
    let source = shown.lines().nth(line - 1).unwrap_or_default();
    let room = source.chars().count().saturating_sub(column - 1).max(1);
    let marked = text
        .get(start..span.end.min(text.len()))
        .and_then(|marked| marked.lines().next())
        .map_or(1, |marked| marked.chars().count())
        .clamp(1, room);
    // The message may quote the file.
    let message = Secrets::in_text(text).scrub(message).into_owned();
    let gutter = " ".repeat(line.to_string().len());
    let snippet = format!(
        "{gutter} |\n{line} | {source}\n{gutter} | {}{}",
        " ".repeat(column - 1),
        "^".repeat(marked)
    );
    ScenarioError {
        file: file.to_owned(),
        line,
        column,
        message,
        snippet,
    }
}

mod clients;
mod decidable;
mod fault;
mod shape;
mod transforms;
