//! Two runs side by side, scenario by scenario: verdicts, findings, times, settings.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::scenario::Config;
use model::verdict::{GuaranteeVerdict, Interruption, Measurements, RunVerdict, ScenarioVerdict};

use super::noise::{Count, is_known, is_longer, median};
use super::{Difference, Direction};
use crate::page_data::Compared;
use crate::run::{Tally, Word, instances, is_as_wanted};
use crate::section::figures::{caught_up_ms, first_event_ms, outage_ms, recovery_ms};
use crate::units::{Spread, duration_us, number};

/// Anomalies of which the first is one too many.
const LOSSES: [Anomaly; 4] = [
    Anomaly::LostWrite,
    Anomaly::RowMissing,
    Anomaly::GroupGap,
    Anomaly::GroupIncomplete,
];

/// A time that is compared.
struct Figure {
    name: &'static str,
    /// Differences up to this are noise.
    floor_us: u64,
    us: fn(&Measurements) -> Option<u64>,
}

/// A second: recoveries are bounded by polling and by timeouts.
const RECOVERY_US: u64 = 1_000_000;

const FIGURES: &[Figure] = &[
    Figure {
        name: "first acknowledgement after the last fault",
        floor_us: RECOVERY_US,
        us: |it| ms(it.healed_to_first_ack_ms),
    },
    Figure {
        name: "longest time without an acknowledgement",
        floor_us: RECOVERY_US,
        us: |it| ms(it.silent_longest_ms),
    },
    Figure {
        name: "outage of a group",
        floor_us: RECOVERY_US,
        us: |it| ms(outage_ms(it)),
    },
    Figure {
        name: "first record after a member's start",
        floor_us: RECOVERY_US,
        us: |it| ms(recovery_ms(it)),
    },
    Figure {
        name: "first event after the connector's restart",
        floor_us: RECOVERY_US,
        us: |it| ms(first_event_ms(it)),
    },
    Figure {
        name: "connector caught up",
        floor_us: 2 * RECOVERY_US,
        us: |it| ms(caught_up_ms(it)),
    },
    Figure {
        name: "latency before the first fault, median",
        floor_us: 5_000,
        us: |it| it.latency_before.map(|of| of.p50_us),
    },
    Figure {
        name: "latency before the first fault, 99th percentile",
        floor_us: 50_000,
        us: |it| it.latency_before.map(|of| of.p99_us),
    },
    Figure {
        name: "latency after the last fault, median",
        floor_us: 5_000,
        us: |it| it.latency_after.map(|of| of.p50_us),
    },
    Figure {
        name: "latency after the last fault, 99th percentile",
        floor_us: 50_000,
        us: |it| it.latency_after.map(|of| of.p99_us),
    },
];

fn ms(ms: Option<u64>) -> Option<u64> {
    ms.map(|ms| ms.saturating_mul(1000))
}

/// A scenario in one of the runs, with its repetitions.
struct Scenario<'a> {
    outcomes: Vec<&'a ScenarioVerdict>,
    settings: Option<&'a BTreeMap<String, Config>>,
}

/// How many scenarios both runs have, and what differs.
pub(super) fn all(
    before: &Compared,
    after: &Compared,
    times_compared: bool,
) -> (usize, Vec<Difference>) {
    let (old, new) = (names(&before.verdict), names(&after.verdict));
    let mut changes = Vec::new();
    if let ([old], [new]) = (old.as_slice(), new.as_slice())
        && old != new
    {
        let name = format!("{old} / {new}");
        let (old, new) = (scenario(before, old), scenario(after, new));
        one(&name, &old, &new, times_compared, &mut changes);
        return (1, changes);
    }
    let mut compared = 0;
    for name in &old {
        if new.contains(name) {
            compared += 1;
            let (old, new) = (scenario(before, name), scenario(after, name));
            one(name, &old, &new, times_compared, &mut changes);
        } else {
            let tally = scenario(before, name).tally().to_string();
            let missing = String::from("not run");
            changes.push(change(name, "scenario", tally, missing, Direction::Changed));
        }
    }
    for name in new.iter().filter(|name| !old.contains(name)) {
        let tally = scenario(after, name).tally().to_string();
        let missing = String::from("not run");
        changes.push(change(name, "scenario", missing, tally, Direction::Changed));
    }
    (compared, changes)
}

