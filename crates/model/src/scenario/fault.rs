//! What is broken on purpose, and when. Knows nothing of how it is done, nor
//! of how it is proved.

use serde::{Deserialize, Serialize};

/// A moment, in terms of progress or time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// So many records have been acknowledged, over all producers.
    Acknowledged(u64),
    /// A group has processed this share of all records that are to be sent.
    Processed {
        /// The `group.id`.
        group: String,
        /// 0 to 100.
        percent: u8,
    },
    /// So many change events could be read, over all tables.
    Captured(u64),
    /// So many milliseconds since traffic began.
    ElapsedMs(u64),
    /// The fault of this number (from 1, in the order of the file) is in
    /// force.
    Injected(u16),
    /// The fault of this number (from 1, in the order of the file) is healed;
    /// one that is repeated, for the last time.
    Healed(u16),
    /// A partition has this many in-sync replicas, or fewer.
    InSync {
        /// The topic.
        topic: String,
        /// The partition, from 0.
        #[serde(default)]
        partition: i32,
        /// How many.
        replicas: u8,
    },
}

/// Something to break.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// When.
    pub after: Trigger,
    /// A fixed delay after the trigger, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// A further delay, drawn from the seed, of at most this many
    /// milliseconds.
    pub jitter_ms: u64,
    /// How often, at least once: each time after the first begins when the
    /// one before is healed and `pause_ms` have passed.
    #[serde(default = "once")]
    pub times: u16,
    /// The pause between two times, in milliseconds; jitter is added.
    #[serde(default)]
    pub pause_ms: u64,
    /// Whether it is really done.
    pub effect: Effect,
    /// What.
    pub kind: FaultKind,
}

const fn once() -> u16 {
    1
}

/// Whether a fault is really done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Yes.
    #[default]
    Real,
    /// Everything but the breaking itself is done (the signal not sent, the
    /// cut not applied, the tasks not restarted): for proving that ackproof
    /// notices.
    None,
}

