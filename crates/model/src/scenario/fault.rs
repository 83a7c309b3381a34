//! The faults: one file for each, with its name, its parameters, its requirements, its
//! words and the evidence that it needs to count. Knows nothing of how it is done: a file
//! of the same name in the engine does.

use serde::{Deserialize, Serialize};

use super::words::{Phrase, counted, duration_ms, plain};
use super::{Link, Scenario, Transactions, nearest};

mod broker_pick;
mod requests;

pub use broker_pick::BrokerPick;
pub use requests::{RequestPick, Requests};

/// A moment, in terms of progress or time: exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "trigger"))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// So many records have been acknowledged, over all producers.
    Acknowledged(u64),
    /// A group has processed this share of all records that the producers send.
    Processed {
        /// The group's name, or the transform's.
        group: String,
        /// 0 to 100.
        #[cfg_attr(test, schemars(range(min = 0, max = 100)))]
        percent: u8,
    },
    /// So many change events could be read, over all tables. Needs `[capture]`.
    Captured(u64),
    /// So many milliseconds since traffic began.
    ElapsedMs(#[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))] u64),
    /// The fault of this number (from 1, in the order of the file) is in
    /// force; one that is repeated, for the first time.
    Injected(#[cfg_attr(test, schemars(range(min = 1)))] u16),
    /// The fault of this number (from 1, in the order of the file) is healed;
    /// one that is repeated, for the last time.
    Healed(#[cfg_attr(test, schemars(range(min = 1)))] u16),
    /// A partition has this many in-sync replicas, or fewer.
    InSync {
        /// The topic.
        topic: String,
        /// The partition, from 0.
        #[serde(default)]
        #[cfg_attr(test, schemars(range(min = 0, max = 999)))]
        partition: i32,
        /// How many; fewer than the topic has.
        #[cfg_attr(test, schemars(range(max = 2)))]
        replicas: u8,
    },
}

/// Something to break. Which keys there are depends on `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "fault", deny_unknown_fields, transform = crate::schema::rules::of_fault))]
pub struct Fault {
    /// When.
    pub after: Trigger,
    /// A fixed delay after the trigger, in milliseconds.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub delay_ms: u64,
    /// A further delay, drawn from the seed, of at most this many
    /// milliseconds.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub jitter_ms: u64,
    /// How often. Each time after the first begins when the one before is
    /// healed and `pause_ms` have passed.
    #[serde(default = "once")]
    #[cfg_attr(test, schemars(range(min = 1, max = 100)))]
    pub times: u16,
    /// The pause between two times, in milliseconds; jitter is added. Needs
    /// `times`.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub pause_ms: u64,
    /// Whether it is really done; with `none` the verdict is INCONCLUSIVE.
    #[serde(default)]
    pub effect: Effect,
    /// The fault and its parameters.
    #[cfg_attr(test, schemars(schema_with = "crate::schema::rules::kinds"))]
    pub kind: FaultKind,
}

const fn once() -> u16 {
    1
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

/// Whether a fault is really done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
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

impl Effect {
    /// Whether it is.
    pub fn is_real(self) -> bool {
        self == Self::Real
    }
}

/// The definition of a kind of fault, whatever its parameters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultDefinition {
    /// The name that scenario files use.
    pub name: &'static str,
    /// The target.
    pub breaks: FaultTarget,
    /// The consequence.
    pub leads_to: &'static [Consequence],
}

/// The target of a fault. It must be the scenario's own, stand behind a proxy of the
/// scenario's, or be broken by the user's own commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultTarget {
    /// Processes and disks of brokers.
    Brokers,
    /// The link between brokers.
    ReplicationLink,
    /// The link between clients and brokers.
    ClientLink,
    /// A member of a consumer group.
    Member,
    /// The user's application.
    App,
    /// The connector.
    Connector,
    /// Something outside, by a command of the user's.
    External,
}

/// The consequence of a fault for its target, as far as claims and reports need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Broker processes are ended, and their disks stay.
    BrokersEnd,
    /// A broker never comes back.
    BrokerLost,
    /// A broker is ended, and comes back with an empty disk.
    DiskLost,
    /// Brokers are ended, and come back without what was not forced to disk.
    PowerLost,
    /// Broker processes stand still with their connections open.
    BrokersFreeze,
    /// Clients do not reach brokers that run.
    BrokersUnreachable,
    /// A member is ended, and a new process takes its number.
    MemberEnds,
    /// A member stands still, and a new process takes its number.
    MemberReplaced,
}

