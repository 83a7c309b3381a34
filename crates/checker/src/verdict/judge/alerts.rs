//! Rulings on alerts: whether one fired of what was broken, and none of what was not. Knows
//! nothing of who evaluated their rules.

use std::collections::BTreeSet;

use model::claim::{AlertContract, Contract};
use model::event::AlertRule;
use model::ids::{GroupIx, Micros};
use model::scenario::words::{counted, duration_ms};

use crate::alerts::{ActiveAlert, AlertCoverage, WatchedGroup};
use crate::analysis::Analysis;
use crate::verdict::judge::faults::{judge_fault, why_not};
use crate::verdict::judge::ruling::{Ruling, held, inconclusive, violated};

/// Alerts that were watched for one group.
struct Watched<'a> {
    contract: &'a AlertContract,
    coverage: &'a AlertCoverage,
    group: &'a WatchedGroup,
    number: GroupIx,
    /// When the exporter told of the group.
    told: Micros,
    /// When the group was broken, if it was, and until when.
    broken: Option<(Micros, Option<Micros>)>,
    /// What broke it.
    fault: &'a str,
}

/// An alert that names the group fired while it was broken.
pub(super) fn fires(contract: &Contract, analysis: &Analysis) -> Ruling {
    let watched = match Watched::of(contract, analysis) {
        Ok(watched) => watched,
        Err(ruling) => return ruling,
    };
    let name = &watched.contract.group;
    let Some((from, to)) = watched.broken else {
        return inconclusive(format!("{} was never in force", watched.fault));
    };
    if watched.told >= from {
        return inconclusive(format!(
            "the exporter did not tell of {name} before {} came into force",
            watched.fault
        ));
    }
    let in_time = |at: Micros| to.is_none_or(|to| at <= to);
    let early = watched.fired_early(from);
    let mut fired: Vec<(Micros, &ActiveAlert)> = watched
        .own()
        .filter(|alert| alert.since >= from)
        .filter_map(|alert| Some((alert.fired.filter(|at| in_time(*at))?, alert)))
        .collect();
    fired.sort_by_key(|(at, _)| *at);
    let again = fired.first().map(|(at, alert)| (*at, alert.alert.as_str()));
    fired.retain(|(_, alert)| !early.contains(alert.alert.as_str()));
    // One alert for each partition, for example.
    let mut named = BTreeSet::new();
    fired.retain(|(_, alert)| named.insert(alert.alert.as_str()));
    if let Some((first, _)) = fired.first() {
        let each: Vec<String> = fired
            .iter()
            .map(|(at, alert)| format!("{} after {}", alert.alert, lasted(from, *at)))
            .collect();
        return held(format!(
            "{} broke {name}: {}; at the first of them {}",
            watched.fault,
            each.join(", "),
            watched.lag_at(*first)
        ));
    }
    if let Some((at, alert)) = again {
        return inconclusive(format!(
            "{alert} fired after {}, and before {} too: it cannot be told whether it fired of that",
            lasted(from, at),
            watched.fault
        ));
    }
    let Some(to) = to else {
        return inconclusive(format!("{} did not last to its end", watched.fault));
    };
    if let Some(why) = watched.not_broken(contract, analysis) {
        return inconclusive(why);
    }
    if let Some(why) = watched.unwatched(from, Some(to)) {
        return inconclusive(why);
    }
    if let Some(why) = watched.pending_at(to) {
        return inconclusive(why);
    }
    let lasts_ms = watched.contract.lasts_ms;
    let mut slow = watched.coverage.rules.iter();
    if let Some(slow) = slow.find(|it| needs_ms(it) > lasts_ms)
        && !watched.contract.is_limit
    {
        return inconclusive(format!(
            "none fired in {}, and {} needs {}: --alert-timeout gives it more, or says that this \
             is too late",
            duration_ms(lasts_ms),
            slow.alert,
            duration_ms(needs_ms(slow))
        ));
    }
    violated(format!(
        "{} lasted {}, and no alert that names {name} or its topic fired of it; at its end {}; {} \
         evaluated{}",
        watched.fault,
        duration_ms(lasts_ms),
        watched.lag_at(to),
        rules(watched.coverage),
        watched.others(from)
    ))
}

