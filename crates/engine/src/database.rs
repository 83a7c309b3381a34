//! The database side of a scenario: tables, connector, writes, and the wait
//! until everything written has come out. Knows nothing of brokers beyond the
//! observer it is handed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cdc::connector::{CONNECTOR_CLASS, connector_config};
use cdc::database::ConnectionParameters;
use cdc::form::Form;
use cdc::slot::{self, Activity, SlotWatch};
use cdc::writer::{Finish, Writer};
use cdc::{rows, schema};
use model::event::{Body, CaptureResult, Event, SlotState};
use model::ids::{Lsn, Micros, RunId};
use model::plan::ScenarioPlan;
use model::scenario::{Capture, Trigger, WriteStart};
use stack::connect::{Connect, ConnectWorkerError, ConnectorStatus};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::configs::EffectiveConfigs;
use crate::error::EngineError;
use crate::live_counts::LiveCounts;
use crate::observer::Observer;
use crate::recorder::HistoryRecorder;
use crate::stall::planned_time;
use crate::status::trigger_progress;
use crate::target::Target;
use crate::wait::{Wait, Waiting, beat};

/// How long connector and replication connection may take to begin, beyond a
/// millisecond for each row that a snapshot is to find.
const BEGIN: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often connector and slot are looked at while traffic runs.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);
/// How long nothing must have come out, once everything written has, for
/// nothing more to come.
const QUIET: Duration = Duration::from_secs(5);
/// Events of a bulk write are recorded in batches of this many.
const RECORD_BATCH: usize = 4096;

/// A database whose changes are being captured.
pub(crate) struct Database {
    parameters: ConnectionParameters,
    run: RunId,
    connect: Arc<Connect>,
    connector: String,
    slot: SlotWatch,
    confirms: Confirms,
    writer: Mutex<Writer>,
    finish: Mutex<Option<Finish>>,
    /// What of connector and slot was written down last.
    seen: Mutex<Seen>,
}

/// What the slot's `confirmed_flush_lsn` rests on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Confirms {
    /// The offsets that Connect committed: what it is before is in the topics.
    Offsets,
    /// The driver's own word too, whatever became of the events.
    Driver,
}

impl Confirms {
    fn of(capture: &Capture) -> Self {
        match capture.config.get("lsn.flush.mode").map(String::as_str) {
            Some("connector_and_driver") => Self::Driver,
            _ => Self::Offsets,
        }
    }
}

#[derive(Default)]
struct Seen {
    /// The state of each unit.
    units: BTreeMap<String, String>,
    slot: Option<SlotState>,
}

impl Database {
    /// Makes the tables, writes the rows that are to be there before, starts
    /// the connector, and waits until it streams: whatever is written from
    /// then on must come out. None where the scenario captures nothing.
    pub(crate) async fn prepare(
        plan: &ScenarioPlan,
        target: &Target,
        configs: &EffectiveConfigs,
        recorder: &HistoryRecorder,
    ) -> Result<Option<Self>, EngineError> {
        let Some(capture) = &plan.scenario.capture else {
            return Ok(None);
        };
        let lacking = |what: &str| EngineError::Lacking {
            what: what.to_owned(),
        };
        let cdc = target.cdc().ok_or_else(|| lacking("PostgreSQL"))?;
        let at = cdc.postgres().connection_parameters();
        let parameters = ConnectionParameters {
            host: at.host.clone(),
            port: at.port,
            user: at.user.clone(),
            dbname: at.dbname.clone(),
            password: None,
        };
        schema::create(&parameters, &capture.publication).await?;
        let debezium = cdc.connect().plugin_version(CONNECTOR_CLASS).await?;
        let config = connector_config(capture, &parameters, debezium.as_deref());
        configs.set(&format!("connector {}", capture.connector), config.clone());
        let database = Self {
            connect: Arc::clone(cdc.connect()),
            connector: capture.connector.clone(),
            slot: SlotWatch::connect(&parameters, &capture.slot).await?,
            confirms: Confirms::of(capture),
            writer: Mutex::new(Writer::connect(&parameters, plan.record_run_id, plan.seed).await?),
            run: plan.record_run_id,
            finish: Mutex::default(),
            seen: Mutex::default(),
            parameters,
        };
        let rows = database.write_before(plan, recorder).await?;
        let form = Form::of(capture);
        recorder.note(Body::CaptureBegan {
            connector: capture.connector.clone(),
            snapshot: form.snapshot,
            settings: form.settings,
        });
        let connect = &database.connect;
        connect
            .create_connector(&capture.connector, &config.plain())
            .await?;
        if let Err(error) = database.wait_streaming(rows, recorder).await {
            database.look(recorder).await;
            // Where rows are committed that it ought to tell of, that it fails
            // is what the scenario comes to.
            let failed = matches!(
                error,
                EngineError::Connect(ConnectWorkerError::Failed { .. })
            );
            if !failed || rows == 0 {
                return Err(error);
            }
        }
        Ok(Some(database))
    }

