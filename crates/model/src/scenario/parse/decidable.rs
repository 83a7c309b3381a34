//! Refuses scenarios that cannot work: claims that nothing in them tests, triggers that are
//! never reached, settings that Kafka refuses, more than seven days. Knows what each of
//! these needs; nothing of how a history is judged.

use super::{PathStep, Problem};
use crate::claim::{Claim, Guarantee, Level};
use crate::scenario::settings::{self, Misuse, Whose};
use crate::scenario::{
    Config, Consequence, GroupStart, Scenario, Transactions, Trigger, Write, WriteHow, WriteStart,
};

/// The longest that a scenario's own paces may ask for: seven days.
const SCHEDULE_S_MAX: u64 = 7 * 24 * 3600;

/// Fails with the first reason.
pub(super) fn check(scenario: &Scenario) -> Result<(), Problem> {
    paces(scenario)?;
    parents(scenario)?;
    triggers(scenario)?;
    claims(scenario)?;
    kafkas_settings(scenario)
}

fn paces(scenario: &Scenario) -> Result<(), Problem> {
    let fits = |count: u64, per_s: u64| per_s == 0 || count / per_s <= SCHEDULE_S_MAX;
    let days = SCHEDULE_S_MAX / (24 * 3600);
    for (at, producer) in scenario.producers.iter().enumerate() {
        let (records, per_s) = (producer.records, producer.records_per_s);
        if !fits(records, per_s.into()) {
            let message = format!(
                "{records} records at {per_s} a second take longer than {days} days: send fewer, \
                 or more a second"
            );
            return Err(Problem::new(
                ["producer".into(), at.into(), "records".into()],
                message,
            ));
        }
    }
    for (at, write) in scenario.writes.iter().enumerate() {
        let (rows, per_s) = (write.rows, write.rows_per_s);
        if !fits(rows, per_s.into()) {
            let message = format!(
                "{rows} rows at {per_s} a second take longer than {days} days: write fewer, or \
                 more a second"
            );
            let path = ["write".into(), at.into(), "rows".into()];
            return Err(Problem::new(path, message));
        }
    }
    Ok(())
}

/// A comment is one user's, and of one video: both must be there.
fn parents(scenario: &Scenario) -> Result<(), Problem> {
    for (at, write) in scenario.writes.iter().enumerate() {
        let earlier = scenario.writes.get(..at).unwrap_or_default();
        let lacks = |table: &&str| !earlier.iter().any(|it| it.table == **table);
        let mut parents = ["videos", "users"].iter();
        if write.table == "comments"
            && let Some(table) = parents.find(|table| lacks(table))
        {
            let message = format!(
                "a comment needs a row in `{table}`: put a [[write]] with `table = \"{table}\"` \
                 and `rows = 1` before this one"
            );
            let path = ["write".into(), at.into(), "table".into()];
            return Err(Problem::new(path, message));
        }
    }
    Ok(())
}

fn triggers(scenario: &Scenario) -> Result<(), Problem> {
    for (at, write) in scenario.writes.iter().enumerate() {
        let before = scenario.writes.get(..at).unwrap_or_default();
        for (key, trigger) in [
            ("after", &write.after),
            ("commit_after", &write.commit_after),
        ] {
            let never = trigger
                .as_ref()
                .and_then(|trigger| never_reached(scenario, trigger, before));
            if let Some(message) = never {
                let path = ["write".into(), at.into(), key.into()];
                return Err(Problem::new(path, message));
            }
        }
    }
    for (at, fault) in scenario.faults.iter().enumerate() {
        if let Some(message) = never_reached(scenario, &fault.after, &scenario.writes) {
            let path = ["fault".into(), at.into(), "after".into()];
            return Err(Problem::new(path, message));
        }
    }
    Ok(())
}

/// Why a moment never comes, if it never does.
fn never_reached(scenario: &Scenario, trigger: &Trigger, writes: &[Write]) -> Option<String> {
    match trigger {
        Trigger::Captured(count) => {
            let changes = changes(scenario, writes);
            (*count > changes).then(|| {
                format!(
                    "`captured = {count}` is never reached: {changes} row changes are written \
                     before that, and each has one event"
                )
            })
        }
        Trigger::Processed { group, percent } => {
            let all = scenario.records();
            let topic = scenario.topic_of(group)?;
            let given = records_to(scenario, topic, scenario.transforms.len())?;
            let wanted = (u128::from(all) * u128::from(*percent)).div_ceil(100);
            (wanted > u128::from(given)).then(|| {
                format!(
                    "`{group}` never processes {percent} percent of all {all} records: {given} \
                     come to `{topic}`, which it reads"
                )
            })
        }
        _ => None,
    }
}

