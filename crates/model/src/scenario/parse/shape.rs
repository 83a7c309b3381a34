//! A file's keys and values against `docs/reference/scenario.schema.json`, in the words of
//! the format: unknown and missing keys, wrong types, values out of bounds. Knows nothing
//! of rules across tables.

use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Misfit, nearest};
use crate::scenario::settings;

/// The format, as editors read it.
const SCHEMA: &str = include_str!("../../../schema/scenario.schema.json");

static FORMAT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SCHEMA).unwrap_or_default());

/// The first error: keys and values in the order of the file, and only then missing keys.
pub(super) fn misfit(document: &Spanned<DeTable<'_>>) -> Option<Misfit> {
    let mut walk = Walk {
        misfits: Vec::new(),
    };
    walk.table(&Place::Top, document.get_ref(), &document.span(), &FORMAT);
    let first = walk
        .misfits
        .into_iter()
        .min_by_key(|(rank, (span, _))| (*rank, span.start));
    first.map(|(_, misfit)| misfit)
}

/// The order of errors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It stands in the file.
    Wrong,
    /// It does not.
    Missing,
}

struct Walk {
    misfits: Vec<(Rank, Misfit)>,
}

/// Where a key stands, as the user writes it.
#[derive(Clone)]
enum Place {
    Top,
    /// `[topology]`, `[[topic]]`.
    Table(String),
    /// The value of a key.
    Key(String),
    /// Kafka's settings.
    Config(String),
}

impl Place {
    fn words(&self) -> String {
        match self {
            Self::Top => "a scenario".to_owned(),
            Self::Table(header) => header.clone(),
            Self::Key(key) | Self::Config(key) => format!("`{key}`"),
        }
    }
}

impl Walk {
    fn wrong(&mut self, span: Range<usize>, message: String) {
        self.misfits.push((Rank::Wrong, (span, message)));
    }

    fn table(&mut self, place: &Place, table: &DeTable<'_>, span: &Range<usize>, schema: &Value) {
        if schema["additionalProperties"].is_object() {
            return self.settings(place, table);
        }
        let mut rules = Rules::default();
        rules.collect(table, schema);
        let known = known_keys(schema, rules.names);
        let required = strings(&schema["required"]).map(|key| (key, None));
        let mut missing = required.chain(rules.required);
        let missing: Vec<(&str, Option<When<'_>>)> = missing
            .by_ref()
            .filter(|(key, _)| !table.contains_key(*key))
            .collect();
        let mut strange = false;
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let forbidden = rules.forbidden.iter().find(|(key, _)| *key == name);
            if let Some((_, when)) = forbidden.filter(|_| known.contains(&name)) {
                let message = match when {
                    When {
                        key,
                        words,
                        holds: true,
                    } => {
                        format!(
                            "`{name}` means nothing with `{key} = {}`: leave it out",
                            either(words)
                        )
                    }
                    When { key, words, .. } => {
                        format!("`{name}` goes with `{key} = {}` only", either(words))
                    }
                };
                self.wrong(key.span(), message);
            } else if known.contains(&name) {
                self.value(place, name, value, resolve(&schema["properties"][name]));
            } else {
                strange = true;
                let missing: Vec<&str> = missing.iter().map(|(key, _)| *key).collect();
                let unknown = Unknown {
                    place,
                    name,
                    value,
                    schema,
                    table,
                };
                let message = unknown.message(&known, &missing);
                self.wrong(key.span(), message);
            }
        }
        // The unknown key may be meant as the missing one.
        if let Some((key, when)) = missing.first().filter(|_| !strange) {
            let takes = takes(key, resolve(&schema["properties"][*key]));
            let who = match when {
                Some(When {
                    key: "kind",
                    words,
                    holds: true,
                }) => {
                    format!("a fault of kind `{}`", words.join("`, `"))
                }
                Some(When {
                    key,
                    words,
                    holds: true,
                }) => format!("`{key} = {}`", either(words)),
                _ => place.words(),
            };
            let message = format!("{who} needs the key `{key}`: {takes}");
            self.misfits.push((Rank::Missing, (span.clone(), message)));
        }
        if schema["maxProperties"] == 1 && table.len() != 1 {
            let named: Vec<&str> = table.keys().map(|key| key.get_ref().as_ref()).collect();
            let message = match named.as_slice() {
                [] => format!("{} takes one of {}", place.words(), list(&known)),
                _ => format!(
                    "{} takes one of these, and has {}: leave one of them",
                    place.words(),
                    list(&named)
                ),
            };
            self.wrong(span.clone(), message);
        }
    }

