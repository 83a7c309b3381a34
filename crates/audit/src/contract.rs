//! What a configuration promises, before what weakens it: how often a record arrives, in
//! which order, what may fail, for how long.

use serde::Serialize;

use crate::component::{Component, Kind};
use crate::landscape::{Effective, Landscape, is_all};

/// As many retries as are used up before a leader change is over.
pub(crate) const RETRIES_FEW: i64 = 10;

/// One promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// Of which component.
    pub component: String,
    /// `delivery`, `order`, `outage`, `durability`, `availability`, `retention`.
    pub about: &'static str,
    /// The promise.
    pub promises: String,
    /// The settings that it rests on.
    pub because: String,
}

/// The promises of all components.
pub fn contract(of: &Landscape) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for it in of.producers() {
        producer(it, &mut clauses);
    }
    for it in of.consumers() {
        consumer(it, &mut clauses);
    }
    for it in of.of(&[Kind::Streams]) {
        if let Some(guarantee) = it.value("processing.guarantee") {
            let promises = if guarantee.value.starts_with("exactly_once") {
                "exactly once within Kafka"
            } else {
                "at least once"
            };
            clauses.push(clause(it, "delivery", promises, &[&guarantee]));
        }
    }
    for it in of.of(&[Kind::Source]) {
        let promises = match of.eos_worker() {
            Some(_) => "exactly once, where the connector supports it",
            None => {
                "at least once: what was written since the last flush comes again after a crash"
            }
        };
        clauses.push(Clause {
            component: it.label(),
            about: "delivery",
            promises: promises.to_owned(),
            because: match of.eos_worker() {
                Some(worker) => {
                    format!("exactly.once.source.support=enabled of {}", worker.label())
                }
                None => "Connect's default".to_owned(),
            },
        });
    }
    replication(of, &mut clauses);
    clauses
}

