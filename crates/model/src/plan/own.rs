//! The names that a run creates on a user's cluster: their prefix, and the names of a plan
//! that have it. Nothing else is ever deleted there. Knows nothing of clusters.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ScenarioPlan;
use crate::ids::{GroupId, RunId, TopicName};
use crate::scenario::Scenario;

/// What prefixes begin with where the user does not say.
const MARK: &str = "ackproof-";
/// The longest such beginning.
const MARK_CHARS_MAX: usize = 100;
/// Digits of a [`RunId`].
const RUN_CHARS: usize = 16;
/// Kafka's limit for a topic's name (`Topic.MAX_NAME_LENGTH`).
const TOPIC_NAME_MAX: usize = 249;

/// What the names of a run begin with on a user's cluster, for those with naming rules or
/// prefixed ACLs; `ackproof-` where the user does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMark(String);

impl Default for NameMark {
    fn default() -> Self {
        Self(MARK.to_owned())
    }
}

/// Something that names cannot begin with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "names cannot begin with `{0}`: 1 to {MARK_CHARS_MAX} letters, digits, `.`, `_` and `-`, and \
     nothing like `-1-` behind 16 digits"
)]
pub struct BadMark(String);

impl std::str::FromStr for NameMark {
    type Err = BadMark;

    fn from_str(text: &str) -> Result<Self, BadMark> {
        let is_of_names = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let fits = (1..=MARK_CHARS_MAX).contains(&text.len()) && text.chars().all(is_of_names);
        let mark = Self(text.to_owned());
        // Which run a prefix belongs to has to be told.
        let prefix = format!("{text}{}-1-x-", RunId::new(0));
        let is_told = parts(&prefix).is_some_and(|it| it.mark == text);
        if fits && is_told {
            Ok(mark)
        } else {
            Err(BadMark(text.to_owned()))
        }
    }
}

impl fmt::Display for NameMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A prefix taken apart.
struct Parts<'t> {
    mark: &'t str,
    run: &'t str,
}

/// The first place at which a run and a number stand.
fn parts(text: &str) -> Option<Parts<'_>> {
    let inner = text.strip_suffix('-')?;
    let is_there = |at: &usize| {
        let Some(run) = inner.get(*at..at + RUN_CHARS) else {
            return false;
        };
        let rest = inner.get(at + RUN_CHARS..).unwrap_or_default();
        let number = rest.strip_prefix('-').and_then(|it| it.split_once('-'));
        run.parse::<RunId>().is_ok()
            && number.is_some_and(|(number, _)| number.parse::<usize>().is_ok())
    };
    let at = (1..inner.len()).find(is_there)?;
    Some(Parts {
        mark: inner.get(..at)?,
        run: inner.get(at..at + RUN_CHARS)?,
    })
}

/// The prefix of the names of one scenario of one run: `ackproof-RUN-N-SCENARIO-`, where N
/// is its number in the plan.
///
/// The run's identity is random, and its scenarios are numbered: no two
/// scenarios, repetitions or runs share a prefix, and none is a beginning of
/// another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OwnPrefix(String);

/// Something that is no [`OwnPrefix`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not what names of a run's own begin with")]
pub struct NotOwn(String);

impl OwnPrefix {
    /// The prefix of the scenario of this number of a run. The scenario's name
    /// is cut where a topic's would become too long for Kafka.
    pub fn new(mark: &NameMark, run: RunId, number: usize, scenario: &Scenario) -> Self {
        let topics = scenario.topics.iter().map(|topic| topic.name.len());
        let head = format!("{mark}{run}-{number}-");
        let taken = head.len() + 1 + topics.max().unwrap_or(0);
        let room = TOPIC_NAME_MAX.saturating_sub(taken);
        let name: String = scenario.name.chars().take(room).collect();
        Self(format!("{head}{name}-"))
    }

    /// Whether the prefix belongs to that run.
    pub fn is_of(&self, run: RunId) -> bool {
        parts(&self.0).is_some_and(|it| it.run == run.to_string())
    }

    /// What it begins with: the same for all names of its run, and of others.
    pub fn mark(&self) -> &str {
        parts(&self.0).map_or(MARK, |it| it.mark)
    }

    /// That name, with the prefix before it.
    pub fn before(&self, name: &str) -> String {
        format!("{self}{name}")
    }

    /// Whether a name begins with the prefix, and goes on.
    pub fn owns(&self, name: &str) -> bool {
        name.len() > self.0.len() && name.starts_with(&self.0)
    }
}

impl fmt::Display for OwnPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OwnPrefix {
    type Error = NotOwn;

    fn try_from(text: String) -> Result<Self, NotOwn> {
        if parts(&text).is_some() {
            Ok(Self(text))
        } else {
            Err(NotOwn(text))
        }
    }
}

impl From<OwnPrefix> for String {
    fn from(prefix: OwnPrefix) -> Self {
        prefix.0
    }
}

/// The names of everything that a scenario creates on a cluster. They all begin with the
/// scenario's prefix: there is no other way to make one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnNames {
    topics: Vec<TopicName>,
    groups: Vec<GroupId>,
}

impl OwnNames {
    /// Those of a plan; none for a plan without a prefix, whose brokers are
    /// ours with all that is in them.
    ///
    /// # Errors
    /// [`NotOwn`] for a name that does not begin with the plan's prefix, as in a
    /// plan that was edited.
    pub fn of(plan: &ScenarioPlan) -> Result<Self, NotOwn> {
        let Some(prefix) = &plan.prefix else {
            return Ok(Self::default());
        };
        let own = |name: &str| {
            if prefix.owns(name) {
                Ok(name.to_owned())
            } else {
                Err(NotOwn(name.to_owned()))
            }
        };
        let topics = plan.topics();
        Ok(Self {
            topics: topics
                .iter()
                .map(|topic| own(&topic.name).map(TopicName::new))
                .collect::<Result<_, _>>()?,
            groups: plan
                .groups()
                .map(|group| group.name)
                .chain(plan.scenario.app.iter().map(|app| app.group.as_str()))
                .map(|group| own(group).map(GroupId::new))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The topics.
    pub fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    /// The groups.
    pub fn groups(&self) -> &[GroupId] {
        &self.groups
    }

    /// The same without these: existing topics and groups of such a name that are not ours,
    /// or names that were never created.
    #[must_use]
    pub fn without(mut self, topics: &[TopicName], groups: &[GroupId]) -> Self {
        self.topics.retain(|topic| !topics.contains(topic));
        self.groups.retain(|group| !groups.contains(group));
        self
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.topics.extend(others.topics);
        self.groups.extend(others.groups);
        self
    }
}
