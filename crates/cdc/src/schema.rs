//! The tables of the capture scenarios and the publication that Debezium reads. Knows
//! nothing of their rows.

use model::ids::TableIx;
use tokio_postgres::Client;

use crate::database::{ConnectionParameters, DatabaseConnectError, connect};

/// A table of the capture scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Has a counter of its comments, which an insert-and-touch updates.
    Videos,
    /// The authors of comments.
    Users,
    /// Belongs to a video and a user.
    Comments,
}

impl Table {
    /// Every table, in the order of [`model::scenario::TABLES`].
    pub const ALL: [Self; 3] = [Self::Videos, Self::Users, Self::Comments];

    /// The name, without its schema, which is `public`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Videos => "videos",
            Self::Users => "users",
            Self::Comments => "comments",
        }
    }

    /// The table of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The number that plans and histories give it.
    pub const fn ix(self) -> TableIx {
        TableIx::new(match self {
            Self::Videos => 0,
            Self::Users => 1,
            Self::Comments => 2,
        })
    }
}

/// The tables or the publication could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// No connection.
    #[error("cannot create the tables")]
    Connect(#[from] DatabaseConnectError),
    /// The database refused.
    #[error("cannot create {what}; the scenario needs a database of its own")]
    Create {
        /// The object to be created.
        what: String,
        /// The database's answer.
        source: tokio_postgres::Error,
    },
}

/// Rows are narrow (about 110 bytes), so that some 70 share a heap page: rows
/// of one page that are written by COPY share one position in the write-ahead
/// log, which is what a connector has to cope with (debezium/dbz#1554).
///
/// The replica identity is the default: an update's event carries no row
/// image from before, a delete's only the key.
const TABLES: &str = "
    CREATE TABLE public.videos (
        id bigint PRIMARY KEY,
        title text NOT NULL,
        comments bigint NOT NULL DEFAULT 0,
        proof text NOT NULL
    );
    CREATE TABLE public.users (
        id bigint PRIMARY KEY,
        name text NOT NULL,
        proof text NOT NULL
    );
    CREATE TABLE public.comments (
        id bigint PRIMARY KEY,
        video_id bigint NOT NULL REFERENCES public.videos,
        user_id bigint NOT NULL REFERENCES public.users,
        body text NOT NULL,
        proof text NOT NULL
    );";

/// Creates the tables, empty, and the publication that covers them.
///
/// The publication is made here and not by Debezium
/// (`publication.autocreate.mode=filtered`), so that the set of published
/// tables does not depend on the subject under test: an event that is missing
/// is then never one that was not asked for.
pub async fn create(
    parameters: &ConnectionParameters,
    publication: &str,
) -> Result<(), SchemaError> {
    let client = connect(parameters, "ackproof schema").await?;
    batch(&client, TABLES, || "the tables".to_owned()).await?;
    let publish = format!(
        "CREATE PUBLICATION {} FOR TABLE public.videos, public.users, public.comments",
        quoted(publication)
    );
    batch(&client, &publish, || {
        format!("the publication {publication}")
    })
    .await
}

async fn batch(client: &Client, sql: &str, what: impl Fn() -> String) -> Result<(), SchemaError> {
    client
        .batch_execute(sql)
        .await
        .map_err(|source| SchemaError::Create {
            what: what(),
            source,
        })
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_numbered_as_plans_number_them() {
        assert_eq!(Table::ALL.map(Table::name), model::scenario::TABLES);
        for (position, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(table.ix().get()), position);
            assert_eq!(Table::named(table.name()), Some(table));
        }
        assert_eq!(Table::named("likes"), None);
    }

    #[test]
    fn an_identifier_cannot_end_its_quotes() {
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}