fn clause(
    of: &Component,
    about: &'static str,
    promises: &str,
    because: &[&Effective<'_>],
) -> Clause {
    let mut because: Vec<String> = because.iter().map(|it| it.words()).collect();
    because.dedup();
    Clause {
        component: of.label(),
        about,
        promises: promises.to_owned(),
        because: because.join("; "),
    }
}

fn producer(it: &Component, clauses: &mut Vec<Clause>) {
    let (Some(acks), idempotence) = (it.value("acks"), it.idempotence()) else {
        return;
    };
    let is_on = idempotence.as_ref().is_some_and(|(on, _)| *on);
    let retries = it.value("retries");
    let never = retries.filter(|it| !is_on && it.number() == Some(0));
    let promises = match (&acks.value, is_on) {
        (value, _) if value.trim() == "0" => {
            "at most once: nothing tells whether a record was stored"
        }
        _ if never.is_some() => "at most once: a send that fails is not repeated",
        (value, _) if !is_all(value) => {
            "neither at least once nor at most once: a leader may lose what it acknowledged, and a \
             retry may double it"
        }
        _ if it.set("transactional.id").is_some() => {
            "exactly once within transactions, for readers of committed records"
        }
        (_, true) => "at least once, without duplicates by the client's own retries",
        (_, false) => "at least once, with duplicates after lost responses",
    };
    let mut because = vec![&acks];
    because.extend(idempotence.as_ref().map(|(_, value)| value));
    because.extend(&never);
    clauses.push(clause(it, "delivery", promises, &because));
    let in_flight = it.value("max.in.flight.requests.per.connection");
    match (&idempotence, &in_flight) {
        _ if never.is_some() => {
            let promises = "kept within a partition: no batch is sent again";
            clauses.push(clause(
                it,
                "order",
                promises,
                &never.iter().collect::<Vec<_>>(),
            ));
        }
        (Some((true, value)), _) => {
            clauses.push(clause(it, "order", "kept within a partition", &[value]));
        }
        (_, Some(requests)) if requests.number() == Some(1) => {
            clauses.push(clause(
                it,
                "order",
                "kept unless a request times out",
                &[requests],
            ));
        }
        (Some((false, value)), Some(requests)) => {
            clauses.push(clause(
                it,
                "order",
                "not kept when a batch is sent again",
                &[requests, value],
            ));
        }
        _ => {}
    }
    outage(it, clauses);
}

fn outage(it: &Component, clauses: &mut Vec<Clause>) {
    let Some(timeout) = it.value("delivery.timeout.ms") else {
        return;
    };
    let retries = it.value("retries");
    let few = retries.filter(|it| it.number().is_some_and(|it| it < RETRIES_FEW));
    let Some(ms) = timeout.number() else {
        return;
    };
    match few {
        Some(retries) if retries.number() == Some(0) => {
            let promises = "a send fails at its first error";
            clauses.push(clause(it, "outage", promises, &[&retries]));
        }
        Some(retries) => {
            let promises = format!(
                "sends survive as many errors as there are retries, and at most {} without a leader",
                words(ms)
            );
            clauses.push(clause(it, "outage", &promises, &[&retries, &timeout]));
        }
        None => {
            let promises = format!("sends survive {} without a leader", words(ms));
            clauses.push(clause(it, "outage", &promises, &[&timeout]));
        }
    }
}

fn consumer(it: &Component, clauses: &mut Vec<Clause>) {
    if let Some(auto) = it.value("enable.auto.commit") {
        let promises = if auto.is("true") {
            "at least once, if the work on a record ends before the next poll"
        } else {
            "at least once, if the application commits after the work"
        };
        clauses.push(clause(it, "delivery", promises, &[&auto]));
    }
    if let Some(session) = it.value("session.timeout.ms")
        && let Some(ms) = session.number()
    {
        let promises = match it.set("group.instance.id") {
            Some(_) => format!(
                "goes on as soon as it returns; others take over after {}",
                words(ms)
            ),
            None => format!("others take over {} after a kill", words(ms)),
        };
        clauses.push(clause(it, "recovery", &promises, &[&session]));
    }
}

/// What brokers and topics promise of disks, brokers and time.
fn replication(of: &Landscape, clauses: &mut Vec<Clause>) {
    let mut all: Vec<&Component> = of.topics().collect();
    all.extend(of.brokers().take(1));
    for it in all {
        let is_topic = it.kind == Kind::Topic;
        let factor = if is_topic {
            of.replication(it)
        } else {
            it.value("default.replication.factor")
        };
        let isr = if is_topic {
            of.of_topic(it, "min.insync.replicas", "min.insync.replicas")
        } else {
            it.value("min.insync.replicas")
        };
        if let (Some(factor), Some(isr)) = (factor, isr)
            && let (Some(replicas), Some(least)) = (factor.number(), isr.number())
        {
            let disks = (least - 1).clamp(0, (replicas - 1).max(0));
            let promises = match disks {
                0 => "with acks=all one lost disk loses records".to_owned(),
                1 => "with acks=all 1 broker may lose its disk without loss".to_owned(),
                more => format!("with acks=all {more} brokers may lose their disks without loss"),
            };
            clauses.push(clause(it, "durability", &promises, &[&factor, &isr]));
            let down = (replicas - least).max(0);
            let promises = format!("{} may be down while records are written", brokers(down));
            clauses.push(clause(it, "availability", &promises, &[&factor, &isr]));
        }
        let kept = if is_topic {
            of.of_topic(it, "retention.ms", "log.retention.ms")
        } else {
            it.value("log.retention.ms")
        };
        let kept = kept
            .filter(|it| it.number().is_some())
            .map(|it| (it.number(), it))
            .or_else(|| {
                let hours = of.cluster("log.retention.hours").map(|(_, it)| it)?;
                Some((hours.number().map(|it| it * 3_600_000), hours))
            });
        if let Some((Some(ms), value)) = kept {
            let promises = match ms {
                -1 => "records are kept for ever".to_owned(),
                ms => format!(
                    "a lag may grow to {} before retention overtakes it",
                    words(ms)
                ),
            };
            clauses.push(clause(it, "retention", &promises, &[&value]));
        }
    }
}

fn brokers(count: i64) -> String {
    match count {
        0 => "no broker".to_owned(),
        1 => "1 broker".to_owned(),
        count => format!("{count} brokers"),
    }
}

/// A time as people say it.
fn words(ms: i64) -> String {
    let units = [
        (86_400_000, "days"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    let unit = units
        .iter()
        .find(|(length, _)| ms >= 2 * length || ms == *length);
    match unit {
        Some((length, name)) if ms % length == 0 => format!("{} {name}", ms / length),
        Some((length, name)) => {
            let tenths = ms / (length / 10);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{InputFile, read};

    #[test]
    fn without_retries_nothing_is_promised_that_rests_on_them() {
        let read = |text: &str| {
            let input = InputFile {
                path: "producer.properties".to_owned(),
                text: text.to_owned(),
            };
            let components = read(&input, "java@3.9.1".parse().ok().as_ref());
            let landscape = Landscape {
                components: components.map(|it| it.components).unwrap_or_default(),
                ..Landscape::default()
            };
            let clauses = contract(&landscape).into_iter();
            clauses
                .map(|it| (it.about, it.promises))
                .collect::<Vec<_>>()
        };
        let of = |about: &'static str, promises: &str| (about, promises.to_owned());
        let file = "bootstrap.servers=k:9092\nacks=all\nenable.idempotence=false\nretries=";
        assert_eq!(
            read(&format!("{file}0\n")),
            [
                of(
                    "delivery",
                    "at most once: a send that fails is not repeated"
                ),
                of("order", "kept within a partition: no batch is sent again"),
                of("outage", "a send fails at its first error"),
            ]
        );
        assert_eq!(
            read(&format!("{file}5\n")),
            [
                of(
                    "delivery",
                    "at least once, with duplicates after lost responses"
                ),
                of("order", "not kept when a batch is sent again"),
                of(
                    "outage",
                    "sends survive as many errors as there are retries, and at most 2 min without a \
                     leader"
                ),
            ]
        );
    }

    #[test]
    fn times_are_told_as_people_say_them() {
        assert_eq!(words(120_000), "2 min");
        assert_eq!(words(604_800_000), "7 days");
        assert_eq!(words(2_147_483_647), "24.8 days");
        assert_eq!(words(500), "500 ms");
    }
}
