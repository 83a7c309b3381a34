//! How to reach the database, and one connection to it. Knows nothing of
//! tables.

use std::fmt;

use tokio_postgres::{Client, NoTls};

/// The address of the database, and the role to connect as.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionParameters {
    /// Name or address of the machine.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The role; it needs the right to replicate, and the superuser's to load
    /// rows by COPY (see [`crate::writer`]).
    pub user: String,
    /// The database.
    pub dbname: String,
    /// The password, where the server asks for one.
    pub password: Option<String>,
}

impl fmt::Display for ConnectionParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{}:{}/{}",
            self.user, self.host, self.port, self.dbname
        )
    }
}

// By hand, because a password must not reach a log through `{:?}`.
impl fmt::Debug for ConnectionParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionParameters")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("dbname", &self.dbname)
            .finish_non_exhaustive()
    }
}

/// The database could not be reached, or did not let us in.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the database as {database}")]
pub struct DatabaseConnectError {
    database: String,
    #[source]
    source: tokio_postgres::Error,
}

/// Opens a connection, which ends when the client is dropped.
pub(crate) async fn connect(
    parameters: &ConnectionParameters,
    application_name: &str,
) -> Result<Client, DatabaseConnectError> {
    let mut config = tokio_postgres::Config::new();
    config
        .host(&parameters.host)
        .port(parameters.port)
        .user(&parameters.user)
        .dbname(&parameters.dbname)
        .application_name(application_name);
    if let Some(password) = &parameters.password {
        config.password(password);
    }
    let (client, connection) =
        config
            .connect(NoTls)
            .await
            .map_err(|source| DatabaseConnectError {
                database: parameters.to_string(),
                source,
            })?;
    // A connection that breaks fails the client's next call, which reports it
    // with its own context; nothing is lost by not waiting for the task.
    tokio::spawn(connection);
    Ok(client)
}
