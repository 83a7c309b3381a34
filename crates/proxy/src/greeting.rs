//! Asks a cluster which brokers it has, through the proxy's own listener, so
//! that each has one before a client asks. Knows nothing of connections.

use std::net::SocketAddr;
use std::time::Duration;

use security::ClientSecurity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::secured::connect;

/// How long a broker may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// More than the brokers of any cluster take.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// The cluster does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{upstream} does not answer as a Kafka broker does: {reason}")]
pub struct GreetingError {
    /// The broker behind the listener.
    pub(crate) upstream: String,
    pub(crate) reason: String,
}

/// A Metadata request of version 1, which every broker since Kafka 0.10 knows,
/// for no topic: length, key, version, correlation id, client id, no topics.
const METADATA: &[u8] = b"\0\0\0\x16\0\x03\0\x01\0\0\0\0\0\x08ackproof\0\0\0\0";

/// Asks at a listener; the listener does the rest.
pub(crate) async fn greet(listens: SocketAddr, security: &ClientSecurity) -> Result<(), String> {
    let asked = async {
        let mut stream = connect(&listens.ip().to_string(), listens.port(), security).await?;
        stream.write_all(METADATA).await?;
        stream.flush().await?;
        let length = u64::from(stream.read_u32().await?);
        let mut answer = Vec::new();
        stream
            .take(length.min(ANSWER_BYTES_MAX))
            .read_to_end(&mut answer)
            .await?;
        if answer.len() as u64 == length {
            Ok(())
        } else {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        }
    };
    match tokio::time::timeout(ANSWER_LIMIT, asked).await {
        Err(_) => Err(format!("no answer within {} s", ANSWER_LIMIT.as_secs())),
        Ok(asked) => asked.map_err(|error: std::io::Error| error.to_string()),
    }
}
