//! Writes rows into the tables, one transaction at a time or with some left open, and
//! reports every change before it is sent and every transaction's end. Knows nothing of the
//! capture of changes.
//!
//! COPY runs with `session_replication_role = replica`, as a dump is restored with
//! `--disable-triggers`: the foreign keys hold by construction, and checking them row by
//! row takes six times as long as the load itself. Only a superuser, or a role with the
//! privilege, may set that.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures_util::SinkExt;
use model::event::{Body, TxOutcome};
use model::ids::{ChangeId, Lsn, RunId, TableIx, TxId};
use model::scenario::{Write, WriteHow};
use tokio::time::{Instant, sleep_until};
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, Statement};

use crate::database::{ConnectionParameters, DatabaseConnectError, connect};
use crate::generator::{Change, Generator, Row};
use crate::schema::Table;

pub use crate::generator::NoParent;

/// Bytes of COPY data that are handed to the connection at once.
const COPY_CHUNK_BYTES: usize = 64 * 1024;

/// Writes rows over one connection, and over one for each transaction that is
/// left open meanwhile.
///
/// A writer that returned an error has reported the outcome of its transaction. It must not
/// be used again: keys that it has given out may not be in the table.
pub struct Writer {
    client: Client,
    statements: Statements,
    generator: Generator,
    parameters: ConnectionParameters,
    open: BTreeMap<String, OpenTransaction>,
}

/// A transaction on a connection of its own.
struct OpenTransaction {
    client: Client,
    statements: Statements,
    tx: TxId,
}

/// Takes the events in order: `ChangeInvoked` for each row before the row is sent,
/// `TxCompleted` when the answer to COMMIT is known.
pub type Sink<'s> = dyn FnMut(Body) + Send + 's;

/// How a writer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The last change of each table. When the events of all of them have come
    /// out, so must have those of everything before.
    pub last: Vec<LastChange>,
    /// A place in the write-ahead log inside the last transaction but one: a reader that
    /// confirms beyond it has confirmed all but the last.
    pub inside: Lsn,
}

/// The last change of a table, by [`Writer::finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastChange {
    /// The table.
    pub table: TableIx,
    /// The change.
    pub change: ChangeId,
}

