//! An application of the user's: what it reads, and where what it did is read. Knows nothing
//! of how it is started, and of what it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BadKey, Scenario, nearest};
use crate::template::{RecordTemplate, carries_id, unknown_placeholder};

/// An application of yours: it reads a topic of records that are made of a template, and what
/// it did of each is read where it did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "app"))]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The program and its arguments. `{bootstrap}`, `{topic}`, `{group}`, `{output}` and
    /// `{folder}` are replaced in them, and are variables of its environment too:
    /// `KAFKA_BOOTSTRAP_SERVERS`, `KAFKA_TOPIC`, `KAFKA_GROUP_ID`, `KAFKA_OUTPUT_TOPIC` and
    /// `ACKPROOF_FOLDER`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub command: Vec<String>,
    /// More variables of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The topic that it reads.
    pub topic: String,
    /// Its `group.id`: the group whose commits are looked at beside what it did.
    pub group: String,
    /// The value of a record: `{id}` is its identity, `{number}` its number from 0, `{key}` its
    /// key. Other braces are as they are.
    pub value: String,
    /// The key of a record, in the same way. Where it is missing, `{key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The headers of a record, in the same way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long nothing may have been done any more before the application counts as done, in
    /// milliseconds.
    #[serde(default = "settle_ms_default")]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub settle_ms: u64,
    /// What it did.
    pub effects: Effects,
}

/// Where what an application did is read: from a topic, or as a command lists it. Each record
/// of the topic, and each line of the listing, is one effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "effects"))]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// The topic that it writes. Goes with `id` or `header`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The JSON pointer (RFC 6901) of the identity in a value of that topic; `""` where the
    /// value is the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The header of a record of that topic that is the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A program and its arguments that list the identities of what was done, one a line; what
    /// was done twice stands there twice. Its environment is that of the application.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// How long that may take, in milliseconds.
    #[serde(default = "limit_ms_default")]
    #[cfg_attr(test, schemars(range(min = 1, max = crate::schema::DURATION_MS_MAX)))]
    pub limit_ms: u64,
}

const fn settle_ms_default() -> u64 {
    3000
}

const fn limit_ms_default() -> u64 {
    10_000
}

/// A key of `[app]` or, with `effects` before it, of `[app.effects]`, and the error in its
/// value.
pub(super) type BadAppKey = (&'static [&'static str], String);

