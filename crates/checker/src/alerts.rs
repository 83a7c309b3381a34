//! Alerts while a scenario ran: when each was active and fired, how far the group was behind
//! then, and when the exporter or Prometheus told nothing. Knows nothing of what they ought
//! to do.
//!
//! Held: an entry for each time that an alert was active, and for each look at a group's
//! lag.

use std::collections::BTreeMap;

use model::event::{AlertRule, AlertSeen, AlertState, Body, Event, ExporterSeen, LagSeen};
use model::ids::{GroupIx, Micros};

use crate::analyzer::Analyzer;
use crate::context::Context;
use crate::finding::FindingCollector;

/// Follows alerts while a history is read.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    of: AlertCoverage,
    /// The alerts that are active, by name and labels.
    active: BTreeMap<(String, String), usize>,
}

/// What was seen of alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertCoverage {
    /// The rules that were evaluated.
    pub rules: Vec<AlertRule>,
    /// Each time that an alert was active.
    pub alerts: Vec<ActiveAlert>,
    /// The groups that were watched.
    pub groups: BTreeMap<GroupIx, WatchedGroup>,
    /// When Prometheus could not be asked, and why.
    pub unread: Vec<(Gap, String)>,
}

/// A time; without an end it lasted until the history ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its begin.
    pub from: Micros,
    /// Its end.
    pub to: Option<Micros>,
}

/// One time that an alert was active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveAlert {
    /// The alert's name.
    pub alert: String,
    /// The group that it names.
    pub group: Option<GroupIx>,
    /// When its condition became true.
    pub since: Micros,
    /// When it was seen to fire.
    pub fired: Option<Micros>,
    /// When it was seen to be over.
    pub ended: Option<Micros>,
}

/// What was seen of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedGroup {
    /// Its `group.id`.
    pub name: String,
    /// When the exporter told of it and of its topic for the first time.
    pub told: Option<Micros>,
    /// When the exporter told nothing even of its topic.
    pub blind: Vec<Gap>,
    /// How far it was behind, by time.
    pub lags: Vec<(Micros, LagSeen)>,
}

impl Gap {
    fn begin(from: Micros) -> Self {
        Self { from, to: None }
    }

    /// Whether it and a time have a moment in common.
    pub(crate) fn overlaps(&self, from: Micros, to: Option<Micros>) -> bool {
        self.to.is_none_or(|end| end > from) && to.is_none_or(|to| self.from < to)
    }
}

impl WatchedGroup {
    /// How far it was behind at a moment, as far as that was seen.
    pub(crate) fn lag_at(&self, at: Micros) -> Option<LagSeen> {
        let mut before = self.lags.iter().rev();
        before.find(|(seen, _)| *seen <= at).map(|(_, lag)| *lag)
    }

    /// How far it was behind at most between two moments.
    pub(crate) fn behind_most(&self, from: Micros, to: Option<Micros>) -> u64 {
        let within = self.lags.iter();
        let within = within.filter(|(at, _)| *at >= from && to.is_none_or(|to| *at <= to));
        let behind = within.map(|(_, lag)| lag.behind.saturating_add(lag.deleted));
        behind.max().unwrap_or(0)
    }
}

impl Analyzer for Alerts {
    type Uses<'d> = ();
    type Coverage = AlertCoverage;

    fn observe(&mut self, event: &Event, _context: &Context, _collector: &mut FindingCollector) {
        match &event.body {
            Body::AlertRule(rule) => self.of.rules.push(rule.clone()),
            Body::AlertSeen(seen) => self.alert(event.at, seen),
            Body::ExporterSeen(seen) => self.exporter(event.at, *seen),
            Body::LagSeen(seen) => {
                let group = self.of.groups.entry(seen.group).or_default();
                group.lags.push((event.at, *seen));
            }
            Body::AlertsUnread { reason } => {
                let gap = (Gap::begin(event.at), reason.clone());
                self.of.unread.push(gap);
            }
            _ => {}
        }
    }

    fn settle(
        &mut self,
        context: &Context,
        (): Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) -> Self::Coverage {
        for (number, group) in &mut self.of.groups {
            group.name = context.names.group(*number);
        }
        std::mem::take(&mut self.of)
    }
}

impl Alerts {
    fn alert(&mut self, at: Micros, seen: &AlertSeen) {
        let key = (seen.alert.clone(), seen.labels.clone());
        let known = self.active.get(&key).copied();
        if seen.state == AlertState::Resolved {
            self.active.remove(&key);
            let open = known.and_then(|number| self.of.alerts.get_mut(number));
            if let Some(open) = open {
                open.ended = Some(at);
            }
            return;
        }
        let fires = seen.state == AlertState::Firing;
        let open = known.and_then(|number| self.of.alerts.get_mut(number));
        match open.filter(|open| open.since == seen.active_since) {
            Some(open) if fires => {
                open.fired.get_or_insert(at);
            }
            Some(_) => {}
            None => {
                let before = known.and_then(|number| self.of.alerts.get_mut(number));
                if let Some(before) = before {
                    before.ended = Some(at);
                }
                self.active.insert(key, self.of.alerts.len());
                self.of.alerts.push(ActiveAlert {
                    alert: seen.alert.clone(),
                    group: seen.group,
                    since: seen.active_since,
                    fired: fires.then_some(at),
                    ended: None,
                });
            }
        }
    }

    fn exporter(&mut self, at: Micros, seen: ExporterSeen) {
        if let Some((gap, _)) = self.of.unread.last_mut() {
            gap.to.get_or_insert(at);
        }
        let group = self.of.groups.entry(seen.group).or_default();
        if seen.series > 0 && seen.of_topic > 0 {
            group.told.get_or_insert(at);
        }
        let open = group.blind.last_mut().filter(|gap| gap.to.is_none());
        match (open, seen.of_topic) {
            (None, 0) => group.blind.push(Gap::begin(at)),
            (Some(gap), 1..) => gap.to = Some(at),
            (None, 1..) | (Some(_), 0) => {}
        }
    }
}
