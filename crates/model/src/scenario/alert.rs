//! What alerts are expected to do in a scenario. Knows nothing of rules, exporters or
//! Prometheus.

use serde::{Deserialize, Serialize};

use super::{BadKey, FaultKind, GroupStart, Scenario};

/// The group that alerts are about, and what they must tell of. Only for `ackproof run` with
/// `--exporter` or `--prometheus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "alert"))]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// The `group.id` that an alert must name, by itself or by its topic.
    pub group: String,
    /// The number of the fault that an alert must tell of: a `consumer-restart` or
    /// `consumer-pause` of that group, which lasts as long as the rules need. Without it no
    /// alert may fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub fault: Option<u16>,
    /// Without a fault: how long alerts are watched after the traffic, in milliseconds. A run
    /// takes the time that the rules need.
    #[serde(default = "quiet_ms_default")]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub quiet_ms: u64,
    /// How many records the group must be behind at some moment: otherwise what the scenario
    /// is about did not come about.
    #[serde(default)]
    pub least_behind: u64,
}

const fn quiet_ms_default() -> u64 {
    60_000
}

impl Alert {
    /// What is wrong with it in this scenario.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        let mut groups = scenario.groups.iter();
        let Some(group) = groups.find(|it| it.name == self.group) else {
            let why = format!("there is no [[group]] `{}`", self.group);
            return Err(("group", why));
        };
        if group.start != GroupStart::BeforeProducers {
            let why = "alerts watch a group that reads while records are sent: it needs \
                       `start = \"before-producers\"`";
            return Err(("group", why.to_owned()));
        }
        let Some(number) = self.fault else {
            return Ok(());
        };
        if scenario.faults.iter().any(|it| it.times > 1) {
            let why = "an alert tells of a fault that comes once: leave `times` out".to_owned();
            return Err(("fault", why));
        }
        let fault = self.at().and_then(|at| scenario.faults.get(at));
        let of_group = fault.is_some_and(|fault| {
            let kind = &fault.kind;
            matches!(
                kind,
                FaultKind::ConsumerRestart(_) | FaultKind::ConsumerPause(_)
            ) && kind
                .parameters()
                .member()
                .is_some_and(|(group, _)| *group == self.group)
        });
        if of_group {
            return Ok(());
        }
        let why = format!(
            "fault {number} is no `consumer-restart` or `consumer-pause` of group `{}`",
            self.group
        );
        Err(("fault", why))
    }

    /// The place of its fault, from 0.
    pub(crate) fn at(&self) -> Option<usize> {
        usize::from(self.fault?).checked_sub(1)
    }
}

impl Scenario {
    /// How long the fault lasts that an alert must tell of, or without one how long nothing
    /// happens after the traffic, in milliseconds.
    pub(crate) fn alert_lasts_ms(&self) -> Option<u64> {
        let alert = self.alert.as_ref()?;
        let Some(at) = alert.at() else {
            return Some(alert.quiet_ms);
        };
        self.faults.get(at)?.kind.parameters().lasts_ms()
    }

    /// Has that last so long, and the producers send meanwhile.
    pub(crate) fn have_alert_last(&mut self, ms: u64) {
        let Some(alert) = &mut self.alert else {
            return;
        };
        let Some(at) = alert.at() else {
            alert.quiet_ms = ms;
            return;
        };
        let before_ms = match self.faults.get_mut(at).map(|fault| &mut fault.kind) {
            Some(FaultKind::ConsumerRestart(of)) => std::mem::replace(&mut of.down_ms, ms),
            Some(FaultKind::ConsumerPause(of)) => std::mem::replace(&mut of.for_ms, ms),
            _ => return,
        };
        for producer in &mut self.producers {
            let in_time = |ms: u64| ms.saturating_mul(producer.records_per_s.into()) / 1000;
            let records = producer.records.saturating_add(in_time(ms));
            producer.records = records.saturating_sub(in_time(before_ms)).max(1);
        }
    }
}
