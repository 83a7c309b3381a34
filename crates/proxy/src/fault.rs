//! What can be broken, as data: what the HTTP interface takes, and what a plan
//! can hold. Knows nothing of connections.
//!
//! ```json
//! {"effect": {"kind": "cut", "ways": "both"}}
//! {"brokers": [1], "effect": {"kind": "latency", "latency_ms": 100, "jitter_ms": 20}}
//! {"brokers": [1], "clients": ["broker-2-"], "effect": {"kind": "cut"}}
//! {"effect": {"kind": "drop-answer", "then": "reset",
//!             "on": {"api": "Produce", "topic": "orders", "pick": {"nth": 3}}}}
//! {"effect": {"kind": "error", "code": "NOT_LEADER_OR_FOLLOWER", "when": "before",
//!             "on": {"api": "Produce", "partition": 0, "pick": {"first": 1}}}}
//! ```
//!
//! Nothing here can do what a real network and a real broker cannot: one answer
//! cannot vanish from the middle of a TCP stream, so an answer that is dropped
//! takes its connection with it; nothing is doubled or reordered.

use std::fmt;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use serde::{Deserialize, Serialize};

/// Something broken on purpose, until it is healed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyFault {
    /// Only before these brokers, by node id; before all when empty. A broker
    /// is known by its id as soon as an answer has named it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brokers: Vec<i32>,
    /// Only for clients whose `client.id` begins with one of these; for all when
    /// empty. A connection's client is known from its first request on, and that
    /// is judged already: a cut of a client that connects anew lets nothing
    /// pass but the connection itself. Brokers have ids too where they are each
    /// other's clients: `broker-2-fetcher-0` is a follower that replicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// What jitter and probabilities are drawn from.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    pub effect: FaultEffect,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
pub enum FaultEffect {
    /// Nothing is delivered, and neither end is told: bytes are swallowed.
    /// Connections that met the cut are reset when it heals.
    Cut {
        /// Which way.
        #[serde(default)]
        ways: Ways,
    },
    /// New connections are refused, as where nothing listens; open ones stay.
    Refuse,
    /// Open connections are reset at once, new ones as soon as they are
    /// established.
    Reset,
    /// The end of a connection is passed on this much later.
    SlowClose {
        /// Milliseconds.
        delay_ms: u64,
    },
    /// Bytes arrive later, in order.
    Latency {
        /// Milliseconds.
        latency_ms: u64,
        /// Up to this many milliseconds more or less, drawn from the seed.
        #[serde(default)]
        jitter_ms: u64,
        /// Which way.
        #[serde(default)]
        ways: Ways,
    },
    /// Each connection carries no more than this.
    Bandwidth {
        /// Bytes in a second, each way.
        bytes_per_s: u64,
        /// Which way.
        #[serde(default)]
        ways: Ways,
    },
    /// The broker acts on the request, and its answer never arrives.
    DropAnswer {
        /// Which requests.
        on: RequestFilter,
        /// What becomes of the connection.
        then: OnDrop,
    },
    /// The request reaches the broker, or the answer the client, later; what
    /// follows on the connection waits behind it.
    Delay {
        /// Which requests.
        on: RequestFilter,
        /// Milliseconds.
        delay_ms: u64,
        /// Which of the two.
        what: Delayed,
    },
    /// The client's connection is reset, and the request reaches the broker
    /// later, over a connection of its own: when its client has gone on over
    /// another one.
    Late {
        /// Which requests.
        on: RequestFilter,
        /// Milliseconds.
        delay_ms: u64,
    },
    /// The client gets an error for the whole request, whatever else the
    /// request carried. A broker that has acted on Metadata answers with all
    /// that it says otherwise, and the error for the topics that are meant.
    Error {
        /// Which requests; an API must be named.
        on: RequestFilter,
        /// The error.
        code: InjectedError,
        /// Whether the broker has acted.
        #[serde(default)]
        when: When,
    },
}

/// Which way a connection is affected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ways {
    /// Both.
    #[default]
    Both,
    /// What clients send.
    Requests,
    /// What brokers send.
    Answers,
}

/// What becomes of a connection whose answer is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDrop {
    /// It is reset: the client hears at once that it knows nothing.
    Reset,
    /// It stays open and silent: the client waits for its time-out.
    Silence,
}

