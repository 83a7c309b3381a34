//! Kafka's own settings of topics, brokers, Connect workers and Java clients:
//! their names and accepted values, by the definitions in Kafka's jars
//! (`make settings` writes the table). Knows nothing of where they are set.

use std::sync::LazyLock;

use secret::shown;

use super::{Config, nearest};

/// Component, name, type, accepted values, default, `internal`.
const TABLE: &str = include_str!("settings/kafka.tsv");

/// The version of Kafka that the table is of.
pub const KAFKA: &str = "4.3";

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| TABLE.lines().filter_map(Setting::read).collect());

/// The component that has a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Whose {
    /// A topic's.
    Topic,
    /// A broker's.
    Broker,
    /// The Java producer's.
    Producer,
    /// The Java consumer's.
    Consumer,
    /// A Connect worker's.
    Worker,
}

impl Whose {
    /// As the table and messages have it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One setting, as Kafka defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The component that has it.
    pub whose: Whose,
    /// Its name.
    pub name: &'static str,
    /// Kafka's type of the value.
    pub kind: &'static str,
    /// The accepted values by its validator; empty where it has none.
    pub takes: &'static str,
    /// Its value where it is not set.
    pub default: &'static str,
}

/// An error in a setting's name or value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The name.
    Name(String),
    /// The value.
    Value(String),
}

impl Setting {
    fn read(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        Some(Self {
            whose: columns.next()?.parse().ok()?,
            name: columns.next()?,
            kind: columns.next()?,
            takes: columns.next()?,
            default: columns.next()?,
        })
    }

    /// The accepted values, where the value is not one of them; with the nearest one.
    fn refusal(&self, value: &str) -> Option<(String, Option<&'static str>)> {
        // Kafka takes numbers and words with space around them.
        let value = value.trim();
        let whole = |least: i64, most: i64| {
            let number: Option<i64> = value.parse().ok();
            number.is_some_and(|number| (least..=most).contains(&number))
        };
        let (is_of_type, words) = match self.kind {
            "short" => (whole(i16::MIN.into(), i16::MAX.into()), "a whole number"),
            "int" => (whole(i32::MIN.into(), i32::MAX.into()), "a whole number"),
            "long" => (whole(i64::MIN, i64::MAX), "a whole number"),
            "double" => {
                let number: Option<f64> = value.parse().ok();
                (number.is_some_and(f64::is_finite), "a number")
            }
            "boolean" => {
                let mut switch = ["true", "false"].iter();
                let is_switch = switch.any(|it| it.eq_ignore_ascii_case(value));
                (is_switch, "`true` or `false`")
            }
            _ => (true, ""),
        };
        if let Some((within, bounds)) = self.range() {
            let number: Option<f64> = value.parse().ok();
            let also = self.takes.split_once("] or ").map(|(_, also)| also);
            let fits = is_of_type && (number.is_some_and(within) || also == Some(value));
            let also = also.map_or_else(String::new, |it| format!(", or {it}"));
            return (!fits).then(|| (format!("{words}{bounds}{also}"), None));
        }
        if !is_of_type {
            return Some((words.to_owned(), None));
        }
        if self.takes.starts_with("non-") {
            return value.is_empty().then(|| ("something".to_owned(), None));
        }
        let words = self.words()?;
        let any_case = self.takes.starts_with("(case insensitive)");
        let is_one = |value: &str| {
            words.iter().any(|word| match word.split_once(':') {
                Some((before, _)) => value.starts_with(&format!("{before}:")),
                None if any_case => word.eq_ignore_ascii_case(value),
                None => *word == value,
            })
        };
        let is_list = self.kind == "list";
        let fits = if is_list {
            value.is_empty() || value.split(',').all(|it| is_one(it.trim()))
        } else {
            is_one(value)
        };
        (!fits).then(|| {
            let listed: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            let one = if is_list { "any of" } else { "one of" };
            let near = nearest(value, words.iter().copied());
            (format!("{one} {}", listed.join(", ")), near)
        })
    }

    /// `[0,...]`, `[0,...,1]`: whether a number is in it, and the same in
    /// words.
    fn range(&self) -> Option<(impl Fn(f64) -> bool + use<>, String)> {
        let inner = self.takes.strip_prefix('[')?;
        let inner = inner.split_once(']').map(|(inner, _)| inner)?;
        let (least, most) = inner.split_once(",...")?;
        let most = most.strip_prefix(',').unwrap_or(most);
        let bounds = (least.parse::<f64>().ok()?, most.parse::<f64>().ok());
        let words = match bounds.1 {
            Some(_) => format!(" from {least} to {most}"),
            None => format!(", at least {least}"),
        };
        let within =
            move |number: f64| number >= bounds.0 && bounds.1.is_none_or(|most| number <= most);
        Some((within, words))
    }