    /// Kafka's own settings: names and texts.
    fn settings(&mut self, place: &Place, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let message = match value.get_ref() {
                DeValue::String(_) => continue,
                DeValue::Table(inner) => {
                    let (name, value) = dotted(name, inner);
                    let value = value.map_or_else(|| "\"…\"".to_owned(), |it| shown(&name, it));
                    format!("write `\"{name}\" = {value}`: a key with dots is quoted")
                }
                DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => format!(
                    "write `{} = {}`: the values in {} are texts in quotes",
                    quoted_key(name),
                    shown(name, value.get_ref()),
                    place.words()
                ),
                other => format!(
                    "`{name}` takes a text in quotes, not {}",
                    found(name, other)
                ),
            };
            self.wrong(value.span(), message);
        }
    }

    fn value(&mut self, place: &Place, key: &str, value: &Spanned<DeValue<'_>>, schema: &Value) {
        // A value of a wrong type is told all types that fit.
        let all = schema["oneOf"].as_array();
        let mut kinds = all.into_iter().flatten();
        let whole = schema;
        let schema = kinds
            .find(|it| has_type(value.get_ref(), it))
            .unwrap_or(schema);
        if !has_type(value.get_ref(), schema) {
            return self.wrong(value.span(), not_taken(key, value.get_ref(), whole));
        }
        match value.get_ref() {
            DeValue::String(word) => {
                let words: Vec<&str> = strings(&schema["enum"]).collect();
                if !words.is_empty() && !words.contains(&word.as_ref()) {
                    let message = if let Some(now) = renamed(word).filter(|it| words.contains(it)) {
                        format!("`{word}` is `{now}` now")
                    } else {
                        let meant = did_you_mean(word, &words);
                        let takes = takes(key, whole);
                        format!("`{key}` cannot be `{word}`{meant} It takes {takes}")
                    };
                    self.wrong(value.span(), message);
                }
            }
            DeValue::Integer(_) | DeValue::Float(_) => {
                if !in_bounds(value.get_ref(), schema) {
                    self.wrong(value.span(), not_taken(key, value.get_ref(), whole));
                }
            }
            DeValue::Array(all) => {
                let items = resolve(&schema["items"]);
                for item in all {
                    match item.get_ref() {
                        DeValue::Table(table) if items["type"] == "object" => {
                            let place = Place::Table(format!("[[{key}]]"));
                            self.table(&place, table, &item.span(), items);
                        }
                        _ => self.value(place, key, item, items),
                    }
                }
            }
            DeValue::Table(table) => {
                let place = match place {
                    _ if schema["additionalProperties"].is_object() => {
                        Place::Config(key.to_owned())
                    }
                    Place::Top => Place::Table(format!("[{key}]")),
                    _ => Place::Key(key.to_owned()),
                };
                self.table(&place, table, &value.span(), schema);
            }
            DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }
}

/// A key that a table does not have.
struct Unknown<'t, 's> {
    place: &'t Place,
    name: &'t str,
    value: &'t Spanned<DeValue<'t>>,
    schema: &'s Value,
    table: &'t DeTable<'t>,
}

