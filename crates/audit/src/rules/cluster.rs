//! What Kafka keeps for itself: positions, transactions, the quorum.

use super::Confidence::Certain;
use super::Severity::{Error, Note, Warning};
use super::{Rule, signed};
use crate::component::Kind;
use crate::landscape::{Effective, Landscape};

const OFFSETS_RF: &str = "offsets.topic.replication.factor";
const TXN_RF: &str = "transaction.state.log.replication.factor";
const TXN_ISR: &str = "transaction.state.log.min.isr";

/// A number of replicas of an internal topic that is too small: 1 is an error.
fn few(of: &Landscape, key: &'static str, hits: &mut super::Hits) {
    for it in of.brokers() {
        if let Some(value) = it
            .value(key)
            .filter(|it| it.number().is_some_and(|it| it < 3))
        {
            let is_one = value.number() == Some(1);
            let hit = hits.at(it, &value);
            if !is_one {
                hit.as_severe(Warning);
            }
        }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "offsets-topic-replication",
        severity: Error,
        confidence: Certain,
        title: "the groups' positions lie on one broker",
        consequence: "When that broker's disk is gone, every group starts where `auto.offset.reset` says.",
        fix: "`offsets.topic.replication.factor=3`",
        source: "Kafka documentation, broker configuration `offsets.topic.replication.factor`",
        shown_by: &["offsets-expired-latest", "offsets-expired-earliest"],
        check: |of, hits| few(of, OFFSETS_RF, hits),
    },
    Rule {
        id: "offsets-topic-cannot-form",
        severity: Error,
        confidence: Certain,
        title: "no group can be formed",
        consequence: "`__consumer_offsets` needs more brokers than there are: no consumer group gets a coordinator.",
        fix: "as many brokers, or a smaller `offsets.topic.replication.factor` for development",
        source: "Kafka documentation, broker configuration `offsets.topic.replication.factor`",
        shown_by: &[],
        check: |of, hits| {
            let Some(brokers) = of.broker_count() else {
                return;
            };
            for it in of.brokers().take(1) {
                if let Some(factor) = it
                    .value(OFFSETS_RF)
                    .filter(|it| it.number().is_some_and(|it| it > i64::from(brokers)))
                {
                    hits.at(it, &factor).and(format!("{brokers} brokers"));
                }
            }
        },
    },
    Rule {
        id: "transaction-log-weak",
        severity: Error,
        confidence: Certain,
        title: "transactions' outcomes lie on one broker",
        consequence: "When that broker's disk is gone, transactions that were committed are undecided, and their \
                      records are never read.",
        fix: "`transaction.state.log.replication.factor=3` and `transaction.state.log.min.isr=2`",
        source: "Kafka documentation, broker configuration `transaction.state.log.replication.factor`",
        shown_by: &[],
        check: |of, hits| {
            // Without transactions the log is never made.
            let severity = if of.transactional().is_some() {
                Error
            } else {
                Note
            };
            for it in of.brokers() {
                let weak = |key: &'static str, least: i64| {
                    it.value(key)
                        .filter(move |it| it.number().is_some_and(|it| it < least))
                };
                if let Some(value) = weak(TXN_RF, 3).or_else(|| weak(TXN_ISR, 2)) {
                    hits.at(it, &value).as_severe(severity);
                }
            }
        },
    },
    Rule {
        id: "transaction-log-cannot-form",
        severity: Error,
        confidence: Certain,
        title: "no transaction can begin",
        consequence: "The transaction log needs more brokers than there are: `InitProducerId` never succeeds.",
        fix: "as many brokers, or smaller values for development",
        source: "Kafka documentation, producer configuration `transactional.id`",
        shown_by: &[],
        check: |of, hits| {
            let (Some(brokers), Some(user)) = (of.broker_count(), of.transactional()) else {
                return;
            };
            for it in of.brokers().take(1) {
                let too_many = |key: &'static str| {
                    it.value(key)
                        .filter(|it| it.number().is_some_and(|it| it > i64::from(brokers)))
                };
                if let Some(value) = too_many(TXN_RF).or_else(|| too_many(TXN_ISR)) {
                    hits.at(it, &value).and(format!(
                        "{brokers} brokers; {} uses transactions",
                        user.label()
                    ));
                }
            }
        },
    },
    Rule {
        id: "share-state-weak",
        severity: Warning,
        confidence: Certain,
        title: "the state of share groups lies on one broker",
        consequence: "When that broker's disk is gone, share groups deliver records again, or skip them.",
        fix: "`share.coordinator.state.topic.replication.factor=3` and `.min.isr=2`",
        source: "KIP-932; Kafka documentation, broker configuration `share.coordinator.state.topic.replication.factor`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.brokers() {
                let weak = |key: &'static str, least: i64| {
                    it.value(key)
                        .filter(move |it| it.is_set() && it.number().is_some_and(|it| it < least))
                };
                let value = weak("share.coordinator.state.topic.replication.factor", 3);
                if let Some(value) =
                    value.or_else(|| weak("share.coordinator.state.topic.min.isr", 2))
                {
                    // A single broker has no other choice, and says so elsewhere.
                    let hit = hits.at(it, &value);
                    if of.broker_count() == Some(1) {
                        hit.as_severe(Note);
                    }
                }
            }
        },
    },
    Rule {
        id: "controllers-without-majority",
        severity: Warning,
        confidence: Certain,
        title: "the quorum bears no failure, or no more than with one controller less",
        consequence: "A quorum of 1 or 2 stops with the first controller that is down, one of 4 with the second, as one \
                      of 3.",
        fix: "3 or 5 controllers",
        source: "Kafka documentation, KRaft, Deploying Considerations",
        shown_by: &["controller-kill"],
        check: |of, hits| {
            let mut nodes = of.of(&[Kind::Broker, Kind::Controller]);
            let found = nodes.find_map(|it| {
                let voters = it
                    .value("controller.quorum.voters")
                    .filter(Effective::is_set);
                let servers = || {
                    it.value("controller.quorum.bootstrap.servers")
                        .filter(Effective::is_set)
                };
                Some((it, voters.or_else(servers)?))
            });
            if let Some((it, voters)) = found
                && of.broker_count() != Some(1)
            {
                let count = voters
                    .value
                    .split(',')
                    .filter(|it| !it.trim().is_empty())
                    .count();
                // Bootstrap servers may be a part of the quorum only.
                let is_whole = voters.key == "controller.quorum.voters";
                if is_whole && (count < 3 || count % 2 == 0) {
                    hits.at(it, &voters).and(format!("{count} controllers"));
                }
                return;
            }
            let pools = of
                .of(&[Kind::Controller])
                .filter_map(|it| Some((it, crate::read::replicas(it)?)));
            for (it, count) in pools {
                if (count < 3 || count % 2 == 0)
                    && let Some(replicas) = it.value(crate::component::fact::REPLICAS)
                {
                    hits.at(it, &replicas);
                }
            }
        },
    },
    Rule {
        id: "positions-expire",
        severity: Warning,
        confidence: Certain,
        title: "a group that pauses loses its position",
        consequence: "Positions of a group without members are deleted after `offsets.retention.minutes`; \
                      `auto.offset.reset` then decides.",
        fix: "`offsets.retention.minutes` above the longest pause",
        source: "KIP-211; Kafka documentation, broker configuration `offsets.retention.minutes`",
        shown_by: &["offsets-expired-latest", "offsets-expired-earliest"],
        check: |of, hits| {
            let pause = of.promise.pause_h.map(|it| signed(it) * 60);
            for it in of.brokers() {
                let Some(minutes) = it.value("offsets.retention.minutes") else {
                    continue;
                };
                let Some(number) = minutes.number() else {
                    continue;
                };
                if let Some(pause) = pause.filter(|pause| number < *pause) {
                    hits.at(it, &minutes)
                        .and(format!("promised: a pause of {} h", pause / 60));
                } else if minutes.is_set() && number < 1440 {
                    hits.at(it, &minutes).and("less than a day");
                }
            }
        },
    },
    Rule {
        id: "producer-state-expires",
        severity: Warning,
        confidence: Certain,
        title: "a late retry is written twice",
        consequence: "The brokers forget a producer's last sequence numbers after `producer.id.expiration.ms`; what it \
                      sends again later counts as new.",
        fix: "`producer.id.expiration.ms` above the producers' `delivery.timeout.ms`",
        source: "KIP-854; Kafka documentation, broker configuration `producer.id.expiration.ms`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.brokers() {
                let Some(expiry) = it
                    .value("producer.id.expiration.ms")
                    .filter(Effective::is_set)
                else {
                    continue;
                };
                let Some(limit) = expiry.number() else {
                    continue;
                };
                let later = of.producers().find_map(|producer| {
                    let timeout = producer.value("delivery.timeout.ms")?;
                    (timeout.number()? >= limit)
                        .then(|| format!("{} has {}", producer.label(), timeout.words()))
                });
                if let Some(later) = later {
                    hits.at(it, &expiry).and(later);
                }
            }
        },
    },
    Rule {
        id: "transactional-ids-expire",
        severity: Note,
        confidence: Certain,
        title: "an instance that rests is no longer fenced",
        consequence: "The coordinator forgets a transactional id after `transactional.id.expiration.ms`, and with it \
                      which instance is the newest.",
        fix: "an expiration above the longest rest",
        source: "Kafka documentation, broker configuration `transactional.id.expiration.ms`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.brokers() {
                if let Some(short) = it
                    .value("transactional.id.expiration.ms")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it < 86_400_000))
                {
                    hits.at(it, &short);
                }
            }
        },
    },
];
