//! Reads the tables after all traffic: the change events are compared with them. Knows
//! nothing of the writer.

use futures_util::TryStreamExt;
use model::event::Body;
use model::ids::{RowKey, RunId};
use model::record::decode_change;
use tokio_postgres::{IsolationLevel, Transaction};

use crate::database::{ConnectionParameters, DatabaseConnectError, connect};
use crate::schema::Table;
use crate::writer::Sink;

/// The tables could not be read to their ends.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// No connection.
    #[error("cannot read the tables")]
    Connect(#[from] DatabaseConnectError),
    /// The transaction could not be opened or ended.
    #[error("cannot read the tables at one moment")]
    Transaction(#[source] tokio_postgres::Error),
    /// A table could not be read to its end.
    #[error("cannot read the table {} after {rows} rows", .table.name())]
    Read {
        /// The table.
        table: Table,
        /// How many rows had been read.
        rows: u64,
        /// The database's answer.
        source: tokio_postgres::Error,
    },
}

/// Reads every row of every table, as of one moment, over a connection of its
/// own: `TableRow` for each row by ascending key, then `TableRead`.
pub async fn read_tables(
    parameters: &ConnectionParameters,
    run: RunId,
    sink: &mut Sink<'_>,
) -> Result<(), RowsError> {
    let mut client = connect(parameters, "ackproof rows").await?;
    let snapshot = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(RowsError::Transaction)?;
    for table in Table::ALL {
        let mut rows = 0;
        read_table(&snapshot, table, run, &mut rows, sink)
            .await
            .map_err(|source| RowsError::Read {
                table,
                rows,
                source,
            })?;
        sink(Body::TableRead {
            table: table.ix(),
            rows,
        });
    }
    snapshot.commit().await.map_err(RowsError::Transaction)
}

async fn read_table(
    snapshot: &Transaction<'_>,
    table: Table,
    run: RunId,
    rows: &mut u64,
    sink: &mut Sink<'_>,
) -> Result<(), tokio_postgres::Error> {
    let select = format!("SELECT id, proof FROM public.{} ORDER BY id", table.name());
    let found = snapshot
        .query_raw::<_, i64, _>(&select, std::iter::empty())
        .await?;
    let mut found = std::pin::pin!(found);
    while let Some(row) = found.try_next().await? {
        sink(Body::TableRow {
            table: table.ix(),
            key: RowKey::new(row.try_get(0)?),
            content: decode_change(run, row.try_get(1)?),
        });
        *rows += 1;
    }
    Ok(())
}