impl Unknown<'_, '_> {
    fn message(&self, known: &[&str], missing: &[&str]) -> String {
        let Self {
            place,
            name,
            value,
            schema,
            ..
        } = *self;
        let kind = kind_of(self.table, schema);
        let whose = kind.map_or_else(|| place.words(), |kind| format!("a fault of kind `{kind}`"));
        let nothing = if matches!(place, Place::Top) {
            format!("there is no key `{name}`")
        } else {
            format!("{whose} has no key `{name}`")
        };
        let listed = list(known);
        if let Some(now) = renamed(name).filter(|now| known.contains(now)) {
            return format!("{nothing}: it is `{now}` now");
        }
        if let Some(near) = nearest(name, known.iter().copied()) {
            return format!("{nothing}; did you mean `{near}`? Its keys are {listed}");
        }
        // Kafka's settings have a table of their own.
        let (setting, set) = match value.get_ref() {
            DeValue::Table(inner) => dotted(name, inner),
            other => (name.to_owned(), Some(other)),
        };
        if schema["properties"]["config"].is_object() && settings::is_known(&setting) {
            let set = set.map_or_else(|| "\"…\"".to_owned(), |it| shown(&setting, it));
            let key = quoted_key(&setting);
            return format!(
                "write `config = {{ {key} = {set} }}`: `{setting}` is a setting of Kafka's"
            );
        }
        if let Some(other) = other_table(name).filter(|_| kind.is_none()) {
            return format!(
                "`{name}` is a key of {other}, not of {whose}, whose keys are {listed}"
            );
        }
        // The one that is missing, if that could be it.
        let mut fitting = missing.iter();
        let fitting =
            fitting.find(|key| has_type(value.get_ref(), resolve(&schema["properties"][**key])));
        match fitting {
            Some(near) => format!("{nothing}; did you mean `{near}`? Its keys are {listed}"),
            None => format!("{nothing}: its keys are {listed}"),
        }
    }
}

/// Which other table has a key of that name.
fn other_table(key: &str) -> Option<String> {
    let top = FORMAT["properties"].as_object()?;
    if let Some(schema) = top.get(key) {
        return Some(match schema["type"].as_str() {
            Some("array") => format!("the file: write [[{key}]] on a line of its own"),
            _ if schema["$ref"].is_string() => {
                format!("the file: write [{key}] on a line of its own")
            }
            _ => "the file: it stands before the first table".to_owned(),
        });
    }
    top.iter().find_map(|(name, schema)| {
        let several = resolve(&schema["items"]);
        let header = if several.is_object() {
            format!("[[{name}]]")
        } else {
            format!("[{name}]")
        };
        let one = if several.is_object() {
            several
        } else {
            resolve(schema)
        };
        one["properties"][key].is_object().then_some(header)
    })
}

/// Rules of a table: keys that other keys' values require or forbid.
#[derive(Default)]
struct Rules<'s> {
    required: Vec<(&'s str, Option<When<'s>>)>,
    forbidden: Vec<(&'s str, When<'s>)>,
    /// All keys that there are, where a word settles it.
    names: Option<&'s Value>,
}

/// A key has one of these words, or none of them.
#[derive(Clone)]
struct When<'s> {
    key: &'s str,
    words: Vec<&'s str>,
    holds: bool,
}

impl<'s> Rules<'s> {
    fn collect(&mut self, table: &DeTable<'_>, schema: &'s Value) {
        let all = schema["allOf"].as_array();
        for rule in all.into_iter().flatten().chain([schema]) {
            let Some(when) = When::of(table, rule) else {
                continue;
            };
            let branch = if when.holds {
                &rule["then"]
            } else {
                &rule["else"]
            };
            let required = strings(&branch["required"]);
            self.required
                .extend(required.map(|key| (key, Some(when.clone()))));
            let properties = branch["properties"].as_object();
            let forbidden = properties
                .into_iter()
                .flatten()
                .filter(|(_, it)| **it == false);
            self.forbidden
                .extend(forbidden.map(|(key, _)| (key.as_str(), when.clone())));
            if branch["propertyNames"].is_object() {
                self.names = Some(&branch["propertyNames"]["enum"]);
            }
            if branch["$ref"].is_string() {
                self.collect(table, resolve(branch));
            }
        }
    }
}

impl<'s> When<'s> {
    fn of(table: &DeTable<'_>, rule: &'s Value) -> Option<Self> {
        let (key, wanted) = rule["if"]["properties"].as_object()?.iter().next()?;
        let words: Vec<&str> = match wanted["const"].as_str() {
            Some(word) => vec![word],
            None => strings(&wanted["enum"]).collect(),
        };
        let word = table.get(key.as_str()).and_then(|it| it.get_ref().as_str());
        let holds = word.is_some_and(|word| words.contains(&word));
        Some(Self { key, words, holds })
    }
}

fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}

/// The kind of a table that has kinds, where it is one.
fn kind_of<'t>(table: &'t DeTable<'_>, schema: &Value) -> Option<&'t str> {
    let kind = table.get("kind")?.get_ref().as_str()?;
    strings(&schema["properties"]["kind"]["enum"])
        .any(|it| it == kind)
        .then_some(kind)
}

