//! A plan in words: its parts, and when something happens; each fault has its
//! own words. Knows nothing of how a name is set off from the words around it.

mod parts;

use std::fmt;

use super::Trigger;

pub use parts::{
    app, cluster, connector, database, group, producer, quota, topic, transform, write,
};

/// A piece of a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Words.
    Plain(String),
    /// A name, exactly as it is typed.
    Name(String),
}

/// Words with names among them. Printed, it is one line of plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase(Vec<Word>);

impl Phrase {
    /// The pieces, in order.
    pub fn words(&self) -> &[Word] {
        &self.0
    }

    pub(super) fn plain(mut self, words: impl Into<String>) -> Self {
        self.0.push(Word::Plain(words.into()));
        self
    }

    pub(super) fn phrase(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    pub(super) fn name(mut self, name: impl fmt::Display) -> Self {
        self.0.push(Word::Name(name.to_string()));
        self
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| match word {
            Word::Plain(text) | Word::Name(text) => f.write_str(text),
        })
    }
}

pub(super) fn plain(words: impl Into<String>) -> Phrase {
    Phrase::default().plain(words)
}

/// A member of a group, by the number that scenarios give it; one that was
/// started again is told from the one before. With hyphens for spaces, and the
/// group before it, it is the name of its process's log.
pub fn member(number: u32, incarnation: u32) -> String {
    match incarnation {
        1 => format!("member {number}"),
        again => format!("member {number} incarnation {again}"),
    }
}

/// When something happens.
pub fn trigger(trigger: &Trigger) -> Phrase {
    match trigger {
        Trigger::Acknowledged(count) => {
            plain(format!("after {}", counted(*count, "acknowledged record")))
        }
        Trigger::Processed { group, percent } => plain("when ")
            .name(group)
            .plain(format!(" has processed {percent} % of all records")),
        Trigger::Captured(count) => plain(format!(
            "when {} can be read",
            counted(*count, "change event")
        )),
        Trigger::ElapsedMs(ms) => plain(format!("{} after traffic began", duration_ms(*ms))),
        Trigger::Injected(number) => plain(format!("when fault {number} is in force")),
        Trigger::Healed(number) => plain(format!("after fault {number} is healed")),
        Trigger::InSync {
            topic,
            partition,
            replicas,
        } => plain("when ")
            .name(format!("{topic}/{partition}"))
            .plain(format!(
                " has no more than {}",
                counted(u64::from(*replicas), "in-sync replica")
            )),
    }
}

/// `0.3 s`, `12 s`; milliseconds below a tenth of a second.
pub fn duration_ms(ms: u64) -> String {
    if ms < 100 {
        return format!("{ms} ms");
    }
    if ms.is_multiple_of(1000) {
        return format!("{} s", ms / 1000);
    }
    let tenths = ms.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// Words as a POSIX shell takes them: what is more than letters, digits and
/// `._-/` is quoted.
pub fn shell_words(words: &[String]) -> String {
    let quoted = |word: &String| {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        if !word.is_empty() && word.chars().all(is_safe) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// `1 record`, `2 records`.
pub fn counted(count: u64, one: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_they_are_long() {
        let shown: Vec<String> = [0, 99, 100, 4_249, 4_250, 10_000, 59_960]
            .into_iter()
            .map(duration_ms)
            .collect();
        assert_eq!(
            shown,
            ["0 ms", "99 ms", "0.1 s", "4.2 s", "4.3 s", "10 s", "60.0 s"]
        );
    }

    #[test]
    fn a_phrase_knows_its_names() {
        let group = "billing".to_owned();
        let when = trigger(&Trigger::Processed { group, percent: 40 });
        assert_eq!(
            when.to_string(),
            "when billing has processed 40 % of all records"
        );
        assert_eq!(when.words()[1], Word::Name("billing".to_owned()));
    }
}