    /// `[compact, delete]`.
    fn words(&self) -> Option<Vec<&'static str>> {
        let listed = self.takes.trim_start_matches("(case insensitive) ");
        let listed = listed.strip_prefix('[')?.strip_suffix(']')?;
        (!listed.contains("...")).then(|| listed.split(", ").collect())
    }
}

/// A component's setting of that name.
pub fn find(whose: Whose, name: &str) -> Option<&'static Setting> {
    of(whose).find(|setting| setting.name == name)
}

/// All settings of a component.
pub fn of(whose: Whose) -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.whose == whose)
}

/// Whether any component has a setting of that name.
pub fn is_known(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name == name)
}

/// The component that has a setting of that name, in words for a user who gave it to
/// `whose`.
pub fn owner(name: &str, whose: Whose) -> Option<String> {
    let mut owners = SETTINGS
        .iter()
        .filter(|it| it.name == name && it.whose != whose);
    let owner = owners.next()?.whose;
    let place = match owner {
        Whose::Topic => "`config` of a [[topic]]",
        Whose::Broker => "`config` of [topology]",
        Whose::Producer => "`config` of a [[producer]]",
        Whose::Consumer => "`config` of a [[group]]",
        Whose::Worker => "`worker_config` of [capture]",
    };
    Some(format!(
        "`{name}` is a setting of a {}, not of a {}: it belongs in the {place}",
        owner.name(),
        whose.name()
    ))
}

/// The component's first setting that Kafka would not take.
pub fn first_misuse(whose: Whose, config: &Config) -> Option<(&str, Misuse)> {
    config.iter().find_map(|(name, value)| {
        let misuse = check(whose, name, value, config)?;
        Some((name.as_str(), misuse))
    })
}

/// The settings of clients that ackproof makes itself: a scenario has other keys for them,
/// or the records depend on them.
const SET_BY_US: [&str; 8] = [
    "bootstrap.servers",
    "group.id",
    "enable.auto.commit",
    "transactional.id",
    "key.serializer",
    "value.serializer",
    "key.deserializer",
    "value.deserializer",
];

/// The first setting that is ackproof's to set, whatever the client.
pub fn set_by_us(config: &Config) -> Option<(&str, Misuse)> {
    let mut names = config.keys().map(String::as_str);
    let name = names.find(|name| SET_BY_US.contains(name))?;
    let message = format!("`{name}` is set by ackproof itself: leave it out");
    Some((name, Misuse::Name(message)))
}

fn check(whose: Whose, name: &str, value: &str, all: &Config) -> Option<Misuse> {
    let Some(setting) = find(whose, name) else {
        return unknown(whose, name, all).map(Misuse::Name);
    };
    let (takes, near) = setting.refusal(value)?;
    let value = shown(name, value);
    Some(Misuse::Value(match near {
        Some(near) => {
            format!("`{name}` cannot be `{value}`; did you mean `{near}`? It takes {takes}")
        }
        None => format!("`{name}` takes {takes}, not `{value}`"),
    }))
}

fn unknown(whose: Whose, name: &str, all: &Config) -> Option<String> {
    if let Some(owner) = owner(name, whose) {
        // Brokers accept some settings of topics under the same name.
        return (whose != Whose::Worker).then_some(owner);
    }
    if is_of_a_plugin(whose, name, all) {
        return None;
    }
    let near = nearest(name, of(whose).map(|it| it.name));
    let nothing = format!("a {} has no setting `{name}`", whose.name());
    match near {
        Some(near) => Some(format!("{nothing}; did you mean `{near}`?")),
        // Converters, providers and extensions have settings of their own.
        None if whose == Whose::Worker => None,
        None => Some(format!("{nothing} in Kafka {KAFKA}")),
    }
}

/// Whether the setting belongs to a plugin class that the configuration names.
fn is_of_a_plugin(whose: Whose, name: &str, all: &Config) -> bool {
    let prefixes: &[&str] = match whose {
        Whose::Broker => &["listener.name.", "rsm.config.", "rlmm.config."],
        Whose::Worker => &[
            "producer.",
            "consumer.",
            "admin.",
            "key.converter.",
            "value.converter.",
            "header.converter.",
            "config.providers.",
            "config.storage.",
            "offset.storage.",
            "status.storage.",
            "listeners.https.",
        ],
        Whose::Topic | Whose::Producer | Whose::Consumer => &[],
    };
    let names_a_class = |key: &String| {
        [
            "class",
            "class.name",
            "reporters",
            "providers",
            "extension.classes",
            "interceptor.classes",
        ]
        .iter()
        .any(|end| key.ends_with(end))
    };
    let may_have_plugins = [Whose::Broker, Whose::Producer, Whose::Consumer].contains(&whose);
    let has_plugins = may_have_plugins && all.keys().any(names_a_class);
    has_plugins || prefixes.iter().any(|prefix| name.starts_with(prefix))
}
