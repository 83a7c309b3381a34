//! Watches the alerts of a Prometheus server while a scenario runs, and beside them how far
//! the group is behind. Knows nothing of which alerts there should be.

use std::collections::BTreeMap;
use std::time::Duration;

use model::event::{AlertRule, AlertSeen, AlertState, Body, ExporterSeen};
use model::ids::{GroupIx, Micros, Offset, PartitionRef};
use model::plan::ScenarioPlan;
use stack::prometheus::api::{Alert, Api, ApiError, Series};
use tokio::time::Instant;

use crate::connect::Direct;
use crate::error::{EngineError, with_causes};
use crate::observer::Observer;
use crate::recorder::HistoryRecorder;
use crate::settings::Settings;
use crate::wait::{Wait, beat, before_moment, pass};

/// How often alerts and lag are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long one look may take.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// Watches alerts for one scenario.
pub(crate) struct AlertWatcher<'w> {
    api: Api,
    recorder: &'w HistoryRecorder,
    brokers: Direct,
    plan: &'w ScenarioPlan,
    group: GroupIx,
    name: &'w str,
    topic: &'w str,
    /// What is known of each alert that is active, by name and labels.
    active: BTreeMap<(String, String), Known>,
    /// What the exporter told last; none where Prometheus did not answer.
    told: Option<(u64, u64)>,
    is_unread: bool,
    /// The positions of the group that were seen last: it may lose them.
    positions: BTreeMap<PartitionRef, Offset>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    active_at_us: i64,
    active_since: Micros,
    state: AlertState,
}

impl<'w> AlertWatcher<'w> {
    /// Of a scenario that is about alerts; none of any other.
    pub(crate) fn of(
        plan: &'w ScenarioPlan,
        settings: &Settings,
        brokers: Direct,
        recorder: &'w HistoryRecorder,
    ) -> Result<Option<Self>, EngineError> {
        let Some(alert) = &plan.scenario.alert else {
            return Ok(None);
        };
        let lacking = |what: &str| EngineError::Lacking {
            what: what.to_owned(),
        };
        let url = settings.prometheus.as_ref();
        let url = url.ok_or_else(|| lacking("Prometheus that evaluates alert rules"))?;
        let group = plan.groups().find(|group| group.name == alert.group);
        let group = group.ok_or_else(|| lacking("group that alerts are about"))?;
        Ok(Some(Self {
            api: Api::at(url),
            recorder,
            brokers,
            plan,
            group: group.ix,
            name: group.name,
            topic: group.topic,
            active: BTreeMap::new(),
            told: None,
            is_unread: false,
            positions: BTreeMap::new(),
        }))
    }

    /// Writes down the rules, and waits until Prometheus has series of the group and its
    /// topic: exporters look for new topics now and then only.
    pub(crate) async fn begin(&mut self) -> Result<(), EngineError> {
        for rule in self.api.rules().await? {
            self.recorder.note(Body::AlertRule(AlertRule {
                alert: rule.alert,
                for_ms: rule.for_ms,
                looks_back_ms: rule.looks_back_ms,
            }));
        }
        let waiting = self.recorder.waits().begin(Wait::Exporter, self.name);
        // Late is no error here: the verdict tells that the exporter said nothing.
        while !self.is_told() && waiting.pause(LOOK_INTERVAL).await {
            self.look_at_alerts().await;
        }
        Ok(())
    }

    fn is_told(&self) -> bool {
        self.told
            .is_some_and(|(series, of_topic)| series > 0 && of_topic > 0)
    }

    /// Watches until dropped.
    pub(crate) async fn follow(&mut self) {
        let mut ticks = beat(LOOK_INTERVAL);
        let mut observer = None;
        loop {
            ticks.tick().await;
            self.look_at_alerts().await;
            let limit = Instant::now() + LOOK_LIMIT;
            let looked = before_moment(limit, self.look_at_lag(&mut observer)).await;
            // A broker that does not answer in time is asked anew.
            if !matches!(looked, Some(Ok(()))) {
                observer = None;
            }
        }
    }