/// Which of the two is delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delayed {
    /// On its way to the broker.
    Request,
    /// On its way back.
    Answer,
}

/// When a request is answered with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// In the broker's place, which never sees the request.
    #[default]
    Before,
    /// In place of the broker's answer, once that has come.
    After,
}

/// Which requests a fault meets: those that fit all that is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFilter {
    /// Of this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<RequestApi>,
    /// That name this topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// That name this partition; of the topic, if one is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// From clients with this `client.id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// That name this consumer group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// That name this `transactional.id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactional_id: Option<String>,
    /// Which of those that fit.
    #[serde(default)]
    pub pick: Pick,
}

/// Which of the requests that fit are met, counted over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pick {
    /// Every one.
    #[default]
    Every,
    /// The n-th, from 1, and no other.
    Nth(u64),
    /// As many as that, from the first.
    First(u64),
    /// Each with this probability, drawn from the seed.
    Probability(f64),
}

/// Why a fault cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultDataError {
    /// A probability that is none.
    #[error("a probability lies between 0 and 1, and {0} does not")]
    Probability(String),
    /// Counting begins at 1.
    #[error("requests are counted from 1: `nth` and `first` cannot be 0")]
    Zero,
    /// A rate of nothing.
    #[error("a bandwidth of 0 bytes per second is a cut; use \"kind\": \"cut\"")]
    NoBandwidth,
    /// An error without an API, or with one that is not known well enough.
    #[error("requests of this API cannot be answered with an error; these can: {these}")]
    NoRefusal {
        /// The ones that can.
        these: String,
    },
    /// Success is no error.
    #[error("the error code 0 means success, which only the broker can say")]
    NoError,
    /// A filter that no request of the API can fit.
    #[error(
        "requests can be picked by topic, partition, group or transactional id only of: {these}"
    )]
    NotLookedInto {
        /// The ones that can.
        these: String,
    },
    /// A refused client has sent no `client.id` yet.
    #[error("connections are refused before clients tell their client.id; leave \"clients\" out")]
    RefusesUnknown,
    /// It would fit every client.
    #[error("an empty client id is the beginning of all of them; leave \"clients\" out")]
    EveryClient,
    /// Longer than any client waits.
    #[error("a delay is at most a day")]
    Delay,
}

/// A day. It keeps sums of times far from what a clock can hold.
const DELAY_MAX_MS: u64 = 24 * 60 * 60 * 1000;

impl ProxyFault {
    /// The effect on every broker, with the seed 0.
    pub fn new(effect: FaultEffect) -> Self {
        Self {
            brokers: Vec::new(),
            clients: Vec::new(),
            seed: 0,
            effect,
        }
    }

    /// Whether it makes sense.
    pub fn validate(&self) -> Result<(), FaultDataError> {
        if self.effect.longest_ms() > DELAY_MAX_MS {
            return Err(FaultDataError::Delay);
        }
        if let FaultEffect::Bandwidth { bytes_per_s: 0, .. } = self.effect {
            return Err(FaultDataError::NoBandwidth);
        }
        if !self.clients.is_empty() && matches!(self.effect, FaultEffect::Refuse) {
            return Err(FaultDataError::RefusesUnknown);
        }
        if self.clients.iter().any(String::is_empty) {
            return Err(FaultDataError::EveryClient);
        }
        let Some(on) = self.effect.requests() else {
            return Ok(());
        };
        match on.pick {
            Pick::Nth(0) | Pick::First(0) => return Err(FaultDataError::Zero),
            Pick::Probability(p) if !(0.0..=1.0).contains(&p) => {
                return Err(FaultDataError::Probability(p.to_string()));
            }
            _ => {}
        }
        let known = on
            .api
            .is_some_and(|it| crate::requests::schema(it.0).is_some());
        if let FaultEffect::Error { code, .. } = &self.effect {
            if code.0 == 0 {
                return Err(FaultDataError::NoError);
            }
            if !known {
                return Err(FaultDataError::NoRefusal {
                    these: looked_into(),
                });
            }
        }
        if on.looks_inside() && on.api.is_some() && !known {
            return Err(FaultDataError::NotLookedInto {
                these: looked_into(),
            });
        }
        Ok(())
    }
}