/// A write could not be carried out.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum WriterError {
    /// No connection.
    #[error("cannot start the writer")]
    Connect(#[from] DatabaseConnectError),
    /// A statement could not be prepared.
    #[error("cannot prepare to write {what}; the tables must be created first")]
    Prepare {
        what: &'static str,
        source: tokio_postgres::Error,
    },
    /// The scenario names a table that is not there.
    #[error("there is no table {name}; there are videos, users and comments")]
    UnknownTable { name: String },
    /// How far the write-ahead log has got cannot be read.
    #[error("cannot read how far the write-ahead log has got")]
    Place(#[source] tokio_postgres::Error),
    /// A comment without a video or a user.
    #[error(transparent)]
    NoParent(#[from] NoParent),
    /// The transaction failed; its outcome is in the history.
    #[error("transaction {tx} failed at {stage}")]
    Transaction {
        tx: TxId,
        /// The step that failed.
        stage: &'static str,
        /// The database's answer, or how the connection broke.
        source: tokio_postgres::Error,
    },
}

impl Writer {
    /// Connects, and prepares to write to the tables that
    /// [`crate::schema::create`] made. `seed` decides which video and user
    /// each comment belongs to.
    pub async fn connect(
        parameters: &ConnectionParameters,
        run: RunId,
        seed: u64,
    ) -> Result<Self, WriterError> {
        let client = connect(parameters, "ackproof writer").await?;
        let statements = Statements::prepare(&client).await?;
        Ok(Self {
            client,
            statements,
            generator: Generator::new(run, seed),
            parameters: parameters.clone(),
            open: BTreeMap::new(),
        })
    }

    /// Carries out one write of a scenario; what it waits for first
    /// (`after`) is the caller's.
    pub async fn write(&mut self, write: &Write, sink: &mut Sink<'_>) -> Result<(), WriterError> {
        let table = Table::named(&write.table).ok_or_else(|| WriterError::UnknownTable {
            name: write.table.clone(),
        })?;
        if let Some(name) = &write.transaction {
            return self.write_open(name, table, write, sink).await;
        }
        if write.how == WriteHow::Copy {
            return self.copy(table, write.rows, sink).await;
        }
        let began = Instant::now();
        for row in 0..write.rows {
            if let Some(due) = due(row, write.rows_per_s) {
                sleep_until(began + due).await;
            }
            let changes = self.one_row(table, write.how)?;
            self.transact(&changes, sink).await?;
        }
        Ok(())
    }

    /// Inserts rows in a transaction that is left open.
    async fn write_open(
        &mut self,
        name: &str,
        table: Table,
        write: &Write,
        sink: &mut Sink<'_>,
    ) -> Result<(), WriterError> {
        let open = match self.open.remove(name) {
            Some(open) => open,
            None => self.begin().await?,
        };
        let began = Instant::now();
        for row in 0..write.rows {
            if let Some(due) = due(row, write.rows_per_s) {
                sleep_until(began + due).await;
            }
            let change = self.generator.insert(table)?;
            sink(change.invoked(open.tx));
            if let Err(source) = open.statements.execute(&open.client, &change).await {
                return end(&open.client, open.tx, "its statements", Err(source), sink).await;
            }
        }
        self.open.insert(name.to_owned(), open);
        Ok(())
    }

    async fn begin(&mut self) -> Result<OpenTransaction, WriterError> {
        let client = connect(&self.parameters, "ackproof writer").await?;
        let statements = Statements::prepare(&client).await?;
        let tx = self.generator.begin();
        let begun = client.batch_execute("BEGIN").await;
        begun.map_err(|source| WriterError::Transaction {
            tx,
            stage: "BEGIN",
            source,
        })?;
        Ok(OpenTransaction {
            client,
            statements,
            tx,
        })
    }

    /// Commits a transaction that [`Self::write`] left open.
    pub async fn commit(&mut self, name: &str, sink: &mut Sink<'_>) -> Result<(), WriterError> {
        match self.open.remove(name) {
            Some(open) => end(&open.client, open.tx, "its statements", Ok(()), sink).await,
            None => Ok(()),
        }
    }

    /// Tells how far the write-ahead log has got with everything that was
    /// written.
    pub(crate) async fn note_place(&self, sink: &mut Sink<'_>) -> Result<(), WriterError> {
        let lsn = self.place().await.map_err(WriterError::Place)?;
        sink(Body::WalReached { lsn });
        Ok(())
    }

    async fn place(&self) -> Result<Lsn, tokio_postgres::Error> {
        let row = self.client.query_one(&self.statements.place, &[]).await?;
        Ok(Lsn::new(row.try_get::<_, PgLsn>(0)?.into()))
    }

    /// Writes the last change into each table, all in one transaction, twice:
    /// a connector confirms a transaction when it has told of the next.
    pub async fn finish(&mut self, sink: &mut Sink<'_>) -> Result<Finish, WriterError> {
        let mut inside = Lsn::new(0);
        let mut last = Vec::new();
        for _ in 0..2 {
            self.note_place(sink).await?;
            let changes = Table::ALL
                .into_iter()
                .map(|table| self.generator.insert(table))
                .collect::<Result<Vec<_>, _>>()?;
            let before = self.place().await.map_err(WriterError::Place)?;
            self.transact(&changes, sink).await?;
            if last.is_empty() {
                inside = before;
            }
            let changes = changes.iter().map(|change| LastChange {
                table: change.table().ix(),
                change: change.id,
            });
            last = changes.collect();
        }
        Ok(Finish { last, inside })
    }

    fn one_row(&mut self, table: Table, how: WriteHow) -> Result<Vec<Change>, NoParent> {
        let inserted = self.generator.insert(table)?;
        let touched = match (how, &inserted.row) {
            (WriteHow::InsertAndTouch, Row::Comment { video, .. }) => {
                Some(self.generator.touch(*video))
            }
            _ => None,
        };
        Ok(std::iter::once(inserted).chain(touched).collect())
    }

    async fn transact(
        &mut self,
        changes: &[Change],
        sink: &mut Sink<'_>,
    ) -> Result<(), WriterError> {
        let tx = self.generator.begin();
        let work = async {
            self.client.batch_execute("BEGIN").await?;
            for change in changes {
                sink(change.invoked(tx));
                self.statements.execute(&self.client, change).await?;
            }
            Ok(())
        }
        .await;
        end(&self.client, tx, "its statements", work, sink).await
    }

    async fn copy(
        &mut self,
        table: Table,
        rows: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(), WriterError> {
        // Rows are drawn while the transaction is open, so what could refuse
        // to be drawn must be known to go before it is opened.
        let Some(last_row) = rows.checked_sub(1) else {
            return Ok(());
        };
        let first = self.generator.insert(table)?;
        let tx = self.generator.begin();
        let generator = &mut self.generator;
        let rest = (0..last_row).map_while(|_| generator.insert(table).ok());
        let changes = std::iter::once(first).chain(rest);
        let work = send_copy(&self.client, table, tx, changes, sink).await;
        end(&self.client, tx, "COPY", work, sink).await
    }
}

/// Commits, and tells what became of the transaction.
async fn end(
    client: &Client,
    tx: TxId,
    stage: &'static str,
    work: Result<(), tokio_postgres::Error>,
    sink: &mut Sink<'_>,
) -> Result<(), WriterError> {
    let (outcome, failed) = match work {
        // The server commits nothing that it was not told to commit. The
        // answer changes nothing: a connection that cannot carry ROLLBACK
        // is rolled back at its end.
        Err(source) => {
            let _ = client.batch_execute("ROLLBACK").await;
            (TxOutcome::RolledBack, Some((stage, source)))
        }
        Ok(()) => match client.batch_execute("COMMIT").await {
            Ok(()) => (TxOutcome::Committed, None),
            Err(source) => (
                failed_commit(source.as_db_error().and_then(DbError::parsed_severity)),
                Some(("COMMIT", source)),
            ),
        },
    };
    sink(Body::TxCompleted { tx, outcome });
    match failed {
        None => Ok(()),
        Some((stage, source)) => Err(WriterError::Transaction { tx, stage, source }),
    }
}

/// The outcome of a COMMIT that was answered with an error. An ERROR is raised before the
/// commit takes effect and rolls back; a FATAL or PANIC may come after it (the server was
/// shut down before it could answer), and a broken connection gives no answer at all.
const fn failed_commit(answer: Option<Severity>) -> TxOutcome {
    match answer {
        Some(Severity::Error) => TxOutcome::RolledBack,
        _ => TxOutcome::Unknown,
    }
}

/// When a row is due after the first, by a schedule that does not slip when
/// one row was late.
fn due(row: u64, rows_per_s: u32) -> Option<Duration> {
    row.saturating_mul(1_000_000)
        .checked_div(u64::from(rows_per_s))
        .map(Duration::from_micros)
}

async fn send_copy(
    client: &Client,
    table: Table,
    tx: TxId,
    changes: impl Iterator<Item = Change>,
    sink: &mut Sink<'_>,
) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute("BEGIN; SET LOCAL session_replication_role = replica")
        .await?;
    let copy = client
        .copy_in::<_, bytes::Bytes>(copy_statement(table))
        .await?;
    let mut copy = std::pin::pin!(copy);
    let mut chunk = BytesMut::with_capacity(COPY_CHUNK_BYTES);
    for change in changes {
        sink(change.invoked(tx));
        put_line(&mut chunk, &change);
        if chunk.len() >= COPY_CHUNK_BYTES {
            copy.feed(chunk.split().freeze()).await?;
            chunk.reserve(COPY_CHUNK_BYTES);
        }
    }
    copy.send(chunk.freeze()).await?;
    copy.finish().await?;
    Ok(())
}

const fn copy_statement(table: Table) -> &'static str {
    match table {
        Table::Videos => "COPY public.videos (id, title, proof) FROM STDIN",
        Table::Users => "COPY public.users (id, name, proof) FROM STDIN",
        Table::Comments => "COPY public.comments (id, video_id, user_id, body, proof) FROM STDIN",
    }
}

/// One line of COPY's text format. Nothing that a generator makes holds a tab, a
/// newline or a backslash, so nothing needs escaping.
fn put_line(line: &mut BytesMut, change: &Change) {
    let mut field = |text: &str, end: u8| {
        line.put_slice(text.as_bytes());
        line.put_u8(end);
    };
    field(&change.key.to_string(), b'\t');
    match &change.row {
        Row::Video { title: text } | Row::User { name: text } => field(text, b'\t'),
        Row::Comment { video, user, body } => {
            field(&video.to_string(), b'\t');
            field(&user.to_string(), b'\t');
            field(body, b'\t');
        }
        Row::Touch => {}
    }
    field(&change.proof, b'\n');
}

struct Statements {
    video: Statement,
    user: Statement,
    comment: Statement,
    touch: Statement,
    place: Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, WriterError> {
        let prepare = async |what, sql| {
            client
                .prepare(sql)
                .await
                .map_err(|source| WriterError::Prepare { what, source })
        };
        Ok(Self {
            video: prepare(
                "videos",
                "INSERT INTO public.videos (id, title, proof) VALUES ($1, $2, $3)",
            )
            .await?,
            user: prepare(
                "users",
                "INSERT INTO public.users (id, name, proof) VALUES ($1, $2, $3)",
            )
            .await?,
            comment: prepare(
                "comments",
                "INSERT INTO public.comments (id, video_id, user_id, body, proof)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .await?,
            touch: prepare(
                "a video's counter",
                "UPDATE public.videos SET comments = comments + 1, proof = $2 WHERE id = $1",
            )
            .await?,
            place: prepare("anything", "SELECT pg_current_wal_insert_lsn()").await?,
        })
    }

    async fn execute(&self, client: &Client, change: &Change) -> Result<(), tokio_postgres::Error> {
        let (key, proof) = (change.key.get(), &change.proof);
        match &change.row {
            Row::Video { title } => client.execute(&self.video, &[&key, title, proof]).await,
            Row::User { name } => client.execute(&self.user, &[&key, name, proof]).await,
            Row::Comment { video, user, body } => {
                let parents = (video.get(), user.get());
                client
                    .execute(&self.comment, &[&key, &parents.0, &parents.1, body, proof])
                    .await
            }
            Row::Touch => client.execute(&self.touch, &[&key, proof]).await,
        }
        .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_schedule_from_the_first_row() {
        assert_eq!(due(0, 20), Some(Duration::ZERO));
        assert_eq!(due(3, 20), Some(Duration::from_millis(150)));
        assert_eq!(due(3, 0), None);
    }

    #[test]
    fn only_an_error_that_precedes_the_commit_means_rolled_back() {
        assert_eq!(failed_commit(Some(Severity::Error)), TxOutcome::RolledBack);
        assert_eq!(failed_commit(Some(Severity::Fatal)), TxOutcome::Unknown);
        assert_eq!(failed_commit(Some(Severity::Panic)), TxOutcome::Unknown);
        assert_eq!(failed_commit(None), TxOutcome::Unknown);
    }

    #[test]
    fn a_copied_line_needs_no_escaping() {
        let mut generator = Generator::new(RunId::new(7), 1);
        for table in Table::ALL {
            let change = generator.insert(table).unwrap();
            let mut line = BytesMut::new();
            put_line(&mut line, &change);
            let text = std::str::from_utf8(&line).unwrap();
            let columns = copy_statement(table).matches(',').count() + 1;
            assert_eq!(text.matches('\t').count() + 1, columns, "{text}");
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(!text.contains('\\'), "{text}");
        }
    }
}