/// What to break.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// Broker processes are ended, stay down, and are started again on the
    /// same data.
    BrokerRestart {
        /// Which.
        broker: BrokerPick,
        /// How they are ended.
        signal: EndSignal,
        /// How long they are kept down, in milliseconds.
        down_ms: u64,
    },
    /// Broker processes are frozen (SIGSTOP) and continued.
    BrokerPause {
        /// Which.
        broker: BrokerPick,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// A broker is killed and never comes back. It is over when every
    /// partition has a leader again.
    BrokerLoss {
        /// Which.
        broker: BrokerPick,
        /// What the operator does about partitions that are left without a
        /// leader.
        election: Election,
    },
    /// Every broker in turn is ended and started again, the controllers'
    /// leader last; each waits until all replicas are in sync again.
    RollingBounce {
        /// How each is ended.
        signal: EndSignal,
    },
    /// A broker is killed, and a topic's partition directories are deleted
    /// before it is started again. The cluster's metadata stays.
    DiskLoss {
        /// Which.
        broker: BrokerPick,
        /// Whose partitions.
        topic: String,
    },
    /// A broker's log directory is full: appends fail. The broker gives up;
    /// when there is room again, it is started again.
    DiskFull {
        /// Which.
        broker: BrokerPick,
        /// The topic whose partition fills it.
        topic: String,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// The proxy delivers nothing either way between clients and brokers; new
    /// connections are not answered. At the end the old connections are dead.
    NetworkCut {
        /// Before which brokers.
        #[serde(default)]
        broker: BrokerPick,
        /// For how long, in milliseconds.
        for_ms: u64,
        /// How it begins.
        onset: CutOnset,
    },
    /// Other brokers cannot replicate from a broker, nor reach it otherwise
    /// over the link that brokers share; clients and controllers still can.
    LinkCut {
        /// From which.
        broker: BrokerPick,
        /// Which of the others.
        peers: Peers,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// Brokers act on requests, and the answers are lost with their
    /// connections.
    AnswerLost {
        /// Which requests.
        requests: Requests,
        /// For how long at most, in milliseconds; it is over as soon as no
        /// further request can meet it.
        for_ms: u64,
    },
    /// Requests are answered with an error.
    RequestRefused {
        /// Which requests.
        requests: Requests,
        /// Kafka's name of the error.
        code: String,
        /// Whether the broker has acted.
        moment: ErrorMoment,
        /// For how long at most, in milliseconds; it is over as soon as no
        /// further request can meet it.
        for_ms: u64,
    },
    /// Everything between clients and brokers takes longer.
    SlowNetwork {
        /// Before which brokers.
        #[serde(default)]
        broker: BrokerPick,
        /// How much longer each way, in milliseconds.
        latency_ms: u64,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// A consumer process is ended and a new one started.
    ConsumerRestart {
        /// The `group.id`.
        group: String,
        /// Which member, from 1.
        member: u32,
        /// How it is ended.
        signal: EndSignal,
        /// How long until the new one starts, in milliseconds.
        down_ms: u64,
        /// What becomes of the group's committed offsets meanwhile.
        #[serde(default)]
        offsets: Offsets,
    },
    /// A consumer process is frozen (SIGSTOP) and continued.
    ConsumerPause {
        /// The `group.id`.
        group: String,
        /// Which member, from 1.
        member: u32,
        /// For how long, in milliseconds.
        for_ms: u64,
        /// Whether its partitions must have gone to another member meanwhile.
        takeover: Takeover,
    },
    /// A consumer process is frozen (SIGSTOP), a new one takes its place while
    /// it stands still, and then it goes on.
    ConsumerZombie {
        /// The `group.id`.
        group: String,
        /// Which member, from 1.
        member: u32,
        /// For how long at least it stands still, in milliseconds: until the
        /// new one has its partitions in any case.
        for_ms: u64,
    },
    /// The connector is restarted over Connect's REST interface.
    ConnectorRestart {
        /// Whether its tasks are restarted with it.
        tasks: RestartTasks,
    },
}

impl FaultKind {
    /// The name that scenario files use.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BrokerRestart { .. } => "broker-restart",
            Self::BrokerPause { .. } => "broker-pause",
            Self::BrokerLoss { .. } => "broker-loss",
            Self::RollingBounce { .. } => "rolling-bounce",
            Self::DiskLoss { .. } => "disk-loss",
            Self::DiskFull { .. } => "disk-full",
            Self::NetworkCut { .. } => "network-cut",
            Self::LinkCut { .. } => "link-cut",
            Self::AnswerLost { .. } => "answer-lost",
            Self::RequestRefused { .. } => "request-refused",
            Self::SlowNetwork { .. } => "slow-network",
            Self::ConsumerRestart { .. } => "consumer-restart",
            Self::ConsumerPause { .. } => "consumer-pause",
            Self::ConsumerZombie { .. } => "consumer-zombie",
            Self::ConnectorRestart { .. } => "connector-restart",
        }
    }

    /// The broker or brokers that it is about, if it is about any.
    pub const fn broker(&self) -> Option<&BrokerPick> {
        match self {
            Self::BrokerRestart { broker, .. }
            | Self::BrokerPause { broker, .. }
            | Self::BrokerLoss { broker, .. }
            | Self::DiskLoss { broker, .. }
            | Self::DiskFull { broker, .. }
            | Self::NetworkCut { broker, .. }
            | Self::LinkCut { broker, .. }
            | Self::SlowNetwork { broker, .. } => Some(broker),
            Self::RollingBounce { .. }
            | Self::AnswerLost { .. }
            | Self::RequestRefused { .. }
            | Self::ConsumerRestart { .. }
            | Self::ConsumerPause { .. }
            | Self::ConsumerZombie { .. }
            | Self::ConnectorRestart { .. } => None,
        }
    }

    /// How long it lasts by the plan, in milliseconds; none where that depends
    /// on what it meets.
    pub const fn lasts_ms(&self) -> Option<u64> {
        match self {
            Self::BrokerRestart { down_ms, .. } | Self::ConsumerRestart { down_ms, .. } => {
                Some(*down_ms)
            }
            Self::BrokerPause { for_ms, .. }
            | Self::ConsumerPause { for_ms, .. }
            | Self::DiskFull { for_ms, .. }
            | Self::NetworkCut { for_ms, .. }
            | Self::LinkCut { for_ms, .. }
            | Self::SlowNetwork { for_ms, .. }
            | Self::ConsumerZombie { for_ms, .. } => Some(*for_ms),
            Self::BrokerLoss { .. }
            | Self::RollingBounce { .. }
            | Self::DiskLoss { .. }
            | Self::AnswerLost { .. }
            | Self::RequestRefused { .. }
            | Self::ConnectorRestart { .. } => None,
        }
    }

    /// Whether it needs the proxy between clients and brokers.
    pub const fn needs_proxy(&self) -> bool {
        matches!(
            self,
            Self::NetworkCut { .. }
                | Self::AnswerLost { .. }
                | Self::RequestRefused { .. }
                | Self::SlowNetwork { .. }
        )
    }

    /// Whether it needs a hold over broker processes, or over the links
    /// between them: what a cluster of somebody else's does not give.
    pub const fn needs_own_brokers(&self) -> bool {
        matches!(
            self,
            Self::BrokerRestart { .. }
                | Self::BrokerPause { .. }
                | Self::BrokerLoss { .. }
                | Self::RollingBounce { .. }
                | Self::DiskLoss { .. }
                | Self::DiskFull { .. }
                | Self::LinkCut { .. }
                | Self::ConnectorRestart { .. }
        )
    }
}

/// Which broker: by its number, or by the part it plays when the fault is
/// injected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrokerPick {
    /// Every one.
    #[default]
    All,
    /// The one of this number, from 1.
    Number(u8),
    /// The leader of a partition.
    Leader {
        /// The topic.
        topic: String,
        /// The partition, from 0.
        partition: i32,
    },
    /// An in-sync follower of a partition: the one of the lowest number.
    Follower {
        /// The topic.
        topic: String,
        /// The partition, from 0.
        partition: i32,
    },
    /// The controllers' leader.
    Controller,
    /// The coordinator of a group.
    GroupCoordinator {
        /// The `group.id`.
        group: String,
    },
    /// The coordinator of a transactional id.
    TransactionCoordinator {
        /// The `transactional.id`.
        transactional_id: String,
    },
}

