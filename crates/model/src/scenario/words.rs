//! Faults and their triggers in words, for whoever shows a plan. Knows nothing
//! of how a name is set off from the words around it.

use std::fmt;

use super::{CutOnset, Fault, FaultKind, RestartTasks, Scenario, Trigger};

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

    fn plain(mut self, words: impl Into<String>) -> Self {
        self.0.push(Word::Plain(words.into()));
        self
    }

    fn name(mut self, name: impl fmt::Display) -> Self {
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

fn plain(words: impl Into<String>) -> Phrase {
    Phrase::default().plain(words)
}

/// What a fault does, whether or not it is planned to have an effect.
pub fn fault(fault: &Fault, scenario: &Scenario) -> Phrase {
    match &fault.kind {
        FaultKind::BrokerRestart {
            broker,
            signal,
            down_ms,
        } => plain(format!(
            "broker {broker} is ended with {}, kept down for {}, and started again on the same \
             data",
            signal.name(),
            duration_ms(*down_ms)
        )),
        FaultKind::BrokerPause { broker, for_ms } => plain(format!(
            "broker {broker} is frozen (SIGSTOP) for {}; its connections stay open",
            duration_ms(*for_ms)
        )),
        FaultKind::DiskLoss { broker, topic } => plain(format!(
            "broker {broker} is killed, the partition directories of "
        ))
        .name(topic)
        .plain(" are deleted, and it is started again; the cluster's metadata stays"),
        FaultKind::NetworkCut { for_ms, onset } => plain(format!(
            "{}the proxy delivers nothing either way for {}, and new connections are not \
             answered; after that the old connections are dead",
            match onset {
                CutOnset::AtOnce => "",
                CutOnset::AnswersFirst => "an answer is lost on its way back, then ",
            },
            duration_ms(*for_ms)
        )),
        FaultKind::ConsumerRestart {
            group,
            member,
            signal,
            down_ms,
        } => plain(format!("member {member} of "))
            .name(group)
            .plain(format!(
                " is ended with {}, and a new one is started {} later",
                signal.name(),
                duration_ms(*down_ms)
            )),
        FaultKind::ConsumerZombie {
            group,
            member,
            for_ms,
        } => plain(format!("member {member} of "))
            .name(group)
            .plain(format!(
                " is frozen (SIGSTOP) for {} at least, a new one takes its place meanwhile, and \
                 then it goes on as if nothing had been",
                duration_ms(*for_ms)
            )),
        FaultKind::ConnectorRestart { tasks } => {
            let connector = match &scenario.capture {
                Some(capture) => plain("connector ").name(&capture.connector),
                None => plain("the connector"),
            };
            connector.plain(match tasks {
                RestartTasks::Included => {
                    " and its task are restarted over REST (?includeTasks=true&onlyFailed=false)"
                }
                RestartTasks::Left => " is restarted over REST without its task",
            })
        }
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
        Trigger::Healed(number) => plain(format!("after fault {number} is healed")),
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