impl ProxyFault {
    /// Whether it is for a client of this id, be that none or not known yet.
    pub(crate) fn is_for(&self, client_id: Option<&str>) -> bool {
        let begins = |id: &str| self.clients.iter().any(|it| id.starts_with(it.as_str()));
        self.clients.is_empty() || client_id.is_some_and(begins)
    }
}

/// How a broker calls itself where it is another's client, for
/// [`ProxyFault::clients`]: as a follower, as a coordinator of transactions that tells
/// of their end, and as a leader that has a transaction verified. As Kafka 4.3
/// was seen to do it; the last is `AddPartitionsManager-client-2`, without more.
pub fn clients_of_broker(node: i32) -> Vec<String> {
    vec![
        format!("broker-{node}-"),
        format!("AddPartitionsManager-client-{node}"),
    ]
}

/// The names of the APIs whose requests the proxy can read.
fn looked_into() -> String {
    let names: Vec<String> = (0..=i16::from(u8::MAX))
        .filter(|api| crate::requests::schema(*api).is_some())
        .map(|api| RequestApi(api).to_string())
        .collect();
    names.join(", ")
}

impl FaultEffect {
    /// Which requests it meets; `None` where it meets connections.
    pub fn requests(&self) -> Option<&RequestFilter> {
        match self {
            Self::DropAnswer { on, .. }
            | Self::Delay { on, .. }
            | Self::Late { on, .. }
            | Self::Error { on, .. } => Some(on),
            _ => None,
        }
    }

    fn longest_ms(&self) -> u64 {
        match self {
            Self::SlowClose { delay_ms }
            | Self::Delay { delay_ms, .. }
            | Self::Late { delay_ms, .. } => *delay_ms,
            Self::Latency {
                latency_ms,
                jitter_ms,
                ..
            } => latency_ms.saturating_add(*jitter_ms),
            _ => 0,
        }
    }
}

impl RequestFilter {
    /// Whether the request's body has to be read to tell.
    pub(crate) fn looks_inside(&self) -> bool {
        self.topic.is_some()
            || self.partition.is_some()
            || self.group.is_some()
            || self.transactional_id.is_some()
    }
}

/// An API key, written as Kafka names it (`Produce`) or as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestApi(pub i16);

impl fmt::Display for RequestApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ApiKey::try_from(self.0) {
            Ok(key) => write!(f, "{key:?}"),
            Err(()) => write!(f, "{}", self.0),
        }
    }
}

/// An error code, written as Kafka names it (`NOT_LEADER_OR_FOLLOWER`) or as
/// its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InjectedError(pub i16);

impl fmt::Display for InjectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ResponseError::try_from_code(self.0) {
            None | Some(ResponseError::Unknown(_)) => write!(f, "{}", self.0),
            Some(error) => f.write_str(&screaming(&format!("{error:?}"))),
        }
    }
}

/// `NotLeaderOrFollower` as `NOT_LEADER_OR_FOLLOWER`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_uppercase());
    }
    out
}

/// A name from outside, or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum NameOrNumber {
    Number(i16),
    Name(String),
}

impl NameOrNumber {
    fn resolve(self, what: &str, known: impl Fn(i16) -> String) -> Result<i16, String> {
        let name = match self {
            Self::Number(number) => return Ok(number),
            Self::Name(name) => name,
        };
        let numbers = -1..=i16::from(u8::MAX);
        let is_it = |number: &i16| known(*number).eq_ignore_ascii_case(&name);
        numbers.clone().find(is_it).ok_or_else(|| {
            let near = |known: &String| {
                strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase())
            };
            // What has no name is told as its number.
            let names = numbers.map(known);
            let names = names.filter(|it| it.starts_with(char::is_alphabetic));
            let names = names.filter(|it| near(it) <= 1 + it.len() / 3);
            match names.min_by_key(near) {
                Some(near) => format!("Kafka has no {what} `{name}`; did you mean `{near}`?"),
                None => format!("Kafka has no {what} `{name}`"),
            }
        })
    }
}

impl Serialize for RequestApi {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestApi {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        NameOrNumber::deserialize(from)?
            .resolve("API", |it| Self(it).to_string())
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for InjectedError {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InjectedError {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        NameOrNumber::deserialize(from)?
            .resolve("error", |it| Self(it).to_string())
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}
