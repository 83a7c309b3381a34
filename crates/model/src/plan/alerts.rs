//! A plan in which alerts are watched: how long what they tell of lasts, and what is left out
//! where nobody watches. Knows nothing of Prometheus.

use serde::{Deserialize, Serialize};

use super::cluster::fit;
use super::{RunPlan, ScenarioPlan};
use crate::claim::AlertContract;
use crate::ids::FaultIx;

/// How alerts are watched while scenarios run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertWatch {
    /// How long what an alert must tell of lasts, in milliseconds.
    pub wait_ms: u64,
    /// Whether the user demands that alerts fire within that time, whatever their rules need.
    pub is_limit: bool,
}

impl RunPlan {
    /// The same plan where alerts are not watched: without the scenarios that are about them.
    #[must_use]
    pub fn without_alerts(mut self) -> Self {
        let scenarios = self.scenarios.into_iter();
        self.scenarios = scenarios
            .filter_map(|plan| {
                let lacks = plan.scenario.alert.is_some().then(|| {
                    "watches alerts: it needs --bootstrap, and --exporter with --rules or \
                     --prometheus"
                        .to_owned()
                });
                fit(plan, lacks.into_iter().collect(), &mut self.skipped)
            })
            .collect();
        self
    }

    /// Has the scenarios that are about alerts take the time that these need.
    pub fn watch_alerts(&mut self, watch: AlertWatch) {
        for plan in &mut self.scenarios {
            if plan.scenario.alert.is_some() {
                plan.scenario.have_alert_last(watch.wait_ms);
                plan.alerts = Some(watch);
            }
        }
    }
}

impl ScenarioPlan {
    /// The judge's view of the alerts.
    pub(super) fn alert(&self) -> Option<AlertContract> {
        let alert = self.scenario.alert.as_ref()?;
        let fault = alert.at().and_then(|at| u16::try_from(at).ok());
        Some(AlertContract {
            group: alert.group.clone(),
            fault: fault.map(FaultIx::new),
            lasts_ms: self.scenario.alert_lasts_ms()?,
            is_limit: self.alerts.is_some_and(|watch| watch.is_limit),
            least_behind: alert.least_behind,
        })
    }
}