    /// Writes the rows that a snapshot is to find; how many.
    async fn write_before(
        &self,
        plan: &ScenarioPlan,
        recorder: &HistoryRecorder,
    ) -> Result<u64, EngineError> {
        let all = plan.scenario.writes.iter();
        let before = all.filter(|write| write.start == WriteStart::BeforeCapture);
        let mut writer = self.writer.lock().await;
        let mut rows = 0;
        for write in before {
            let mut batch = EventBatch::new(recorder);
            writer.write(write, &mut |body| batch.add(body)).await?;
            rows += write.rows;
        }
        Ok(rows)
    }

    async fn wait_streaming(
        &self,
        rows: u64,
        recorder: &HistoryRecorder,
    ) -> Result<(), EngineError> {
        let limit = BEGIN + Duration::from_millis(rows);
        let waits = recorder.waits();
        let waiting = waits.begin_for(Wait::Streaming, &self.connector, limit);
        self.connect.wait_running(&self.connector, limit).await?;
        while !self.slot().await?.is_some_and(|slot| is_sending(&slot)) {
            if let Some(status) = self.connect.status(&self.connector).await? {
                status.check()?;
            }
            waiting.pause_or_fail(LOOK_INTERVAL).await?;
        }
        Ok(())
    }

    /// The replication slot as the database sees it; none before it exists.
    pub(crate) async fn slot(&self) -> Result<Option<slot::SlotStatus>, EngineError> {
        Ok(self.slot.state().await?)
    }

    /// Moves the slot to the end of the write-ahead log.
    pub(crate) async fn advance_slot(&self) -> Result<(), EngineError> {
        Ok(self.slot.advance().await?)
    }

    /// Up to where the connector has told of everything; 0 where that is not
    /// known.
    fn confirmed(&self, slot: Option<&slot::SlotStatus>) -> Lsn {
        let confirmed = slot.and_then(|slot| slot.confirmed_flush_lsn);
        match self.confirms {
            Confirms::Offsets => confirmed.unwrap_or_default(),
            Confirms::Driver => Lsn::default(),
        }
    }

    fn slot_seen(&self, slot: Option<&slot::SlotStatus>) -> Body {
        Body::SlotSeen {
            state: slot_state(slot),
            confirmed: self.confirmed(slot),
        }
    }

    /// Looks at connector and slot, and writes down what has changed. Whether
    /// nothing captures any more; none where Connect does not say.
    async fn look(&self, recorder: &HistoryRecorder) -> Option<bool> {
        let status = self.connect.status(&self.connector).await.ok().flatten();
        let slot = self.slot().await.ok();
        let mut seen = self.seen.lock().await;
        for (unit, status) in status.iter().flat_map(ConnectorStatus::units) {
            let before = seen.units.insert(unit.clone(), status.state.clone());
            if before.as_ref() != Some(&status.state) {
                recorder.note(Body::ConnectorSeen {
                    unit,
                    state: status.state.clone(),
                    trace: status.causes().join("\n"),
                });
            }
        }
        if let Some(slot) = slot {
            let state = slot_state(slot.as_ref());
            if seen.slot.replace(state) != Some(state) {
                recorder.note(self.slot_seen(slot.as_ref()));
            }
        }
        status.map(|status| status.is_dead())
    }