/// Those that were carried out, in order, each once.
fn names(of: &RunVerdict) -> Vec<&str> {
    let mut names = Vec::new();
    for scenario in &of.scenarios {
        let name = scenario.name.as_str();
        if scenario.stopped != Some(Interruption::NotStarted) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn scenario<'a>(of: &'a Compared, name: &str) -> Scenario<'a> {
    let outcomes = of.verdict.scenarios.iter();
    let outcomes = outcomes.filter(|outcome| {
        outcome.name == name && outcome.stopped != Some(Interruption::NotStarted)
    });
    Scenario {
        outcomes: outcomes.collect(),
        settings: of.settings.get(name),
    }
}

impl<'a> Scenario<'a> {
    fn tally(&self) -> Tally {
        let words = self.outcomes.iter();
        words
            .map(|it| Word::new(it.verdict, it.as_expected))
            .collect()
    }

    fn is_as_expected(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.as_expected)
    }

    /// The repetitions' verdicts on a claim, and the worst of them.
    fn claim(&self, claim: Claim) -> Option<(Tally, &'a GuaranteeVerdict)> {
        let all = self.outcomes.iter().flat_map(|outcome| &outcome.guarantees);
        let all: Vec<&GuaranteeVerdict> = all.filter(|one| one.claim == claim).collect();
        let worst = all
            .iter()
            .max_by_key(|one| (!is_as_wanted(one), one.verdict))?;
        let tally = all.iter().map(|one| Word::of(one)).collect();
        Some((tally, worst))
    }

    fn found(&self, anomaly: Anomaly) -> (Count, Spread) {
        let each = self
            .outcomes
            .iter()
            .map(|outcome| instances(outcome, anomaly));
        let known = each.clone().flatten();
        let count = Count {
            total: known.clone().sum(),
            runs: known.count() as u64,
        };
        (count, each.collect())
    }

    /// Whether the scenario is there to show the anomaly.
    fn expects(&self, anomaly: Anomaly) -> bool {
        let guarantees = self.outcomes.iter().flat_map(|outcome| &outcome.guarantees);
        guarantees
            .filter(|one| one.level == Level::ExpectViolated)
            .any(|one| one.claim.contradicted_by().contains(&anomaly))
    }
}

fn change(
    scenario: &str,
    subject: impl Into<String>,
    before: String,
    after: String,
    direction: Direction,
) -> Difference {
    Difference {
        scenario: scenario.to_owned(),
        subject: subject.into(),
        before,
        after,
        direction,
    }
}

fn one(
    name: &str,
    old: &Scenario<'_>,
    new: &Scenario<'_>,
    times_compared: bool,
    changes: &mut Vec<Difference>,
) {
    let mut add = |subject: &str, before: String, after: String, direction| {
        changes.push(change(name, subject, before, after, direction));
    };
    settings(old, new, &mut add);
    verdicts(old, new, &mut add);
    for anomaly in Anomaly::ALL {
        counts(*anomaly, old, new, &mut add);
    }
    if times_compared {
        for figure in FIGURES {
            times(figure, old, new, &mut add);
        }
    }
}

/// Takes a change: subject, before, after, direction.
type Add<'a> = dyn FnMut(&str, String, String, Direction) + 'a;