fn known_keys<'s>(schema: &'s Value, named: Option<&'s Value>) -> Vec<&'s str> {
    if let Some(named) = named {
        return strings(named).collect();
    }
    let properties = schema["properties"].as_object();
    let keys = properties.into_iter().flat_map(|it| it.keys());
    keys.map(String::as_str).collect()
}

fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let name = reference.trim_start_matches("#/$defs/");
            &FORMAT["$defs"][name]
        }
        None => schema,
    }
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn has_type(value: &DeValue<'_>, schema: &Value) -> bool {
    let wanted = schema["type"].as_str().unwrap_or_default();
    match value {
        DeValue::String(_) => wanted == "string",
        DeValue::Integer(_) => wanted == "integer" || wanted == "number",
        DeValue::Float(_) => wanted == "number",
        DeValue::Boolean(_) => wanted == "boolean",
        DeValue::Array(_) => wanted == "array",
        DeValue::Table(_) => wanted == "object",
        DeValue::Datetime(_) => false,
    }
}

/// The largest whole number that a file can hold, as a bound.
const WHOLE_MAX: f64 = 9_223_372_036_854_775_807.0;

fn in_bounds(value: &DeValue<'_>, schema: &Value) -> bool {
    let Some(number) = number(value) else {
        return false;
    };
    let bound = |key: &str| schema[key].as_f64();
    number.is_finite()
        && bound("minimum").is_none_or(|least| number >= least)
        && bound("maximum").is_none_or(|most| number <= most)
        && bound("exclusiveMinimum").is_none_or(|least| number > least)
        // A number that no counter of this program holds is too large in any case.
        && (schema["type"] != "integer" || number < WHOLE_MAX)
}

#[expect(clippy::cast_precision_loss, reason = "only compared with bounds")]
fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(digits) => {
            let number = i128::from_str_radix(digits.as_str(), digits.radix());
            Some(number.map_or(f64::INFINITY, |it| it as f64))
        }
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        _ => None,
    }
}

/// The message for a value of a wrong type, with a suggestion where one is plain.
fn not_taken(key: &str, value: &DeValue<'_>, schema: &Value) -> String {
    let takes = takes(key, schema);
    match value {
        DeValue::Table(_) if schema["type"] == "array" => {
            return format!("write [[{key}]] with two brackets: there may be several");
        }
        DeValue::Array(all) if schema["type"] == "object" => {
            let is_tables = all.iter().all(|it| it.get_ref().is_table());
            if is_tables && !all.is_empty() && FORMAT["properties"][key].is_object() {
                return format!("write [{key}] with one bracket: there is one");
            }
        }
        DeValue::String(text) => {
            let bare = match schema["type"].as_str() {
                Some("integer") if is_duration(key) => milliseconds(text),
                Some("integer") => text.trim().parse::<u64>().ok().map(|it| it.to_string()),
                Some("number") => text.trim().parse::<f64>().ok().map(|it| it.to_string()),
                Some("boolean") => {
                    Some(text.trim().to_lowercase()).filter(|it| it == "true" || it == "false")
                }
                Some("array") => Some(format!("[\"{text}\"]")),
                _ => None,
            };
            if let Some(bare) = bare {
                return format!("write `{key} = {bare}`: `{key}` takes {takes}");
            }
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)
            if schema["type"] == "string" && !schema["enum"].is_array() =>
        {
            return format!(
                "write `{key} = {}`: `{key}` takes {takes}",
                shown(key, value)
            );
        }
        _ => {}
    }
    format!("`{key}` takes {takes}, not {}", found(key, value))
}

fn is_duration(key: &str) -> bool {
    key.ends_with("_ms") || key.ends_with("-ms")
}

/// A duration that was written with its unit.
fn milliseconds(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let per_unit = match text.get(digits.len()..)?.trim() {
        "" | "ms" => 1.0,
        "s" | "sec" | "seconds" => 1_000.0,
        "m" | "min" | "minutes" => 60_000.0,
        "h" | "hours" => 3_600_000.0,
        _ => return None,
    };
    let ms = digits.parse::<f64>().ok()? * per_unit;
    (ms >= 0.0 && ms.fract() == 0.0 && ms < 1e15).then(|| format!("{ms:.0}"))
}

