//! All components together, with the promises of the team: what rules look at. Resolves
//! what is not set.

use std::borrow::Cow;

use crate::component::{Component, Kind, Origin, ReadSetting, fact};
use crate::defaults;
use crate::policy::Promise;
use crate::product::{Product, Software};
use crate::read::{debezium_of, replicas};
use crate::version::Version;

/// A value in force, and where it is from.
#[derive(Clone, Debug)]
pub struct Effective<'a> {
    /// The key as rules know it.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
    /// Whether it was set or is usual.
    pub from: From<'a>,
}

/// Where a value in force is from.
#[derive(Clone, Debug)]
pub enum From<'a> {
    /// It was set.
    Set(&'a ReadSetting),
    /// It is the default of a version.
    Default {
        /// Such as `kafka-clients 3.1.0`.
        of: String,
        /// Whether the version is a guess.
        is_assumed: bool,
    },
}

impl Effective<'_> {
    /// Whether the user set it.
    pub fn is_set(&self) -> bool {
        match &self.from {
            From::Set(setting) => !is_live_default(setting) && !is_of_image(setting),
            From::Default { .. } => false,
        }
    }

    /// Its number.
    pub fn number(&self) -> Option<i64> {
        self.value.trim().parse().ok()
    }

    /// Whether it is this word, in either case.
    pub fn is(&self, word: &str) -> bool {
        self.value.trim().eq_ignore_ascii_case(word)
    }

    /// `acks=1`, or `acks is not set: 1 is the default of kafka-clients 2.8.2`.
    pub fn words(&self) -> String {
        let shown = secret::shown(&self.key, &self.value);
        match &self.from {
            From::Set(setting) if is_live_default(setting) => {
                format!("{} is not set: {shown} is in force", self.key)
            }
            From::Set(setting) if is_of_image(setting) => {
                format!(
                    "{} is not set: {shown} is the default of the image",
                    self.key
                )
            }
            From::Set(_) => format!("{}={shown}", self.key.trim_start_matches('@')),
            From::Default { of, .. } => {
                format!("{} is not set: {shown} is the default of {of}", self.key)
            }
        }
    }
}

/// Whether a container's image set it by itself.
fn is_of_image(setting: &ReadSetting) -> bool {
    setting.path.contains(".image(")
}

fn is_live_default(setting: &ReadSetting) -> bool {
    matches!(
        setting.origin,
        Origin::Live {
            is_default: true,
            ..
        }
    )
}

impl Component {
    /// The value of a key in force; none where nothing tells. A value that holds a
    /// variable is not known.
    pub fn value<'a>(&'a self, key: &'a str) -> Option<Effective<'a>> {
        if let Some(setting) = self.set(key) {
            return (!is_open(&setting.value)).then_some(Effective {
                key: Cow::Borrowed(key),
                value: Cow::Borrowed(setting.value.as_str()),
                from: From::Set(setting),
            });
        }
        self.default(key)
    }

    /// The default of a key.
    pub fn default<'a>(&'a self, key: &'a str) -> Option<Effective<'a>> {
        let usual = defaults::usual(self.kind, self.software.as_ref()?, key)?;
        Some(Effective {
            key: Cow::Borrowed(key),
            value: Cow::Owned(usual.value?),
            from: From::Default {
                of: usual.of,
                is_assumed: usual.is_assumed,
            },
        })
    }

    /// Whether it runs this product.
    pub fn is(&self, product: Product) -> bool {
        self.software
            .as_ref()
            .is_some_and(|it| it.product == product)
    }

    /// Whether it is Java's client.
    pub fn is_java(&self) -> bool {
        self.software
            .as_ref()
            .is_some_and(|it| it.product.is_java())
    }

    /// Its version, where it is known.
    pub fn version(&self) -> Option<&Version> {
        self.software.as_ref()?.version.as_ref()
    }

