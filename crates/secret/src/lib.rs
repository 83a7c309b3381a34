//! Recognises secrets, and keeps them out of all output.
//!
//! A configuration's secrets are known by their keys ([`is_secret`]), and are shown as
//! Kafka shows them: [`HIDDEN`]. Foreign text (a log, an error) is cleaned of the values
//! themselves ([`Secrets::scrub`]). Knows nothing of configurations' owners, or of files.

use std::borrow::Cow;
use std::ops::Range;

/// Shown in place of a secret, as in Kafka's own logs.
pub const HIDDEN: &str = "[hidden]";

/// A value of fewer characters is hidden by its key only: in a text it would be
/// part of too many words.
const SCRUBBED_CHARS_MIN: usize = 3;
/// A value of fewer characters is looked for as a whole word only.
const PART_CHARS_MIN: usize = 8;

/// Whether the value of a configuration key may open a door, by the names that
/// Kafka, its clients and connectors give to keys.
pub fn is_secret(key: &str) -> bool {
    const PARTS: [&str; 21] = [
        "passw",
        "passphrase",
        "passcode",
        "secret",
        "token",
        "jaas",
        "credential",
        "basic.auth",
        "authorization",
        "oauthbearer.config",
        "oauthbearer.assertion.claim",
        "user.info",
        "userinfo",
        "username",
        "apikey",
        "accesskey",
        "sslkey",
        "privatekey",
        "connection.string",
        "sas.key",
        "signature",
    ];
    const WORDS: [&str; 5] = ["pem", "pwd", "salt", "pin", "private"];
    /// Last words of keys about a secret whose value is none.
    const HARMLESS: [&str; 15] = [
        "ms",
        "seconds",
        "bytes",
        "enable",
        "enabled",
        "class",
        "type",
        "location",
        "path",
        "url",
        "source",
        "algorithm",
        "provider",
        "mechanism",
        "protocol",
    ];
    let key = key.to_ascii_lowercase();
    let words = || key.split(|c: char| !c.is_ascii_alphanumeric());
    let last = words().next_back().unwrap_or_default();
    if HARMLESS.contains(&last) {
        return false;
    }
    let dotted = key.replace(['_', '-', '/'], ".");
    last == "key"
        || words().any(is_misspelt)
        || PARTS.iter().any(|part| dotted.contains(part))
        || words().any(|word| WORDS.contains(&word))
        || (key.starts_with("ssl") && words().any(|word| word == "key"))
}

/// Whether a word is likely to be one of those that tell a secret, with a typing error in
/// it: a misspelt key is refused, and its value must not be shown either.
fn is_misspelt(word: &str) -> bool {
    const WORDS: [(&str, usize); 6] = [
        ("password", 2),
        ("passphrase", 2),
        ("credentials", 2),
        ("username", 1),
        ("secret", 1),
        ("token", 1),
    ];
    WORDS
        .iter()
        .any(|(known, errors)| strsim::damerau_levenshtein(word, known) <= *errors)
}

/// A setting's value as it may be shown.
pub fn shown<'v>(key: &str, value: &'v str) -> Cow<'v, str> {
    if is_secret(key) && !value.is_empty() {
        Cow::Borrowed(HIDDEN)
    } else {
        redacted(value)
    }
}

/// A text without the values that stand in it beside the key of a secret
/// (`password=…`, `"ssl.key" = "…"`) and without the user info of addresses
/// (`http://user:password@host`).
pub fn redacted(text: &str) -> Cow<'_, str> {
    replaced(text, spans(text), |_| HIDDEN.to_owned())
}

/// The same with each character replaced, so that everything stays in its
/// place.
pub fn masked(text: &str) -> Cow<'_, str> {
    replaced(text, spans(text), |secret| {
        let mask = |c: char| if c == '\n' { c } else { '*' };
        secret.chars().map(mask).collect()
    })
}

fn replaced(text: &str, spans: Vec<Range<usize>>, with: impl Fn(&str) -> String) -> Cow<'_, str> {
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for span in spans {
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str(&with(text.get(span.clone()).unwrap_or_default()));
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where secrets stand in a text, in order and apart from each other.
fn spans(text: &str) -> Vec<Range<usize>> {
    let mut found = user_infos(text);
    found.extend(values(text));
    found.sort_by_key(|span| (span.start, span.end));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for span in found {
        match apart.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ if span.is_empty() => {}
            _ => apart.push(span),
        }
    }
    apart
}

/// `user:password` in `scheme://user:password@host`.
fn user_infos(text: &str) -> Vec<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || "\"'<>`\\".contains(c);
    let after_scheme = text.match_indices("://").map(|(at, it)| at + it.len());
    after_scheme
        .filter_map(|start| {
            let rest = text.get(start..)?;
            let whole = rest.get(..rest.find(ends).unwrap_or(rest.len()))?;
            let host = whole.get(..whole.find(['/', '?', '#']).unwrap_or(whole.len()))?;
            // A password may have an unescaped slash in it; a port has nothing but digits.
            let port = host.split_once(':').map_or("", |(_, port)| port);
            let odd = port.bytes().any(|byte| !byte.is_ascii_digit());
            let at = host
                .rfind('@')
                .or_else(|| whole.rfind('@').filter(|_| odd))?;
            Some(start..start + at)
        })
        .collect()
}