fn verdicts(old: &Scenario<'_>, new: &Scenario<'_>, add: &mut Add<'_>) {
    let (before, after) = (old.tally(), new.tally());
    if before.kinds() != after.kinds() {
        let (was, is) = (old.is_as_expected(), new.is_as_expected());
        let direction = Direction::of(was && !is, !was && is);
        add("scenario", before.to_string(), after.to_string(), direction);
    }
    for claim in Claim::ALL {
        let (was, is) = (old.claim(*claim), new.claim(*claim));
        let ((before, was), (after, is)) = match (was, is) {
            (Some(was), Some(is)) => (was, is),
            (None, None) => continue,
            (was, is) => {
                let told = |side: Option<(Tally, _)>| {
                    side.map_or_else(
                        || String::from("not claimed"),
                        |(tally, _)| tally.to_string(),
                    )
                };
                add(claim.name(), told(was), told(is), Direction::Changed);
                continue;
            }
        };
        if before.kinds() == after.kinds() {
            continue;
        }
        let direction = if was.level == is.level {
            let (was, is) = (is_as_wanted(was), is_as_wanted(is));
            Direction::of(was && !is, !was && is)
        } else {
            // Different scenarios want different things: the guarantee itself counts.
            let rank = |of: &GuaranteeVerdict| of.verdict;
            Direction::of(rank(is) > rank(was), rank(is) < rank(was))
        };
        add(
            claim.name(),
            before.to_string(),
            after.to_string(),
            direction,
        );
    }
}

/// The instances of one anomaly. Nothing is said where one side cannot tell.
fn counts(anomaly: Anomaly, old: &Scenario<'_>, new: &Scenario<'_>, add: &mut Add<'_>) {
    let ((was, before), (is, after)) = (old.found(anomaly), new.found(anomaly));
    if was.runs == 0 || is.runs == 0 {
        return;
    }
    let is_loss = LOSSES.contains(&anomaly) && (was.total == 0) != (is.total == 0);
    if !is_loss && !is.differs_from(was) {
        return;
    }
    let direction = if old.expects(anomaly) && new.expects(anomaly) {
        Direction::Changed
    } else {
        Direction::of(is.is_above(was), was.is_above(is))
    };
    let shown = |of: Spread| of.show(number).unwrap_or_default();
    add(anomaly.name(), shown(before), shown(after), direction);
}

fn times(figure: &Figure, old: &Scenario<'_>, new: &Scenario<'_>, add: &mut Add<'_>) {
    let all = |of: &Scenario<'_>| -> Vec<u64> {
        let outcomes = of.outcomes.iter();
        let times = outcomes.filter_map(|outcome| (figure.us)(&outcome.measurements));
        times.collect()
    };
    let (before, after) = (all(old), all(new));
    let is_worse = is_longer(&after, &before, figure.floor_us);
    let is_better = is_longer(&before, &after, figure.floor_us);
    if is_worse || is_better {
        let shown = |of: &[u64]| median(of).map(duration_us).unwrap_or_default();
        let direction = if is_known(&after, &before) {
            Direction::of(is_worse, is_better)
        } else {
            Direction::Changed
        };
        add(figure.name, shown(&before), shown(&after), direction);
    }
}

/// What is configured otherwise, where both plans are known.
fn settings(old: &Scenario<'_>, new: &Scenario<'_>, add: &mut Add<'_>) {
    let (Some(old), Some(new)) = (old.settings, new.settings) else {
        return;
    };
    let keys = |of: &BTreeMap<String, Config>| -> BTreeSet<(String, String)> {
        let owners = of.iter();
        let keys = owners
            .flat_map(|(owner, config)| config.keys().map(move |key| (owner.clone(), key.clone())));
        keys.collect()
    };
    for (owner, key) in keys(old).union(&keys(new)) {
        let value = |of: &BTreeMap<String, Config>| {
            let value = of.get(owner).and_then(|config| config.get(key));
            value.map_or_else(|| String::from("not set"), Clone::clone)
        };
        let (before, after) = (value(old), value(new));
        if before != after {
            add(
                &format!("{owner}: {key}"),
                before,
                after,
                Direction::Changed,
            );
        }
    }
}