    /// Whether its producer is idempotent, and the setting that says so. `None` where
    /// that is not known.
    ///
    /// Java withdraws the default where it conflicts with what is set (Kafka's
    /// documentation of `enable.idempotence`); 3.0.0 and 3.1.0 do not have it
    /// (KAFKA-13598).
    pub fn idempotence(&self) -> Option<(bool, Effective<'_>)> {
        if let Some(id) = self.set("transactional.id")
            && !id.value.is_empty()
            && self.set("enable.idempotence").is_none()
        {
            return Some((
                true,
                Effective {
                    key: Cow::Borrowed("transactional.id"),
                    value: Cow::Borrowed(&id.value),
                    from: From::Set(id),
                },
            ));
        }
        let value = self.value("enable.idempotence")?;
        if value.is_set() {
            let on = value.is("true");
            return Some((on, value));
        }
        if let Some(conflict) = self.withdraws_idempotence() {
            return Some((false, conflict));
        }
        let is_missing = self.lacks_default_idempotence();
        let on = value.is("true") && !is_missing;
        Some((on, value))
    }

    /// Whether it is a Java client of which the documented default is not in force.
    pub fn lacks_default_idempotence(&self) -> bool {
        self.is(Product::Java)
            && self
                .version()
                .is_some_and(|it| it.is_exact() && (it.is_in("3.0.0") || it.is_in("3.1.0")))
    }

    /// The setting that takes the default idempotence away.
    pub fn withdraws_idempotence(&self) -> Option<Effective<'_>> {
        if !self.is_java() || self.version().is_some_and(|it| !it.is_from("3.0.0")) {
            return None;
        }
        if self.set("enable.idempotence").is_some() {
            return None;
        }
        let acks = self
            .value("acks")
            .filter(|it| it.is_set() && !is_all(&it.value));
        let retries = || {
            self.value("retries")
                .filter(|it| it.is_set() && it.number() == Some(0))
        };
        let in_flight = || {
            let value = self.value("max.in.flight.requests.per.connection");
            value.filter(|it| it.is_set() && it.number().is_some_and(|it| it > 5))
        };
        acks.or_else(retries).or_else(in_flight)
    }
}

/// Whether a value is one that the program fills in when it starts.
pub fn is_open(value: &str) -> bool {
    value.contains("${") || value.starts_with("$(") || value.contains("{{")
}

/// Whether `acks` waits for all replicas in sync.
pub fn is_all(acks: &str) -> bool {
    matches!(acks.trim(), "all" | "-1" | "RequireAll" | "WaitForAll")
}

/// Everything that is audited.
#[derive(Debug, Default)]
pub struct Landscape {
    /// The parts.
    pub components: Vec<Component>,
    /// What the team promises.
    pub promise: Promise,
}

impl Landscape {
    /// The components of these kinds.
    pub fn of<'a>(&'a self, kinds: &'a [Kind]) -> impl Iterator<Item = &'a Component> + Clone {
        self.components
            .iter()
            .filter(move |it| kinds.contains(&it.kind))
    }

    /// Producers.
    pub fn producers(&self) -> impl Iterator<Item = &Component> + Clone {
        self.of(&[Kind::Producer])
    }

    /// Consumers.
    pub fn consumers(&self) -> impl Iterator<Item = &Component> + Clone {
        self.of(&[Kind::Consumer])
    }

    /// Brokers.
    pub fn brokers(&self) -> impl Iterator<Item = &Component> + Clone {
        self.of(&[Kind::Broker])
    }

    /// Topics.
    pub fn topics(&self) -> impl Iterator<Item = &Component> + Clone {
        self.of(&[Kind::Topic])
    }

    /// Connect workers.
    pub fn workers(&self) -> impl Iterator<Item = &Component> + Clone {
        self.of(&[Kind::Worker])
    }

    /// Connectors.
    pub fn connectors(&self) -> impl Iterator<Item = &Component> + Clone {
        self.of(&[Kind::Source, Kind::Sink])
    }

    /// Debezium's connectors for `PostgreSQL`.
    pub fn captures(&self) -> impl Iterator<Item = &Component> + Clone {
        self.of(&[Kind::Source]).filter(|it| {
            it.text("connector.class")
                .is_some_and(|class| class.contains("debezium") && class.contains("Postgres"))
        })
    }