/// Row changes that have an event.
fn changes(scenario: &Scenario, writes: &[Write]) -> u64 {
    let snapshot = scenario.capture.as_ref();
    let snapshot = snapshot.and_then(|it| it.config.get("snapshot.mode"));
    let is_read = !snapshot.is_some_and(|mode| mode == "no_data" || mode == "never");
    let later = scenario.writes.get(writes.len()..).unwrap_or_default();
    let is_open = |write: &Write| {
        write.transaction.is_some() && later.iter().any(|it| it.transaction == write.transaction)
    };
    let with_event = writes
        .iter()
        .filter(|write| write.start == WriteStart::AfterCapture || is_read);
    with_event
        .filter(|write| !is_open(write))
        .map(|write| match write.how {
            WriteHow::InsertAndTouch => write.rows.saturating_mul(2),
            WriteHow::Insert | WriteHow::Copy => write.rows,
        })
        .fold(0, u64::saturating_add)
}

/// How many records come to a topic; nothing where that cannot be told.
fn records_to(scenario: &Scenario, topic: &str, hops_left: usize) -> Option<u64> {
    if scenario.keeper_of(topic).is_some() {
        return None;
    }
    let sent = scenario.producers.iter().map(|it| it.records_to(topic));
    let mut records: u64 = sent.fold(0, u64::saturating_add);
    for transform in scenario.transforms.iter().filter(|it| it.to == topic) {
        // It may make a record again when it is started again.
        if transform.transactions == Transactions::Off {
            return None;
        }
        let made = records_to(scenario, &transform.from, hops_left.checked_sub(1)?)?;
        records = records.saturating_add(made);
    }
    Some(records)
}

fn claims(scenario: &Scenario) -> Result<(), Problem> {
    for (at, guarantee) in scenario.guarantees.iter().enumerate() {
        if let Some(lacking) = undecidable(scenario, guarantee) {
            let message = format!("`{}` cannot be decided here: {lacking}", guarantee.claim);
            let path: [PathStep; 3] = ["guarantee".into(), at.into(), "claim".into()];
            return Err(Problem::new(path, message));
        }
    }
    Ok(())
}