impl App {
    /// What is wrong with it in this scenario.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<(), BadAppKey> {
        if self.command.first().is_none_or(String::is_empty) {
            let why = "it is started by ackproof: name the program and its arguments";
            return Err((&["command"], why.to_owned()));
        }
        self.check_topics(scenario)?;
        let known = scenario.members_of(&self.group).is_some();
        if known || self.group.is_empty() {
            let why = if known {
                format!("`{}` is a group of the scenario's own", self.group)
            } else {
                "the group whose commits are looked at has a name".to_owned()
            };
            return Err((&["group"], why));
        }
        self.check_template()?;
        self.effects.check()
    }

    fn check_topics(&self, scenario: &Scenario) -> Result<(), BadAppKey> {
        let key: &[&str] = &["topic"];
        scenario
            .check_topic(&self.topic)
            .map_err(|why| (key, why))?;
        let mut producers = scenario.producers.iter();
        if !producers.any(|it| it.topic == self.topic) {
            let why = format!(
                "nothing is sent to `{}`: add a [[producer]] with that `topic`",
                self.topic
            );
            return Err((key, why));
        }
        let mut producers = scenario.producers.iter();
        if producers.any(|it| it.topics().any(|to| *to == self.topic) && !it.also_to.is_empty()) {
            let why = "its records are made of a template: a producer of it has no `also_to`";
            return Err((key, why.to_owned()));
        }
        let mut own = vec![(key, &self.topic)];
        own.extend(self.effects.topic.iter().map(|it| {
            let key: &[&str] = &["effects", "topic"];
            (key, it)
        }));
        if let Some(output) = &self.effects.topic {
            let key: &[&str] = &["effects", "topic"];
            scenario.check_topic(output).map_err(|why| (key, why))?;
            if *output == self.topic {
                let why = format!("it reads `{output}`: what it did is read elsewhere");
                return Err((key, why));
            }
            let mut producers = scenario.producers.iter();
            if producers.any(|it| it.topics().any(|to| to == output)) {
                let why = format!("only the application writes to `{output}`: send elsewhere");
                return Err((key, why));
            }
        }
        for (key, topic) in own {
            let read = scenario.groups.iter().map(|it| (&it.name, &it.topic));
            let transforms = scenario.transforms.iter();
            let transforms = transforms.flat_map(|it| [(&it.name, &it.from), (&it.name, &it.to)]);
            if let Some((name, _)) = read.chain(transforms).find(|(_, it)| *it == topic) {
                let why =
                    format!("`{topic}` is for the application alone, and `{name}` uses it too");
                return Err((key, why));
            }
            if scenario.table_of(topic).is_some() {
                let why = format!("`{topic}` carries change events, and no template's records");
                return Err((key, why));
            }
        }
        Ok(())
    }

    fn check_template(&self) -> Result<(), BadAppKey> {
        let value: &[&str] = &["value"];
        let templates = std::iter::once((value, &self.value))
            .chain(self.key.iter().map(|it| (&["key"] as &[&str], it)))
            .chain(
                self.headers
                    .values()
                    .map(|it| (&["headers"] as &[&str], it)),
            );
        for (key, template) in templates {
            if let Some(word) = unknown_placeholder(template) {
                let near = nearest(word, ["{id}", "{number}", "{key}"]);
                let near = near.unwrap_or("{id}");
                let why = format!(
                    "there is no placeholder `{word}`; did you mean `{near}`? There are `{{id}}`, \
                     `{{number}}` and `{{key}}`"
                );
                return Err((key, why));
            }
        }
        if !carries_id(&self.value) {
            let why = "a record is recognised by its identity: put `{id}` where your application \
                       keeps one, as in `{\"order_id\": \"{id}\"}`";
            return Err((value, why.to_owned()));
        }
        Ok(())
    }

    /// What records to its topic are made of.
    pub fn template(&self, scenario: &Scenario) -> RecordTemplate {
        RecordTemplate {
            value: self.value.clone(),
            key: self.key.clone(),
            headers: self.headers.clone(),
            keys: scenario.producers.iter().map(|it| it.keys).collect(),
        }
    }
}

/// Why a listing says nothing of where an identity stands.
const OF_A_TOPIC: &str = "a listing has one identity in each line, and nothing else: `id` and \
                          `header` are for a `topic`";

impl Effects {
    fn check(&self) -> Result<(), BadAppKey> {
        let of = |key: &'static [&'static str], why: &str| Err((key, why.to_owned()));
        match (&self.topic, self.command.is_empty()) {
            (None, true) => of(
                &["effects"],
                "what the application did is read where it did it: `topic` with `id` or \
                 `header`, or `command`",
            ),
            (Some(_), false) => of(
                &["effects", "command"],
                "what it did is read in one place: leave `topic` or `command` out",
            ),
            (Some(_), true) => match (&self.id, &self.header) {
                (None, None) => of(
                    &["effects", "topic"],
                    "say where the identity stands in it: `id = \"/order_id\"` in the value, or \
                     `header = \"x-id\"`",
                ),
                (Some(_), Some(_)) => of(
                    &["effects", "header"],
                    "the identity stands in one place: leave `id` or `header` out",
                ),
                (Some(id), None) if !(id.is_empty() || id.starts_with('/')) => of(
                    &["effects", "id"],
                    "a JSON pointer begins with `/`, as in `/order/id`",
                ),
                _ => Ok(()),
            },
            (None, false) if self.id.is_some() => of(&["effects", "id"], OF_A_TOPIC),
            (None, false) if self.header.is_some() => of(&["effects", "header"], OF_A_TOPIC),
            (None, false) => Ok(()),
        }
    }
}

impl Scenario {
    /// That there is an application that a fault can act on.
    pub(super) fn check_app(&self) -> Result<(), BadKey> {
        match self.app {
            Some(_) => Ok(()),
            None => Err(("kind", "there is no application: add [app]".to_owned())),
        }
    }
}
