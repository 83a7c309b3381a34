//! The replication slot of a capture and the process that serves it, as the database
//! reports them: independent evidence that a connector's task was restarted. Knows nothing
//! of the connector.

use std::time::SystemTime;

use model::ids::Lsn;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, Row, Statement};

use crate::database::{ConnectionParameters, DatabaseConnectError, connect};

/// The state of a replication slot at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotStatus {
    /// The process that reads it; none while no connector is connected.
    pub walsender: Option<Walsender>,
    /// Everything before has been confirmed by the reader, and will not be
    /// sent again.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// The oldest position the slot still keeps the log for.
    pub restart_lsn: Option<Lsn>,
    /// Where the write-ahead log ended when this was read.
    pub current_wal_lsn: Lsn,
    /// Whether the database has removed log that the slot needs.
    pub lost: bool,
    /// How much more log can be written before the database removes what the
    /// slot needs, in bytes; none where nothing limits it
    /// (`max_slot_wal_keep_size`), and of a slot that has lost it.
    pub safe_wal_size: Option<i64>,
}

impl SlotStatus {
    /// The log that the slot keeps the database from removing, in bytes.
    pub fn kept_bytes(&self) -> Option<u64> {
        let end = self.current_wal_lsn.get();
        Some(end.saturating_sub(self.restart_lsn?.get()))
    }
}

/// The server process that sends a slot's changes to one connection. A task
/// that was restarted has another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walsender {
    /// Its process id.
    pub pid: i32,
    /// When it was started, by the database's clock.
    pub started: Option<SystemTime>,
    /// Its state.
    pub activity: Activity,
}

/// The state of a walsender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Sends changes (`streaming`, or `catchup` while it is behind).
    Sending,
    /// Anything else: it creates the slot, say.
    Other,
}

/// The slot's state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// No connection.
    #[error("cannot watch the replication slot")]
    Connect(#[from] DatabaseConnectError),
    /// The database did not move it.
    #[error("cannot advance the replication slot {slot}")]
    Advance {
        /// The slot's name.
        slot: String,
        /// The database's answer.
        source: tokio_postgres::Error,
    },
    /// The database refused.
    #[error("cannot read the state of the replication slot {slot}")]
    Read {
        /// The slot's name.
        slot: String,
        /// The database's answer.
        source: tokio_postgres::Error,
    },
}

/// Looks at one replication slot, over a connection of its own.
pub struct SlotWatch {
    client: Client,
    select: Statement,
    slot: String,
}

// `active_pid` names the process by itself; its entry in the statistics may
// appear a moment later, hence the outer join.
const SELECT: &str = "
    SELECT s.active_pid, r.backend_start, r.state, s.confirmed_flush_lsn, s.restart_lsn,
           pg_current_wal_lsn(), coalesce(s.wal_status, '') = 'lost', s.safe_wal_size
    FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
    WHERE s.slot_name = $1";

impl SlotWatch {
    /// Connects; the slot need not exist yet.
    pub async fn connect(parameters: &ConnectionParameters, slot: &str) -> Result<Self, SlotError> {
        let client = connect(parameters, "ackproof slot").await?;
        let select = client
            .prepare(SELECT)
            .await
            .map_err(|source| SlotError::Read {
                slot: slot.to_owned(),
                source,
            })?;
        Ok(Self {
            client,
            select,
            slot: slot.to_owned(),
        })
    }

    /// Moves the slot to the end of the write-ahead log, as an administrator does
    /// who makes it anew or frees the disk. Nothing may read it meanwhile.
    pub async fn advance(&self) -> Result<(), SlotError> {
        let advance = "SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())";
        let advanced = self.client.execute(advance, &[&self.slot]).await;
        advanced.map(drop).map_err(|source| SlotError::Advance {
            slot: self.slot.clone(),
            source,
        })
    }

    /// The slot's state now; none when there is no such slot.
    pub async fn state(&self) -> Result<Option<SlotStatus>, SlotError> {
        let read = async {
            let row = self.client.query_opt(&self.select, &[&self.slot]).await?;
            row.as_ref().map(slot_status).transpose()
        };
        read.await.map_err(|source| SlotError::Read {
            slot: self.slot.clone(),
            source,
        })
    }
}

fn slot_status(row: &Row) -> Result<SlotStatus, tokio_postgres::Error> {
    let lsn = |lsn: PgLsn| Lsn::new(lsn.into());
    let pid: Option<i32> = row.try_get(0)?;
    let started: Option<SystemTime> = row.try_get(1)?;
    let state: Option<&str> = row.try_get(2)?;
    let activity = match state {
        Some("streaming" | "catchup") => Activity::Sending,
        _ => Activity::Other,
    };
    Ok(SlotStatus {
        walsender: pid.map(|pid| Walsender {
            pid,
            started,
            activity,
        }),
        confirmed_flush_lsn: row.try_get::<_, Option<PgLsn>>(3)?.map(lsn),
        restart_lsn: row.try_get::<_, Option<PgLsn>>(4)?.map(lsn),
        current_wal_lsn: lsn(row.try_get(5)?),
        lost: row.try_get(6)?,
        safe_wal_size: row.try_get(7)?,
    })
}