/// A key, and the error in its value.
pub type BadKey = (&'static str, String);

/// The properties of a fault that depend on its parameters.
pub trait FaultParameters {
    /// The fault in words, whether or not it is planned to have an effect.
    fn words(&self, scenario: &Scenario) -> Phrase;

    /// The evidence that it needs to count.
    fn evidence(&self, scenario: &Scenario) -> &'static str;

    /// How long it lasts by the plan, in milliseconds; none where that depends on the
    /// traffic.
    fn lasts_ms(&self) -> Option<u64> {
        None
    }

    /// How long it lasts at most by the plan, in milliseconds, where that is
    /// known.
    fn limit_ms(&self) -> Option<u64> {
        self.lasts_ms()
    }

    /// The broker or brokers that it is about, if it is about any.
    fn broker(&self) -> Option<&BrokerPick> {
        None
    }

    /// The member that it is about, if it is about one: its `group.id`, and
    /// its number from 1.
    fn member(&self) -> Option<(&str, u32)> {
        None
    }

    /// How long that member does not exist, in milliseconds: time that its
    /// group needs besides.
    fn down_ms(&self) -> u64 {
        0
    }

    /// The names in it that a cluster knows: of topics, of groups, and
    /// transactional ids, which begin with a group's.
    fn names(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    /// Errors in this scenario, beyond the checks of every fault of the same target.
    ///
    /// # Errors
    /// The key, and the error in its value.
    fn check(&self, _: &Scenario) -> Result<(), BadKey> {
        Ok(())
    }
}

macro_rules! catalogue {
    ($($variant:ident $module:ident)*) => {
        $(mod $module;)*
        $(pub use $module::*;)*

        /// A kind of fault with its parameters.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum FaultKind {
            $(
                #[doc = concat!("Defined in `scenario/fault/", stringify!($module), ".rs`.")]
                $variant($variant),
            )*
        }

        impl FaultKind {
            /// The definitions of all kinds, in the catalogue's order.
            pub const ALL: &[FaultDefinition] = &[$($module::DEFINITION),*];

            /// The definition of this kind.
            pub const fn definition(&self) -> &'static FaultDefinition {
                match self { $(Self::$variant(_) => &$module::DEFINITION),* }
            }

            /// The properties that depend on its parameters.
            pub fn parameters(&self) -> &dyn FaultParameters {
                match self { $(Self::$variant(it) => it),* }
            }

            /// For each kind its name, the schema of its parameters, and their
            /// names in order.
            #[cfg(test)]
            pub(crate) fn schemas() -> Vec<(&'static str, schemars::Schema, Vec<&'static str>)> {
                vec![$((
                    $module::DEFINITION.name,
                    crate::schema::of_parameters::<$variant>(),
                    crate::schema::field_names::<$variant>(),
                )),*]
            }

            /// The names in it that a cluster knows.
            pub(super) fn names(&mut self) -> Vec<&mut String> {
                match self { $(Self::$variant(it) => it.names()),* }
            }
        }
    };
}

catalogue! {
    BrokerRestart broker_restart
    BrokerPause broker_pause
    BrokerLoss broker_loss
    RollingBounce rolling_bounce
    DiskLoss disk_loss
    DiskFull disk_full
    PowerLoss power_loss
    NetworkCut network_cut
    LinkCut link_cut
    AnswerLost answer_lost
    RequestRefused request_refused
    RequestLate request_late
    SlowNetwork slow_network
    ConsumerRestart consumer_restart
    ConsumerPause consumer_pause
    ConsumerZombie consumer_zombie
    AppRestart app_restart
    AppPause app_pause
    ConnectorRestart connector_restart
    WorkerRestart worker_restart
    Command command
}

impl FaultKind {
    /// The name that scenario files use.
    pub const fn name(&self) -> &'static str {
        self.definition().name
    }

    /// Errors in this scenario.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        let parameters = self.parameters();
        if let Some(broker) = parameters.broker() {
            broker.check(scenario)?;
        }
        self.definition().breaks.check(self.name(), scenario)?;
        if let Some((group, member)) = parameters.member() {
            let members = scenario.check_group(group).map_err(|why| ("group", why))?;
            if !(1..=members).contains(&member) {
                return Err(("member", format!("members are numbered 1 to {members}")));
            }
        }
        parameters.check(scenario)
    }
}

impl FaultTarget {
    /// Whether it needs to stop and start brokers, or to cut the links between
    /// them, which a user's cluster does not allow.
    pub(crate) const fn needs_own_brokers(self) -> bool {
        matches!(
            self,
            Self::Brokers | Self::ReplicationLink | Self::Connector
        )
    }

    /// Whether producers wait for answers because of it.
    pub const fn holds_up_producers(self) -> bool {
        !matches!(self, Self::Member | Self::App | Self::Connector)
    }

    /// That a scenario has it, or a proxy before it.
    fn check(self, fault: &str, scenario: &Scenario) -> Result<(), BadKey> {
        let topology = &scenario.topology;
        let lacks = match self {
            Self::ClientLink if topology.link != Link::Proxy => {
                format!("`{fault}` needs `link = \"proxy\"` in [topology]")
            }
            Self::ReplicationLink if topology.replication_link != Link::Proxy => {
                "a link cut needs `replication_link = \"proxy\"` in [topology]".to_owned()
            }
            Self::Connector if scenario.capture.is_none() => {
                "there is no connector without [capture]".to_owned()
            }
            Self::App => return scenario.check_app(),
            _ => return Ok(()),
        };
        Err(("kind", lacks))
    }
}

/// How a process is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum EndSignal {
    /// SIGTERM: it may say goodbye.
    #[default]
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

/// The first member's number.
const fn first_member() -> u32 {
    1
}

/// That other brokers are left to go on.
fn check_others_left(fault: &FaultDefinition, scenario: &Scenario) -> Result<(), BadKey> {
    if scenario.topology.brokers == 1 {
        return Err((
            "kind",
            format!("`{}` needs more than one broker", fault.name),
        ));
    }
    Ok(())
}