    async fn look_at_alerts(&mut self) {
        let limit = Instant::now() + LOOK_LIMIT;
        let asked = async {
            let alerts = self.api.alerts().await?;
            let series = self.api.series(self.name, self.topic).await?;
            Ok::<_, ApiError>((alerts, series, self.recorder.clock().now()))
        };
        let reason = match before_moment(limit, asked).await {
            Some(Ok((alerts, series, now))) => {
                self.note(alerts, series, now);
                return;
            }
            Some(Err(error)) => with_causes(&error),
            None => format!("no answer in {} s", LOOK_LIMIT.as_secs()),
        };
        self.told = None;
        if !self.is_unread {
            self.is_unread = true;
            self.recorder.note(Body::AlertsUnread { reason });
        }
    }

    fn note(&mut self, alerts: Vec<Alert>, series: Series, now: Micros) {
        self.is_unread = false;
        let told = (series.of_group, series.of_topic);
        if self.told.replace(told) != Some(told) {
            self.recorder.note(Body::ExporterSeen(ExporterSeen {
                group: self.group,
                series: series.of_group,
                of_topic: series.of_topic,
            }));
        }
        let mut gone = std::mem::take(&mut self.active);
        for alert in alerts {
            let group = alert
                .labels
                .values()
                .any(|value| value == self.name || value == self.topic);
            let labels = in_words(&alert.labels);
            let key = (alert.name, labels);
            let before = gone.remove(&key);
            let before = before.filter(|it| it.active_at_us == alert.active_at_us);
            let since = before.map(|it| it.active_since);
            let known = Known {
                active_at_us: alert.active_at_us,
                active_since: since.unwrap_or_else(|| {
                    // By the server's own clock, whichever that is.
                    let active_us = series.at_us.saturating_sub(alert.active_at_us);
                    now.since(Micros::new(u64::try_from(active_us).unwrap_or(0)))
                }),
                state: if alert.is_firing {
                    AlertState::Firing
                } else {
                    AlertState::Pending
                },
            };
            if before != Some(known) {
                self.seen(&key, group.then_some(self.group), known);
            }
            self.active.insert(key, known);
        }
        for (key, mut known) in gone {
            if !self.active.contains_key(&key) {
                known.state = AlertState::Resolved;
                self.seen(&key, None, known);
            }
        }
    }

    fn seen(&self, (alert, labels): &(String, String), group: Option<GroupIx>, known: Known) {
        self.recorder.note(Body::AlertSeen(AlertSeen {
            alert: alert.clone(),
            labels: labels.clone(),
            group,
            state: known.state,
            active_since: known.active_since,
        }));
    }

    async fn look_at_lag(&mut self, observer: &mut Option<Observer>) -> Result<(), EngineError> {
        let connected = match observer.take() {
            Some(connected) => connected,
            None => Observer::connect(&self.brokers, self.plan, self.recorder).await?,
        };
        let observer = observer.insert(connected);
        observer
            .note_lag((self.group, self.name, self.topic), &mut self.positions)
            .await
    }
}

/// Runs something with the watcher beside it, where there is one. Where nothing is broken,
/// the watcher goes on for as long as the plan says.
pub(crate) async fn with_alerts(
    watcher: Option<&mut AlertWatcher<'_>>,
    rest: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    match watcher {
        None => rest.await,
        Some(watcher) => tokio::select! {
            ended = rest => ended,
            () = watcher.follow() => Ok(()),
        },
    }
}

/// The time after the traffic in which nothing is to happen and no alert to fire.
pub(crate) async fn stay_quiet(plan: &ScenarioPlan) {
    pass(quiet_time(plan)).await;
}

/// How long that is.
pub(crate) fn quiet_time(plan: &ScenarioPlan) -> Duration {
    let alert = plan.scenario.alert.as_ref();
    let quiet = alert.filter(|alert| alert.fault.is_none());
    Duration::from_millis(quiet.map_or(0, |alert| alert.quiet_ms))
}

/// As Prometheus writes labels.
fn in_words(labels: &BTreeMap<String, String>) -> String {
    let each = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"));
    each.collect::<Vec<_>>().join(", ")
}
