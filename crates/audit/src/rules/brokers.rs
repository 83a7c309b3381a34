//! What brokers risk on their own.

use super::Confidence::{Certain, Likely, Possible};
use super::Severity::{Error, Note, Warning};
use super::{Rule, duration_ms, signed};
use crate::component::{Component, Kind, fact};
use crate::defaults;
use crate::landscape::Effective;

fn is_local(address: &str) -> bool {
    let host = address.rsplit("://").next().unwrap_or(address);
    ["localhost", "127.0.0.1", "0.0.0.0"]
        .iter()
        .any(|it| host.starts_with(it))
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "default-replication-1",
        severity: Error,
        confidence: Certain,
        title: "new topics have one replica",
        consequence: "A topic that is made without a replication factor lies on one disk: when that is gone, so are its \
                      records, acknowledged ones too.",
        fix: "three brokers and `default.replication.factor=3`",
        source: "Kafka documentation, broker configuration `default.replication.factor`",
        shown_by: &["disk-loss"],
        check: |of, hits| {
            for it in of.brokers() {
                if let Some(one) = it
                    .value("default.replication.factor")
                    .filter(|it| it.number() == Some(1))
                {
                    hits.at(it, &one);
                }
            }
        },
    },
    Rule {
        id: "min-isr-1",
        severity: Error,
        confidence: Certain,
        title: "one replica is enough to acknowledge",
        consequence: "`acks=all` means all that are in sync: when the followers fall out, the leader alone \
                      acknowledges, and its records are lost with it.",
        fix: "replication factor 3 and `min.insync.replicas=2`",
        source: "Kafka documentation, topic configuration `min.insync.replicas`",
        shown_by: &["min-isr-1-last-replica-lost", "min-isr-2-last-replica-lost"],
        check: |of, hits| {
            for it in of.brokers() {
                if let Some(one) = it
                    .value("min.insync.replicas")
                    .filter(|it| it.number() == Some(1))
                {
                    hits.at(it, &one);
                }
            }
            for it in of.topics() {
                if let Some(one) = it
                    .value("min.insync.replicas")
                    .filter(|it| it.is_set() && it.number() == Some(1))
                {
                    hits.at(it, &one);
                }
            }
        },
    },
    Rule {
        id: "single-broker",
        severity: Error,
        confidence: Certain,
        title: "there is one broker",
        consequence: "Nothing can be written or read while it restarts, and nothing outlives its disk.",
        fix: "three brokers, on machines of their own",
        source: "Kafka documentation, Replication",
        shown_by: &["broker-restart", "disk-loss"],
        check: |of, hits| {
            for it in of.lone_brokers() {
                match it.value(fact::REPLICAS) {
                    Some(replicas) => hits.at(it, &replicas),
                    None => hits.on(it, "brokers", "1 broker"),
                };
            }
        },
    },
    Rule {
        id: "unclean-leader-election",
        severity: Error,
        confidence: Certain,
        title: "a replica that is behind may become leader",
        consequence: "Acknowledged records that it does not have are cut off from all replicas.",
        fix: "`unclean.leader.election.enable=false`",
        source: "Kafka documentation, topic configuration `unclean.leader.election.enable`",
        shown_by: &["unclean-election-on", "unclean-election-off"],
        check: |of, hits| {
            for it in of.brokers().chain(of.topics()) {
                if let Some(on) = it
                    .value("unclean.leader.election.enable")
                    .filter(|it| it.is("true"))
                {
                    hits.at(it, &on);
                }
            }
        },
    },
    Rule {
        id: "broker-level-min-isr",
        severity: Error,
        confidence: Certain,
        title: "this `min.insync.replicas` is not in force",
        consequence: "With eligible leader replicas (new clusters from 4.1 on) the value of the cluster rules: an \
                      override of one broker is removed, and a broker's file does not change it.",
        fix: "set it on the topics, or for the cluster (`kafka-configs --entity-default`), or in the controllers' files \
              before the cluster is formatted",
        source: "Kafka documentation, Eligible Leader Replicas; KIP-966",
        shown_by: &["min-isr-1-last-replica-lost", "min-isr-2-last-replica-lost"],
        check: |of, hits| {
            // A file of a broker that is no controller, where no controller says the same.
            for it in of.brokers() {
                let roles = it.text("process.roles").unwrap_or("broker,controller");
                let is_new = it.version().is_some_and(|it| it.is_from("4.1.0"));
                let controllers = || of.of(&[Kind::Controller]);
                let said = |value: &str| {
                    controllers().any(|it| it.text("min.insync.replicas") == Some(value))
                };
                if let Some(own) = it.value("min.insync.replicas").filter(Effective::is_set)
                    && is_new
                    && !roles.contains("controller")
                    && controllers().count() > 0
                    && !said(&own.value)
                {
                    hits.at(it, &own)
                        .and("the controllers' files do not say it");
                }
            }
            // A running cluster: set on the broker itself.
            for it in of.brokers() {
                let is_on = it
                    .text("@feature.eligible.leader.replicas.version")
                    .is_some_and(|it| it != "0");
                let own = it
                    .set("min.insync.replicas")
                    .filter(|own| own.path.starts_with("broker:"));
                if let (true, Some(own)) = (is_on, own) {
                    hits.on(it, "min.insync.replicas", format!("min.insync.replicas={}, set on the broker; eligible.leader.replicas.version is 1", own.value));
                }
            }
        },
    },
    Rule {
        id: "last-replica-standing",
        severity: Warning,
        confidence: Certain,
        title: "eligible leader replicas are off",
        consequence: "When all followers have left, an unclean restart of the last replica in sync loses acknowledged \
                      records, also with `min.insync.replicas=2`.",
        fix: "`kafka-features.sh upgrade --feature eligible.leader.replicas.version=1`",
        source: "KIP-966; Kafka documentation, Eligible Leader Replicas",
        shown_by: &["kip-966", "kip-966-fixed"],
        check: |of, hits| {
            if let Some(it) = of.brokers().next()
                && let Some(off) = it
                    .value("@feature.eligible.leader.replicas.version")
                    .filter(|it| it.is("0"))
            {
                hits.at(it, &off);
            }
        },
    },
    Rule {
        id: "old-transaction-protocol",
        severity: Warning,
        confidence: Certain,
        title: "transactions use the old protocol",
        consequence: "A request that arrives late may join the next transaction: aborted records are read, or \
                      committed ones are lost.",
        fix: "`kafka-features.sh upgrade --feature transaction.version=2`, and Java's clients from 4.0 on: it protects \
              none on librdkafka",
        source: "KIP-890; docs/findings/late-commit.md",
        shown_by: &["kip-890", "kip-890-fixed"],
        check: |of, hits| {
            if let Some(it) = of.brokers().next()
                && let Some(old) = it
                    .value("@feature.transaction.version")
                    .filter(|it| it.number().is_some_and(|it| it < 2))
            {
                let hit = hits.at(it, &old);
                if let Some(user) = of.transactional() {
                    hit.and(format!("{} uses transactions", user.label()))
                        .as_severe(Error);
                }
            }
        },
    },
    Rule {
        id: "partition-verification-off",
        severity: Error,
        confidence: Certain,
        title: "transactions may hang",
        consequence: "Without the check of KIP-890 a late record opens a transaction that never ends, and readers of \
                      committed records stop there.",
        fix: "`transaction.partition.verification.enable=true`",
        source: "KIP-890; Kafka documentation, broker configuration `transaction.partition.verification.enable`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.brokers() {
                if let Some(off) = it
                    .value("transaction.partition.verification.enable")
                    .filter(|it| it.is("false"))
                {
                    hits.at(it, &off);
                }
            }
        },
    },
    Rule {
        id: "log-in-temporary-folder",
        severity: Error,
        confidence: Certain,
        title: "the log is in a temporary folder",
        consequence: "What cleans `/tmp`, or a new container, takes every record and every position.",
        fix: "`log.dirs` on a disk of its own",
        source: "Kafka documentation, broker configuration `log.dir`",
        shown_by: &["disk-loss"],
        check: |of, hits| {
            for it in of.brokers() {
                // Images and Strimzi say where it is by themselves.
                let image = it.text(fact::IMAGE).unwrap_or_default();
                let decides = image.contains("confluentinc")
                    || image.contains("cp-")
                    || it.set(fact::STORAGE).is_some() && image.is_empty();
                let dirs = it.value("log.dirs").or_else(|| it.value("log.dir"));
                let is_kept = it.text(fact::STORAGE) == Some("persistent");
                if let Some(dirs) = dirs.filter(|it| it.value.starts_with("/tmp"))
                    && !is_kept
                    && (dirs.is_set() || !decides)
                {
                    hits.at(it, &dirs);
                }
            }
        },
    },
    Rule {
        id: "storage-ephemeral",
        severity: Warning,
        confidence: Certain,
        title: "the data goes with the container",
        consequence: "A container that is made anew (an update, `docker compose down`, a moved pod) begins empty.",
        fix: "a volume for the data",
        source: "Strimzi documentation, Storage; Docker documentation, Volumes",
        shown_by: &["disk-loss"],
        check: |of, hits| {
            for it in of.of(&[Kind::Broker, Kind::Controller, Kind::Database]) {
                if let Some(gone) = it.value(fact::STORAGE).filter(|it| it.is("ephemeral")) {
                    hits.at(it, &gone);
                }
            }
        },
    },
    Rule {
        id: "replica-lag-short",
        severity: Warning,
        confidence: Certain,
        title: "followers fall out of sync at every pause",
        consequence: "A collection of garbage takes seconds: the in-sync replicas shrink, and with \
                      `min.insync.replicas=2` writes fail.",
        fix: "`replica.lag.time.max.ms=30000`",
        source: "KIP-537; Kafka documentation, broker configuration `replica.lag.time.max.ms`",
        shown_by: &["follower-link-loss"],
        check: |of, hits| {
            for it in of.brokers() {
                if let Some(short) = it
                    .value("replica.lag.time.max.ms")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it < 10_000))
                {
                    hits.at(it, &short);
                }
            }
        },
    },
    Rule {
        id: "topics-made-by-accident",
        severity: Warning,
        confidence: Certain,
        title: "a typing error makes a topic",
        consequence: "A client that names a topic that does not exist gets a new one with the brokers' defaults, here \
                      with one replica.",
        fix: "`auto.create.topics.enable=false`",
        source: "Kafka documentation, broker configuration `auto.create.topics.enable`",
        shown_by: &["disk-loss"],
        check: |of, hits| {
            for it in of.brokers() {
                let one = it
                    .value("default.replication.factor")
                    .is_some_and(|it| it.number() == Some(1));
                if let Some(on) = it
                    .value("auto.create.topics.enable")
                    .filter(|it| it.is("true"))
                    && one
                {
                    hits.at(it, &on);
                }
            }
        },
    },
    Rule {
        id: "disk-writes-not-forced",
        severity: Note,
        confidence: Possible,
        title: "acknowledged records may be in memory only",
        consequence: "Kafka leaves writing to the disk to the system; a power loss of all replicas at once takes the \
                      last seconds.",
        fix: "replicas in places that do not fail together; `flush.messages=1` where that cannot be",
        source: "Kafka documentation, topic configuration `flush.messages`, Application vs. OS Flush Management",
        shown_by: &["power-loss-page-cache", "power-loss-flushed"],
        check: |of, hits| {
            if of.broker_count() == Some(1)
                && let Some(it) = of.brokers().next()
                && it.set("log.flush.interval.messages").is_none()
            {
                hits.on(
                    it,
                    "log.flush.interval.messages",
                    "log.flush.interval.messages is not set, and there is one broker",
                );
            }
        },
    },
    Rule {
        id: "controlled-shutdown-off",
        severity: Warning,
        confidence: Certain,
        title: "every restart is a crash",
        consequence: "A broker that does not hand its partitions over before it stops leaves them without a leader for \
                      a while, and is recovered when it starts.",
        fix: "`controlled.shutdown.enable=true`",
        source: "Kafka documentation, Graceful shutdown",
        shown_by: &["rolling-bounce", "broker-kill"],
        check: |of, hits| {
            for it in of.brokers() {
                if let Some(off) = it
                    .value("controlled.shutdown.enable")
                    .filter(|it| it.is("false"))
                {
                    hits.at(it, &off);
                }
            }
        },
    },
    Rule {
        id: "stop-grace-short",
        severity: Note,
        confidence: Certain,
        title: "the container is killed before the broker has stopped",
        consequence: "A broker needs up to a minute to hand over and close its logs; then the restart is a crash.",
        fix: "`stop_grace_period: 1m`",
        source: "Compose specification, `stop_grace_period`; Kafka documentation, Graceful shutdown",
        shown_by: &["broker-kill", "broker-restart"],
        check: |of, hits| {
            for it in of.brokers().filter(|it| it.set(fact::IMAGE).is_some()) {
                match it.value(fact::STOP_GRACE_S) {
                    Some(grace) if grace.number().is_some_and(|it| it < 30) => {
                        hits.at(it, &grace);
                    }
                    Some(_) => {}
                    None => {
                        hits.on(
                            it,
                            "stop_grace_period",
                            "stop_grace_period is not set: 10 s is Compose's default",
                        );
                    }
                }
            }
        },
    },
    Rule {
        id: "dead-setting",
        severity: Note,
        confidence: Certain,
        title: "a setting without effect",
        consequence: "This version of Kafka has no such key any more.",
        fix: "remove it",
        source: "the broker's own table of its version",
        shown_by: &[],
        check: |of, hits| {
            for it in of.of(&[Kind::Broker, Kind::Controller, Kind::Topic]) {
                let Some(version) = it.version() else {
                    continue;
                };
                let table = if it.kind == Kind::Topic {
                    "topic"
                } else {
                    "broker"
                };
                for setting in &it.settings {
                    if defaults::gone(table, version, &setting.key) {
                        hits.on(
                            it,
                            &setting.path,
                            format!("{} is set; Kafka {version} has no such key", setting.key),
                        )
                        .origin = Some(setting.origin.clone());
                    }
                }
            }
        },
    },
    Rule {
        id: "advertised-as-localhost",
        severity: Error,
        confidence: Likely,
        title: "other containers cannot reach the broker",
        consequence: "A client connects once to the name that it knows, and is then sent to `localhost`, which is \
                      itself.",
        fix: "advertise the service's name on a listener of its own",
        source: "Kafka documentation, broker configuration `advertised.listeners`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.brokers() {
                let Some(advertised) = it.value("advertised.listeners") else {
                    continue;
                };
                let Some(service) = it.text(fact::SERVICE) else {
                    continue;
                };
                let all_local = advertised.value.split(',').all(|it| is_local(it.trim()));
                let names_it = |other: &&Component| {
                    other.file == it.file
                        && other.text("bootstrap.servers").is_some_and(|it| {
                            it.split(',')
                                .any(|it| it.trim().split(':').next() == Some(service))
                        })
                };
                if all_local && let Some(client) = of.components.iter().find(names_it) {
                    hits.at(it, &advertised)
                        .and(format!("{} connects to {service}", client.label()));
                }
            }
        },
    },
    Rule {
        id: "cleaner-off",
        severity: Error,
        confidence: Certain,
        title: "nothing is compacted",
        consequence: "Without the log cleaner `__consumer_offsets` and every compacted topic grow until the disk is full.",
        fix: "`log.cleaner.enable=true`",
        source: "Kafka documentation, broker configuration `log.cleaner.enable`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.brokers() {
                if let Some(off) = it.value("log.cleaner.enable").filter(|it| it.is("false")) {
                    hits.at(it, &off);
                }
            }
        },
    },
    Rule {
        id: "rebalance-delay-beyond-recovery",
        severity: Warning,
        confidence: Certain,
        title: "an empty group waits before it reads",
        consequence: "The first member of an empty group waits `group.initial.rebalance.delay.ms` for others.",
        fix: "a delay below the promised recovery",
        source: "KIP-134; Kafka documentation, broker configuration `group.initial.rebalance.delay.ms`",
        shown_by: &[],
        check: |of, hits| {
            let Some(promised) = of.promise.recovery_s.map(|it| signed(it) * 1000) else {
                return;
            };
            for it in of.brokers() {
                if let Some(delay) = it
                    .value("group.initial.rebalance.delay.ms")
                    .filter(|it| it.number().is_some_and(|it| it >= promised))
                {
                    hits.at(it, &delay)
                        .and(format!("promised: back after {}", duration_ms(promised)));
                }
            }
        },
    },
];