/// What is done about partitions that are left without a leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Election {
    /// Nothing: the cluster elects by its own rules.
    #[default]
    Own,
    /// The operator forces one on a replica that is left, in sync or not
    /// (`kafka-leader-election.sh --election-type unclean`; KIP-460).
    Unclean,
}

/// Which of the other brokers a link cut is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peers {
    /// All of them.
    #[default]
    All,
    /// One: the one of the lowest number.
    One,
}

/// Which requests a fault meets: those that fit all that is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Kafka's name of the API.
    pub api: String,
    /// That name this topic.
    pub topic: Option<String>,
    /// That name this partition.
    pub partition: Option<i32>,
    /// That name this consumer group.
    pub group: Option<String>,
    /// Which of those that fit.
    pub pick: RequestPick,
}

/// Which of the requests that fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestPick {
    /// All of them.
    #[default]
    Every,
    /// The n-th, from 1, and no other.
    Nth(u64),
    /// The first so many.
    First(u64),
    /// Each with this probability, drawn from the seed.
    Probability(f64),
}

/// When a request is answered with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorMoment {
    /// In the broker's place, which never sees the request.
    #[default]
    Before,
    /// In place of the broker's answer: it has acted.
    After,
}

/// What becomes of a group's committed offsets while none of its members runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offsets {
    /// They stay.
    #[default]
    Kept,
    /// They are deleted, as they are when `offsets.retention.minutes` have
    /// passed since the last member left.
    Deleted,
}

/// Whether a frozen member's partitions must have gone to another one before
/// it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Takeover {
    /// They may.
    #[default]
    Open,
    /// They must: otherwise the fault did not land.
    Awaited,
}

/// How a network cut begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutOnset {
    /// Both ways at once.
    #[default]
    AtOnce,
    /// The way back first: the next request still arrives, and its answer is
    /// the first thing that is lost. What happens by chance when a network
    /// fails under traffic is so made to happen every time.
    AnswersFirst,
}

/// How a process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndSignal {
    /// SIGTERM: it may say goodbye.
    Term,
    /// SIGKILL: it may not.
    Kill,
}

impl EndSignal {
    /// The signal's name in capitals, as the manuals write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Kill => "SIGKILL",
        }
    }
}

/// Whether a connector's tasks are restarted with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartTasks {
    /// `?includeTasks=true&onlyFailed=false`.
    #[default]
    Included,
    /// The bare call: the connector's own instance only, which captures
    /// nothing itself.
    Left,
}

impl Fault {
    /// The same fault as often as it is repeated: each time after the first
    /// waits for the heal of the one before, which has the number given.
    pub(crate) fn unrolled(&self, first_number: u16) -> Vec<Self> {
        (0..self.times.max(1))
            .map(|round| {
                let mut one = self.clone();
                one.times = 1;
                one.pause_ms = 0;
                if round > 0 {
                    one.after = Trigger::Healed(first_number + round - 1);
                    one.delay_ms = self.pause_ms;
                }
                one
            })
            .collect()
    }
}