/// The accepted values of a key, in words.
fn takes(key: &str, schema: &Value) -> String {
    if let Some(all) = schema["oneOf"].as_array() {
        let each: Vec<String> = all.iter().map(|it| takes(key, it)).collect();
        return each.join(", or ");
    }
    let bounds = || {
        let least = schema["minimum"].as_i64();
        let most = schema["maximum"].as_i64();
        match (least, most) {
            (Some(least), Some(most)) => format!(" from {} to {}", grouped(least), grouped(most)),
            (Some(least), None) => format!(", at least {}", grouped(least)),
            _ => String::new(),
        }
    };
    match schema["type"].as_str() {
        Some("string") => {
            let words: Vec<&str> = strings(&schema["enum"]).collect();
            match words.as_slice() {
                [] => "a text in quotes".to_owned(),
                [only] => format!("`{only}`"),
                words => format!("one of {}", list(words)),
            }
        }
        Some("integer") if is_duration(key) => {
            format!("whole milliseconds{}, such as 3000", bounds())
        }
        Some("integer") => format!("a whole number{}", bounds()),
        Some("number") => "a number above 0 and at most 1".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => match resolve(&schema["items"])["enum"].as_array() {
            Some(_) => {
                let words: Vec<&str> = strings(&resolve(&schema["items"])["enum"]).collect();
                format!("a list in brackets of {}", list(&words))
            }
            None => format!("tables, each headed [[{key}]]"),
        },
        Some("object") => {
            let known = known_keys(schema, None);
            match known.as_slice() {
                [] => "a table, such as { \"KEY\" = \"VALUE\" }".to_owned(),
                keys if schema["maxProperties"] == 1 => {
                    format!("a table with one of {}", list(keys))
                }
                keys => format!("a table with {}", list(keys)),
            }
        }
        _ => "something else".to_owned(),
    }
}

/// The value found, in words.
fn found(key: &str, value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => shown(key, value),
        DeValue::Integer(digits) => match digits.radix() {
            10 => digits.as_str().to_owned(),
            _ => "that number".to_owned(),
        },
        DeValue::Float(digits) => digits.as_str().to_owned(),
        DeValue::Boolean(it) => it.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A value as a text in quotes, unless it may be a secret.
fn shown(key: &str, value: &DeValue<'_>) -> String {
    if secret::is_secret(key) {
        return "\"…\"".to_owned();
    }
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(digits) => format!("\"{}\"", digits.as_str()),
        DeValue::Float(digits) => format!("\"{}\"", digits.as_str()),
        DeValue::Boolean(it) => format!("\"{it}\""),
        _ => "\"…\"".to_owned(),
    }
}

/// The name that was meant by a key with dots and without quotes, and its
/// value.
fn dotted<'t>(key: &str, inner: &'t DeTable<'_>) -> (String, Option<&'t DeValue<'t>>) {
    let mut name = key.to_owned();
    let mut table = inner;
    loop {
        let Some((key, value)) = table.iter().next() else {
            return (name, None);
        };
        name = format!("{name}.{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            value => return (name, Some(value)),
        }
    }
}

/// A key as it is written: in quotes where it needs them.
fn quoted_key(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(is_bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

/// The name now of a key, a claim or a trigger that had another one.
fn renamed(name: &str) -> Option<&'static str> {
    const RENAMED: [(&str, &str); 7] = [
        ("batch_records", "max_poll_records"),
        ("commits-forward", "no-commit-regression"),
        ("drain_limit_ms", "drain_timeout_ms"),
        ("elapsed-ms", "elapsed_ms"),
        ("in-sync", "in_sync"),
        ("outcomes-told", "outcomes-reported"),
        ("relies_on", "requires_read_committed"),
    ];
    let mut all = RENAMED.into_iter();
    all.find(|(old, _)| *old == name).map(|(_, now)| now)
}

/// The word that was meant, if one is near, as the end of a sentence.
fn did_you_mean(word: &str, words: &[&str]) -> String {
    let lower = word.to_lowercase().replace('_', "-");
    let within = || words.iter().copied().find(|it| lower.contains(*it));
    match nearest(&lower, words.iter().copied()).or_else(within) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => ".".to_owned(),
    }
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// A number with its thousands set apart.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}