/// No alert fired of what was true before the group was broken, or where it never was.
pub(super) fn none_false(contract: &Contract, analysis: &Analysis) -> Ruling {
    let watched = match Watched::of(contract, analysis) {
        Ok(watched) => watched,
        Err(ruling) => return ruling,
    };
    let name = &watched.contract.group;
    let until = watched.broken.map(|(from, _)| from);
    let before = |at: Micros| until.is_none_or(|until| at < until);
    let mut wrong = watched.own().filter(|alert| before(alert.since));
    if let Some((at, alert)) = wrong.find_map(|alert| Some((alert.fired?, alert))) {
        let lag = watched.lag_at(at);
        return violated(match until {
            Some(until) if at >= until => format!(
                "{} fired, and its condition was true {} before {} already; {lag}",
                alert.alert,
                lasted(alert.since, until),
                watched.fault
            ),
            Some(until) => format!(
                "{} fired {} before {}; {lag}",
                alert.alert,
                lasted(at, until),
                watched.fault
            ),
            None => format!("{} fired, and nothing was broken; {lag}", alert.alert),
        });
    }
    if let Some(why) = watched.unwatched(watched.told, until) {
        return inconclusive(why);
    }
    let mut open = watched.own().filter(|alert| before(alert.since));
    if let Some(alert) = open.find(|alert| alert.ended.is_none()) {
        return inconclusive(format!(
            "{} was pending at the end: its `for` had not elapsed",
            alert.alert
        ));
    }
    if watched.coverage.rules.is_empty() {
        return inconclusive("there is no alert rule that could fire");
    }
    if watched.contract.fault.is_none() {
        let behind = watched.group.behind_most(Micros::default(), None);
        if behind < watched.contract.least_behind {
            return inconclusive(watched.not_behind(behind));
        }
        return held(format!(
            "{} evaluated, and none that names {name} or its topic fired; it was {} behind at most",
            rules(watched.coverage),
            counted(behind, "record")
        ));
    }
    let Some(until) = until else {
        return inconclusive(format!("{} was never in force", watched.fault));
    };
    if watched.told >= until {
        return inconclusive(format!(
            "the exporter did not tell of {name} before {} came into force",
            watched.fault
        ));
    }
    held(format!(
        "{} evaluated, and none fired of what was true in the {} before {}",
        rules(watched.coverage),
        lasted(watched.told, until),
        watched.fault
    ))
}

/// How long a rule takes to fire at most, once its condition is true.
fn needs_ms(rule: &AlertRule) -> u64 {
    rule.for_ms.saturating_add(rule.looks_back_ms)
}

fn rules(coverage: &AlertCoverage) -> String {
    let count = coverage.rules.len();
    let were = if count == 1 { "was" } else { "were" };
    format!("{} {were}", counted(count as u64, "alert rule"))
}

fn lasted(from: Micros, to: Micros) -> String {
    duration_ms(to.since(from).as_millis())
}

impl<'a> Watched<'a> {
    fn of(contract: &'a Contract, analysis: &'a Analysis) -> Result<Self, Ruling> {
        let Some(alert) = &contract.alert else {
            return Err(inconclusive("no alerts were watched"));
        };
        let coverage = &analysis.coverage.alerts;
        let mut groups = coverage.groups.iter();
        let seen = groups.find(|(_, group)| group.name == alert.group);
        let seen = seen.and_then(|(number, group)| Some((*number, group, group.told?)));
        let Some((number, group, told)) = seen else {
            return Err(inconclusive(format!(
                "the exporter never told of {} and its topic",
                alert.group
            )));
        };
        let mut faults = contract.faults.iter();
        let fault = faults.find(|it| Some(it.fault) == alert.fault);
        let record = alert.fault.and_then(|fault| analysis.faults.get(&fault));
        Ok(Self {
            contract: alert,
            coverage,
            group,
            number,
            told,
            broken: record.and_then(|record| Some((record.injected?, record.healed))),
            fault: fault.map_or("the fault", |fault| fault.kind.as_str()),
        })
    }