/// The values that stand behind the key of a secret and `=` or `:`.
fn values(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let of_key = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let mut at = 0;
    while let Some(sign) = text.get(at..).and_then(|rest| rest.find(['=', ':'])) {
        let sign = at + sign;
        at = sign + 1;
        let before = text
            .get(..sign)
            .unwrap_or_default()
            .trim_end_matches([' ', '\t']);
        // Keys may be quoted, each part of a dotted one by itself.
        let quoted = |c: char| c == '"' || c == '\'' || c == '\\' || of_key(c);
        let key = before.chars().rev().take_while(|c| quoted(*c));
        let key: Vec<char> = key.filter(|c| of_key(*c)).collect();
        let key: String = key.into_iter().rev().collect();
        if key.is_empty() || !is_secret(&key) {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        let rest = rest.strip_prefix('>').map_or(rest, |rest| rest);
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let start = text.len() - rest.len() + blank;
        let value = value_at(text, start, key.contains("jaas"));
        at = at.max(value.end);
        found.push(value);
    }
    found
}

/// The value that begins there, without its quotes.
fn value_at(text: &str, start: usize, to_end_of_line: bool) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    for quote in ["\"\"\"", "'''", "\\\"", "\"", "'"] {
        let Some(inner) = rest.strip_prefix(quote) else {
            continue;
        };
        let begin = start + quote.len();
        let mut escaped = false;
        for (offset, c) in inner.char_indices() {
            if escaped {
                escaped = false;
            } else if inner.get(offset..).is_some_and(|it| it.starts_with(quote)) {
                return begin..begin + offset;
            } else if c == '\\' && !quote.starts_with('\'') {
                escaped = true;
            } else if c == '\n' && quote.len() < 3 {
                return begin..begin + offset;
            }
        }
        return begin..text.len();
    }
    let ends = |c: char| {
        if to_end_of_line || rest.starts_with(['{', '[']) {
            c == '\n'
        } else {
            c.is_whitespace() || ",;&)}]\"'`".contains(c)
        }
    };
    start..start + rest.find(ends).unwrap_or(rest.len())
}

/// Values that must not be written anywhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The longest first: one may be a part of another.
    values: Vec<String>,
}

/// Tells how many there are, and nothing of them.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

impl Secrets {
    /// The secrets of some settings, by key and value.
    pub fn of<'s>(settings: impl IntoIterator<Item = (&'s str, &'s str)>) -> Self {
        let mut values = Vec::new();
        for (key, value) in settings {
            if is_secret(key) {
                add(&mut values, value);
            }
            for span in spans(value) {
                let part = value.get(span).unwrap_or_default();
                add(&mut values, part);
                if let Some((_, password)) = part.split_once(':') {
                    add(&mut values, password);
                }
            }
        }
        Self { values }.sorted()
    }

    /// The secrets that stand in a text beside their keys.
    pub fn in_text(text: &str) -> Self {
        let mut values = Vec::new();
        for span in spans(text) {
            add(&mut values, text.get(span).unwrap_or_default());
        }
        Self { values }.sorted()
    }

    /// Those of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.values.extend(other.values);
        self.sorted()
    }

    fn sorted(mut self) -> Self {
        self.values
            .sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.values.dedup();
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether this is one of them, and nothing else.
    pub fn is_one(&self, text: &str) -> bool {
        self.values.iter().any(|value| value == text)
    }

    /// A text without them.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_one(text) {
            return Cow::Borrowed(HIDDEN);
        }
        let mut text = Cow::Borrowed(text);
        for value in &self.values {
            let found = occurrences(&text, value);
            if !found.is_empty() {
                let clean = replaced(&text, found, |_| HIDDEN.to_owned()).into_owned();
                text = Cow::Owned(clean);
            }
        }
        text
    }
}

/// Adds a value in the forms in which it may be written.
fn add(values: &mut Vec<String>, value: &str) {
    let whole = value.trim();
    if whole.is_empty() || whole == HIDDEN {
        return;
    }
    let escaped = |of: &str| -> String {
        let escape = |c: char| match c {
            '"' | '\\' => format!("\\{c}"),
            '\n' => "\\n".to_owned(),
            c => c.to_string(),
        };
        of.chars().map(escape).collect()
    };
    values.push(value.to_owned());
    values.push(whole.to_owned());
    values.push(escaped(whole));
    // A log is written, and cleaned, line by line.
    let lines = whole.lines().map(str::trim);
    values.extend(
        lines
            .filter(|line| line.chars().count() >= PART_CHARS_MIN)
            .map(str::to_owned),
    );
}

fn occurrences(text: &str, value: &str) -> Vec<Range<usize>> {
    let chars = value.chars().count();
    if chars < SCRUBBED_CHARS_MIN {
        return Vec::new();
    }
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(value)
        .map(|(start, found)| start..start + found.len())
        .filter(|span| {
            chars >= PART_CHARS_MIN
                || !joins(text.get(..span.start).and_then(|it| it.chars().next_back()))
                    && !joins(text.get(span.end..).and_then(|it| it.chars().next()))
        })
        .collect()
}
