//! The database side of a scenario: tables, connector, writes, and the wait
//! until everything written has come out. Knows nothing of brokers beyond the
//! observer it is handed.

use std::collections::BTreeMap;
use std::time::Duration;

use capture::connector::connector_config;
use capture::database::ConnectionParameters;
use capture::slot::{Activity, SlotState, SlotWatch};
use capture::writer::Writer;
use capture::{rows, schema};
use model::event::{Body, CaptureResult, Event};
use model::ids::{ChangeId, Micros, RunId, TableIx};
use model::plan::ScenarioPlan;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::configs::InForce;
use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::observer::Observer;
use crate::target::Target;

/// How long connector and replication connection may take to begin.
const BEGIN_LIMIT: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Events of a bulk write are recorded in batches of this many.
const RECORD_BATCH: usize = 4096;

/// A database whose changes are being captured.
pub(crate) struct Database {
    parameters: ConnectionParameters,
    run: RunId,
    slot: SlotWatch,
    writer: Mutex<Writer>,
    last: Mutex<BTreeMap<TableIx, ChangeId>>,
}

impl Database {
    /// Makes the tables, starts the connector, and waits until it streams:
    /// whatever is written from then on must come out. None where the
    /// scenario captures nothing.
    pub(crate) async fn prepare(
        plan: &ScenarioPlan,
        target: &Target,
        configs: &InForce,
    ) -> Result<Option<Self>, EngineError> {
        let Some(capture) = &plan.scenario.capture else {
            return Ok(None);
        };
        let lacking = |what: &str| EngineError::Lacking {
            what: what.to_owned(),
        };
        let cdc = target.cdc().ok_or_else(|| lacking("PostgreSQL"))?;
        let connect = cdc.connect();
        let at = cdc.postgres().connection_parameters();
        let parameters = ConnectionParameters {
            host: at.host.clone(),
            port: at.port,
            user: at.user.clone(),
            dbname: at.dbname.clone(),
            password: None,
        };
        schema::create(&parameters, &capture.publication).await?;
        let config = connector_config(capture, &parameters);
        configs.set(&format!("connector {}", capture.connector), config.clone());
        connect
            .create_connector(&capture.connector, &config)
            .await?;
        connect
            .wait_running(&capture.connector, BEGIN_LIMIT)
            .await?;
        let database = Self {
            slot: SlotWatch::connect(&parameters, &capture.slot).await?,
            writer: Mutex::new(Writer::connect(&parameters, plan.records_run, plan.seed).await?),
            run: plan.records_run,
            last: Mutex::default(),
            parameters,
        };
        database.wait_streaming().await?;
        Ok(Some(database))
    }

    async fn wait_streaming(&self) -> Result<(), EngineError> {
        let until = Instant::now() + BEGIN_LIMIT;
        while !self.slot().await?.is_some_and(|slot| is_sending(&slot)) {
            if Instant::now() >= until {
                return Err(EngineError::Late {
                    what: "the connector's first replication connection".to_owned(),
                    limit_ms: u64::try_from(BEGIN_LIMIT.as_millis()).unwrap_or(u64::MAX),
                });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    /// The replication slot as the database sees it; none before it exists.
    pub(crate) async fn slot(&self) -> Result<Option<SlotState>, EngineError> {
        Ok(self.slot.state().await?)
    }

    /// Carries out all writes, each at its trigger, and one last change in
    /// every table.
    pub(crate) async fn write_all(
        &self,
        plan: &ScenarioPlan,
        ledger: &Ledger,
        traffic_began: Micros,
    ) -> Result<(), EngineError> {
        let mut writer = self.writer.lock().await;
        for write in &plan.scenario.writes {
            if let Some(after) = &write.after {
                ledger.wait_for(after, plan, traffic_began).await;
            }
            let mut batch = Batch::new(ledger);
            writer.write(write, &mut |body| batch.add(body)).await?;
        }
        // A fault that is still to come must not meet the last change: what
        // it loses there nobody would wait for.
        ledger
            .wait_until(|tally| tally.healed.len() >= plan.scenario.faults.len())
            .await;
        let mut batch = Batch::new(ledger);
        let last = writer.finish(&mut |body| batch.add(body)).await?;
        *self.last.lock().await = last.into_iter().map(|it| (it.table, it.change)).collect();
        Ok(())
    }

    /// Waits until the last change of every table can be read, within the
    /// limit, and writes down how that ended.
    pub(crate) async fn wait_captured(
        &self,
        observer: &mut Observer,
        ledger: &Ledger,
        limit_ms: u64,
    ) -> Result<(), EngineError> {
        let until = Instant::now() + Duration::from_millis(limit_ms);
        let last = self.last.lock().await.clone();
        let result = loop {
            if observer.newest_are(&last).await? {
                break CaptureResult::CaughtUp;
            }
            if Instant::now() >= until {
                break CaptureResult::TimedOut;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        };
        ledger.note(Body::CaptureWaited { result, limit_ms });
        Ok(())
    }

    /// Reads the tables as they are now.
    pub(crate) async fn read_tables(&self, ledger: &Ledger) -> Result<(), EngineError> {
        let mut batch = Batch::new(ledger);
        rows::read_tables(&self.parameters, self.run, &mut |body| batch.add(body)).await?;
        Ok(())
    }
}

/// Whether somebody streams from the slot.
pub(crate) fn is_sending(slot: &SlotState) -> bool {
    slot.walsender
        .as_ref()
        .is_some_and(|walsender| walsender.activity == Activity::Sending)
}

/// Records events of a bulk operation many at a time. A transaction's end is
/// recorded at once: whoever waits for it should not wait for the batch.
struct Batch<'l> {
    ledger: &'l Ledger,
    events: Vec<Event>,
}

impl<'l> Batch<'l> {
    fn new(ledger: &'l Ledger) -> Self {
        Self {
            ledger,
            events: Vec::new(),
        }
    }

    fn add(&mut self, body: Body) {
        let ends = matches!(body, Body::TxCompleted { .. });
        let at = self.ledger.clock().now();
        self.events.push(Event { at, body });
        if ends || self.events.len() >= RECORD_BATCH {
            self.ledger.record_all(self.events.drain(..));
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.ledger.record_all(self.events.drain(..));
    }
}
