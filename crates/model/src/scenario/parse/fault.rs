//! A fault as it is written: one flat table, whose keys depend on `kind`.
//! Knows which keys each kind has; knows nothing of the rest of the scenario.

use std::fmt;
use std::ops::Range;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::Misfit;
use crate::scenario::{
    BrokerPick, CutOnset, Effect, Election, EndSignal, ErrorMoment, Fault, FaultKind, Offsets,
    Peers, RequestPick, Requests, RestartTasks, Takeover, Trigger,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFault {
    kind: Kind,
    after: Trigger,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    jitter_ms: u64,
    times: Option<Spanned<u16>>,
    #[serde(default)]
    pause_ms: u64,
    #[serde(default)]
    effect: Effect,
    broker: Option<Spanned<RawBroker>>,
    signal: Option<Spanned<EndSignal>>,
    down_ms: Option<Spanned<u64>>,
    for_ms: Option<Spanned<u64>>,
    topic: Option<Spanned<String>>,
    partition: Option<Spanned<i32>>,
    group: Option<Spanned<String>>,
    transactional_id: Option<Spanned<String>>,
    member: Option<Spanned<u32>>,
    tasks: Option<Spanned<RestartTasks>>,
    onset: Option<Spanned<CutOnset>>,
    election: Option<Spanned<Election>>,
    peers: Option<Spanned<Peers>>,
    api: Option<Spanned<String>>,
    pick: Option<Spanned<RequestPick>>,
    code: Option<Spanned<String>>,
    moment: Option<Spanned<ErrorMoment>>,
    latency_ms: Option<Spanned<u64>>,
    offsets: Option<Spanned<Offsets>>,
    takeover: Option<Spanned<Takeover>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    BrokerRestart,
    BrokerPause,
    BrokerLoss,
    RollingBounce,
    DiskLoss,
    DiskFull,
    NetworkCut,
    LinkCut,
    AnswerLost,
    RequestRefused,
    SlowNetwork,
    ConsumerRestart,
    ConsumerPause,
    ConsumerZombie,
    ConnectorRestart,
}

/// The most times a fault is repeated.
const TIMES_MAX: u16 = 100;

/// A broker's number, or the word for its part.
#[derive(Clone)]
enum RawBroker {
    Number(u8),
    Word(BrokerWord),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BrokerWord {
    All,
    Leader,
    Follower,
    Controller,
    GroupCoordinator,
    TransactionCoordinator,
}

impl<'de> Deserialize<'de> for RawBroker {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrWord;
        impl Visitor<'_> for NumberOrWord {
            type Value = RawBroker;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a broker's number or its part, such as \"leader\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<RawBroker, E> {
                u8::try_from(number)
                    .map(RawBroker::Number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RawBroker, E> {
                BrokerWord::deserialize(de::value::StrDeserializer::new(word)).map(RawBroker::Word)
            }
        }
        deserializer.deserialize_any(NumberOrWord)
    }
}

impl RawFault {
    pub(super) fn into_fault(mut self, span: Range<usize>) -> Result<Fault, Misfit> {
        let needs = |key: &str| (span.clone(), format!("this fault needs the key `{key}`"));
        let times = self.times(&span)?;
        let kind = match self.kind {
            Kind::BrokerRestart => FaultKind::BrokerRestart {
                broker: self.broker_or(BrokerPick::Number(1))?,
                signal: take(&mut self.signal).ok_or_else(|| needs("signal"))?,
                down_ms: take(&mut self.down_ms).ok_or_else(|| needs("down_ms"))?,
            },
            Kind::BrokerPause => FaultKind::BrokerPause {
                broker: self.broker_or(BrokerPick::Number(1))?,
                for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
            },
            Kind::BrokerLoss => FaultKind::BrokerLoss {
                broker: self.broker_or(BrokerPick::Number(1))?,
                election: take(&mut self.election).unwrap_or_default(),
            },
            Kind::RollingBounce => FaultKind::RollingBounce {
                signal: take(&mut self.signal).unwrap_or(EndSignal::Term),
            },
            Kind::DiskLoss => {
                let topic = self.topic.as_ref().map(|topic| topic.get_ref().clone());
                let broker = self.broker_or(BrokerPick::Number(1))?;
                self.topic = None;
                FaultKind::DiskLoss {
                    broker,
                    topic: topic.ok_or_else(|| needs("topic"))?,
                }
            }
            Kind::DiskFull => {
                let topic = self.topic.as_ref().map(|topic| topic.get_ref().clone());
                let broker = self.broker_or(BrokerPick::Number(1))?;
                self.topic = None;
                FaultKind::DiskFull {
                    broker,
                    topic: topic.ok_or_else(|| needs("topic"))?,
                    for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
                }
            }
            Kind::NetworkCut => FaultKind::NetworkCut {
                broker: self.broker_or(BrokerPick::All)?,
                for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
                onset: take(&mut self.onset).unwrap_or_default(),
            },
            Kind::LinkCut => FaultKind::LinkCut {
                broker: self.broker_or(BrokerPick::Number(1))?,
                peers: take(&mut self.peers).unwrap_or_default(),
                for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
            },
            Kind::AnswerLost => FaultKind::AnswerLost {
                requests: self.requests(&span)?,
                for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
            },
            Kind::RequestRefused => FaultKind::RequestRefused {
                requests: self.requests(&span)?,
                code: take(&mut self.code).ok_or_else(|| needs("code"))?,
                moment: take(&mut self.moment).unwrap_or_default(),
                for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
            },
            Kind::SlowNetwork => FaultKind::SlowNetwork {
                broker: self.broker_or(BrokerPick::All)?,
                latency_ms: take(&mut self.latency_ms).ok_or_else(|| needs("latency_ms"))?,
                for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
            },
            Kind::ConsumerRestart => FaultKind::ConsumerRestart {
                group: take(&mut self.group).ok_or_else(|| needs("group"))?,
                member: take(&mut self.member).unwrap_or(1),
                signal: take(&mut self.signal).ok_or_else(|| needs("signal"))?,
                down_ms: take(&mut self.down_ms).ok_or_else(|| needs("down_ms"))?,
                offsets: take(&mut self.offsets).unwrap_or_default(),
            },
            Kind::ConsumerPause => FaultKind::ConsumerPause {
                group: take(&mut self.group).ok_or_else(|| needs("group"))?,
                member: take(&mut self.member).unwrap_or(1),
                for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
                takeover: take(&mut self.takeover).unwrap_or_default(),
            },
            Kind::ConsumerZombie => FaultKind::ConsumerZombie {
                group: take(&mut self.group).ok_or_else(|| needs("group"))?,
                member: take(&mut self.member).unwrap_or(1),
                for_ms: take(&mut self.for_ms).ok_or_else(|| needs("for_ms"))?,
            },
            Kind::ConnectorRestart => FaultKind::ConnectorRestart {
                tasks: take(&mut self.tasks).unwrap_or_default(),
            },
        };
        Ok(Fault {
            after: self.after,
            delay_ms: self.delay_ms,
            jitter_ms: self.jitter_ms,
            times,
            pause_ms: self.pause_ms,
            effect: self.effect,
            kind,
        })
    }

    fn times(&mut self, span: &Range<usize>) -> Result<u16, Misfit> {
        let Some(times) = self.times.take() else {
            return if self.pause_ms == 0 {
                Ok(1)
            } else {
                let message = "`pause_ms` lies between the `times` of a fault".to_owned();
                Err((span.clone(), message))
            };
        };
        let at = times.span();
        let times = times.into_inner();
        (1..=TIMES_MAX)
            .contains(&times)
            .then_some(times)
            .ok_or_else(|| (at, format!("a fault is repeated 1 to {TIMES_MAX} times")))
    }

    /// The broker, with the keys that its part needs.
    fn broker_or(&mut self, default: BrokerPick) -> Result<BrokerPick, Misfit> {
        let Some(broker) = self.broker.take() else {
            return Ok(default);
        };
        let at = broker.span();
        let needs = |part: &str, key: &str| {
            let message = format!("`broker = \"{part}\"` needs the key `{key}`");
            (at.clone(), message)
        };
        Ok(match broker.into_inner() {
            RawBroker::Number(number) => BrokerPick::Number(number),
            RawBroker::Word(BrokerWord::All) => BrokerPick::All,
            RawBroker::Word(BrokerWord::Controller) => BrokerPick::Controller,
            RawBroker::Word(BrokerWord::Leader) => BrokerPick::Leader {
                topic: take(&mut self.topic).ok_or_else(|| needs("leader", "topic"))?,
                partition: take(&mut self.partition).unwrap_or(0),
            },
            RawBroker::Word(BrokerWord::Follower) => BrokerPick::Follower {
                topic: take(&mut self.topic).ok_or_else(|| needs("follower", "topic"))?,
                partition: take(&mut self.partition).unwrap_or(0),
            },
            RawBroker::Word(BrokerWord::GroupCoordinator) => BrokerPick::GroupCoordinator {
                group: take(&mut self.group).ok_or_else(|| needs("group-coordinator", "group"))?,
            },
            RawBroker::Word(BrokerWord::TransactionCoordinator) => {
                BrokerPick::TransactionCoordinator {
                    transactional_id: take(&mut self.transactional_id)
                        .ok_or_else(|| needs("transaction-coordinator", "transactional_id"))?,
                }
            }
        })
    }

    fn requests(&mut self, span: &Range<usize>) -> Result<Requests, Misfit> {
        let api = take(&mut self.api).ok_or_else(|| {
            let message = "this fault needs the key `api`, such as \"Produce\"".to_owned();
            (span.clone(), message)
        })?;
        if let Some(pick) = &self.pick {
            let bad = match *pick.get_ref() {
                RequestPick::Nth(0) | RequestPick::First(0) => Some("requests are counted from 1"),
                RequestPick::Probability(share) if !(share > 0.0 && share <= 1.0) => {
                    Some("a probability is more than 0 and at most 1")
                }
                _ => None,
            };
            if let Some(message) = bad {
                return Err((pick.span(), message.to_owned()));
            }
        }
        Ok(Requests {
            api,
            topic: take(&mut self.topic),
            partition: take(&mut self.partition),
            group: take(&mut self.group),
            pick: take(&mut self.pick).unwrap_or_default(),
        })
    }
}

fn take<T>(key: &mut Option<Spanned<T>>) -> Option<T> {
    key.take().map(Spanned::into_inner)
}
