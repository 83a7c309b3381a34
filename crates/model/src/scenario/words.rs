//! Faults and their triggers in words, for whoever shows a plan. Knows nothing
//! of how a name is set off from the words around it.

use std::fmt;

use super::{
    BrokerPick, CutOnset, Election, EndSignal, ErrorMoment, Fault, FaultKind, Offsets, Peers,
    RequestPick, Requests, RestartTasks, Scenario, Takeover, Trigger,
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

    fn plain(mut self, words: impl Into<String>) -> Self {
        self.0.push(Word::Plain(words.into()));
        self
    }

    fn phrase(mut self, more: Self) -> Self {
        self.0.extend(more.0);
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

/// A member of a group, by the number that scenarios give it; one that was
/// started again is told from the one before. With hyphens for spaces, and the
/// group before it, it is the name of its process's log.
pub fn member(number: u32, incarnation: u32) -> String {
    match incarnation {
        1 => format!("member {number}"),
        again => format!("member {number} incarnation {again}"),
    }
}

/// What a fault does, whether or not it is planned to have an effect.
pub fn fault(fault: &Fault, scenario: &Scenario) -> Phrase {
    match &fault.kind {
        FaultKind::BrokerRestart {
            broker: which,
            signal,
            down_ms,
        } => broker(which).plain(format!(
            " is ended with {}, kept down for {}, and started again on the same data",
            signal.name(),
            duration_ms(*down_ms)
        )),
        FaultKind::BrokerPause {
            broker: which,
            for_ms,
        } => broker(which).plain(format!(
            " is frozen (SIGSTOP) for {}; its connections stay open",
            duration_ms(*for_ms)
        )),
        FaultKind::BrokerLoss {
            broker: which,
            election,
        } => broker(which).plain(format!(
            " is killed and never {}",
            match election {
                Election::Own => "comes back",
                Election::Unclean => {
                    "comes back; the operator forces an unclean election on what is left"
                }
            }
        )),
        FaultKind::RollingBounce { signal } => plain(format!(
            "every broker in turn is ended with {} and started again, the controllers' leader \
             last; each waits until all replicas are in sync again",
            signal.name()
        )),
        FaultKind::DiskLoss {
            broker: which,
            topic,
        } => broker(which)
            .plain(" is killed, the partition directories of ")
            .name(topic)
            .plain(" are deleted, and it is started again; the cluster's metadata stays"),
        FaultKind::DiskFull {
            broker: which,
            topic,
            for_ms,
        } => broker(which)
            .plain(" finds no more room for the log of ")
            .name(topic)
            .plain(format!(
                "; after {} there is room again, and it is started again",
                duration_ms(*for_ms)
            )),
        FaultKind::NetworkCut {
            broker: which,
            for_ms,
            onset,
        } => {
            let before = match which {
                BrokerPick::All => Phrase::default(),
                one => plain("before ").phrase(broker(one)).plain(", "),
            };
            before.plain(format!(
                "{}the proxy delivers nothing either way for {}, and new connections are not \
                 answered; after that the old connections are dead",
                match onset {
                    CutOnset::AtOnce => "",
                    CutOnset::AnswersFirst => "an answer is lost on its way back, then ",
                },
                duration_ms(*for_ms)
            ))
        }
        FaultKind::LinkCut {
            broker: which,
            peers,
            for_ms,
        } => plain(match peers {
            Peers::All => "no other broker can replicate from ",
            Peers::One => "one other broker cannot replicate from ",
        })
        .phrase(broker(which))
        .plain(format!(
            " for {}; clients and controllers still reach all of them",
            duration_ms(*for_ms)
        )),
        FaultKind::AnswerLost { requests, for_ms } => {
            plain("of ").phrase(which_requests(requests)).plain(format!(
                ", the broker acts on each and the answer is lost with its connection, for {} at \
                 most",
                duration_ms(*for_ms)
            ))
        }
        FaultKind::RequestRefused {
            requests,
            code,
            moment,
            for_ms,
        } => which_requests(requests)
            .plain(" is answered with ")
            .name(code)
            .plain(format!(
                ", {}, for {} at most",
                match moment {
                    ErrorMoment::Before => "and the broker never sees it",
                    ErrorMoment::After => "although the broker has acted on it",
                },
                duration_ms(*for_ms)
            )),
        FaultKind::SlowNetwork {
            broker: which,
            latency_ms,
            for_ms,
        } => plain("everything between clients and ")
            .phrase(broker(which))
            .plain(format!(
                " takes {latency_ms} ms longer each way, for {}",
                duration_ms(*for_ms)
            )),
        FaultKind::ConsumerRestart {
            group,
            member,
            signal,
            down_ms,
            offsets,
        } => plain(format!("member {member} of "))
            .name(group)
            .plain(format!(
                " is ended with {}, {}and a new one is started {} later",
                signal.name(),
                match offsets {
                    Offsets::Kept => "",
                    Offsets::Deleted => {
                        "the group's committed offsets are deleted, as when \
                         offsets.retention.minutes have passed, "
                    }
                },
                duration_ms(*down_ms)
            )),
        FaultKind::ConsumerPause {
            group,
            member,
            for_ms,
            takeover,
        } => plain(format!("member {member} of "))
            .name(group)
            .plain(format!(
                " is frozen (SIGSTOP) for {}{}; what it has in hand it keeps",
                duration_ms(*for_ms),
                match takeover {
                    Takeover::Open => "",
                    Takeover::Awaited => " at least, and until another member has taken over",
                }
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

/// What must be seen of a fault, so that it counts.
pub fn evidence(kind: &FaultKind, scenario: &Scenario) -> &'static str {
    let writes = |group: &String| scenario.transforms.iter().any(|it| it.name == *group);
    match kind {
        FaultKind::BrokerRestart { .. } => {
            "the process was ended by that signal and is gone, and nobody answered on its port"
        }
        FaultKind::BrokerPause { .. } => {
            "the process stood still (state T) the whole time and answered nobody"
        }
        FaultKind::BrokerLoss { .. } => {
            "the process was killed and is gone, and nobody answers on its port"
        }
        FaultKind::RollingBounce { .. } => "each process was ended by that signal and is gone",
        FaultKind::DiskLoss { .. } => "the process was gone, and so were the directories",
        FaultKind::DiskFull { .. } => {
            "the broker's log says that an append failed, and its process ended by itself"
        }
        FaultKind::NetworkCut { .. } => {
            "the proxy swallowed bytes and cut connections, a new connection was not answered, \
             and the broker itself was alive"
        }
        FaultKind::LinkCut { .. } => {
            "the proxy between the brokers swallowed bytes of those that were cut off, the broker \
             itself was alive, and the ISR shrank, if the cut is long enough for that"
        }
        FaultKind::AnswerLost { .. } => {
            "the proxy let such requests pass and swallowed their answers"
        }
        FaultKind::RequestRefused { .. } => "the proxy answered such requests with that error",
        FaultKind::SlowNetwork { .. } => {
            "the proxy delayed bytes, and a request of ackproof's own took that much longer"
        }
        FaultKind::ConsumerRestart {
            offsets: Offsets::Deleted,
            ..
        } => {
            "the process was ended by that signal and is gone, and the coordinator knew committed \
             offsets of the group before and none afterwards"
        }
        FaultKind::ConsumerRestart {
            group,
            signal: EndSignal::Kill,
            ..
        } if writes(group) => {
            "records that it had sent were not yet committed, and the process was ended by that \
             signal and is gone"
        }
        FaultKind::ConsumerRestart { .. } => "the process was ended by that signal and is gone",
        FaultKind::ConsumerPause {
            takeover: Takeover::Open,
            ..
        } => "the process stood still (state T) the whole time",
        FaultKind::ConsumerPause {
            takeover: Takeover::Awaited,
            ..
        } => {
            "the process stood still (state T) the whole time, and the coordinator accepted \
             another member's commits of its partitions"
        }
        FaultKind::ConsumerZombie { .. } => {
            "records that it had sent were not yet committed, the process stood still (state T) \
             while a new one took its number and its partitions, and the brokers refused what it \
             asked for when it went on"
        }
        FaultKind::ConnectorRestart { .. } => {
            "PostgreSQL no longer serves the replication slot over the connection of the task \
             before"
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

/// A broker by its number or its part.
pub fn broker(pick: &BrokerPick) -> Phrase {
    match pick {
        BrokerPick::All => plain("every broker"),
        BrokerPick::Number(number) => plain(format!("broker {number}")),
        BrokerPick::Leader { topic, partition } => {
            plain("the leader of ").name(format!("{topic}/{partition}"))
        }
        BrokerPick::Follower { topic, partition } => {
            plain("an in-sync follower of ").name(format!("{topic}/{partition}"))
        }
        BrokerPick::Controller => plain("the controllers' leader"),
        BrokerPick::GroupCoordinator { group } => plain("the coordinator of ").name(group),
        BrokerPick::TransactionCoordinator { transactional_id } => {
            plain("the coordinator of ").name(transactional_id)
        }
    }
}

fn which_requests(requests: &Requests) -> Phrase {
    let api = &requests.api;
    let which = match requests.pick {
        RequestPick::Every => plain(format!("every {api} request")),
        RequestPick::Nth(nth) => plain(format!("{api} request number {nth}")),
        RequestPick::First(1) => plain(format!("the first {api} request")),
        RequestPick::First(count) => plain(format!("each of the first {count} {api} requests")),
        RequestPick::Probability(share) => {
            plain(format!("{api} requests, each with probability {share},"))
        }
    };
    let which = match (&requests.topic, requests.partition) {
        (Some(topic), Some(partition)) => which.plain(" for ").name(format!("{topic}/{partition}")),
        (Some(topic), None) => which.plain(" for ").name(topic),
        (None, Some(partition)) => which.plain(format!(" for partition {partition}")),
        (None, None) => which,
    };
    match &requests.group {
        Some(group) => which.plain(" of group ").name(group),
        None => which,
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