/// A requirement of a claim that the scenario lacks.
fn undecidable(scenario: &Scenario, guarantee: &Guarantee) -> Option<String> {
    let groups = || {
        let groups = scenario.groups.iter().map(|it| (&it.name, &it.topic));
        groups.chain(scenario.transforms.iter().map(|it| (&it.name, &it.from)))
    };
    let need = |what: &str| Some(what.to_owned());
    let claim = guarantee.claim;
    match claim {
        Claim::AllAcknowledged | Claim::OutcomesReported | Claim::Ordered | Claim::NoDuplicates
            if scenario.producers.is_empty() && scenario.transforms.is_empty() =>
        {
            need(match claim {
                Claim::NoDuplicates => {
                    "it is about records that a [[producer]] sends; of rows `no-row-duplicate` \
                     says the same"
                }
                Claim::Ordered => {
                    "it is about records that a [[producer]] sends; of rows `commit-order` says \
                     the same"
                }
                _ => "it is about records that a [[producer]] sends, and there is none",
            })
        }
        Claim::NoLoss
        | Claim::NoPhantom
        | Claim::Intact
        | Claim::NoTruncation
        | Claim::AllAcknowledged
        | Claim::OutcomesReported
        | Claim::NoDuplicates => None,
        Claim::Ordered => {
            let mut producers = scenario.producers.iter();
            let sends = producers.any(|it| it.records > 1) || !scenario.transforms.is_empty();
            (!sends).then(|| "no [[producer]] sends more than one record".to_owned())
        }
        Claim::NoGroupGap
        | Claim::GroupComplete
        | Claim::NothingReprocessed
        | Claim::ReprocessedWithinWindow
        | Claim::ReadsInOrder
        | Claim::NoCommitRegression
        | Claim::GroupsIndependent
        | Claim::NoZombie => of_groups(scenario, guarantee, &groups().collect::<Vec<_>>()),
        Claim::RecoversWithin => {
            let comes_back = scenario.leads_to(Consequence::MemberEnds)
                || scenario.leads_to(Consequence::MemberReplaced);
            (scenario.capture.is_none() && !comes_back).then(|| {
                "it is measured when a member is started again: add a [[fault]] of kind \
                 `consumer-restart`"
                    .to_owned()
            })
        }
        Claim::NoRowMissing
        | Claim::NoRowDuplicate
        | Claim::NoRowPhantom
        | Claim::CommitOrder
        | Claim::NoStateDivergence => match (&scenario.capture, scenario.writes.is_empty()) {
            (None, _) => need("it is about rows of a database: add [capture] and a [[write]]"),
            (Some(_), true) => need("no rows are written: add a [[write]]"),
            _ => None,
        },
        Claim::ReplicasAgree => {
            let alone = scenario.topics.iter().find(|it| it.replication_factor < 2);
            alone.map(|topic| {
                format!(
                    "`{}` has one replica, which agrees with itself: it needs \
                     `replication_factor = 2` or more",
                    topic.name
                )
            })
        }
        Claim::ReadCommitted | Claim::TransactionsWhole | Claim::NoCycles => {
            of_transactions(scenario, claim)
        }
        Claim::EffectsNoneLost
        | Claim::EffectsOnce
        | Claim::EffectsNoneInvented
        | Claim::EffectsInOrderByKey => of_app(scenario, claim),
        Claim::AlertFires | Claim::NoFalseAlert => match &scenario.alert {
            None => need("no alerts are watched: add [alert] with `group`"),
            Some(alert) if claim == Claim::AlertFires && alert.fault.is_none() => {
                need("nothing is broken that an alert could tell of: add `fault` to [alert]")
            }
            Some(_) => None,
        },
    }
}

fn of_groups(
    scenario: &Scenario,
    guarantee: &Guarantee,
    groups: &[(&String, &String)],
) -> Option<String> {
    let must_hold = guarantee.level == Level::Required;
    if groups.is_empty() {
        return Some("there is no group: add a [[group]]".to_owned());
    }
    let unwritten = groups
        .iter()
        .find(|(_, topic)| records_to(scenario, topic, scenario.transforms.len()) == Some(0));
    if let Some((group, topic)) = unwritten {
        return Some(format!(
            "nothing is sent to `{topic}`, which group `{group}` reads"
        ));
    }
    match guarantee.claim {
        Claim::GroupsIndependent if groups.len() < 2 => {
            Some("there is one group: add another [[group]]".to_owned())
        }
        Claim::GroupsIndependent => {
            let mut late = scenario.groups.iter();
            let late = late.find(|it| it.start == GroupStart::AfterProducers)?;
            Some(format!(
                "group `{}` reads when everything was sent (`start = \"after-producers\"`), and \
                 the claim is about reading while records are sent",
                late.name
            ))
        }
        Claim::ReprocessedWithinWindow => {
            let goes_away = |name: &str| {
                let faults = scenario.faults.iter();
                let mut members = faults.filter_map(|fault| fault.kind.parameters().member());
                members.any(|(group, _)| group == name)
            };
            // One that stays leaves the claim open, whatever the others show.
            let mut staying = groups.iter().filter(|(name, _)| !goes_away(name));
            let all_stay = staying.clone().count() == groups.len();
            let staying = staying.next().filter(|_| must_hold || all_stay)?;
            Some(format!(
                "no member of group `{0}` goes away: add a [[fault]] of kind `consumer-restart` \
                 with `group = \"{0}\"`",
                staying.0
            ))
        }
        _ => None,
    }
}

fn of_app(scenario: &Scenario, claim: Claim) -> Option<String> {
    let Some(app) = &scenario.app else {
        return Some("it is about an application of yours: add [app]".to_owned());
    };
    if claim != Claim::EffectsInOrderByKey {
        return None;
    }
    if app.effects.topic.is_none() {
        return Some(
            "a listing has no order: it needs an application that writes to a topic (`topic` in \
             [app.effects])"
                .to_owned(),
        );
    }
    let mut producers = scenario.producers.iter();
    let comes_again = |keys: Option<u64>, records: u64| keys.is_some_and(|keys| keys < records);
    let again = producers.any(|it| it.topic == app.topic && comes_again(it.keys, it.records));
    (!again).then(|| {
        format!(
            "no key comes again: the [[producer]] of `{}` needs `keys`, fewer than its records",
            app.topic
        )
    })
}