    /// Writes down what becomes of connector and slot until dropped.
    pub(crate) async fn follow(&self, recorder: &HistoryRecorder) {
        let mut ticks = beat(FOLLOW_INTERVAL);
        loop {
            ticks.tick().await;
            self.look(recorder).await;
        }
    }

    /// Carries out all writes, each at its trigger, and one last change in
    /// every table.
    pub(crate) async fn write_all(
        &self,
        plan: &ScenarioPlan,
        recorder: &HistoryRecorder,
        traffic_began: Micros,
    ) -> Result<(), EngineError> {
        let mut writer = self.writer.lock().await;
        let all = plan.scenario.writes.iter().enumerate();
        for (at, write) in all.filter(|(_, write)| write.start == WriteStart::AfterCapture) {
            let may_go_on = async |trigger: &Option<Trigger>| {
                let Some(trigger) = trigger else {
                    return Ok(true);
                };
                if self.reaches(trigger, plan, recorder, traffic_began).await {
                    return Ok(true);
                }
                let counts = recorder.counts();
                if counts.capture_dead {
                    return Ok(false);
                }
                // The others were to come behind it.
                Err(EngineError::NeverReached {
                    number: at + 1,
                    table: write.table.clone(),
                    trigger: trigger_progress(trigger, plan, &counts),
                })
            };
            if !may_go_on(&write.after).await? {
                break;
            }
            let mut batch = EventBatch::new(recorder);
            writer.write(write, &mut |body| batch.add(body)).await?;
            drop(batch);
            if let Some(name) = plan.scenario.commits(at) {
                let goes_on = may_go_on(&write.commit_after).await?;
                let mut batch = EventBatch::new(recorder);
                writer.commit(name, &mut |body| batch.add(body)).await?;
                if !goes_on {
                    break;
                }
            }
        }
        // A fault that is still to come must not meet the last change: what
        // it loses there has no reader that waits.
        self.wait_for_faults(plan, recorder, traffic_began).await;
        let mut batch = EventBatch::new(recorder);
        let finish = writer.finish(&mut |body| batch.add(body)).await?;
        *self.finish.lock().await = Some(finish);
        Ok(())
    }

    /// Waits for a trigger; false where nothing comes any more that could reach
    /// it.
    async fn reaches(
        &self,
        trigger: &Trigger,
        plan: &ScenarioPlan,
        recorder: &HistoryRecorder,
        traffic_began: Micros,
    ) -> bool {
        let faults = &plan.scenario.faults;
        let never = |counts: &LiveCounts| {
            counts.never_reached(trigger, faults) && counts.no_fault_to_come(faults)
        };
        tokio::select! {
            biased;
            () = recorder.reached(trigger, plan, traffic_began) => true,
            () = self.nothing_comes(plan, recorder, traffic_began, never) => false,
        }
    }

    /// Returns when nothing comes out any more, and what is waited for hangs on
    /// that; or when nothing at all came forward for as long as the scenario
    /// may drain, and no fault is in force.
    async fn nothing_comes(
        &self,
        plan: &ScenarioPlan,
        recorder: &HistoryRecorder,
        traffic_began: Micros,
        never: impl Fn(&LiveCounts) -> bool,
    ) {
        let elapsed = recorder.clock().now().since(traffic_began).as_millis();
        let to_come = planned_time(plan).saturating_sub(Duration::from_millis(elapsed));
        let limit = Duration::from_millis(plan.scenario.drain_timeout_ms) + to_come;
        let mut waiting = recorder.waits().begin_for(Wait::Faults, "", limit);
        let mut quiet: Option<(u64, Instant)> = None;
        let mut steps = recorder.counts().steps;
        while waiting.pause(LOOK_INTERVAL).await {
            let counts = recorder.counts();
            if counts.steps != steps {
                steps = counts.steps;
                waiting.extend(limit);
            }
            if counts.faults_open > 0 || !never(&counts) {
                quiet = None;
                continue;
            }
            if counts.capture_dead {
                return;
            }
            let out = counts.captured;
            let (last, since) = *quiet.get_or_insert_with(|| (out, Instant::now()));
            if last != out {
                quiet = None;
            } else if out >= counts.committed_changes && since.elapsed() >= QUIET {
                return;
            }
        }
        recorder.until(|counts| counts.faults_open == 0).await;
    }

