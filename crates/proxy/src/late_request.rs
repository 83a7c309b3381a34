//! A request that reaches its broker when its client has long gone on without it,
//! as one that a network held up. Knows nothing of why.

use std::sync::Arc;
use std::time::Duration;

use security::ClientSecurity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::active_fault::ActiveFault;
use crate::address::HostPort;
use crate::limits::{HELD_LIMIT, METADATA_BYTES_MAX};
use crate::requests::Acks;
use crate::secured::connect;

/// A request that was taken off its connection.
#[derive(Debug)]
pub(crate) struct LateRequest {
    /// The whole frame.
    pub(crate) frame: Vec<u8>,
    pub(crate) api: i16,
    pub(crate) acks: Acks,
    pub(crate) after: Duration,
    pub(crate) fault: Arc<ActiveFault>,
}

impl LateRequest {
    /// Waits, and delivers it over a connection of its own. It counts as met once
    /// the broker has answered: then it has acted on it.
    pub(crate) async fn deliver(self, upstream: &HostPort, security: &ClientSecurity) {
        tokio::time::sleep(self.after).await;
        let answered = tokio::time::timeout(HELD_LIMIT, self.exchange(upstream, security));
        if matches!(answered.await, Ok(Ok(()))) {
            self.fault.evidence.request(self.api);
            self.fault.evidence.bytes(self.frame.len());
        }
    }

    async fn exchange(
        &self,
        upstream: &HostPort,
        security: &ClientSecurity,
    ) -> std::io::Result<()> {
        let mut broker = connect(&upstream.host, upstream.port, security).await?;
        broker.write_all(&self.frame).await?;
        broker.flush().await?;
        if self.acks == Acks::Wanted {
            let bytes = usize::try_from(broker.read_i32().await?).unwrap_or(usize::MAX);
            if bytes > METADATA_BYTES_MAX {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            broker.read_exact(&mut vec![0; bytes]).await?;
        }
        Ok(())
    }
}
