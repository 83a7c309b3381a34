//! The rules: each a name, words, and a function that looks at the landscape. One file a
//! family.

use serde::Serialize;

use crate::component::{Component, Origin};
use crate::landscape::{Effective, From, Landscape};

mod brokers;
mod clients;
mod cluster;
mod connect;
mod consumers;
mod debezium;
mod files;
mod postgres;
mod producers;
mod streams;
mod topics;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth to know.
    Note,
    /// A guarantee is weaker than it looks, in some circumstances.
    Warning,
    /// Records get lost, double, out of order, or nothing works.
    Error,
}

impl Severity {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// It depends on what the application does, which no configuration tells.
    Possible,
    /// It rests on an assumed version.
    Likely,
    /// It follows from what was read.
    Certain,
}

impl Confidence {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name.
    pub id: &'static str,
    /// How bad what it finds is, where the finding does not say otherwise.
    pub severity: Severity,
    /// How sure it is at best.
    pub confidence: Confidence,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What can happen.
    pub consequence: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Where it is written.
    pub source: &'static str,
    /// The scenario that shows it, and the one that shows the remedy.
    pub shown_by: &'static [&'static str],
    /// What finds it.
    pub check: fn(&Landscape, &mut Hits),
}

/// What a rule found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The component's label.
    pub component: String,
    /// The file, or the address.
    pub file: String,
    /// Where, if it is at a place.
    pub origin: Option<Origin>,
    /// The key, with its way to it where it is set.
    pub key: String,
    /// What was read, and what is usual.
    pub says: String,
    /// How bad.
    pub severity: Option<Severity>,
    /// Whether it rests on an assumed version.
    pub is_assumed: bool,
    /// The client that a demonstration has to use.
    pub client: Option<crate::product::Software>,
    /// The scenarios that show it, where they are not all of the rule's.
    pub shown_by: Option<&'static [&'static str]>,
}

/// Collects what a rule finds.
#[derive(Debug, Default)]
pub struct Hits(pub Vec<Hit>);

impl Hits {
    /// A finding at a value in force.
    pub(crate) fn at(&mut self, component: &Component, value: &Effective<'_>) -> &mut Hit {
        let (origin, key) = match &value.from {
            From::Set(setting) => (Some(setting.origin.clone()), setting.path.clone()),
            From::Default { .. } => (None, value.key.to_string()),
        };
        let hit = Hit {
            component: component.label(),
            file: component.file.clone(),
            origin,
            key,
            says: value.words(),
            severity: None,
            is_assumed: matches!(
                value.from,
                From::Default {
                    is_assumed: true,
                    ..
                }
            ),
            client: component.software.clone(),
            shown_by: None,
        };
        self.push(hit)
    }

    /// A finding at a component, about a key that it does not have.
    pub(crate) fn on(
        &mut self,
        component: &Component,
        key: &str,
        says: impl Into<String>,
    ) -> &mut Hit {
        let first = component.settings.first();
        let hit = Hit {
            component: component.label(),
            file: component.file.clone(),
            origin: first.map(|it| it.origin.clone()),
            key: key.to_owned(),
            says: says.into(),
            severity: None,
            is_assumed: false,
            client: component.software.clone(),
            shown_by: None,
        };
        self.push(hit)
    }

    fn push(&mut self, hit: Hit) -> &mut Hit {
        let at = self.0.len();
        self.0.push(hit);
        &mut self.0[at]
    }
}

impl Hit {
    /// Adds to what was read.
    pub(crate) fn and(&mut self, words: impl AsRef<str>) -> &mut Self {
        self.says.push_str("; ");
        self.says.push_str(words.as_ref());
        self
    }

    /// Some of the rule's scenarios, where it is about several things.
    pub(crate) fn shown_by(&mut self, scenarios: &'static [&'static str]) -> &mut Self {
        self.shown_by = Some(scenarios);
        self
    }

    /// Another severity than the rule's.
    pub(crate) fn as_severe(&mut self, severity: Severity) -> &mut Self {
        self.severity = Some(severity);
        self
    }
}

/// All families in the order of the reference.
const FAMILIES: [(&str, &[Rule]); 11] = [
    ("Producers", producers::RULES),
    ("Consumers", consumers::RULES),
    ("Clients side by side", clients::RULES),
    ("Brokers", brokers::RULES),
    ("Internal topics and the cluster", cluster::RULES),
    ("Topics", topics::RULES),
    ("Kafka Connect", connect::RULES),
    ("Debezium", debezium::RULES),
    ("PostgreSQL", postgres::RULES),
    ("Streams and MirrorMaker", streams::RULES),
    ("Files", files::RULES),
];

/// The families, by their titles.
pub fn families() -> impl Iterator<Item = (&'static str, &'static [Rule])> {
    FAMILIES.into_iter()
}

/// All rules.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|(_, rules)| rules.iter())
}

/// A rule by its name.
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|it| it.id.eq_ignore_ascii_case(id))
}

/// The name of a rule that may be meant.
pub fn nearest(id: &str) -> Option<&'static str> {
    let near = all().map(|it| (strsim::damerau_levenshtein(it.id, id), it.id));
    let near = near.min_by_key(|(distance, _)| *distance)?;
    (near.0 <= 3).then_some(near.1)
}

/// A number with its unit, as people read it.
fn duration_ms(ms: i64) -> String {
    match ms {
        ms if ms % 86_400_000 == 0 && ms > 0 => format!("{} d", ms / 86_400_000),
        ms if ms % 3_600_000 == 0 && ms > 0 => format!("{} h", ms / 3_600_000),
        ms if ms % 1000 == 0 && ms > 0 => format!("{} s", ms / 1000),
        ms => format!("{ms} ms"),
    }
}

/// A number of a promise as Kafka counts.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_names_words_and_sources_of_their_own() {
        let mut names = std::collections::BTreeSet::new();
        for rule in all() {
            assert!(names.insert(rule.id), "{} twice", rule.id);
            let words = [rule.title, rule.consequence, rule.fix, rule.source];
            assert!(words.iter().all(|it| !it.is_empty()), "{}", rule.id);
            assert!(!rule.title.ends_with('.'), "{}", rule.id);
        }
        assert!(names.len() >= 60, "{} rules", names.len());
        assert_eq!(nearest("acks-leadr-only"), Some("acks-leader-only"));
        assert_eq!(nearest("something-else"), None);
    }
}