    /// Waits until all faults are over, as far as they can still come.
    async fn wait_for_faults(
        &self,
        plan: &ScenarioPlan,
        recorder: &HistoryRecorder,
        traffic_began: Micros,
    ) {
        let faults = &plan.scenario.faults;
        let never = |counts: &LiveCounts| counts.no_fault_to_come(faults);
        tokio::select! {
            () = recorder.until(|counts| counts.over.len() >= faults.len()) => {}
            () = self.nothing_comes(plan, recorder, traffic_began, never) => {}
        }
    }

    /// Waits until the last change of every table can be read, or it is known
    /// that no more comes, within the limit, and writes down how that ended.
    pub(crate) async fn wait_captured(
        &self,
        observer: &mut Observer,
        recorder: &HistoryRecorder,
        limit_ms: u64,
    ) -> Result<(), EngineError> {
        let limit = Duration::from_millis(limit_ms);
        let waits = recorder.waits();
        let waiting = waits.begin_for(Wait::Captured, &self.connector, limit);
        let finish = self.finish.lock().await.clone();
        let (last, inside) = finish.map_or_else(Default::default, |finish| {
            let last = finish.last.into_iter().map(|it| (it.table, it.change));
            (last.collect(), finish.inside)
        });
        let mut confirmed: Option<Waiting> = None;
        let result = loop {
            if observer.newest_are(&last).await? {
                break CaptureResult::CaughtUp;
            }
            let over = |counts: &LiveCounts| counts.capture_dead && counts.faults_open == 0;
            if over(&recorder.counts()) && self.look(recorder).await == Some(true) {
                // What the task had sent before it failed is in the topics.
                break if observer.newest_are(&last).await? {
                    CaptureResult::CaughtUp
                } else {
                    CaptureResult::Failed
                };
            }
            if self.confirmed(self.slot().await?.as_ref()) > inside {
                // It is in the topics by then.
                let begun = || waits.begin(Wait::Confirmed, &self.connector);
                if confirmed.get_or_insert_with(begun).is_over() {
                    break CaptureResult::Confirmed;
                }
            }
            if !waiting.pause(LOOK_INTERVAL).await {
                break CaptureResult::TimedOut;
            }
        };
        recorder.note(self.slot_seen(self.slot().await?.as_ref()));
        recorder.note(Body::CaptureWaited { result, limit_ms });
        Ok(())
    }

    /// Reads the tables as they are now.
    pub(crate) async fn read_tables(&self, recorder: &HistoryRecorder) -> Result<(), EngineError> {
        let mut batch = EventBatch::new(recorder);
        rows::read_tables(&self.parameters, self.run, &mut |body| batch.add(body)).await?;
        Ok(())
    }
}

fn slot_state(slot: Option<&slot::SlotStatus>) -> SlotState {
    match slot {
        None => SlotState::Absent,
        Some(slot) if slot.lost => SlotState::Lost,
        Some(_) => SlotState::Kept,
    }
}

/// Whether a client streams from the slot.
pub(crate) fn is_sending(slot: &slot::SlotStatus) -> bool {
    slot.walsender
        .as_ref()
        .is_some_and(|walsender| walsender.activity == Activity::Sending)
}

/// Records events of a bulk operation many at a time. A transaction's end is
/// recorded at once: a trigger that waits for it should not wait for the batch.
struct EventBatch<'l> {
    recorder: &'l HistoryRecorder,
    events: Vec<Event>,
}

impl<'l> EventBatch<'l> {
    fn new(recorder: &'l HistoryRecorder) -> Self {
        Self {
            recorder,
            events: Vec::new(),
        }
    }

    fn add(&mut self, body: Body) {
        let ends = matches!(body, Body::TxCompleted { .. });
        let at = self.recorder.clock().now();
        self.events.push(Event { at, body });
        if ends || self.events.len() >= RECORD_BATCH {
            self.recorder.record_all(self.events.drain(..));
        }
    }
}

impl Drop for EventBatch<'_> {
    fn drop(&mut self) {
        self.recorder.record_all(self.events.drain(..));
    }
}