    /// The alerts that name the group.
    fn own(&self) -> impl Iterator<Item = &'a ActiveAlert> {
        let (alerts, number) = (self.coverage.alerts.iter(), self.number);
        alerts.filter(move |alert| alert.group == Some(number))
    }

    /// The alerts that fired of what was true before this moment. One that fires then and
    /// again afterwards, after a scrape that failed for example, tells of nothing.
    fn fired_early(&self, from: Micros) -> BTreeSet<&'a str> {
        let fired = self.own().filter(|alert| alert.fired.is_some());
        let early = fired.filter(|alert| alert.since < from);
        early.map(|alert| alert.alert.as_str()).collect()
    }

    /// Why the situation that an alert must tell of did not come about.
    fn not_broken(&self, contract: &Contract, analysis: &Analysis) -> Option<String> {
        let mut faults = contract.faults.iter();
        let fault = faults.find(|it| Some(it.fault) == self.contract.fault)?;
        let fault = judge_fault(fault, analysis);
        if !fault.landed {
            return Some(format!(
                "{} never took effect: {}",
                fault.kind,
                why_not(&fault)
            ));
        }
        let happened = &analysis.coverage.occurrences;
        let mut missing = contract.must_happen.iter().filter(|it| !happened.has(it));
        if let Some(missing) = missing.next() {
            return Some(format!(
                "what an alert should tell of did not happen: {missing}"
            ));
        }
        let (from, to) = self.broken?;
        let behind = self.group.behind_most(from, to);
        (behind < self.contract.least_behind).then(|| self.not_behind(behind))
    }

    fn not_behind(&self, behind: u64) -> String {
        format!(
            "{} was {} behind at most, and the scenario is about {}",
            self.contract.group,
            counted(behind, "record"),
            self.contract.least_behind
        )
    }

    /// Why nothing is known of alerts in some of this time.
    fn unwatched(&self, from: Micros, to: Option<Micros>) -> Option<String> {
        let mut unread = self.coverage.unread.iter();
        if let Some((_, why)) = unread.find(|(gap, _)| gap.overlaps(from, to)) {
            return Some(format!("Prometheus was not there to be asked: {why}"));
        }
        let mut blind = self.group.blind.iter();
        let blind = blind.find(|gap| gap.overlaps(from, to))?;
        Some(format!(
            "Prometheus had nothing of the topic of {} from its exporter at {}: it was not scraped",
            self.contract.group,
            duration_ms(blind.from.as_millis())
        ))
    }

    fn pending_at(&self, at: Micros) -> Option<String> {
        let mut pending = self.own().filter(|alert| {
            let is_over = alert.ended.is_some_and(|ended| ended <= at);
            let fires = alert.fired.is_some_and(|fired| fired <= at);
            alert.since <= at && !is_over && !fires
        });
        let alert = pending.next()?;
        let rules = self.coverage.rules.iter();
        let for_ms = rules.filter(|rule| rule.alert == alert.alert);
        let for_ms = for_ms.map(|rule| rule.for_ms).max().unwrap_or(0);
        Some(format!(
            "{} was pending for {} at the end, and fires after {}",
            alert.alert,
            lasted(alert.since, at),
            duration_ms(for_ms)
        ))
    }

    /// How far the group was behind, in words.
    fn lag_at(&self, at: Micros) -> String {
        let name = &self.contract.group;
        match self.group.lag_at(at) {
            Some(lag) => format!(
                "{name} was {} behind and {} deleted unread",
                counted(lag.behind, "record"),
                match lag.deleted {
                    0 => "none had been".to_owned(),
                    1 => "1 had been".to_owned(),
                    more => format!("{more} had been"),
                }
            ),
            None => format!("it is not known how far {name} was behind"),
        }
    }

    /// What fired and does not count.
    fn others(&self, from: Micros) -> String {
        let fired = self.coverage.alerts.iter().filter(|it| it.fired.is_some());
        let mut early: Vec<&str> = Vec::new();
        let mut nameless: Vec<&str> = Vec::new();
        for alert in fired {
            let list = match alert.group {
                Some(group) if group == self.number && alert.since < from => &mut early,
                None => &mut nameless,
                Some(_) => continue,
            };
            if !list.contains(&alert.alert.as_str()) {
                list.push(&alert.alert);
            }
        }
        let told = [
            ("true before already", early),
            ("fired, and name neither", nameless),
        ];
        let told = told.iter().filter(|(_, alerts)| !alerts.is_empty());
        let told: Vec<String> = told
            .map(|(how, alerts)| format!("; {how}: {}", alerts.join(", ")))
            .collect();
        told.concat()
    }
}