    /// How many brokers there are, where a file or the cluster tells: one file of
    /// properties is one of any number.
    pub fn broker_count(&self) -> Option<u32> {
        let brokers = || self.brokers().chain(self.of(&[Kind::Controller]));
        let voters = brokers().find_map(|it| it.text("controller.quorum.voters"));
        let is_told = |it: &&Component| {
            it.set(fact::IMAGE).is_some() || it.set(fact::REPLICAS).is_some() || is_live(it)
        };
        let told: Vec<&Component> = self.brokers().filter(is_told).collect();
        if told.is_empty() {
            // A combined node that is its own only voter is alone.
            let alone = self.brokers().find(|it| {
                it.text("process.roles")
                    .is_some_and(|it| it.contains("controller"))
            });
            let voters = voters?.split(',').count();
            return (alone.is_some() && voters == 1 && self.brokers().count() == 1).then_some(1);
        }
        // Several files may tell of several clusters.
        let is_one = told.iter().all(|it| it.file == told[0].file);
        is_one.then(|| told.iter().map(|it| replicas(it).unwrap_or(1)).sum())
    }

    /// Compose files are clusters of their own: those with one broker.
    pub fn lone_brokers(&self) -> Vec<&Component> {
        let composed = self.brokers().filter(|it| it.set(fact::IMAGE).is_some());
        let lone = composed.filter(|it| {
            let beside = self.brokers().filter(|other| other.file == it.file);
            beside.map(|it| replicas(it).unwrap_or(1)).sum::<u32>() == 1
        });
        let mut lone: Vec<&Component> = lone.collect();
        if lone.is_empty() && self.broker_count() == Some(1) {
            lone.extend(self.brokers().next());
        }
        lone
    }

    /// A setting of the cluster, as its brokers have it; none where files differ, which
    /// may tell of several clusters.
    pub fn cluster<'a>(&'a self, key: &'a str) -> Option<(&'a Component, Effective<'a>)> {
        let of = self.brokers().filter_map(|it| Some((it, it.value(key)?)));
        let mut all: Vec<_> = of.collect();
        let (first, value) = all.first()?;
        let differs = |(it, other): &(&Component, Effective<'_>)| {
            it.file != first.file && other.value != value.value
        };
        if all.iter().any(differs) {
            return None;
        }
        let set = all.iter().position(|(_, it)| it.is_set()).unwrap_or(0);
        Some(all.swap_remove(set))
    }

    /// A topic's setting, by its own configuration or the brokers' (`broker_key`).
    pub fn of_topic<'a>(
        &'a self,
        topic: &'a Component,
        key: &'a str,
        broker_key: &'a str,
    ) -> Option<Effective<'a>> {
        if topic.set(key).is_some() {
            return topic.value(key);
        }
        self.cluster(broker_key)
            .map(|(_, value)| value)
            .or_else(|| topic.default(key))
    }

    /// The replicas of a topic, by itself or by the brokers' default.
    pub fn replication<'a>(&'a self, topic: &'a Component) -> Option<Effective<'a>> {
        topic
            .value(fact::REPLICATION_FACTOR)
            .or_else(|| Some(self.cluster("default.replication.factor")?.1))
    }

    /// Debezium's version: that of the connector, or of the worker's image.
    pub fn debezium(&self, connector: &Component) -> Software {
        let own = connector.software.clone().filter(|it| it.version.is_some());
        let of_worker = || self.workers().find_map(debezium_of);
        own.or_else(of_worker)
            .unwrap_or(Software::any(Product::Debezium))
    }

    /// The version of the database that a connector captures, where there is one only.
    pub fn postgres(&self) -> Option<&Version> {
        let mut versions = self.of(&[Kind::Database]).filter_map(Component::version);
        let first = versions.next()?;
        versions.next().is_none().then_some(first)
    }

    /// Whether anything uses transactions, and which.
    pub fn transactional(&self) -> Option<&Component> {
        let by_id = self
            .producers()
            .find(|it| it.set("transactional.id").is_some());
        by_id.or_else(|| self.eos_worker()).or_else(|| {
            let mut streams = self.of(&[Kind::Streams]);
            streams.find(|it| {
                it.text("processing.guarantee")
                    .is_some_and(|it| it.starts_with("exactly_once"))
            })
        })
    }

    /// A worker with exactly-once support for sources.
    pub fn eos_worker(&self) -> Option<&Component> {
        self.workers().find(|it| {
            it.text("exactly.once.source.support")
                .is_some_and(|it| it.eq_ignore_ascii_case("enabled"))
        })
    }
}

fn is_live(component: &Component) -> bool {
    let first = component.settings.first();
    first.is_some_and(|it| matches!(it.origin, Origin::Live { .. }))
}