fn of_transactions(scenario: &Scenario, claim: Claim) -> Option<String> {
    let with = scenario.transforms.iter();
    let with: Vec<_> = with
        .filter(|it| it.transactions == Transactions::On)
        .collect();
    let source = scenario.capture.as_ref().is_some_and(|capture| {
        let support = capture.worker_config.get("exactly.once.source.support");
        support.is_some_and(|it| it == "enabled")
    });
    if with.is_empty() && !(source && claim == Claim::ReadCommitted) {
        return Some(
            "there are no transactions: add a [[transform]] with `transactions = true`".to_owned(),
        );
    }
    let is_written = |topic: &String| {
        with.iter().any(|it| it.to == *topic) || (source && scenario.table_of(topic).is_some())
    };
    let committed_only = |config: &Config| {
        config
            .get("isolation.level")
            .is_none_or(|it| it == "read_committed")
    };
    let readers = scenario.groups.iter().filter(|it| is_written(&it.topic));
    let mut readers = readers.filter(|it| it.requires_read_committed || committed_only(&it.config));
    let mut transforms = scenario.transforms.iter();
    let read = readers.next().is_some()
        || transforms.any(|it| is_written(&it.from) && committed_only(&it.config));
    (claim == Claim::ReadCommitted && !read).then(|| {
        "no group that relies on committed records reads what a transaction writes".to_owned()
    })
}

/// Settings that Kafka's own definitions refuse.
fn kafkas_settings(scenario: &Scenario) -> Result<(), Problem> {
    let refused =
        |path: Vec<PathStep>, whose: Whose, config| match settings::first_misuse(whose, config) {
            Some((key, misuse)) => Err(Problem::of_setting(path, key, misuse)),
            None => Ok(()),
        };
    let topology = &scenario.topology.config;
    refused(
        vec!["topology".into(), "config".into()],
        Whose::Broker,
        topology,
    )?;
    for (at, topic) in scenario.topics.iter().enumerate() {
        let path = vec!["topic".into(), at.into(), "config".into()];
        refused(path, Whose::Topic, &topic.config)?;
    }
    if let Some(capture) = &scenario.capture {
        refused(
            vec!["capture".into(), "worker_config".into()],
            Whose::Worker,
            &capture.worker_config,
        )?;
        let mut keys = capture.database_config.iter();
        if let Some((key, message)) = keys.find_map(|(key, value)| {
            let message = database_misuse(key, value)?;
            Some((key, message))
        }) {
            let path = vec!["capture".into(), "database_config".into()];
            return Err(Problem::of_setting(path, key, Misuse::Name(message)));
        }
    }
    Ok(())
}

/// Settings without which ackproof could not use the server. PostgreSQL itself refuses what
/// it does not know.
const DATABASE_OWN: [&str; 7] = [
    "data_directory",
    "listen_addresses",
    "max_replication_slots",
    "max_wal_senders",
    "port",
    "unix_socket_directories",
    "wal_level",
];

fn database_misuse(key: &str, value: &str) -> Option<String> {
    let is_name = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c));
    if !is_name || key.starts_with("include") {
        return Some(format!("`{key}` is no setting of PostgreSQL"));
    }
    if DATABASE_OWN.contains(&key) {
        return Some(format!("ackproof sets `{key}` itself"));
    }
    value
        .chars()
        .any(char::is_control)
        .then(|| format!("the value of `{key}` has more than one line"))
}

impl Scenario {
    /// The topic that the group of that name reads.
    fn topic_of(&self, group: &str) -> Option<&str> {
        let groups = self.groups.iter().map(|it| (&it.name, &it.topic));
        let transforms = self.transforms.iter().map(|it| (&it.name, &it.from));
        let mut all = groups.chain(transforms);
        all.find(|(name, _)| *name == group)
            .map(|(_, topic)| topic.as_str())
    }
}
